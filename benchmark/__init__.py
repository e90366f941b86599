"""The harness: what a model must offer, how it is trained, scored and recorded."""

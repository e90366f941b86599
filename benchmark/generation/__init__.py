"""Generators: what one must offer, what it sees, how it is trained, scored and asked for pictures."""

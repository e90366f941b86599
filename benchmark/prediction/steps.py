"""How many frames a predictor is given and asked for."""

CONTEXT = 10
"""Frames that a model is given, the first of a clip."""

HORIZON = 10
"""Frames after them that it learns to predict; scores are of these, and of `LONG`."""

LONG = 22
"""Frames after the context up to the end of a clip of 32."""

"""What can go wrong between a model and its row on the board; every text is one sentence for the user."""

from dynamics_gen.errors import DynamicsError


class RecordError(DynamicsError, ValueError):
    """A record or a file of predictions is missing, malformed, or contradicts itself."""


class ModelError(DynamicsError, ValueError):
    """A model's file does not offer what the benchmark asks of it, or was given a setting it does not have."""


class TrainingError(DynamicsError, RuntimeError):
    """A run could not go on: its loss is not finite, its folder is in use, its checkpoint does not fit."""


class NotFiniteError(TrainingError):
    """A loss became infinite or undefined."""


class StoppedError(DynamicsError, RuntimeError):
    """The user stopped a run; the text says what is kept and how to go on."""


class CollapseError(TrainingError):
    """A generator's samples have become all but one."""

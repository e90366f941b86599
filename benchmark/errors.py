"""What can go wrong between a model and its row on the board; every text is one sentence for the user."""

from dynamics_gen.errors import DynamicsError


class RecordError(DynamicsError, ValueError):
    """A record or a file of predictions is missing, malformed, or contradicts itself."""

"""What can be wrong with the board itself; a record's own faults are `benchmark.errors.RecordError`."""

from dynamics_gen.errors import DynamicsError


class BoardError(DynamicsError, ValueError):
    """The board's folder is missing, an entry contradicts its neighbours, or a generated file is stale."""

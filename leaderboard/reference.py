"""Published figures that stand beside the board and are never ranked with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark.errors import RecordError
from benchmark.record import Fraction, Line, Positive, Remark
from benchmark.schema import Whole, parse
from benchmark.statistics import Interval, wilson_interval

REFERENCE_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceRow:
    """One published model; an error that was not published is None."""

    model: Line
    train_error: Fraction | None
    valid_error: Fraction | None
    valid_clips: Positive
    """How many clips the valid error is of."""
    note: Remark

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95 % interval of the valid error, over the choice of clips alone."""
        if self.valid_error is None:
            return None
        return wilson_interval(round(self.valid_error * self.valid_clips), self.valid_clips)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A published table."""

    reference_version: Annotated[int, Whole(REFERENCE_VERSION, REFERENCE_VERSION)]
    name: Line
    title: Line
    source: Line
    mark: Line
    """What sets these figures apart from ours; shown with every one of them."""
    remark: Remark
    rows: tuple[ReferenceRow, ...]


def read_references(root: Path) -> list[Reference]:
    """Reads `reference/*.json` of the board at `root`, in the order of their names; there may be none.

    Raises:
        RecordError: a file is not as the format has it.
        OSError: a file cannot be read.
    """
    return [read(path) for path in sorted((root / "reference").glob("*.json"))]


def read(path: Path) -> Reference:
    """Reads one published table.

    Raises:
        RecordError: it is not as the format has it.
        OSError: it cannot be read.
    """
    try:
        return parse(Reference, path.read_text("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None

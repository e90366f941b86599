"""What a row shows, as plain text: the same cells on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmark.comparison import Difference
from benchmark.statistics import Interval
from leaderboard.board import Row


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and how to fill it; `numeric` cells are set flush right."""

    heading: str
    cell: Callable[[Row], str]
    numeric: bool = True


def percent(share: float | None) -> str:
    """A fraction as a percentage with one decimal, without the sign; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f}"


def with_interval(share: float, interval: Interval) -> str:
    """A fraction and its interval as percentages: 12.3 (10.1–14.5)."""
    return f"{percent(share)} ({percent(interval.low)}–{percent(interval.high)})"


def more(difference: Difference | None) -> str:
    """A difference in points, with its p: +3.1 (0.02); a dash where there is none."""
    if difference is None:
        return "–"
    p = "<0.001" if difference.p < 0.001 else f"{difference.p:.1g}" if difference.p < 0.1 else f"{difference.p:.2f}"
    return f"{100 * difference.mean:+.1f} ({p})"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def count(number: float) -> str:
    """A count with three digits and a unit: 864 k, 1.81 M."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.0f}"


def gflops(flops: int | None) -> str:
    """Billions of operations with three digits; a dash where they were not counted."""
    return "–" if flops is None else f"{flops / 1e9:.3g}"


COLUMNS = (
    Column("rank", lambda row: "–" if row.rank is None else str(row.rank)),
    Column("model", lambda row: row.model, numeric=False),
    Column("by", lambda row: row.by, numeric=False),
    Column(
        "test error % (95 %)",
        lambda row: with_interval(row.test_error, row.interval),
    ),
    Column("valid %", lambda row: percent(row.valid_error)),
    Column("train %", lambda row: percent(row.train_error)),
    Column("path %", lambda row: percent(row.error_path)),
    Column("speed %", lambda row: percent(row.error_speed)),
    Column("calibration %", lambda row: percent(row.calibration_error)),
    Column("deviation %", lambda row: percent(row.deviation)),
    Column("than above (p)", lambda row: more(row.above)),
    Column("seeds", lambda row: str(row.seeds)),
    Column("parameters", lambda row: count(row.parameters)),
    Column("GFLOPs/clip", lambda row: gflops(row.flops_per_clip)),
    Column("training", lambda row: duration(row.wall_time_s)),
    Column("clips/s", lambda row: "–" if row.training_clips_per_s is None else f"{row.training_clips_per_s:,.0f}"),
    Column("device", lambda row: row.device, numeric=False),
    Column("tags", lambda row: ", ".join(row.tags), numeric=False),
)

LEGEND = (
    "Errors are means over seeds, of all clips of the split (train: of the clips that were scored), at the epoch chosen"
    " on valid. *path* and *speed*: share of test clips whose path or speed type is wrong (rotation counts as a type of"
    " its own). *calibration*: expected calibration error on test, in 15 bins. *deviation*: of the test error from seed"
    " to seed. *than above*: by how many points it errs more often than the ranked row above it, clip by clip, and p of"
    " a paired test that knows of clips and of seeds (two-sided, adjusted after Holm for all of the board)."
    " *GFLOPs/clip*: one forward pass. *training*: one seed, from start to scores; of what is fitted, the first, which"
    " finds features for all. *clips/s*: in training. *tags*: whether the maintainers ran or scored it themselves"
    " (verified) or its predictions alone (scored by the host; the rest of the row is then what the entrant says), what"
    " the model sees, other data used."
)


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """The text of every cell, row by row."""
    return [[column.cell(row) for column in COLUMNS] for row in rows]

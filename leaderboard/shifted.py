"""Shifted test sets as a table: the rows of a board that were put to any, a column a release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.comparison import Difference, between_sets
from dynamics_gen.config import RELEASES
from leaderboard.board import Board, Row
from leaderboard.columns import with_interval

SHIFTED_LEGEND = (
    "Test error in % (95 %) of the same weights on the test splits of other releases; nothing was trained or chosen"
    " there. Where clips are longer than those of train, the probabilities of windows of that length are averaged."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShiftedTable:
    """Headings and cells, in the order of the board; the first two columns are text."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Row, tuple[str, ...]], ...]


def shifted_table(board: Board) -> ShiftedTable | None:
    """The table of a board; None where no row was put to a shifted set."""
    rows = [row for row in board.rows if row.shifted]
    releases = [name for name in RELEASES if any(name in row.shifted for row in rows)]
    if not releases:
        return None
    return ShiftedTable(
        headings=("model", "by", board.release, *releases),
        rows=tuple((row, _cells(row, releases)) for row in rows),
    )


def _cells(row: Row, releases: Sequence[str]) -> tuple[str, ...]:
    scores = [row.shifted.get(name) for name in releases]
    return (
        row.model,
        row.by,
        with_interval(row.test_error, row.interval),
        *("–" if score is None else with_interval(*score) for score in scores),
    )


def paired_differences(row: Row) -> dict[str, Difference]:
    """How much more often each clip's pair is missed than the clip of `standard` itself, by release that has pairs."""
    entry = row.entry
    if entry.record.dataset.release != "standard":
        return {}
    return {
        name: between_sets(scored.wrong, entry.wrong, entry.label)
        for name, scored in entry.shifted.items()
        if name in RELEASES and RELEASES[name].is_paired and scored.is_of(entry.test)
    }

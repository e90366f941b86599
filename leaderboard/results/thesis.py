"""Our figures beside those of the thesis's table 5.2, and whether its order holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmark.comparison import Difference, between_models, holm
from benchmark.ranking import RankCorrelation, rank_correlation
from leaderboard.board import Board, Row
from leaderboard.columns import percent, with_interval
from leaderboard.markdown import escape, link, table
from leaderboard.reference import Reference, ReferenceRow
from leaderboard.results.words import NOT_MEASURED, heading, p_value, points

COUNTERPARTS = {
    "Conv3D + ConvLSTM": "conv3d_convlstm",
    "Conv3D": "conv3d",
    "ConvLSTM": "convlstm",
    "Relation network": "relation_network",
    "Two-Streams": "two_streams",
}
"""Models of table 5.2 and ours."""

SURE = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two models of which the thesis has `better` ahead; the difference is ours, `worse` less `better`."""

    better: str
    worse: str
    difference: Difference
    p: float
    """Adjusted for all pairs (Holm)."""

    @property
    def verdict(self) -> str:
        """Whether our clips tell the two apart, and which way."""
        if self.p >= SURE:
            return "not told apart"
        return "holds" if self.difference.mean > 0 else "reversed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The models of a board that the thesis has too, in its order, best first."""

    board: Board
    models: tuple[tuple[ReferenceRow, Row], ...]
    correlation: RankCorrelation
    pairs: tuple[Pair, ...]


def order_of(board: Board, reference: Reference) -> Order | None:
    """Compares a board with the thesis; None where fewer than two of its models were measured.

    Of several entries of a model it takes the one with the lowest error on valid: test chooses nothing.
    """
    found = []
    for published in sorted(reference.rows, key=lambda row: row.valid_error or 0.0):
        ours = [row for row in board.rows if row.model == COUNTERPARTS.get(published.model)]
        if ours and published.valid_error is not None:
            found.append((published, min(ours, key=lambda row: row.valid_error or 0.0)))
    if len(found) < 2:
        return None
    pairs = [
        (better, worse, between_models(worse.entry.wrong, better.entry.wrong, better.entry.label))
        for (_, better), (_, worse) in combinations(found, 2)
    ]
    adjusted = holm([difference.p for _, _, difference in pairs])
    return Order(
        board=board,
        models=tuple(found),
        correlation=rank_correlation(
            [published.valid_error or 0.0 for published, _ in found], [row.test_error for _, row in found]
        ),
        pairs=tuple(
            Pair(better=better.model, worse=worse.model, difference=difference, p=p)
            for (better, worse, difference), p in zip(pairs, adjusted, strict=True)
        ),
    )


def beside(boards: Sequence[Board], reference: Reference, way: str) -> list[str]:
    """The thesis's rows with ours beside them, for each board."""
    parts = [
        f"The thesis's figures: {escape(reference.source)}; {escape(reference.mark)}, so that orders compare and"
        f" numbers do not. {escape(reference.remark)} Its intervals (Wilson) are ours and cover the choice of clips"
        " alone; ours cover clips and seeds."
    ]
    for board in boards:
        rows = [line for published in reference.rows for line in _lines(published, board, way)]
        headings = ["thesis", "valid % (95 %)", "train %", "ours", "by", "test % (95 %)", "valid %", "train %", "seeds"]
        parts += [heading(board), table(headings, [False, True, True, False, False, True, True, True, True], rows)]
    return parts if boards else [*parts, NOT_MEASURED]


def order_sections(orders: Sequence[Order]) -> list[str]:
    """Rank correlation and paired tests, for each board that has two of the models or more."""
    if not orders:
        return [NOT_MEASURED]
    parts = [
        "Of several entries of a model, the one with the lowest error on valid stands for it. Differences are in"
        " points, ours, the model that the thesis has behind less the one it has ahead, on the same test clips; the"
        " test counts clips and seeds as random ([`benchmark/comparison.py`](benchmark/comparison.py)), and its p is"
        " adjusted for the pairs of the table (Holm)."
    ]
    for order in orders:
        missing = [name for name in COUNTERPARTS if name not in [published.model for published, _ in order.models]]
        rows = [
            [escape(pair.better), escape(pair.worse), points(pair.difference), p_value(pair.p), pair.verdict]
            for pair in order.pairs
        ]
        parts += [
            heading(order.board),
            in_short(order) + (f" Not measured yet: {', '.join(map(escape, missing))}." if missing else ""),
            table(["ahead", "behind", "difference (95 %)", "p", "order"], [False, False, True, True, False], rows),
        ]
    return parts


def in_short(order: Order) -> str:
    """Rank correlation and how many pairs hold, in a sentence or two."""
    verdicts, found = [pair.verdict for pair in order.pairs], order.correlation
    return (
        f"Kendall's τ between the thesis's errors and ours is **{found.tau:.2f}** over {len(order.models)} models"
        f" (exact p {p_value(found.p)}: the share of all orders that agree at least as well). Of {len(verdicts)} pairs,"
        f" {verdicts.count('holds')} hold, {verdicts.count('reversed')} are reversed, and"
        f" {verdicts.count('not told apart')} cannot be told apart."
    )


def _lines(published: ReferenceRow, board: Board, way: str) -> list[list[str]]:
    """A published row and ours beside it, one line an entry, best first."""
    interval = published.interval
    error = "–" if interval is None else with_interval(published.valid_error or 0.0, interval)
    theirs = [escape(published.model), error, percent(published.train_error)]
    ours = [row for row in board.rows if row.model == COUNTERPARTS.get(published.model)]
    lines = [
        [
            link(row, way),
            escape(row.entry.group),
            with_interval(row.test_error, row.interval),
            percent(row.valid_error),
            percent(row.train_error),
            str(row.seeds),
        ]
        for row in ours
    ] or [["not measured yet", *["–"] * 5]]
    return [[*(theirs if i == 0 else [""] * 3), *line] for i, line in enumerate(lines)]

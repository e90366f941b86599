"""Where the errors are: by path and speed, by pair of classes, by confidence, by test set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np

from benchmark.calibration import BINS, calibration
from dynamics_gen.classes import CLASSES, PATHS, SPEEDS, factors
from leaderboard.board import Board, Row
from leaderboard.columns import percent
from leaderboard.markdown import escape, link, table
from leaderboard.results.words import NOT_MEASURED, heading, points
from leaderboard.shifted import SHIFTED_LEGEND, paired_differences, shifted_table

CONFUSIONS = 3
"""Most frequent confusions that are shown of a model."""

_FACTORS = np.array([factors(label) for label in range(len(CLASSES))])


def by_factor(boards: Sequence[Board], way: str) -> list[str]:
    """Errors by true path and true speed type."""
    about = (
        "*path wrong*, *speed wrong*: share of test clips whose path or speed type is taken for another. Then the share"
        " of clips whose class is wrong, of those of a path and of those of a speed type. In %, means over seeds."
    )
    headings = ["model", "path wrong", "speed wrong", *PATHS, *SPEEDS[:3]]

    def cells(row: Row) -> list[str]:
        missed = row.entry.wrong.mean(axis=0)
        kinds = _FACTORS[row.entry.label]
        shares = [missed[kinds[:, factor] == k].mean() for factor, count in ((0, 4), (1, 3)) for k in range(count)]
        return [percent(row.error_path), percent(row.error_speed), *(percent(float(share)) for share in shares)]

    return _by_board(boards, about, headings, cells, way)


def confusions(boards: Sequence[Board], way: str) -> list[str]:
    """The most frequent confusions; the whole matrix is the entry's picture."""
    about = (
        f"The {CONFUSIONS} most frequent confusions of each model: of the clips of the first class, the share that is"
        " taken for the second, over all seeds. The whole matrix is the picture."
    )

    def cells(row: Row) -> list[str]:
        counts = np.sum([seed.scores.test.confusion for seed in row.entry.record.seeds], axis=0)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        np.fill_diagonal(shares, 0)
        worst = np.argsort(-shares, axis=None, kind="stable")[:CONFUSIONS]
        pairs = [np.unravel_index(place, shares.shape) for place in worst]
        said = [
            f"{_plain(CLASSES[true])} → {_plain(CLASSES[taken])} {percent(float(shares[true, taken]))}"
            for true, taken in pairs
            if shares[true, taken]
        ]
        picture = f"[matrix]({way}entries/{row.entry.group}/{row.entry.name}/confusion.png)"
        return [*said, *["–"] * (CONFUSIONS - len(said)), picture]

    headings = ["model", *(f"{place}." for place in range(1, CONFUSIONS + 1)), "picture"]
    return _by_board(boards, about, headings, cells, way, numeric=False)


def calibrations(boards: Sequence[Board], way: str) -> list[str]:
    """Calibration on test, means over seeds and their range."""
    about = (
        f"Of the predicted probabilities on test: expected calibration error ({BINS} bins of equal width in the"
        " confidence; Guo et al. 2017, arXiv 1706.04599), negative log-likelihood in nats a clip (chance: 2.30) and"
        " Brier score summed over classes (chance: 0.90); mean over seeds, lowest and highest seed in brackets. Nothing"
        " is recalibrated. The picture shows accuracy by confidence."
    )

    def cells(row: Row) -> list[str]:
        scores = [calibration(said) for said in row.entry.test.seeds]
        picture = f"[diagram]({way}entries/{row.entry.group}/{row.entry.name}/reliability.png)"
        return [
            _with_range([100 * one.expected_error for one in scores], 1),
            _with_range([one.log_loss for one in scores], 3),
            _with_range([one.brier for one in scores], 3),
            picture,
        ]

    headings = ["model", "calibration error %", "negative log-likelihood", "Brier score", "diagram"]
    return _by_board(boards, about, headings, cells, way)


def shifted(boards: Sequence[Board], way: str) -> list[str]:
    """Errors on shifted sets; and clip by clip, on those whose clips are pairs of the plain ones."""
    parts = []
    for board in boards:
        found = shifted_table(board)
        if found is None:
            continue
        rows = [[link(row, way), *map(escape, texts[1:])] for row, texts in found.rows]
        parts += [
            heading(board),
            table(found.headings, [False, False] + [True] * (len(found.headings) - 2), rows),
        ]
        differences = [(row, paired_differences(row)) for row, _ in found.rows]
        releases = [name for name in found.headings if any(name in one for _, one in differences)]
        if releases:
            rows = [
                [link(row, way), *(points(one[name]) if name in one else "–" for name in releases)]
                for row, one in differences
            ]
            parts += [
                "Clip by clip, the same object and motion with and without the shift, in points (95 %):",
                table(["model", *releases], [False] + [True] * len(releases), rows),
            ]
    return [SHIFTED_LEGEND, *parts] if parts else [NOT_MEASURED]


def _by_board(
    boards: Sequence[Board],
    about: str,
    headings: Sequence[str],
    cells: Callable[[Row], list[str]],
    way: str,
    numeric: bool = True,
) -> list[str]:
    """A table a board, a row an entry of the ten classes, in the board's order."""
    parts = []
    for board in boards:
        rows = [[link(row, way), *cells(row)] for row in board.rows if row.classes == CLASSES]
        if rows:
            parts += [heading(board), table(headings, [False] + [numeric] * (len(headings) - 1), rows)]
    return [about, *parts] if parts else [NOT_MEASURED]


def _with_range(values: Sequence[float], decimals: int) -> str:
    low, mean, high = (f"{value:.{decimals}f}" for value in (min(values), fmean(values), max(values)))
    return mean if len(values) == 1 else f"{mean} ({low}–{high})"


def _plain(name: str) -> str:
    return name.replace("_", " ")

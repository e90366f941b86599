"""What a row of a board of frames shows: each column's number, what it is sorted by, and how it is put."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leaderboard.columns import count, duration, gflops
from leaderboard.frames import GENERATION, PREDICTION, FrameBoard, FrameRow, Score
from leaderboard.results.committed import shown


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameColumn:
    """A heading, a row's value below it (None where there is none), and how a number is said."""

    heading: str
    of: Callable[[FrameRow], Score | float | str | None]
    said: Callable[[float], str] = str
    numeric: bool = True
    leading: bool = False
    """Whether rows stand in its order."""


def _score(heading: str, name: str, digits: int, times: float = 1, *, leading: bool = False) -> FrameColumn:
    return FrameColumn(
        heading=heading,
        of=lambda row: row.scores.get(name),
        said=lambda value: shown(value, digits, times),
        leading=leading,
    )


def _text(heading: str, of: Callable[[FrameRow], str]) -> FrameColumn:
    return FrameColumn(heading=heading, of=of, numeric=False)


def rate(per_s: float | None) -> str:
    """How many in a second, with two digits where they are few; a dash where nobody knows."""
    if per_s is None:
        return "–"
    return count(per_s) if per_s >= 10 else f"{per_s:.2g}"


_RANK = FrameColumn(heading="rank", of=lambda row: row.rank, said=lambda number: f"{number:.0f}")
_NAMES = (_text("model", lambda row: row.label), _text("by", lambda row: row.by))


def _costs(unit: str) -> tuple[FrameColumn, ...]:
    return (
        FrameColumn(heading="seeds", of=lambda row: row.seeds, said=lambda number: f"{number:.0f}"),
        FrameColumn(heading="parameters", of=lambda row: row.parameters, said=count),
        FrameColumn(heading=f"GFLOPs/{unit}", of=lambda row: row.flops, said=lambda flops: gflops(round(flops))),
        FrameColumn(heading=f"{unit}s/s", of=lambda row: row.made_per_s, said=rate),
        FrameColumn(heading="training", of=lambda row: row.wall_time_s, said=duration),
        _text("device", lambda row: row.device),
        _text("tags", lambda row: ", ".join(row.tags)),
    )


def columns_of(board: FrameBoard) -> list[FrameColumn]:
    """Those of a board: of scores, only what one of its rows has."""
    if board.task == PREDICTION:
        drawn = max(row.samples for row in board.rows)
        scores = [
            _score("MSE", "mse", 2, leading=True),
            _score(f"MSE 1–{board.kind.horizon}", "learnt_mse", 2),
            _score("MAE", "mae", 1),
            _score("PSNR", "psnr", 2),
            _score("SSIM", "ssim", 3),
            _score(f"best of {drawn}", "best_mse", 2),
            _score("off, px", "error", 2),
            _score("lost %", "lost", 1, 100),
            _score("split %", "split", 1, 100),
            _score("class %", "class_agreement", 1, 100),
            _score("Fréchet", "frechet", 1),
            _score("density", "density", 2),
            _score("coverage", "coverage", 2),
        ]
        unit = "frame"
    else:
        scores = [
            _score("Fréchet", "frechet", 1, leading=True),
            *(_score(name, name, 2) for name in ("precision", "recall", "density", "coverage", "spread")),
            _score("PSNR", "psnr", 1),
            _score("features apart", "feature_distance", 2),
            _score("nats", "nats", 0),
            _score("failed %", "failed", 1, 100),
            _score("error %", "error", 1, 100),
        ]
        scores.insert(-1, _score("copied %", "copied", 1, 100))
        unit = "sample"
    ranks = [_RANK] if board.kind.entered else []
    there = [column for column in (*scores, *_costs(unit)) if any(column.of(row) is not None for row in board.rows)]
    return [*ranks, *_NAMES, *there]


def put(score: Score | None, said: Callable[[float], str]) -> tuple[str, str]:
    """A score, or a dash where there is none, and the interval or deviation that goes with it, or nothing."""
    if score is None:
        return "–", ""
    if score.interval is not None:
        return said(score.mean), f"({'–'.join(map(said, score.interval))})"
    return said(score.mean), "" if score.deviation is None else f"± {said(score.deviation)}"


def texts(column: FrameColumn, row: FrameRow) -> tuple[str, str]:
    """What a cell says, and the interval or deviation that goes with it, or nothing."""
    value = column.of(row)
    if isinstance(value, str):
        return value, ""
    return put(value if isinstance(value, Score) or value is None else Score(value), column.said)


def key(column: FrameColumn, row: FrameRow) -> str | float:
    """What a cell is sorted by; "" where it says nothing."""
    value = column.of(row)
    return "" if value is None else value.mean if isinstance(value, Score) else value


def about(board: FrameBoard) -> str:
    """What rows of a board were judged by, in a sentence or two."""
    kind, split = board.kind, board.kind.split
    learnt = sorted({row.learnt_from for row in board.rows if row.learnt_from is not None})
    said = f"Learnt from {' or '.join(f'{clips:,}' for clips in learnt)} clips." if learnt else ""
    if board.task == PREDICTION:
        known = f"{split.clips:,} test clips: {kind.context} frames of each are given, {kind.steps} are predicted"
        return f"{known}." if kind.entered else f"{known}; models learn to predict {kind.horizon}. {said}"
    floors = [score.mean for row in board.rows if (score := row.scores.get("frechet_of_train"))]
    floor = f" As many true ones of train have a Fréchet distance of {shown(min(floors), 1)}." if floors else ""
    return (
        f"{kind.draws:,} samples against as many held-out {kind.view.form} of {split.clips:,} test clips.{floor} {said}"
    )


LEGENDS = {
    PREDICTION: (
        "Means over seeds, ± their deviation where there are several, or (their 95 % interval) where the host computed"
        " one; rows stand by MSE, and have ranks, by the rule above, where there are such intervals. **MSE**,"
        " **MAE**: sums over the pixels and channels of a frame in [0, 1], as OpenSTL has them (Tan et al. 2023, arXiv"
        " 2306.11249); **PSNR** in decibels, **SSIM**; all of one continuation, means over the predicted frames."
        " **best of N**: of a model that draws, the least MSE of N continuations. **off**: median distance of the"
        " object, found in the last predicted frame, from where the simulator has it, in pixels of 64×64. **lost**,"
        " **split**: share of the clips in whose last frame no object is found, or one in parts. **class**: share of"
        " the clips in whose continuation a frozen network sees the true class. **Fréchet**, **density**,"
        " **coverage**: of continued clips against true ones, in features of that network. **frames/s**: predicted."
        " **training**: one seed, from start to scores. *rule*: it learns nothing; *draws*: it has a continuation for"
        " each draw."
    ),
    GENERATION: (
        "Means over seeds, ± their deviation where there are several, or (their 95 % interval) where the host computed"
        " one; rows stand by Fréchet distance, and have ranks, by the rule above, where there are such intervals."
        " **Fréchet**: squared distance in the features of a network trained on our own data. **precision**,"
        " **recall**, **density**, **coverage**: nearest neighbours in the same features. **spread**: mean distance"
        " between samples, over that of held-out ones. **PSNR**: of reconstructions, in decibels; **features apart**:"
        " how far their features lie from the original's, over the distance of two held-out ones. **nats**: at least"
        " the negative log-likelihood of one. **failed**: by a criterion that about one true clip in a hundred fails."
        " **copied**: nearer to a clip of test than all but one in a hundred clips of train are."
        " **error**: of what is learnt from few labels. **training**: one seed, from start to scores."
    ),
}
"""By task, what columns mean."""

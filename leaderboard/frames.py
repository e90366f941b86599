"""Boards of frames: predictors and generators whose numbers compare, one for each task, view and test split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TypeAlias

from benchmark.generation.record import Network, View
from benchmark.statistics import Interval
from benchmark.submission.schema import EvaluationSplit
from dynamics_gen.config import SIZES
from leaderboard.board import LEAST_SEEDS, ranks
from leaderboard.frame_submissions import SubmittedFrames
from leaderboard.results.generators import Made
from leaderboard.results.predictors import Predicted

PREDICTION, GENERATION = "prediction", "generation"
LEADING = {PREDICTION: "mse", GENERATION: "frechet"}
"""By task, the score in whose order rows stand, the least first."""

Source: TypeAlias = Predicted | Made | SubmittedFrames
"""What a row can be made of."""


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over seeds, and how sure it is: their deviation where there are several, or a 95 % interval."""

    mean: float
    deviation: float | None = None
    interval: tuple[float, float] | None = None
    """Of the mean, from low to high, where whoever measured it knows one; it is told instead of the deviation."""

    @property
    def reach(self) -> tuple[float, float]:
        """From where to where it may be, as a plot shows it; the mean itself where nobody knows."""
        spread = self.deviation or 0.0
        return self.interval or (self.mean - spread, self.mean + spread)

    @classmethod
    def over(cls, values: Iterable[float | None]) -> Score | None:
        """Of a value for each seed; None where one of them is missing."""
        there = list(values)
        known = [value for value in there if value is not None]
        if not known or len(known) < len(there):
            return None
        return cls(fmean(known), stdev(known) if len(known) > 1 else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What rows of one board have in common: only numbers of the same kind compare."""

    task: str
    view: View
    """Frames: of a clip, the context included, or of a sample."""
    context: int
    """Frames that a predictor is given; none of a generator."""
    horizon: int
    """Of those that it predicts, how many were learnt."""
    labels: str
    """What generators learn to tell from few labels."""
    draws: int
    """Samples that a generator is judged by; of a predictor, none."""
    split: EvaluationSplit
    """Of test."""
    features: Network
    """In which distances were measured."""
    entered: bool = False
    """Whether the host scored frames that were sent, of fixed clips or in a fixed number; such rows have ranks."""

    @property
    def steps(self) -> int:
        """How many frames are predicted."""
        return self.view.frames - self.context

    @property
    def title(self) -> str:
        """As text."""
        side, data = f"{self.view.image_size}×{self.view.image_size}", f"{self.split.release}, {self.split.size}"
        if self.task == PREDICTION:
            what = f"{self.steps} frames of {side} after {self.context}"
        elif self.view.form == "frames":
            what = f"frames of {side}"
        else:
            what = f"clips of {self.view.frames} frames of {side}"
        few = f", few labels of {self.labels}" if self.labels else ""
        return f"{self.task.capitalize()}, {data}: {what}{few}{', as they were sent' if self.entered else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameRow:
    """All that a row shows, whatever it was made of. What nobody measured is not among the scores, or None."""

    group: str
    """Who entered it; empty for a local run."""
    name: str
    """Of its folder."""
    folder: Path
    """That holds its record and its pictures."""
    place: str
    """That folder in a checkout, from the board's, or that of a run of this machine; each row has one of its own."""
    source: Source
    kind: Kind
    rank: int | None = None
    model: str
    label: str
    """The model's name, with that of the folder where another row of the board is of the same model."""
    learnt_from: int | None
    """Clips of train."""
    seeds: int
    scores: Mapping[str, Score]
    """By name; errors of frames are sums over their pixels and channels, means over the predicted ones."""
    samples: int
    """That the best and the mean are of, of a predictor that draws."""
    parameters: int
    flops: int | None
    """Of a frame or a sample."""
    made_per_s: float | None
    """Frames that it predicts, or samples that it makes."""
    wall_time_s: float
    """Of the training of one seed."""
    device: str
    tags: tuple[str, ...]

    @property
    def local(self) -> bool:
        """Whether it is a run of this machine."""
        return not self.group

    @property
    def by(self) -> str:
        """Whose it is, in words."""
        return self.group or "this machine"

    @property
    def run(self) -> Predicted | Made:
        """The run that it was made of; for pages that are made of such alone."""
        assert not isinstance(self.source, SubmittedFrames), f"{self.place} has no record"
        return self.source

    @property
    def leading(self) -> Score | None:
        """The score in whose order rows stand."""
        return self.scores.get(LEADING[self.kind.task])


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameBoard:
    """The rows that compare, the best first."""

    kind: Kind
    rows: tuple[FrameRow, ...]

    @property
    def task(self) -> str:
        """Prediction or generation."""
        return self.kind.task

    @property
    def title(self) -> str:
        """Its heading, as text."""
        return self.kind.title


def make_frame_boards(rows: Iterable[FrameRow]) -> list[FrameBoard]:
    """Groups rows by what they can be compared in, prediction first; large frames before small ones."""
    groups: dict[Kind, list[FrameRow]] = {}
    for row in rows:
        groups.setdefault(row.kind, []).append(row)
    return [FrameBoard(kind=kind, rows=_ordered(groups[kind])) for kind in sorted(groups, key=_order)]


def _order(kind: Kind) -> tuple[object, ...]:
    sizes, view = list(SIZES), kind.view
    size = sizes.index(kind.split.size) if kind.split.size in sizes else len(sizes)
    data = (kind.split.release, size, kind.split.size, kind.split.fingerprint)
    seen = (bool(kind.labels), kind.labels, view.form == "clips", -view.image_size, view.frames, kind.context)
    judged = (kind.horizon, kind.draws, kind.features.sha256)
    return (list(LEADING).index(kind.task), not kind.entered, *data, *seen, *judged)


def _ordered(rows: Sequence[FrameRow]) -> tuple[FrameRow, ...]:
    def place(row: FrameRow) -> tuple[bool, float, str]:
        score = row.leading
        return score is None, score.mean if score is not None else 0.0, row.place

    models = [row.model for row in rows]
    named = [replace(row, label=f"{row.model} ({row.name})") if models.count(row.model) > 1 else row for row in rows]
    ordered = sorted(named, key=place)
    found = ranks(_ranking(row) if row.kind.entered and row.seeds >= LEAST_SEEDS else None for row in ordered)
    return tuple(replace(row, rank=rank) for row, rank in zip(ordered, found, strict=True))


def _ranking(row: FrameRow) -> Interval | None:
    score = row.leading
    return None if score is None or score.interval is None else Interval(low=score.interval[0], high=score.interval[1])

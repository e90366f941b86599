"""From entries to boards: one for each task and test split, rows by test error, equal ranks where intervals overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import fmean, stdev

import numpy as np

from benchmark.calibration import calibration
from benchmark.comparison import Difference, between_models, holm
from benchmark.record import Record
from benchmark.statistics import REPLICATES, Interval, mean_error_interval
from benchmark.submission.schema import EvaluationSplit
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import SIZES
from leaderboard.entries import Entry, Scored
from leaderboard.submissions import Submitted

LEAST_SEEDS = 3
SHIFTED_REPLICATES = 2_000
"""Resamples for each of nine shifted sets: a quarter of the time, and ends that are right to a tenth of a point."""
RANK_RULE = (
    "Rows stand in the order of their mean test error. Going down, a row shares the rank of the row above it as long as"
    " its 95 % interval overlaps that of the first row of that rank; otherwise its rank is its place among the ranked"
    f" rows. A row with fewer than {LEAST_SEEDS} seeds has no rank (–) and is passed over."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """All that a row shows, whoever vouches for it: means over seeds, as fractions, and the interval of the test error.

    What nobody measured, or only the entrant did, is None.
    """

    group: str
    """Who entered it; empty for a local run."""
    name: str
    """Of its folder."""
    source: Entry | Submitted
    """What it was made of."""
    task: str
    hidden: bool
    """Whether the host alone holds the labels of the test split."""
    split: EvaluationSplit
    """Of test."""
    classes: tuple[str, ...]
    """In label order."""
    rank: int | None = None
    model: str
    """Its name, or that of the method."""
    input: str
    """What it sees."""
    seeds: int
    test_error: float
    interval: Interval
    deviation: float | None
    """Of the test error from seed to seed; of one seed there is none."""
    above: Difference | None = None
    """How much more it errs than the ranked row above it, on the same clips; p is adjusted for all of the board's."""
    calibration_error: float | None
    """Expected calibration error on test; None of a hidden one that was scored before results had it."""
    valid_error: float | None
    train_error: float | None
    error_path: float | None
    error_speed: float | None
    shifted: dict[str, tuple[float, Interval]]
    """Mean test error and interval on other releases."""
    parameters: int
    flops_per_clip: int | None
    wall_time_s: float
    """Of the training of one seed."""
    training_clips_per_s: float | None
    device: str
    extra_data: bool
    tags: tuple[str, ...]
    """Who vouches for it, what it saw, and the note."""

    @property
    def local(self) -> bool:
        """Whether it is a run of this machine, which has no rank."""
        return not self.group

    @property
    def by(self) -> str:
        """Whose it is, in words."""
        return self.group or "this machine"

    @property
    def record(self) -> Record | None:
        """The record it was made of, for what else that tells; None of a submission."""
        return self.source.record if isinstance(self.source, Entry) else None

    @property
    def entry(self) -> Entry:
        """The entry with a record that it was made of; for pages that are made of such alone."""
        assert isinstance(self.source, Entry), f"{self.group}/{self.name} has no record"
        return self.source


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """The rows that compare: one task, one release and size, one test split."""

    task: str
    hidden: bool
    """Whether the host alone holds the labels of the test split; else anyone can derive them."""
    release: str
    size: str
    fingerprint: str
    """Of the test split."""
    clips: int
    """In the test split."""
    rows: tuple[Row, ...]

    @property
    def data(self) -> str:
        """What its rows were tested on, in words."""
        return f"{self.release}, {self.size}{', hidden test' if self.hidden else ''}"

    @property
    def title(self) -> str:
        """Its heading, as text."""
        return f"{self.task.capitalize()}, {self.data}"

    @property
    def openness(self) -> str:
        """Who knows the labels, in a sentence."""
        if self.hidden:
            return "Hidden test: the host alone holds its labels."
        return "Open test: anyone can derive its labels."


def make_boards(entries: Sequence[Entry], submissions: Sequence[Submitted] = ()) -> list[Board]:
    """Groups entries by what they were tested on and ranks them; local runs get a row and no rank."""
    groups: dict[tuple[str, bool, str, str, str], list[Row]] = {}
    for row in [*map(make_row, entries), *map(make_submitted_row, submissions)]:
        key = (row.task, row.hidden, row.split.release, row.split.size, row.split.fingerprint)
        groups.setdefault(key, []).append(row)
    sizes = {size: place for place, size in enumerate(SIZES)}
    order = sorted(groups, key=lambda key: (key[0], key[2], sizes.get(key[3], len(sizes)), key[3], key[1], key[4]))
    return [
        Board(
            task=key[0],
            hidden=key[1],
            release=key[2],
            size=key[3],
            fingerprint=key[4],
            clips=groups[key][0].split.clips,
            rows=compared(ranked(groups[key])),
        )
        for key in order
    ]


def make_row(entry: Entry) -> Row:
    """Derives the row of a record; its resamples depend on the entry alone, so a new neighbour changes no interval."""
    record, seeds = entry.record, entry.record.seeds
    data, test = record.dataset, [seed.scores.test for seed in record.seeds]
    test_error, interval = _mean_error(entry.test)
    paid = seeds if record.config.training else seeds[:1]  # what is fitted finds features once, for all its seeds
    return Row(
        group=entry.group,
        name=entry.name,
        source=entry,
        task=record.task,
        hidden=False,
        split=EvaluationSplit(
            release=data.release, size=data.size, clips=len(entry.label), fingerprint=data.splits.test.fingerprint
        ),
        classes=data.classes,
        model=record.model,
        input=record.input,
        seeds=len(seeds),
        test_error=test_error,
        interval=interval,
        deviation=_deviation([score.error for score in test]),
        calibration_error=_calibration_error(entry.test),
        valid_error=fmean(seed.scores.valid.error for seed in seeds),
        train_error=fmean(seed.scores.train.error for seed in seeds),
        error_path=_mean(score.error_path for score in test),
        error_speed=_mean(score.error_speed for score in test),
        shifted={release: _mean_error(scored, SHIFTED_REPLICATES) for release, scored in entry.shifted.items()},
        parameters=record.parameters,
        flops_per_clip=record.flops_per_clip,
        wall_time_s=fmean(seed.wall_time_s for seed in paid),
        training_clips_per_s=fmean(seed.training_clips_per_s for seed in paid),
        device=record.environment.device,
        extra_data=record.tags.extra_data,
        tags=_tags(entry),
    )


def make_submitted_row(made: Submitted) -> Row:
    """Derives the row of a submission: scores are the host's, everything else is what the entrant says."""
    about, scores = made.submission.about, [seed.scores for seed in made.result.seeds]
    return Row(
        group=made.group,
        name=made.name,
        source=made,
        task=made.result.task,
        hidden=made.hidden,
        split=made.result.test,
        classes=CLASSES,
        model=about.method,
        input=about.input,
        seeds=len(scores),
        test_error=fmean(one.error for one in scores),
        interval=made.result.error_interval.interval,
        deviation=_deviation([one.error for one in scores]),
        calibration_error=made.result.calibration_error if made.test is None else _calibration_error(made.test),
        valid_error=None,
        train_error=None,
        error_path=_mean(one.error_path for one in scores),
        error_speed=_mean(one.error_speed for one in scores),
        shifted={},
        parameters=about.parameters,
        flops_per_clip=about.flops_per_clip,
        wall_time_s=3_600 * about.training_hours,
        training_clips_per_s=None,
        device=about.hardware,
        extra_data=bool(about.extra_data),
        tags=("scored by the host", *(["extra data"] if about.extra_data else []), f"input {about.input}"),
    )


def _tags(entry: Entry) -> tuple[str, ...]:
    """Those of a record."""
    record, tags = entry.record, entry.record.tags
    words = ["local"] if entry.local else ["verified" if tags.verified else "self-reported"]
    words += ["extra data"] if tags.extra_data else []
    words += [f"input {record.input}"]
    words += [f"{entry.train_per_class:,} clips a class"] if record.config.training.get("train_per_class") else []
    return (*words, *([tags.note] if tags.note else []))


@cache
def _mean_error(scored: Scored, replicates: int = REPLICATES) -> tuple[float, Interval]:
    wrong = scored.wrong
    return float(wrong.mean()), mean_error_interval(wrong, scored.label, np.random.default_rng(0), replicates)


@cache
def _calibration_error(scored: Scored) -> float:
    return fmean(calibration(said).expected_error for said in scored.seeds)


def _deviation(errors: Sequence[float]) -> float | None:
    return stdev(errors) if len(errors) > 1 else None


def _mean(errors: Iterable[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return fmean(known) if known else None


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Sorts rows by test error and ranks them by `RANK_RULE`."""
    ordered = sorted(rows, key=lambda row: (row.test_error, row.group, row.name))
    known = [None if row.local or row.seeds < LEAST_SEEDS else row.interval for row in ordered]
    return tuple(replace(row, rank=rank) for row, rank in zip(ordered, ranks(known), strict=True))


def ranks(intervals: Iterable[Interval | None]) -> list[int | None]:
    """Ranks of rows in their order, from the interval of each, by `RANK_RULE`; None of those that are passed over."""
    place, rank, best = 0, 0, None
    found: list[int | None] = []
    for interval in intervals:
        if interval is None:
            found.append(None)
            continue
        place += 1
        if best is None or not interval.overlaps(best):
            rank, best = place, interval
        found.append(rank)
    return found


def compared(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Holds each ranked row against the ranked one above it, where the labels of the clips they share are known."""
    above: dict[int, Difference] = {}
    better: Scored | None = None
    for place, row in enumerate(rows):
        if row.rank is None:
            continue
        if (scored := row.source.test) is not None and better is not None and scored.is_of(better):
            above[place] = between_models(scored.wrong, better.wrong, scored.label)
        better = scored
    adjusted = dict(zip(above, holm([found.p for found in above.values()]), strict=True))
    return tuple(
        replace(row, above=replace(above[place], p=adjusted[place])) if place in above else row
        for place, row in enumerate(rows)
    )

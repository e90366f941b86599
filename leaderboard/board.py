"""From entries to boards: one for each task and test split, rows by test error, equal ranks where intervals overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import fmean

import numpy as np

from benchmark.record import Record
from benchmark.statistics import REPLICATES, Interval, mean_error_interval
from dynamics_gen.config import SIZES
from leaderboard.entries import Entry, Scored

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
    """An entry's derived numbers: means over seeds, as fractions, and the interval of the test error."""

    entry: Entry
    rank: int | None = None
    test_error: float
    interval: Interval
    valid_error: float
    train_error: float
    error_path: float | None
    error_speed: float | None
    shifted: dict[str, tuple[float, Interval]]
    """Mean test error and interval on other releases."""
    wall_time_s: float
    training_clips_per_s: float

    @property
    def record(self) -> Record:
        """The record of the entry."""
        return self.entry.record


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """The rows that compare: one task, one release and size, one test split."""

    task: str
    release: str
    size: str
    fingerprint: str
    """Of the test split."""
    clips: int
    """In the test split."""
    rows: tuple[Row, ...]


def make_boards(entries: Sequence[Entry]) -> list[Board]:
    """Groups entries by what they were tested on and ranks them; local runs get a row and no rank."""
    groups: dict[tuple[str, str, str, str], list[Entry]] = {}
    for entry in entries:
        record, data = entry.record, entry.record.dataset
        key = (record.task, data.release, data.size, data.splits.test.fingerprint)
        groups.setdefault(key, []).append(entry)
    sizes = {size: place for place, size in enumerate(SIZES)}
    order = sorted(groups, key=lambda key: (key[0], key[1], sizes.get(key[2], len(sizes)), key))
    return [
        Board(
            task=key[0],
            release=key[1],
            size=key[2],
            fingerprint=key[3],
            clips=len(groups[key][0].label),
            rows=ranked([make_row(entry) for entry in groups[key]]),
        )
        for key in order
    ]


def make_row(entry: Entry) -> Row:
    """Derives a row; its resamples depend on the entry alone, so a new neighbour changes no interval."""
    seeds = entry.record.seeds
    test = [seed.scores.test for seed in seeds]
    test_error, interval = _mean_error(entry.test)
    return Row(
        entry=entry,
        test_error=test_error,
        interval=interval,
        valid_error=fmean(seed.scores.valid.error for seed in seeds),
        train_error=fmean(seed.scores.train.error for seed in seeds),
        error_path=_mean(score.error_path for score in test),
        error_speed=_mean(score.error_speed for score in test),
        shifted={release: _mean_error(scored, SHIFTED_REPLICATES) for release, scored in entry.shifted.items()},
        wall_time_s=fmean(seed.wall_time_s for seed in seeds),
        training_clips_per_s=fmean(seed.training_clips_per_s for seed in seeds),
    )


@cache
def _mean_error(scored: Scored, replicates: int = REPLICATES) -> tuple[float, Interval]:
    wrong = scored.wrong
    return float(wrong.mean()), mean_error_interval(wrong, scored.label, np.random.default_rng(0), replicates)


def _mean(errors: Iterable[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return fmean(known) if known else None


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Sorts rows by test error and ranks them by `RANK_RULE`."""
    ordered = sorted(rows, key=lambda row: (row.test_error, row.entry.group, row.entry.name))
    place, rank, best = 0, 0, None
    result = []
    for row in ordered:
        if row.entry.local or len(row.record.seeds) < LEAST_SEEDS:
            result.append(replace(row, rank=None))
            continue
        place += 1
        if best is None or not row.interval.overlaps(best):
            rank, best = place, row.interval
        result.append(replace(row, rank=rank))
    return tuple(result)

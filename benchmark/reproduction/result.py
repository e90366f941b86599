"""What came of making a record again, one JSON file: `reproduction.json`.

It holds both errors by seed, what ran where, and the verdict; the runs themselves are records with their predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np

from benchmark.comparison import between_sets
from benchmark.errors import RecordError
from benchmark.predictions import Predictions
from benchmark.record import (
    METRIC_VERSION,
    TOLERANCE,
    Count,
    Environment,
    ErrorInterval,
    Fraction,
    Hash,
    Input,
    Line,
    Name,
    Record,
    Split,
)
from benchmark.record_file import parse_checked, read_text, write_checked
from benchmark.schema import Number, Whole
from benchmark.statistics import mean_error_interval

REPRODUCTION_VERSION = 1
FILE = "reproduction.json"

Change = Annotated[float, Number(-1, 1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """One of both: its seeds, the test error of each, and where it ran."""

    seeds: tuple[Count, ...]
    test_errors: tuple[Fraction, ...]
    environment: Environment

    @property
    def test_error(self) -> float:
        """Mean over the seeds."""
        return fmean(self.test_errors)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Clip by clip, over the seeds that both have: seed i of one beside seed i of the other, on the same clips."""

    same_class: Fraction
    """Share of clips that get the same class, right or wrong."""
    difference: Change
    """How much more often the new run errs, with its 95 % interval and two-sided p; see `benchmark.comparison`."""
    low: Change
    high: Change
    p: Fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class Reproduction:
    """A record beside the run that made it again. `record_sha256` is of the record's file, `test` of both."""

    reproduction_version: Annotated[int, Whole(REPRODUCTION_VERSION, REPRODUCTION_VERSION)]
    metric_version: Annotated[int, Whole(METRIC_VERSION, METRIC_VERSION)]
    model: Name
    input: Input
    release: Name
    size: Name
    test: Split
    record_sha256: Hash
    recorded: Trained
    again: Trained
    interval: ErrorInterval
    """Of the record's error."""
    within: bool
    """Whether the new error lies in it."""
    agreement: Agreement
    verdict: Line


def compare(
    old: Record, new: Record, said_before: list[Predictions], said_now: list[Predictions], sha256: str
) -> Reproduction:
    """Holds a new run against the record that it makes again.

    Args:
        old: the record.
        new: the run's, whose seeds are the first of the record's, or all.
        said_before: the record's predictions for test, a seed each.
        said_now: the run's.
        sha256: of the record's file.

    Raises:
        RecordError: they are of other clips or labels.
    """
    label, before = _classes(said_before, said_before[0])
    _, now = _classes(said_now, said_before[0])
    interval = mean_error_interval(before != label, label, np.random.default_rng(0))
    recorded, again = (
        Trained(
            seeds=tuple(seed.seed for seed in one.seeds),
            test_errors=tuple(float(row.mean()) for row in classes != label),
            environment=one.environment,
        )
        for one, classes in ((old, before), (new, now))
    )
    bounds = ErrorInterval(low=interval.low, high=interval.high)
    within = _within(again.test_error, bounds)
    like = before[[recorded.seeds.index(seed) for seed in again.seeds]]
    change = between_sets(now != label, like != label, label)
    agreement = Agreement(
        same_class=float((now == like).mean()), difference=change.mean, low=change.low, high=change.high, p=change.p
    )
    return Reproduction(
        reproduction_version=REPRODUCTION_VERSION,
        metric_version=METRIC_VERSION,
        model=old.model,
        input=old.input,
        release=old.dataset.release,
        size=old.dataset.size,
        test=old.dataset.splits.test,
        record_sha256=sha256,
        recorded=recorded,
        again=again,
        interval=bounds,
        within=within,
        agreement=agreement,
        verdict=_sentence(old, recorded, again, bounds, agreement),
    )


def write(made: Reproduction, path: Path) -> Reproduction:
    """Writes it, whole or not at all, unless it would be refused when read.

    Raises:
        RecordError: it would; nothing is written.
        OSError: the file cannot be written.
    """
    return write_checked(made, path, _check)


def read(path: Path) -> Reproduction:
    """Reads what `write` wrote.

    Raises:
        RecordError: the first bad field, with its path, what was got and what was expected.
        OSError: the file cannot be read.
    """
    return parse_checked(Reproduction, read_text(path), str(path), _check)


def _classes(said: list[Predictions], like: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Labels int [clips] and every seed's classes int [seeds, clips], in the order of the clips' ids."""
    expected = np.argsort(like.clip_id)
    rows = []
    for one in said:
        order = np.argsort(one.clip_id)
        same = all(
            np.array_equal(getattr(one, name)[order], getattr(like, name)[expected]) for name in ("clip_id", "label")
        )
        if not same:
            raise RecordError("the predictions of the record and of the new run are of other clips or labels")
        rows.append(one.probabilities.argmax(axis=1)[order])
    return like.label[expected], np.stack(rows)


def _within(error: float, bounds: ErrorInterval) -> bool:
    return bounds.low - TOLERANCE <= error <= bounds.high + TOLERANCE


def _sentence(old: Record, recorded: Trained, again: Trained, bounds: ErrorInterval, agreement: Agreement) -> str:
    """The verdict, for people; percentages."""
    seeds = f"{len(again.seeds)} of {len(recorded.seeds)} {'seed' if len(recorded.seeds) == 1 else 'seeds'}"
    where = "within" if _within(again.test_error, bounds) else "outside"
    return (
        f"{old.model} on {old.dataset.release} {old.dataset.size}, made again with {seeds}: "
        f"{100 * again.test_error:.2f} % test error lies {where} the record's 95 % interval, "
        f"{100 * bounds.low:.2f} to {100 * bounds.high:.2f} % (mean {100 * recorded.test_error:.2f} %); "
        f"{100 * agreement.same_class:.1f} % of the clips get the same class, and seed by seed the "
        f"error changes by {100 * agreement.difference:+.2f} points ({100 * agreement.low:+.2f} to "
        f"{100 * agreement.high:+.2f})"
    )


def _check(made: Reproduction, where: str) -> None:
    """Refuses one whose fields are each in order but do not agree."""
    for name in ("recorded", "again"):
        one: Trained = getattr(made, name)
        if not one.seeds or len(set(one.seeds)) != len(one.seeds) or len(one.test_errors) != len(one.seeds):
            raise RecordError(
                f"{where}: {name} has {len(one.seeds)} seeds and {len(one.test_errors)} test errors: expected one "
                "error for each seed, and each seed once"
            )
    if foreign := set(made.again.seeds) - set(made.recorded.seeds):
        raise RecordError(f"{where}: again.seeds holds {min(foreign)}: expected seeds of recorded.seeds")
    if made.within != (found := _within(made.again.test_error, made.interval)):
        raise RecordError(f"{where}: within is {made.within}: expected {found}, as again.test_errors and interval say")

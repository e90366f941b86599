"""What the host found of an entry of frames, `result.json`. Every number in it was computed by the host.

Of prediction: errors by step and what became of the motion. Distances of sets of features are left out: a hundred clips
are fewer than their features, so that covariances would be singular and neighbourhoods empty. Of generation: samples as
a set beside as many held-out clips, and beside as many clips of train, which is what a perfect generator would get.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Protocol

from benchmark.errors import RecordError
from benchmark.generation import record as generation
from benchmark.generation.record import Network
from benchmark.prediction import record as prediction
from benchmark.prediction.record import Errors, Motion
from benchmark.record import Amount, Count, Fraction, Hash, Line, Positive
from benchmark.schema import Text, Whole
from benchmark.submission.schema import EvaluationSplit
from benchmark.submission.views import GENERATION, PREDICTION, VIEWS, View

RESULT_VERSION = 1
_OPEN = Annotated[str, Text("open", '"open", since the frames of every test split are published,', 4)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """A 95 % interval."""

    low: Amount
    high: Amount


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionScores:
    """How one seed's frames did, on the clips that entries predict."""

    clips: Positive
    errors: Errors
    motion: Motion


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationScores:
    """How one set of samples did against as many held-out clips, or frames of them."""

    samples: Positive
    """The first of those that were sent, no more than there are held-out ones."""
    frechet: Amount
    """Squared Fréchet distance in features of a frozen network."""
    precision: Fraction
    recall: Fraction
    density: Amount
    coverage: Fraction
    """These four of one frame a clip."""
    spread: Amount
    """Mean distance between two samples, over that between two held-out ones."""
    copied: Fraction
    """Share that lies nearer to some clip of test than all but one in a hundred clips of train do."""
    failed: Fraction | None
    """Share that has failed by `benchmark.generation.failures`; None of single frames."""
    failed_by_cause: dict[str, Fraction]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredPrediction:
    """One seed's scores, and the SHA-256 of the file they were computed from."""

    seed: Count
    sha256: Hash
    scores: PredictionScores


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredGeneration:
    """The same of samples."""

    seed: Count
    sha256: Hash
    scores: GenerationScores


@dataclass(frozen=True, kw_only=True, slots=True)
class _Common:
    """What results of both tasks say."""

    result_version: Annotated[int, Whole(RESULT_VERSION, RESULT_VERSION)]
    board: _OPEN
    view: View
    test: EvaluationSplit
    train_fingerprint: Hash
    """Of the train split that classes, limits of failure and the scores of true clips come from."""
    features: Network
    """The frozen network that sees the clips."""
    submission_sha256: Hash
    salt: Hash
    predictions_sha256: Hash
    """As `result.Result`."""
    truth_sha256: Hash
    """`truth_sha256` of the two splits under that salt."""
    commit: Line
    python: Line
    libraries: dict[str, Line]


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionResult(_Common):
    """What a submission's predicted frames are worth; the headline is the squared error, a mean over ten steps."""

    metric_version: Annotated[int, Whole(prediction.METRIC_VERSION, prediction.METRIC_VERSION)]
    task: Annotated[str, Text(PREDICTION, f'"{PREDICTION}"', 10)]
    seeds: tuple[ScoredPrediction, ...]
    motion_of_data: Motion
    """Of the true clips: what the measurement itself misses."""
    interval: Bounds
    """Of the mean squared error, over clips within classes and over seeds, as `statistics.mean_error_interval`."""

    @property
    def values(self) -> tuple[float, ...]:
        """The headline of each seed."""
        return tuple(fmean(one.scores.errors.mse) for one in self.seeds)


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationResult(_Common):
    """What a submission's samples are worth; the headline is the Fréchet distance."""

    metric_version: Annotated[int, Whole(generation.METRIC_VERSION, generation.METRIC_VERSION)]
    task: Annotated[str, Text(GENERATION, f'"{GENERATION}"', 10)]
    seeds: tuple[ScoredGeneration, ...]
    of_train: GenerationScores
    """Of as many clips of train in place of samples: what a perfect generator would get."""
    failed_of_data: Fraction | None
    """Share of the held-out clips that have failed."""
    interval: Bounds | None
    """Of the mean distance over seeds, by Student's t; None of a single seed.

    Each seed has samples of its own, so that their deviation has the choice of samples in it, but not that of held-out
    clips. Resampling would not do: samples drawn twice make covariances smaller, and the distance larger.
    """

    @property
    def values(self) -> tuple[float, ...]:
        """The headline of each seed."""
        return tuple(one.scores.frechet for one in self.seeds)


def truth_sha256(salt: str, test: str, train: str) -> str:
    """SHA-256 of the salt in hexadecimal and a line feed, then of the two splits' fingerprints and a line feed each."""
    return hashlib.sha256(f"{salt}\n{test}\n{train}\n".encode("ascii")).hexdigest()


class _Seed(Protocol):
    @property
    def seed(self) -> int: ...


def check_prediction(made: PredictionResult, where: str) -> None:
    """Refuses a result whose fields are each in order but do not agree.

    Raises:
        RecordError: they do not.
    """
    _check_common(made, made.seeds, where)
    steps = made.view.frames
    for i, one in enumerate(made.seeds):
        scores = one.scores
        lists = [*(getattr(scores.errors, name) for name in prediction.METRICS), scores.motion.error]
        lists += [scores.motion.lost, scores.motion.split]
        if any(len(values) != steps for values in lists):
            raise RecordError(f"{where}: seeds[{i}].scores has not {steps} steps, one for each predicted frame")
        if scores.clips > made.test.clips:
            raise RecordError(
                f"{where}: seeds[{i}].scores.clips is {scores.clips}: expected at most {made.test.clips}, as in test"
            )


def check_generation(made: GenerationResult, where: str) -> None:
    """Refuses a result whose fields are each in order but do not agree.

    Raises:
        RecordError: they do not.
    """
    _check_common(made, made.seeds, where)
    if (made.interval is None) != (len(made.seeds) == 1):
        raise RecordError(f"{where}: interval is for several seeds, and for them alone: got {len(made.seeds)} seeds")
    if len({made.of_train.samples, *(one.scores.samples for one in made.seeds)}) > 1:
        raise RecordError(f"{where}: seeds and of_train have other numbers of samples: expected one number")


def _check_common(made: PredictionResult | GenerationResult, seeds: Sequence[_Seed], where: str) -> None:
    numbers = [one.seed for one in seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        raise RecordError(f"{where}: seeds holds the seeds {numbers}: expected at least one, and every seed once")
    if made.view not in VIEWS[made.task]:
        raise RecordError(f"{where}: view is {made.view}: expected {', or '.join(map(str, VIEWS[made.task]))}")
    if made.truth_sha256 != truth_sha256(made.salt, made.test.fingerprint, made.train_fingerprint):
        raise RecordError(f"{where}: truth_sha256 is not of its splits under its salt: score the entry anew")
    bounds, mean = made.interval, fmean(made.values)
    if bounds is not None and not bounds.low * (1 - 1e-9) <= mean <= bounds.high * (1 + 1e-9):
        raise RecordError(f"{where}: interval is from {bounds.low} to {bounds.high}: expected the mean {mean} within")

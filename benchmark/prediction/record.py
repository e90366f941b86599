"""One result of a predictor, one JSON file: what was measured on test, by seed, and everything to measure it again.

Version 2 adds `frechet_of_train`, which a record of version 1 reads as unknown.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from benchmark import record_file, schema
from benchmark.errors import RecordError
from benchmark.generation.record import Finite, Network, View
from benchmark.record import Amount, Count, Dataset, Environment, Fraction, Hash, Name, Positive, Remark, Settings, Tags
from benchmark.schema import Text, Whole

RECORD_VERSION = 2
METRIC_VERSION = 1
"""Goes up when the same predictions would get other numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """Of frames in [0, 1], by step after the context: means over clips, pixels and channels."""

    mse: tuple[Amount, ...]
    mae: tuple[Amount, ...]
    psnr: tuple[Finite, ...]
    """Decibels, means over clips."""
    ssim: tuple[Finite, ...]


METRICS = tuple(field.name for field in dataclasses.fields(Errors))


def summed(mean: float, channels: int, height: int, width: int) -> float:
    """A mean over pixels and channels as OpenSTL gives it, a sum over them (Tan et al. 2023, arXiv 2306.11249)."""
    return mean * channels * height * width


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """What became of the object, as `benchmark.prediction.physics` finds it."""

    error: tuple[Amount, ...]
    """Median distance from the true place by step, pixels of a 64×64 frame."""
    lost: tuple[Fraction, ...]
    split: tuple[Fraction, ...]
    speed: Amount | None
    """Of objects of constant speed, at the end, over the true one; a median."""
    speed_kept: Fraction | None
    came_back: Fraction | None
    """Of those that bounce while they are predicted."""
    class_agreement: Fraction
    """Share of the clips in whose continuation a frozen network sees the true class."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """How one seed's predictions did."""

    clips: Positive
    single: Errors
    """Of one continuation of each context."""
    best: Errors | None
    """Of stochastic models: of `samples` continuations, by each metric the best of each context."""
    mean: Errors | None
    """Of stochastic models: of the pixels' means over `samples` continuations."""
    samples: Positive
    frechet: Amount
    """Squared Fréchet distance of continued clips from true ones, in features of whole clips."""
    frechet_shuffled: Amount
    """Of true clips whose predicted part has its frames in random order: it shows that the distance sees time."""
    frechet_of_train: Amount | None
    """Of as many clips of train: how near true clips come. None where it was not measured yet."""
    density: Amount
    coverage: Fraction
    motion: Motion | None
    """None of clips that were not simulated: nobody knows where their objects truly are."""
    motion_of_data: Motion | None
    """The same of true clips: what the measurement itself misses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """One training from scratch; of a rule, its only result."""

    seed: Count
    chosen_epoch: Count
    chosen_by: Name
    history: tuple[dict[str, Finite], ...]
    test: Scores
    weights_sha256: Hash
    """Of a rule, which has none, of its settings."""
    wall_time_s: Amount
    training_clips_per_s: Amount
    predicted_frames_per_s: Amount
    peak_memory_bytes: Count


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One predictor on one dataset, over all its seeds."""

    record_version: Annotated[int, Whole(RECORD_VERSION, RECORD_VERSION)]
    metric_version: Annotated[int, Whole(METRIC_VERSION, METRIC_VERSION)]
    model: Name
    task: Annotated[str, Text("prediction", '"prediction"', 10)]
    view: View
    context: Positive
    horizon: Positive
    """Frames after the context that were learnt."""
    stochastic: bool
    source: Remark
    dataset: Dataset
    config: Settings
    features: Network
    seeds: tuple[Seed, ...]
    parameters: Count
    flops_per_frame: Count
    """Two for each multiply-add, of a predicted frame, the context's share included."""
    environment: Environment
    tags: Tags


def read(path: Path) -> Record:
    """Reads the record at `path`, and checks that it does not contradict itself.

    Raises:
        RecordError: the first bad field, with its path, what was got and what was expected.
        OSError: the file cannot be read.
    """
    document = schema.decode(record_file.read_text(path), str(path))
    made = schema.build(Record, _of_today(document), str(path))
    _check(made, str(path))
    return made


def write(made: Record, path: Path) -> Record:
    """Checks a record as `read` would, writes it, whole or not at all, and returns it as `read` will.

    Raises:
        RecordError: the record would be refused when read; nothing is written.
        OSError: the file cannot be written.
    """
    return record_file.write_checked(made, path, _check)


def _of_today(document: Any) -> Any:
    """A record of version 1 as one of version 2; anything else as it is, for `build` to judge."""
    if not isinstance(document, dict) or document.get("record_version") != 1:
        return document
    if type(document["record_version"]) is not int or not isinstance(document.get("seeds"), list):
        return document
    scores = [seed["test"] for seed in document["seeds"] if isinstance(seed, dict) and "test" in seed]
    for one in scores:
        if isinstance(one, dict):
            one.setdefault("frechet_of_train", None)
    return document | {"record_version": RECORD_VERSION}


def _check(made: Record, where: str) -> None:
    numbers = [seed.seed for seed in made.seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        raise RecordError(f"{where}: seeds holds the seeds {numbers}: expected one or more, each once")
    for i, seed in enumerate(made.seeds):
        scores = seed.test
        steps = made.view.frames - made.context
        for name, errors in (("single", scores.single), ("best", scores.best), ("mean", scores.mean)):
            if errors is not None and any(len(values) != steps for values in _values(errors)):
                raise RecordError(
                    f"{where}: seeds[{i}].test.{name} has not {steps} steps, one for each predicted frame"
                )
        if (scores.best is not None) != made.stochastic or (scores.mean is not None) != made.stochastic:
            raise RecordError(f"{where}: seeds[{i}].test has best and mean where stochastic is {made.stochastic}")
        motions = (scores.motion, scores.motion_of_data)
        if any((motion is None) != (made.seeds[0].test.motion is None) for motion in motions):
            raise RecordError(
                f"{where}: seeds[{i}].test has motion without motion_of_data, or otherwise than seeds[0]: expected "
                "both of simulated clips and neither of others, in every seed"
            )
        if seed.chosen_epoch not in [row.get("epoch") for row in seed.history]:
            raise RecordError(
                f"{where}: seeds[{i}].chosen_epoch is {seed.chosen_epoch}: expected an epoch of its history of "
                f"{len(seed.history)} rows"
            )


def _values(errors: Errors) -> list[tuple[float, ...]]:
    return [getattr(errors, field.name) for field in dataclasses.fields(errors)]

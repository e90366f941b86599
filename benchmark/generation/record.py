"""One result of a generator, one JSON file: what was measured on test, by seed, and everything to measure it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark import record_file
from benchmark.errors import RecordError
from benchmark.record import (
    Amount,
    Count,
    Dataset,
    Environment,
    Fraction,
    Hash,
    Name,
    Positive,
    Remark,
    Settings,
    Tags,
)
from benchmark.schema import Number, Text, Whole

RECORD_VERSION = 1
METRIC_VERSION = 1
"""Goes up when the same samples would get other numbers."""

TRAIN_IN_PLAY, VALID_IN_PLAY, SAMPLES_IN_PLAY = (
    f"{judged}_in_play" for judged in ("train_judged_real", "valid_judged_real", "valid_samples_judged_real")
)
"""Of an epoch's row: the shares of train, of valid and of samples that the discriminator holds to be real after it, as
`benchmark.generation.in_play` finds them; samples are those that played with the clips of valid."""

Finite = Annotated[float, Number()]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What the generator saw and made of a clip: `frames` by themselves, or `clips`; frames are squares."""

    form: Annotated[str, Text("frames|clips", '"frames" or "clips"', 6)]
    frames: Positive
    """Of each sample."""
    image_size: Positive


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconstruction:
    """Held-out clips, encoded and decoded again."""

    mean_squared_error: Amount
    """Of pixels in [0, 1]."""
    psnr: Finite
    """Decibels, the mean over clips, for a data range of 1."""
    feature_distance: Amount
    """The mean distance in feature space, over that between two held-out clips."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """How one seed's samples did against as many held-out clips of a split."""

    samples: Positive
    frechet: Amount
    frechet_of_train: Amount
    """The same distance for as many clips of train in place of samples: what a perfect generator would get."""
    precision: Fraction
    """As recall, density and coverage, from one frame of each held-out clip, and as many samples."""
    recall: Fraction
    density: Amount
    coverage: Fraction
    spread: Amount
    """Mean distance between samples, over that between held-out clips."""
    reconstruction: Reconstruction | None
    nats: Finite | None
    """A bound of the mean negative log-likelihood; of models that have one."""
    error: Fraction | None
    """Share of held-out clips whose value of the attribute is missed; of models that learn it from few labels."""
    failed: Fraction | None
    """Share of generated clips that have failed by `failures.Criterion`; None of single frames."""
    failed_by_cause: dict[str, Fraction]
    """Of the same, one of several causes counting for each."""
    failed_of_data: Fraction | None
    """Share of the held-out clips that have."""
    agreement: dict[str, Finite]
    """Of conditional models: a reader's accuracy or correlation on samples, by attribute; of clips the class too."""
    agreement_of_data: dict[str, Finite]
    """The same for held-out clips themselves: the most that can be expected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """One training from scratch."""

    seed: Count
    chosen_epoch: Count
    chosen_by: Name
    history: tuple[dict[str, Finite], ...]
    """One row an epoch: losses and shares of train, metrics of valid."""
    test: Scores
    weights_sha256: Hash
    wall_time_s: Amount
    training_clips_per_s: Amount
    samples_per_s: Amount
    peak_memory_bytes: Count


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A frozen network that scores were computed with."""

    name: Name
    sha256: Hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One generator on one dataset, over all its seeds."""

    record_version: Annotated[int, Whole(RECORD_VERSION, RECORD_VERSION)]
    metric_version: Annotated[int, Whole(METRIC_VERSION, METRIC_VERSION)]
    model: Name
    task: Annotated[str, Text("generation", '"generation"', 10)]
    view: View
    attributes: tuple[Name, ...]
    """What a conditional generator was told."""
    labels: Annotated[str, Text("[a-z]*", "the name of an attribute, or nothing,", 64)]
    """What it learnt to tell from few labels."""
    source: Remark
    dataset: Dataset
    config: Settings
    features: Network
    seeds: tuple[Seed, ...]
    parameters: Count
    """Of all players."""
    flops_per_sample: Count
    """Two for each multiply-add."""
    environment: Environment
    tags: Tags


def parse(text: str, where: str = "record.json") -> Record:
    """Reads a record and checks that it does not contradict itself; `where` names it in messages.

    Raises:
        RecordError: the first bad field, with its path, what was got and what was expected.
    """
    return record_file.parse_checked(Record, text, where, _check)


def read(path: Path) -> Record:
    """Reads the record at `path`.

    Raises:
        RecordError: as `parse`; also for a file that is missing, too large, or not UTF-8.
        OSError: the file cannot be read.
    """
    return parse(record_file.read_text(path), str(path))


def write(made: Record, path: Path) -> Record:
    """Checks a record as `read` would, writes it, whole or not at all, and returns it as `read` will.

    Raises:
        RecordError: the record would be refused when read; nothing is written.
        OSError: the file cannot be written.
    """
    return record_file.write_checked(made, path, _check)


def _check(made: Record, where: str) -> None:
    numbers = [seed.seed for seed in made.seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        raise RecordError(f"{where}: seeds holds the seeds {numbers}: expected one or more, each once")
    for i, seed in enumerate(made.seeds):
        epochs = [row.get("epoch") for row in seed.history]
        if seed.chosen_epoch not in epochs:
            raise RecordError(
                f"{where}: seeds[{i}].chosen_epoch is {seed.chosen_epoch}: expected an epoch of its history of "
                f"{len(epochs)} rows"
            )

"""One result, one JSON file: what a run measured, and everything needed to measure it again.

A record holds numbers as they were measured. Nothing derived is stored: ranks, means and intervals are
computed from records. Errors are fractions from 0 to 1.

Version 1 describes classification; version 2 adds `shifted`: other test sets that the chosen weights were put to.
A record of version 1 reads as one of version 2 that was put to none; the first of them did not name the classes, which
were those of Dynamics.

    record = read(Path("runs/conv3d/standard-mini/record.json"))
    write(record, path)          # checks first, then writes whole or not at all
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from benchmark.errors import RecordError
from benchmark.record_file import read_text, write_checked
from benchmark.schema import Number, Setting, Text, Whole, build, decode, shown
from benchmark.statistics import Interval
from dynamics_gen.classes import CLASSES, factors
from dynamics_gen.config import SPLITS

RECORD_VERSION = 2
METRIC_VERSION = 1
"""Goes up when the same predictions would get other numbers."""

TOLERANCE = 1e-9

Count = Annotated[int, Whole(0)]
Positive = Annotated[int, Whole(1)]
Fraction = Annotated[float, Number(0, 1)]
Amount = Annotated[float, Number(0)]
Name = Annotated[str, Text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "a name of letters, digits and _ . -", 64)]
Input = Annotated[str, Text(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", "a name of letters, digits and _ . + -", 64)]
Line = Annotated[str, Text()]
Remark = Annotated[str, Text(".*", "a line of text, perhaps empty,", 2_000)]
Hash = Annotated[str, Text(r"[0-9a-f]{64}", "a SHA-256 in lower-case hexadecimal", 64)]

_PATH_OF, _SPEED_OF = np.array([factors(label) for label in range(len(CLASSES))]).T


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """How one seed did on one split. Rows of `confusion` are true labels, columns predicted ones."""

    clips: Positive
    error: Fraction
    error_path: Fraction | None
    """Share of clips whose predicted path is wrong; rotation counts as a fourth path. None for other classes."""
    error_speed: Fraction | None
    confusion: tuple[tuple[Count, ...], ...]

    @classmethod
    def from_confusion(cls, confusion: Any, classes: Sequence[str] = CLASSES) -> Scores:
        """Computes every score from counts [classes, classes].

        Raises:
            ValueError: the counts have another shape, or there are none.
        """
        counts = np.asarray(confusion)
        if counts.shape != (len(classes), len(classes)) or counts.sum() < 1:
            raise ValueError(f"a confusion matrix of shape {counts.shape} with {counts.sum()} clips has no score")
        total = int(counts.sum())
        by_factor = [
            float(counts[factor[:, None] != factor].sum()) / total if tuple(classes) == CLASSES else None
            for factor in (_PATH_OF, _SPEED_OF)
        ]
        return cls(
            clips=total,
            error=float(total - np.trace(counts)) / total,
            error_path=by_factor[0],
            error_speed=by_factor[1],
            confusion=tuple(tuple(int(count) for count in row) for row in counts),
        )

    @classmethod
    def from_labels(cls, true: Any, predicted: Any, classes: Sequence[str] = CLASSES) -> Scores:
        """Computes every score from two lists of labels of equal length, indices into `classes`."""
        counts = np.zeros((len(classes), len(classes)), np.int64)
        np.add.at(counts, (np.asarray(true), np.asarray(predicted)), 1)
        return cls.from_confusion(counts, classes)


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitScores:
    """One seed's scores at the epoch that was chosen on valid; train may be scored on a part of its clips."""

    train: Scores
    valid: Scores
    test: Scores


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """One pass over train. `train_error` is the running mean over (augmented) batches.

    Of a model that is fitted: one candidate, its errors on all of train and valid, and no learning rate (0).
    """

    epoch: Count
    train_loss: Annotated[float, Number()]
    train_error: Fraction
    valid_error: Fraction
    learning_rate: Amount
    seconds: Amount


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """One training from scratch, and the file of its test predictions beside the record."""

    seed: Count
    chosen_epoch: Count
    history: tuple[Epoch, ...]
    scores: SplitScores
    predictions: Name
    predictions_sha256: Hash
    wall_time_s: Amount
    training_clips_per_s: Amount
    peak_memory_bytes: Count


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which clips: how many, and the fingerprint in the split's manifest.

    Of train, how many were trained on: the first of each class, if the recipe's `train_per_class` says so.
    """

    clips: Positive
    fingerprint: Line


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """The three splits of the benchmark."""

    train: Split
    valid: Split
    test: Split


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """The data that were trained, chosen and tested on; `classes` in label order."""

    release: Name
    size: Name
    seed: Count
    frames: Positive
    fps: Annotated[float, Number(0.01, 1_000)]
    image_size: Positive
    classes: tuple[Annotated[str, Text(longest=64)], ...]
    splits: Splits


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The resolved configuration: the model's own, and the training recipe's (empty if the model is fitted)."""

    model: dict[str, Setting]
    training: dict[str, Setting]


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Where it ran. `commit` is the state of the code, `unknown` outside a checkout."""

    device: Line
    precision: Line
    threads: Positive
    commit: Line
    python: Line
    platform: Line
    libraries: dict[str, Line]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShiftedSeed:
    """One seed's scores on another test set, and the file of its predictions beside the record."""

    seed: Count
    scores: Scores
    predictions: Name
    predictions_sha256: Hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Shifted:
    """Every seed's chosen weights on the test split of another release; nothing was chosen there."""

    release: Name
    split: Split
    frames: Positive
    """Of a clip there."""
    windows: Positive
    """As long as the clips of train, spread evenly over a clip there; their probabilities are averaged."""
    seeds: tuple[ShiftedSeed, ...]
    environment: Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorInterval:
    """The 95 % interval of a mean error over new clips and new seeds, by `statistics.mean_error_interval`.

    No record holds one: it is for results that are kept without the predictions that they could be computed from.
    """

    low: Fraction
    high: Fraction

    @property
    def interval(self) -> Interval:
        """As the board compares it."""
        return Interval(low=self.low, high=self.high)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tags:
    """What a reader of the board must know. `verified`: the maintainers ran or scored it themselves."""

    verified: bool
    extra_data: bool
    note: Remark


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One model on one dataset, over all its seeds."""

    record_version: Annotated[int, Whole(RECORD_VERSION, RECORD_VERSION)]
    metric_version: Annotated[int, Whole(METRIC_VERSION, METRIC_VERSION)]
    model: Name
    task: Annotated[str, Text("classification", '"classification"', 14)]
    input: Input
    source: Remark
    dataset: Dataset
    config: Settings
    seeds: tuple[Seed, ...]
    shifted: tuple[Shifted, ...]
    """Each release once; empty until `bench evaluate`."""
    parameters: Count
    """Of all stages."""
    flops_per_clip: Count | None
    """One forward pass; None where nobody can count them, as for trees."""
    environment: Environment
    tags: Tags


def predictions_name(seed: int, release: str = "") -> str:
    """The file of a seed's predictions for test; of another release, if one is named."""
    return f"predictions-{release}-seed{seed}.npz" if release else f"predictions-seed{seed}.npz"


def parse(text: str, where: str = "record.json") -> Record:
    """Reads a record and checks that it does not contradict itself; `where` names it in messages.

    Raises:
        RecordError: the first bad field, with its path, what was got and what was expected.
    """
    document = decode(text, where)
    version = document.get("record_version") if isinstance(document, dict) else None
    if version is not None and (type(version) is not int or not 1 <= version <= RECORD_VERSION):
        raise RecordError(
            f"{where}: record_version is {shown(version)}: expected 1 to {RECORD_VERSION},"
            " those that this version of the benchmark reads; install the version that wrote it"
        )
    if version == 1 and "shifted" not in document:
        document |= {"record_version": RECORD_VERSION, "shifted": []}
        if isinstance(dataset := document.get("dataset"), dict):
            dataset.setdefault("classes", list(CLASSES))
    record = build(Record, document, where)
    _check(record, where)
    return record


def read(path: Path) -> Record:
    """Reads the record at `path`.

    Raises:
        RecordError: as `parse`; also for a file that is missing, over 16 MiB, or not UTF-8.
        OSError: the file cannot be read.
    """
    return parse(read_text(path), str(path))


def write(record: Record, path: Path) -> Record:
    """Checks `record` as `read` would, writes it, whole or not at all, and returns it as `read` will.

    Raises:
        RecordError: the record would be refused when read; nothing is written.
        OSError: the file cannot be written.
    """
    return write_checked(record, path, _check)


def _check(record: Record, where: str) -> None:
    """Refuses a record whose fields are each in order but do not agree."""
    if not record.seeds:
        raise RecordError(f"{where}: seeds is a list of 0: expected at least one seed")
    numbers = [seed.seed for seed in record.seeds]
    if len(set(numbers)) < len(numbers):
        raise RecordError(f"{where}: seeds holds the seeds {numbers}: expected every seed once")
    for i, seed in enumerate(record.seeds):
        _check_seed(seed, record.dataset, f"{where}: seeds[{i}]")
    releases = [shifted.release for shifted in record.shifted]
    if len({record.dataset.release, *releases}) <= len(releases):
        raise RecordError(
            f"{where}: shifted holds the releases {', '.join(releases)}: expected each once,"
            f" and not {record.dataset.release}, which was trained on"
        )
    for i, shifted in enumerate(record.shifted):
        _check_shifted(shifted, record, f"{where}: shifted[{i}]")


def _check_seed(seed: Seed, dataset: Dataset, where: str) -> None:
    epochs = [row.epoch for row in seed.history]
    if not epochs or sorted(set(epochs)) != epochs:
        raise RecordError(f"{where}.history holds {shown(epochs)} epochs: expected at least one, in rising order")
    if seed.chosen_epoch not in epochs:
        raise RecordError(
            f"{where}.chosen_epoch is {seed.chosen_epoch}: expected an epoch of its history,"
            f" from {epochs[0]} to {epochs[-1]}"
        )
    if seed.predictions != (name := predictions_name(seed.seed)):
        raise RecordError(f'{where}.predictions is {shown(seed.predictions)}: expected "{name}"')
    for name in SPLITS:
        scores: Scores = getattr(seed.scores, name)
        clips = getattr(dataset.splits, name).clips
        if scores.clips > clips or (name != "train" and scores.clips < clips):
            raise RecordError(
                f"{where}.scores.{name}.clips is {scores.clips}: expected {clips}"
                f"{' at most' if name == 'train' else ''}, as in dataset.splits.{name}"
            )
        _check_scores(scores, dataset.classes, f"{where}.scores.{name}")


def _check_shifted(shifted: Shifted, record: Record, where: str) -> None:
    seeds = [one.seed for one in shifted.seeds]
    if seeds != [seed.seed for seed in record.seeds]:
        raise RecordError(f"{where}.seeds holds the seeds {seeds}: expected those of the record, in its order")
    for i, one in enumerate(shifted.seeds):
        name = predictions_name(one.seed, shifted.release)
        if one.predictions != name:
            raise RecordError(f'{where}.seeds[{i}].predictions is {shown(one.predictions)}: expected "{name}"')
        if one.scores.clips != shifted.split.clips:
            raise RecordError(
                f"{where}.seeds[{i}].scores.clips is {one.scores.clips}: expected {shifted.split.clips}, as in split"
            )
        _check_scores(one.scores, record.dataset.classes, f"{where}.seeds[{i}].scores")


def _check_scores(scores: Scores, names: tuple[str, ...], where: str) -> None:
    classes = len(names)
    if [len(row) for row in scores.confusion] != [classes] * classes:
        shape = f"{len(scores.confusion)} rows of {sorted({len(row) for row in scores.confusion})}"
        raise RecordError(f"{where}.confusion has {shape} counts: expected {classes} rows of {classes}")
    total = sum(map(sum, scores.confusion))
    if total != scores.clips:
        raise RecordError(f"{where}.confusion counts {total} clips: expected {scores.clips}, as in clips")
    counted = Scores.from_confusion(scores.confusion, names)
    for name in ("error", "error_path", "error_speed"):
        got, expected = getattr(scores, name), getattr(counted, name)
        if (got is None) != (expected is None) or (got is not None and abs(got - expected) > TOLERANCE):
            raise RecordError(f"{where}.{name} is {got}: expected {expected}, as the confusion matrix says")

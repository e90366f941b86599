"""One person on some clips of valid, one JSON file: `human.json`.

A `Record` says how a model was trained, how its epoch was chosen on valid and what it did on test. A person has no
training, no epochs, and is asked about valid; so this is a file of its own, which holds every answer beside the truth.
Scores and intervals are derived from it, as from a record.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from benchmark.errors import RecordError
from benchmark.record import Amount, Count, Line, Name, Positive, Scores
from benchmark.record_file import LARGEST_BYTES
from benchmark.schema import Text, Whole, build, dump, parse
from benchmark.statistics import Interval, mean_error_interval
from dynamics_gen.files import write_whole

HUMAN_VERSION = 1
FILE = "human.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One clip: true label and answered one, indices into `classes`, and how long it took."""

    clip_id: Line
    label: Count
    answer: Count
    seconds: Amount


@dataclass(frozen=True, kw_only=True, slots=True)
class HumanResult:
    """One person's answers on the page of a seed. `split_clips` are those of valid, `fingerprint` is its own."""

    human_version: Annotated[int, Whole(HUMAN_VERSION, HUMAN_VERSION)]
    release: Name
    size: Name
    fingerprint: Line
    split_clips: Positive
    classes: tuple[Annotated[str, Text(longest=64)], ...]
    clips_per_class: Positive
    seed: Count
    answers: tuple[Answer, ...]

    @property
    def scores(self) -> Scores:
        """Error, errors by factor and confusion matrix."""
        return Scores.from_labels(*self._labels, self.classes)

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the error, over the choice of clips; one person says nothing of others."""
        true, said = self._labels
        return mean_error_interval((true != said)[None], true, np.random.default_rng(0))

    @property
    def seconds(self) -> float:
        """The median time for a clip."""
        return float(np.median([one.seconds for one in self.answers]))

    @property
    def _labels(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([one.label for one in self.answers]), np.array([one.answer for one in self.answers])


def read(path: Path) -> HumanResult:
    """Reads the result at `path`.

    Raises:
        RecordError: it is not as the format has it, or contradicts itself.
        OSError: it cannot be read.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise RecordError(f"{path}: more than {LARGEST_BYTES} bytes: expected a result of `bench human score`")
    try:
        result = parse(HumanResult, path.read_text("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    _check(result, str(path))
    return result


def write(result: HumanResult, path: Path) -> None:
    """Checks a result as `read` would and writes it, whole or not at all.

    Raises:
        RecordError: it would be refused when read; nothing is written.
        OSError: it cannot be written.
    """
    checked = build(HumanResult, dataclasses.asdict(result), str(path))
    _check(checked, str(path))
    write_whole(path, dump(checked).encode("utf-8"))


def _check(result: HumanResult, where: str) -> None:
    """Refuses a result whose fields are each in order but do not agree."""
    names = [one.clip_id for one in result.answers]
    if len(set(names)) < len(names):
        raise RecordError(f"{where}: answers holds a clip_id twice: expected every clip once")
    for i, one in enumerate(result.answers):
        if max(one.label, one.answer) >= len(result.classes):
            worst = "label" if one.label >= len(result.classes) else "answer"
            raise RecordError(
                f"{where}: answers[{i}].{worst} is {getattr(one, worst)}: expected 0 to {len(result.classes) - 1}"
            )
    counts = np.bincount([one.label for one in result.answers], minlength=len(result.classes))
    if not len(counts) or (counts != result.clips_per_class).any() or len(names) > result.split_clips:
        raise RecordError(
            f"{where}: answers holds {counts.tolist()} clips of each class: expected {result.clips_per_class}, as in "
            f"clips_per_class, of the {result.split_clips} in split_clips"
        )

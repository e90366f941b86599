"""What the host found, one JSON file beside a submission: `result.json`. Every number in it was computed by the host.

The interval of the mean error is stored, unlike that of a record: of a hidden test set only the host can compute it,
and which clips a seed missed would give their labels away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark.errors import RecordError
from benchmark.record import METRIC_VERSION, Count, ErrorInterval, Fraction, Hash, Line, Scores
from benchmark.record_file import write_checked
from benchmark.schema import Text, Whole, build, decode
from benchmark.submission.files import read_plain_text
from benchmark.submission.schema import EvaluationSplit
from dynamics_gen.classes import CLASSES

FILE = "result.json"
RESULT_VERSION = 2
LARGEST_BYTES = 2**20
OPEN, HIDDEN = "open", "hidden"
"""Whose labels anybody can derive; whose labels the host alone holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredSeed:
    """One seed's scores on the test split, and the SHA-256 of the file they were computed from."""

    seed: Count
    sha256: Hash
    scores: Scores


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a submission's predictions are worth; classes in label order."""

    result_version: Annotated[int, Whole(RESULT_VERSION, RESULT_VERSION)]
    metric_version: Annotated[int, Whole(METRIC_VERSION, METRIC_VERSION)]
    task: Annotated[str, Text("classification", '"classification"', 14)]
    board: Annotated[str, Text(f"{OPEN}|{HIDDEN}", f'"{OPEN}" or "{HIDDEN}"', 6)]
    test: EvaluationSplit
    submission_sha256: Hash
    """Of the submission.json that was scored."""
    seeds: tuple[ScoredSeed, ...]
    error_interval: ErrorInterval
    calibration_error: Fraction | None
    """Expected calibration error, the mean over seeds; None in results of version 1, which did not have it."""
    salt: Hash
    """Drawn by the host for this result: 256 bits in hexadecimal."""
    predictions_sha256: Hash
    """`salted_sha256` of the files under that salt."""
    labels_sha256: Hash
    """Of an open test, `hidden.commitment_of` its labels under that salt; of a hidden one, the published commitment.

    The salt of that stays with the host until the set is retired: whoever had it and most labels could try the rest.
    """
    commit: Line
    """Of the code that scored, `unknown` outside a checkout."""
    python: Line
    libraries: dict[str, Line]


def salted_sha256(salt: str, files: Iterable[tuple[int, str]]) -> str:
    """SHA-256 of the salt in hexadecimal and a line feed, then of `seed,sha256` and a line feed a seed."""
    lines = "".join(f"{seed},{sha256}\n" for seed, sha256 in files)
    return hashlib.sha256(f"{salt}\n{lines}".encode("ascii")).hexdigest()


def read(path: Path) -> Result:
    """Reads the result at `path`.

    Raises:
        RecordError: it is not as the format has it, or contradicts itself.
        OSError: it cannot be read.
    """
    document, where = decode(read_plain_text(path, LARGEST_BYTES), str(path)), str(path)
    if isinstance(document, dict) and document.get("result_version") == 1 and "calibration_error" not in document:
        document |= {"result_version": RESULT_VERSION, "calibration_error": None}
    made = build(Result, document, where)
    _check(made, where)
    return made


def write(made: Result, path: Path) -> None:
    """Checks a result as `read` would and writes it, whole or not at all.

    Raises:
        RecordError: it would be refused when read; nothing is written.
        OSError: it cannot be written.
    """
    write_checked(made, path, _check)


def _check(made: Result, where: str) -> None:
    """Refuses a result whose fields are each in order but do not agree."""
    numbers = [one.seed for one in made.seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        raise RecordError(f"{where}: seeds holds the seeds {numbers}: expected at least one, and every seed once")
    for i, one in enumerate(made.seeds):
        try:
            counted = Scores.from_confusion(one.scores.confusion, CLASSES)
        except ValueError as error:
            raise RecordError(
                f"{where}: seeds[{i}].scores.confusion is none of {len(CLASSES)} classes ({error})"
            ) from None
        if counted != one.scores:
            raise RecordError(f"{where}: seeds[{i}].scores are not those of their confusion matrix")
        if one.scores.clips != made.test.clips:
            raise RecordError(
                f"{where}: seeds[{i}].scores.clips is {one.scores.clips}: expected {made.test.clips}, as in test"
            )
    mean = sum(one.scores.error for one in made.seeds) / len(made.seeds)
    bounds = made.error_interval
    if not bounds.low - 1e-9 <= mean <= bounds.high + 1e-9:
        raise RecordError(
            f"{where}: error_interval is from {bounds.low} to {bounds.high}: expected the mean {mean} within"
        )

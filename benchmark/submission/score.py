"""The host's side: every number anew from predictions and labels; nothing that an entrant says of itself is a score."""

from __future__ import annotations

import dataclasses
import math
import operator
import platform
import secrets
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmark.calibration import calibration
from benchmark.errors import RecordError
from benchmark.predictions import Predictions
from benchmark.record import METRIC_VERSION, ErrorInterval, Scores
from benchmark.statistics import mean_error_interval
from benchmark.submission import any_result, result
from benchmark.submission.any_result import AnyResult
from benchmark.submission.check import Checked, check
from benchmark.submission.result import HIDDEN, OPEN, RESULT_VERSION, Result, ScoredSeed, salted_sha256
from benchmark.submission.schema import Submission
from benchmark.submission.split import OpenedSplit
from benchmark.submission.views import CLASSIFICATION
from dynamics_gen import hidden
from dynamics_gen.classes import CLASSES

ROUNDING = 1e-4
"""Relative and absolute, by which numbers of two machines may differ that networks have a part in."""

_OF_THE_MACHINE = ("commit", "python", "libraries")


def score(folder: Path, split: OpenedSplit, labels: Path | None = None, salt: str | None = None) -> Result:
    """Checks an entry and scores it; nothing is written.

    Args:
        folder: `<group>/<entry>`.
        split: the test split; of a hidden test set, the published one, with commitment.json in the folder above.
        labels: the host's labels.csv of a hidden test set, with opening.json beside it; an open one needs none.
        salt: 64 hexadecimal digits; drawn if not given.

    Raises:
        RecordError: the entry is not in order, or the labels are missing or of other clips.
        ShardError: the labels do not match the commitment.
        OSError: a file cannot be read.
    """
    found = score_any(folder, split, labels, salt)
    if not isinstance(found, Result):
        raise RecordError(f"{folder}: is an entry of {found.task}: expected one of classification")
    return found


def score_any(folder: Path, split: OpenedSplit, labels: Path | None = None, salt: str | None = None) -> AnyResult:
    """Checks an entry of any task and scores it as `score` does; entries of frames need no labels.

    Raises:
        RecordError: as `score`; or there is no train split beside `split`, which frames are scored with.
        ShardError: as `score`.
        OSError: as `score`.
    """
    checked = check(folder, split, with_result=False)
    if checked.problems or checked.submission is None:
        count = len(checked.problems)
        more = f"; it is the first of {count} problems, `bench submit check` names all" if count > 1 else ""
        raise RecordError(f"{checked.problems[0]}{more}")
    salt = salt or secrets.token_hex(32)
    if checked.task == CLASSIFICATION:
        return _score_classes(checked, checked.submission, split, labels, salt)
    if labels is not None:
        raise RecordError(f"{folder}: is an entry of {checked.task}, which needs no labels: leave --labels out")
    from benchmark.submission.score_frames import score_frames  # loads torch

    return score_frames(checked, split, salt)


def _score_classes(checked: Checked, made: Submission, split: OpenedSplit, labels: Path | None, salt: str) -> Result:
    from benchmark.machine import commit, libraries

    true, digest = _labels(split, labels, salt)
    ordered = [checked.said[one.predictions].sorted() for one in made.seeds]
    chosen = np.stack([one.probabilities.argmax(axis=1) for one in ordered])
    bounds = mean_error_interval(chosen != true, true, np.random.default_rng(0))
    files = [(one.seed, one.sha256) for one in made.seeds]
    return Result(
        result_version=RESULT_VERSION,
        metric_version=METRIC_VERSION,
        task=made.task,
        board=OPEN if split.labels is not None else HIDDEN,
        test=split.test,
        submission_sha256=checked.submission_sha256,
        seeds=tuple(
            ScoredSeed(seed=one.seed, sha256=one.sha256, scores=Scores.from_labels(true, guessed, CLASSES))
            for one, guessed in zip(made.seeds, chosen, strict=True)
        ),
        error_interval=ErrorInterval(low=bounds.low, high=bounds.high),
        calibration_error=fmean(
            calibration(Predictions(clip_id=one.clip_id, label=true, probabilities=one.probabilities)).expected_error
            for one in ordered
        ),
        salt=salt,
        predictions_sha256=salted_sha256(salt, files),
        labels_sha256=digest,
        commit=commit(),
        python=platform.python_version(),
        libraries=libraries(),
    )


def compare(folder: Path, split: OpenedSplit, labels: Path | None = None) -> AnyResult:
    """Scores an entry of any task again, under the salt of its result.json, and returns that if it says the same.

    Raises:
        RecordError: it says something else; or as `score`.
        ShardError: as `score`.
        OSError: a file cannot be read.
    """
    path = folder / result.FILE
    stated = any_result.read(path)
    found = score_any(folder, split, labels, stated.salt)
    for one in dataclasses.fields(found):
        exact = isinstance(found, Result) and one.name != "calibration_error"
        alike = operator.eq if exact else _agree
        if one.name not in _OF_THE_MACHINE and not alike(getattr(found, one.name), getattr(stated, one.name, None)):
            raise RecordError(
                f"{path}: {one.name} is not what predictions and labels say: score the entry again with"
                " `bench submit score`"
            )
    return stated


def _agree(one: Any, other: Any) -> bool:
    """Whether two parts of results say the same; what networks and decompositions compute, up to rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    if dataclasses.is_dataclass(one) and type(one) is type(other):
        names = [field.name for field in dataclasses.fields(one)]
        return all(_agree(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_agree(one[key], other[key]) for key in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_agree, one, other))
    return bool(one == other)


def _labels(split: OpenedSplit, file: Path | None, salt: str) -> tuple[np.ndarray, str]:
    """The true label of each clip, in the order of ids, int64 [clips]; and the hash that a result holds of them."""
    names = [name.decode("ascii") for name in split.clip_id.tolist()]
    given = None if file is None else hidden.read_labels(file)
    if split.labels is not None:
        labels = dict(zip(names, split.labels.tolist(), strict=True))
        if given is not None and given != labels:
            raise RecordError(f"{file} has other labels than {split.folder}: leave --labels out, that test is open")
        return split.labels, hidden.commitment_of(labels, salt)
    if file is None or given is None:
        raise RecordError(f"{split.folder} is a hidden test set: give its labels with --labels private/labels.csv")
    commitment = hidden.check_commitment(split.folder.resolve().parent, file, file.with_name(hidden.OPENING))
    true = np.array([given[name] for name in names])
    if true.min() < 0 or true.max() >= len(CLASSES):
        raise RecordError(f"{file} has the labels {true.min()} to {true.max()}: expected 0 to {len(CLASSES) - 1}")
    return true, commitment

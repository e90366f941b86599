"""The host's side: every number anew from predictions and labels; nothing that an entrant says of itself is a score."""

from __future__ import annotations

import dataclasses
import platform
import secrets
from pathlib import Path

import numpy as np

from benchmark.errors import RecordError
from benchmark.record import METRIC_VERSION, ErrorInterval, Scores
from benchmark.statistics import mean_error_interval
from benchmark.submission import result
from benchmark.submission.check import check
from benchmark.submission.result import HIDDEN, OPEN, RESULT_VERSION, Result, ScoredSeed, salted_sha256
from benchmark.submission.split import OpenedSplit
from dynamics_gen import hidden
from dynamics_gen.classes import CLASSES

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
    from benchmark.machine import commit, libraries

    checked = check(folder, split, with_result=False)
    if checked.problems or checked.submission is None:
        count = len(checked.problems)
        more = f"; it is the first of {count} problems, `bench submit check` names all" if count > 1 else ""
        raise RecordError(f"{checked.problems[0]}{more}")
    salt = salt or secrets.token_hex(32)
    true, digest = _labels(split, labels, salt)
    ordered = [checked.said[one.predictions].sorted() for one in checked.submission.seeds]
    chosen = np.stack([one.probabilities.argmax(axis=1) for one in ordered])
    bounds = mean_error_interval(chosen != true, true, np.random.default_rng(0))
    files = [(one.seed, one.sha256) for one in checked.submission.seeds]
    return Result(
        result_version=RESULT_VERSION,
        metric_version=METRIC_VERSION,
        task=checked.submission.task,
        board=OPEN if split.labels is not None else HIDDEN,
        test=split.test,
        submission_sha256=checked.submission_sha256,
        seeds=tuple(
            ScoredSeed(seed=one.seed, sha256=one.sha256, scores=Scores.from_labels(true, guessed, CLASSES))
            for one, guessed in zip(checked.submission.seeds, chosen, strict=True)
        ),
        error_interval=ErrorInterval(low=bounds.low, high=bounds.high),
        salt=salt,
        predictions_sha256=salted_sha256(salt, files),
        labels_sha256=digest,
        commit=commit(),
        python=platform.python_version(),
        libraries=libraries(),
    )


def compare(folder: Path, split: OpenedSplit, labels: Path | None = None) -> Result:
    """Scores an entry again, under the salt of its result.json, and returns that if it says the same.

    Raises:
        RecordError: it says something else; or as `score`.
        ShardError: as `score`.
        OSError: a file cannot be read.
    """
    path = folder / result.FILE
    stated = result.read(path)
    found = score(folder, split, labels, stated.salt)
    for one in dataclasses.fields(Result):
        if one.name not in _OF_THE_MACHINE and getattr(found, one.name) != getattr(stated, one.name):
            raise RecordError(
                f"{path}: {one.name} is not what predictions and labels say: score the entry again with"
                " `bench submit score`"
            )
    return stated


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

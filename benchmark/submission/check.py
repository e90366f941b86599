"""Holds an entry's folder against everything that can be told without labels, and says all that is wrong at once.

What is read is read once: the host scores the very bytes that were checked.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import RecordError
from benchmark.schema import shown
from benchmark.submission import any_result, frames, result, said
from benchmark.submission.any_result import AnyResult
from benchmark.submission.files import names_in, read_plain
from benchmark.submission.frames import Frames
from benchmark.submission.ownership import change_problems, name_problems
from benchmark.submission.result import Result
from benchmark.submission.said import Said
from benchmark.submission.schema import FILE, FORMS, LARGEST_BYTES, MOST_SEEDS, SeedFile, Submission, parse, task_in
from benchmark.submission.views import CLASSIFICATION, CLIPS_A_CLASS, PREDICTION, no_view_of
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import RELEASES, SIZES

if TYPE_CHECKING:
    from benchmark.submission.split import OpenedSplit

_FORMS = sorted({form for forms in FORMS.values() for form in forms})
_PREDICTIONS = re.compile(rf"predictions-seed\d{{1,19}}\.({'|'.join(_FORMS)})", re.ASCII)


@dataclass(kw_only=True, slots=True)
class Checked:
    """A folder that was read. If `problems` is empty, the rest is whole."""

    folder: Path
    problems: list[str] = field(default_factory=list)
    """A sentence each."""
    submission: Submission | None = None
    submission_sha256: str = ""
    task: str = CLASSIFICATION
    """As the submission names it, be it in order or not."""
    said: dict[str, Said] = field(default_factory=dict)
    """Of classification, by file, in the order of their seeds."""
    frames: dict[str, Frames] = field(default_factory=dict)
    """Of the other tasks, in the same way."""
    result: AnyResult | None = None
    """The host's, if it has scored the entry."""


def check(
    folder: Path, split: OpenedSplit | None = None, base: Path | None = None, *, with_result: bool = True
) -> Checked:
    """Reads an entry's folder.

    Args:
        folder: `<group>/<entry>`, with submission.json.
        split: the test split that it answers for; without it, clips are counted, and compared from seed to seed.
        base: the folder `entries` of the branch that it is to join, whose other entries must be the same.
        with_result: whether to hold result.json against the rest, if it is there.

    Raises:
        RecordError: `base` is no folder.
        OSError: something cannot be read.
    """
    checked = Checked(folder=folder)
    try:
        names = names_in(folder)
    except RecordError as error:
        checked.problems.append(str(error))
        return checked
    _read_submission(checked)
    _read_predictions(checked, names, split)
    _check_names(checked, names)
    if checked.submission is not None:
        checked.problems += _split_problems(checked.submission, split, folder / FILE)
        if with_result and result.FILE in names:
            checked.problems += _result_problems(checked, checked.submission)
    if base is not None:
        checked.problems += change_problems(folder, base)
    return checked


def _read_submission(checked: Checked) -> None:
    where = checked.folder / FILE
    try:
        content = read_plain(where, LARGEST_BYTES)
        text = content.decode("utf-8")
    except RecordError as error:
        checked.problems.append(f"{error}: expected what `bench submit prepare` writes")
    except UnicodeDecodeError as error:
        checked.problems.append(f"{where}: not UTF-8 text ({error.reason} at byte {error.start})")
    else:
        checked.task = task_in(text)
        checked.submission, problems = parse(text, str(where))
        checked.submission_sha256 = hashlib.sha256(content).hexdigest()
        checked.problems += problems


def _read_predictions(checked: Checked, names: list[str], split: OpenedSplit | None) -> None:
    """Reads the files that the submission names; where it is not in order, those that look like it."""
    listed: dict[str, SeedFile | None] = {name: None for name in names if _PREDICTIONS.fullmatch(name)}
    if checked.submission is not None:
        listed = {one.predictions: one for one in checked.submission.seeds}
    first: np.ndarray | None = None
    for name, stated in list(listed.items())[:MOST_SEEDS]:
        path = checked.folder / name
        try:
            ids, sha256 = _read_seed(checked, path, split)
        except RecordError as error:
            checked.problems.append(str(error))
            continue
        if stated is not None and stated.sha256 != sha256:
            checked.problems.append(
                f"{path}: its SHA-256 is {sha256[:12]}…: expected {stated.sha256[:12]}…, as in {FILE}"
            )
        if ids is None or split is not None:
            continue
        first = ids if first is None else first
        if problem := _unlike(ids, first, checked):
            checked.problems.append(f"{path}: {problem}")


def _read_seed(checked: Checked, path: Path, split: OpenedSplit | None) -> tuple[np.ndarray | None, str]:
    """Reads one file and says what is wrong with it; gives its clips' ids, if it has any, and its SHA-256."""
    expected = None if split is None else split.ids_of(checked.task)
    if checked.task == CLASSIFICATION:
        found, sha256 = said.read(path)
        checked.said[path.name] = found
        checked.problems += said.problems(found, str(path), expected)
        return found.clip_id, sha256
    seen, sha256 = frames.read(path, checked.task, checked.submission.view if checked.submission else None)
    checked.frames[path.name] = seen
    if split is None or split.labels is not None:  # of a hidden set, nobody knows which clips are meant
        checked.problems += frames.problems(seen, str(path), expected)
    return seen.clip_id, sha256


def _unlike(ids: np.ndarray, first: np.ndarray, checked: Checked) -> str:
    """What sets the clips of a seed apart from those of the first, where no split says which they must be."""
    if checked.submission is not None:
        clips = checked.submission.test.clips
        most = min(clips, CLIPS_A_CLASS * len(CLASSES))
        if checked.task == PREDICTION and len(ids) > most:
            return f"holds {len(ids):,} clips: expected at most {most:,} of the {clips:,} in {FILE}"
        if checked.task == CLASSIFICATION and len(ids) != clips:
            return f"holds {len(ids):,} clips: expected {clips:,}, as in {FILE}"
    if not np.array_equal(np.sort(ids), np.sort(first)):
        return "holds other clips than the first seed has: expected those of one split"
    return ""


def _check_names(checked: Checked, names: list[str]) -> None:
    known = {FILE, result.FILE}
    known |= {one.predictions for one in checked.submission.seeds} if checked.submission else set()
    for name in names:
        if name not in known and (checked.submission is not None or not _PREDICTIONS.fullmatch(name)):
            checked.problems.append(
                f"{checked.folder}: holds {shown(name)}: expected {FILE} and the predictions that it names"
            )
    if checked.submission is not None:
        checked.problems += name_problems(checked.folder, checked.submission)


def _result_problems(checked: Checked, submission: Submission) -> list[str]:
    """Whether a result is of this entry, as far as can be told without labels, by how often each class was said."""
    where = checked.folder / result.FILE
    try:
        checked.result = found = any_result.read(where)
    except RecordError as error:
        return [str(error)]
    stated = [(one.seed, one.sha256) for one in submission.seeds]
    of_this = (
        found.submission_sha256 == checked.submission_sha256
        and found.task == submission.task
        and found.test == submission.test
        and [(one.seed, one.sha256) for one in found.seeds] == stated
        and found.predictions_sha256 == result.salted_sha256(found.salt, stated)
    )
    if not of_this:
        return [f"{where}: is of another {FILE}, or other predictions: remove it, the host scores the entry anew"]
    if not isinstance(found, Result):
        return []
    for one, named in zip(found.seeds, submission.seeds, strict=True):
        if named.predictions not in checked.said:
            continue
        guessed = checked.said[named.predictions].sorted().probabilities.argmax(axis=1)
        if np.bincount(guessed, minlength=len(CLASSES)).tolist() != np.sum(one.scores.confusion, axis=0).tolist():
            return [f"{where}: the confusion matrix of seed {one.seed} is not of {named.predictions}: score it anew"]
    return []


def _split_problems(submission: Submission, split: OpenedSplit | None, where: Path) -> list[str]:
    """Whether the submission answers for the split at all."""
    stated = submission.test
    problems = []
    for field_name, known in (("release", tuple(RELEASES)), ("size", (*SIZES, "own"))):
        if (found := getattr(stated, field_name)) not in known:
            problems.append(f"{where}: test.{field_name} is {found}: expected one of {', '.join(known)}")
    if split is not None and submission.view is not None:
        if split.labels is None:
            problems.append(
                f"{split.folder}: is a hidden test set, whose frames are published: expected an open one, on which"
                f" entries of {submission.task} are scored"
            )
        elif split.video_shape and (problem := no_view_of(submission.task, submission.view, split.video_shape)):
            problems.append(f"{split.folder}: has {problem}, for {submission.task} of {submission.view}")
    if split is not None:
        for name in ("release", "size", "clips", "fingerprint"):
            found, expected = getattr(stated, name), getattr(split.test, name)
            if found != expected:
                problems.append(f"{where}: test.{name} is {found}: expected {expected}, as in {split.folder}")
    return problems

"""Entries that came as predictions alone: believed as far as the host's result goes, and held to known labels.

The labels of an open test are those of any entry with a record that was scored on the same clips. Where there is one,
every number of a result is computed anew; of a hidden test, what can be compared is compared among its results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from benchmark.calibration import calibration
from benchmark.errors import RecordError
from benchmark.predictions import Predictions
from benchmark.record import TOLERANCE
from benchmark.statistics import mean_error_interval
from benchmark.submission import result
from benchmark.submission.ownership import submission_in
from benchmark.submission.result import HIDDEN, OPEN, Result
from benchmark.submission.schema import EvaluationSplit, Submission
from benchmark.submission.scored import Scored as Read
from benchmark.submission.scored import read_scored
from benchmark.submission.views import CLASSIFICATION
from leaderboard.entries import ENTRIES, Entry, Scored, folders_in, is_submission


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Submitted:
    """An entry that the host has scored."""

    group: str
    """Who entered it."""
    name: str
    submission: Submission
    """What its entrant says."""
    result: Result
    """What the host found."""
    test: Scored | None
    """What each seed said, with the labels, where an entry with a record gives them."""

    @property
    def hidden(self) -> bool:
        """Whether the host alone holds the labels."""
        return self.result.board == HIDDEN


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Known:
    """A test split whose labels an entry with a record gives."""

    by: str
    """The entry."""
    split: EvaluationSplit
    scored: Scored


def known_tests(entries: Sequence[Entry]) -> dict[str, Known]:
    """The open test splits, shifted ones too, that entries were scored on, by fingerprint."""
    known: dict[str, Known] = {}
    for entry in entries:
        size = entry.record.dataset.size
        sets = [(entry.record.dataset.release, entry.record.dataset.splits.test, entry.test)]
        sets += [(one.release, one.split, entry.shifted[one.release]) for one in entry.record.shifted]
        for release, split, scored in sets:
            stated = EvaluationSplit(release=release, size=size, clips=split.clips, fingerprint=split.fingerprint)
            by = f"{ENTRIES}/{entry.group}/{entry.name}"
            known.setdefault(split.fingerprint, Known(by=by, split=stated, scored=scored))
    return known


def read_submissions(root: Path, entries: Sequence[Entry]) -> list[Submitted]:
    """Reads every submission of classification that has a result, of the board at `root`, in the order of their names.

    Args:
        root: the board's folder.
        entries: those of the board that have a record, from which labels are known.

    Raises:
        BoardError: a folder has an odd name.
        RecordError: a submission is not in order, or its result is not what predictions and labels say.
        OSError: a file cannot be read.
    """
    known, first, found = known_tests(entries), dict[str, tuple[Path, tuple[object, ...]]](), []
    for folder in folders_in(root):
        if not is_submission(folder) or not (folder / result.FILE).is_file():
            continue
        if (said := submission_in(folder)) is not None and said.task != CLASSIFICATION:
            continue  # predicted and generated frames stand on boards of their own
        read = read_scored(folder)
        made, like = read.result, known.get(read.result.test.fingerprint)
        test = None if like is None else _held_to(read, like, folder)
        of_it = _of_the_split(made, folder / result.FILE)
        path, of_other = first.setdefault(made.test.fingerprint, (folder / result.FILE, of_it))
        if of_it != of_other:
            raise RecordError(
                f"{folder / result.FILE}: speaks of other clips or labels than {path}, though both name"
                " the same fingerprint: score both entries again with `bench submit score`"
            )
        about = read.submission.about
        found.append(Submitted(group=about.group, name=about.entry, submission=read.submission, result=made, test=test))
    return found


def _of_the_split(made: Result, where: Path) -> tuple[object, ...]:
    """What results of one test split have in common, as far as it can be told without its labels.

    Raises:
        RecordError: not even the seeds of this one have it.
    """
    truths = {tuple(map(sum, one.scores.confusion)) for one in made.seeds}
    if len(truths) > 1:
        raise RecordError(f"{where}: the confusion matrices of its seeds are of clips with other labels: score it anew")
    return made.board, made.test, truths, made.labels_sha256 if made.board == HIDDEN else ""


def _held_to(read: Read, known: Known, folder: Path) -> Scored:
    """The predictions with their labels, if the result is what they say.

    Raises:
        RecordError: it is not.
    """
    from dynamics_gen.hidden import commitment_of  # loads what builds clips

    made, where, clips = read.result, folder / result.FILE, known.scored
    if made.board != OPEN or made.test != known.split:
        raise RecordError(
            f"{where}: is of the {made.board} test of {made.test.release}, {made.test.size}, {made.test.clips:,}"
            f" clips: expected the {OPEN} one of {known.split.release}, {known.split.size}, {known.split.clips:,}"
            f" clips, as {known.by} has it for the same fingerprint"
        )
    seeds = []
    for i, (said, scored) in enumerate(zip(read.said, made.seeds, strict=True)):
        if not np.array_equal(said.clip_id, clips.clip_id):
            raise RecordError(f"{folder}: seed {scored.seed} answers for other clips than {known.by} has")
        seed = Predictions(clip_id=clips.clip_id, label=clips.label, probabilities=said.probabilities)
        if (computed := seed.scores()) != scored.scores:
            raise RecordError(
                f"{where}: seeds[{i}].scores says an error of {scored.scores.error:.4f}: expected that of predictions"
                f" and labels, {computed.error:.4f}, with the same confusion matrix"
            )
        seeds.append(seed)
    test = Scored(clip_id=clips.clip_id, label=clips.label, seeds=tuple(seeds))
    stated = made.error_interval
    interval = mean_error_interval(test.wrong, test.label, np.random.default_rng(0))
    if max(abs(stated.low - interval.low), abs(stated.high - interval.high)) > TOLERANCE:
        raise RecordError(
            f"{where}: error_interval is from {stated.low:.4f} to {stated.high:.4f}: expected {interval.low:.4f} to"
            f" {interval.high:.4f}, as predictions and labels say"
        )
    if made.calibration_error is not None:
        computed_error = fmean(calibration(seed).expected_error for seed in seeds)
        if abs(computed_error - made.calibration_error) > TOLERANCE:
            raise RecordError(
                f"{where}: calibration_error is {made.calibration_error:.4f}: expected {computed_error:.4f}, as"
                " predictions and labels say"
            )
    names = [name.decode("ascii") for name in clips.clip_id.tolist()]
    if made.labels_sha256 != commitment_of(dict(zip(names, clips.label.tolist(), strict=True)), made.salt):
        raise RecordError(f"{where}: labels_sha256 is not of the labels that {known.by} has")
    return test

"""Entries of predicted and of generated frames that the host has scored: read, and held against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.errors import RecordError
from benchmark.submission import result
from benchmark.submission.frames import Frames
from benchmark.submission.frames_result import GenerationResult, PredictionResult
from benchmark.submission.ownership import submission_in
from benchmark.submission.schema import Submission
from benchmark.submission.scored import read_scored_frames
from benchmark.submission.views import CLASSIFICATION
from leaderboard.entries import folders_in, is_submission


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SubmittedFrames:
    """An entry without a record, of which the host has computed a result."""

    group: str
    name: str
    submission: Submission
    result: PredictionResult | GenerationResult
    frames: Frames
    """What its first seed sent."""


def read_frame_submissions(root: Path) -> list[SubmittedFrames]:
    """Reads every entry of prediction or generation that has a result, of the board at `root`, by name.

    Raises:
        BoardError: a folder has an odd name.
        RecordError: an entry is not in order, its result is of another, or two results speak of other true frames.
        OSError: a file cannot be read.
    """
    found: list[SubmittedFrames] = []
    first: dict[tuple[object, ...], SubmittedFrames] = {}
    for folder in folders_in(root):
        if not is_submission(folder) or not (folder / result.FILE).is_file():
            continue
        if (said := submission_in(folder)) is None or said.task == CLASSIFICATION:
            continue
        read = read_scored_frames(folder)
        about = read.submission.about
        made = SubmittedFrames(
            group=about.group,
            name=about.entry,
            submission=read.submission,
            result=read.result,
            frames=read.frames[0],
        )
        like = first.setdefault((made.result.task, made.result.view, made.result.test.fingerprint), made)
        if not _of_the_same(made, like):
            raise RecordError(
                f"{folder / result.FILE}: speaks of other true frames than that of {like.group}/{like.name},"
                " though both name the same fingerprint: score both entries again with `bench submit score`"
            )
        found.append(made)
    return found


def _of_the_same(made: SubmittedFrames, other: SubmittedFrames) -> bool:
    """Whether two results of one view of one test split could be of the same true frames."""
    one, two = made.result, other.result
    if one.test != two.test or one.train_fingerprint != two.train_fingerprint:
        return False
    if one.features != two.features or one.metric_version != two.metric_version:
        return True  # they stand on boards of their own
    if isinstance(one, PredictionResult) and isinstance(two, PredictionResult):
        ids, others = made.frames.clip_id, other.frames.clip_id
        assert ids is not None, "frames of prediction have ids"
        assert others is not None, "frames of prediction have ids"
        return one.motion_of_data == two.motion_of_data and np.array_equal(ids, others)
    if isinstance(one, GenerationResult) and isinstance(two, GenerationResult):
        return one.of_train == two.of_train and one.failed_of_data == two.failed_of_data
    return False

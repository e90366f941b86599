"""An entry that the host has scored, as the board reads it: believed as far as can be told without labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import RecordError
from benchmark.submission import result
from benchmark.submission.check import Checked, check
from benchmark.submission.frames import Frames
from benchmark.submission.frames_result import GenerationResult, PredictionResult
from benchmark.submission.result import Result
from benchmark.submission.said import Said
from benchmark.submission.schema import Submission


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scored:
    """What its entrant says of an entry, and what the host found."""

    submission: Submission
    result: Result
    said: tuple[Said, ...]
    """What each seed says, by clip id: with the labels of an open test, all of it can be found again."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoredFrames:
    """The same of an entry of frames."""

    submission: Submission
    result: PredictionResult | GenerationResult
    frames: tuple[Frames, ...]
    """Of each seed, by clip id, or as its samples were sent."""


def read_scored(folder: Path) -> Scored:
    """Reads the folder of an entry of classification: everything in it is checked, and its result must be of it.

    Raises:
        RecordError: something is not in order, there is no result.json, or it is of another task.
        OSError: something cannot be read.
    """
    checked = _checked(folder)
    if checked.submission is None or not isinstance(checked.result, Result):
        raise RecordError(f"{folder}: is an entry of {checked.task}: expected one of classification")
    answers = tuple(one.sorted() for one in checked.said.values())
    return Scored(submission=checked.submission, result=checked.result, said=answers)


def read_scored_frames(folder: Path) -> ScoredFrames:
    """Reads the folder of an entry of prediction or generation, as `read_scored` does.

    Raises:
        RecordError: as `read_scored`.
        OSError: something cannot be read.
    """
    checked = _checked(folder)
    if checked.submission is None or checked.result is None or isinstance(checked.result, Result):
        raise RecordError(f"{folder}: is an entry of {checked.task}: expected one of prediction or generation")
    seen = tuple(one.sorted() for one in checked.frames.values())
    return ScoredFrames(submission=checked.submission, result=checked.result, frames=seen)


def _checked(folder: Path) -> Checked:
    checked = check(folder)
    if checked.problems:
        raise RecordError(checked.problems[0])
    if checked.submission is None or checked.result is None:
        raise RecordError(f"{folder}: has no {result.FILE}: expected what `bench submit score` writes")
    return checked

"""An entry that the host has scored, as the board reads it: believed as far as can be told without labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import RecordError
from benchmark.submission import result
from benchmark.submission.check import check
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


def read_scored(folder: Path) -> Scored:
    """Reads an entry's folder: everything in it is checked, and its result must be of its predictions.

    Raises:
        RecordError: something is not in order, or there is no result.json.
        OSError: something cannot be read.
    """
    checked = check(folder)
    if checked.problems:
        raise RecordError(checked.problems[0])
    if checked.submission is None or checked.result is None:
        raise RecordError(f"{folder}: has no {result.FILE}: expected what `bench submit score` writes")
    answers = tuple(one.sorted() for one in checked.said.values())
    return Scored(submission=checked.submission, result=checked.result, said=answers)

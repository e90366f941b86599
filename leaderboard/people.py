"""What people saw: local results of `bench human`, beside the board and never ranked with it.

A person is asked about some clips of valid and was trained by nobody; a model is scored on all of test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.human.result import FILE, HumanResult, read
from leaderboard.columns import percent

TITLE = "people, on some clips of valid; local, never ranked"
HEADINGS = ("data", "valid error % (95 %)", "path %", "speed %", "clips", "s/clip")


def read_people(runs: Path) -> list[HumanResult]:
    """Reads every result `<runs>/human/<release>-<size>/human.json`, in the order of their names.

    Raises:
        RecordError: one is not as the format has it.
        OSError: a file cannot be read.
    """
    return [read(path) for path in sorted(runs.glob(f"human/*/{FILE}"))]


def cells(people: Sequence[HumanResult]) -> list[list[str]]:
    """The text of every cell under `HEADINGS`, row by row."""
    rows = []
    for one in people:
        scores, interval = one.scores, one.interval
        rows.append(
            [
                f"{one.release}, {one.size}",
                f"{percent(scores.error)} ({percent(interval.low)}–{percent(interval.high)})",
                percent(scores.error_path),
                percent(scores.error_speed),
                f"{scores.clips:,} of {one.split_clips:,}",
                f"{one.seconds:.1f}",
            ]
        )
    return rows

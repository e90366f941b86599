"""Records of the board that were made again, by `bench reproduce`: is the new error within the interval?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from benchmark.reproduction import result
from benchmark.reproduction.result import Reproduction
from leaderboard.columns import percent, with_interval
from leaderboard.markdown import escape, table
from leaderboard.results.words import NOT_MEASURED, signed

REPRODUCTIONS = "reproductions"

ABOUT = (
    "`bench reproduce` trains and tests anew what a record describes. The interval of a record of one seed covers the"
    " choice of clips alone, not that of weights and order, so that another device or number format may lead out of it"
    " by chance; then *change*, with its own 95 % interval over the same clips, says whether the difference is one."
    " *same class*: share of the test clips that get the same class, seed by seed."
)


def read_reproductions(root: Path) -> list[Reproduction]:
    """Every committed one, of the board at `root`, by file name.

    Raises:
        RecordError: a file is malformed or contradicts itself.
        OSError: a file cannot be read.
    """
    return [result.read(path) for path in sorted((root / REPRODUCTIONS).glob("*.json"))]


def made_again(found: Sequence[Reproduction]) -> list[str]:
    """A table, a row each."""
    if not found:
        return [NOT_MEASURED]
    headings = ["model", "data", "recorded % (95 %)", "again %", "within", "same class %", "change (95 %)", "seeds"]
    headings += ["recorded on", "again on"]
    lines = []
    for one in found:
        before, now, change = one.recorded, one.again, one.agreement
        lines.append(
            [
                escape(one.model),
                escape(f"{one.release} {one.size}"),
                with_interval(fmean(before.test_errors), one.interval.interval),
                percent(now.test_error),
                "yes" if one.within else "no",
                percent(change.same_class),
                f"{signed(change.difference)} ({signed(change.low)} to {signed(change.high)})",
                f"{len(now.seeds)} of {len(before.seeds)}",
                *(escape(f"{side.environment.device}, {side.environment.precision}") for side in (before, now)),
            ]
        )
    return [ABOUT, table(headings, [False, False, True, True, False, True, True, True, False, False], lines)]

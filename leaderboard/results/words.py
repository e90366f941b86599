"""How the page puts numbers and headings."""

from __future__ import annotations

from benchmark.comparison import Difference
from leaderboard.board import Board
from leaderboard.markdown import title

GENERATED = "<!-- Written by `bench results` from leaderboard/. Edits are lost, and CI refuses them. -->"
NOT_MEASURED = "Not measured yet."


def heading(board: Board) -> str:
    """A board's own heading, a level below the question's."""
    return f"### {title(board)}: {board.clips:,} test clips"


def points(difference: Difference) -> str:
    """A difference of errors in percentage points, with its interval: +3.2 (+0.5 to +6.0)."""
    return f"{signed(difference.mean)} ({signed(difference.low)} to {signed(difference.high)})"


def signed(share: float) -> str:
    """A fraction in points, with its sign; nothing has none."""
    text = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def p_value(p: float) -> str:
    """With its sign: three decimals, or what it is below."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"

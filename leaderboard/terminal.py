"""The board as plain or coloured text, as wide as it may be."""

from __future__ import annotations

import io
from collections.abc import Sequence

from benchmark.human.result import HumanResult
from leaderboard import people
from leaderboard.board import Board
from leaderboard.columns import COLUMNS, cells, percent
from leaderboard.frame_columns import about
from leaderboard.frame_markdown import plain
from leaderboard.frames import FrameBoard
from leaderboard.reference import Reference
from leaderboard.shifted import shifted_table

GAP = "  "


def screen(
    boards: Sequence[Board],
    references: Sequence[Reference],
    width: int | None,
    colour: bool,
    human: Sequence[HumanResult] = (),
    frames: Sequence[FrameBoard] = (),
) -> str:
    """Boards, of classifiers and of frames, then what people saw, then reference tables.

    Args:
        boards: what to show.
        references: what to show below.
        width: columns that do not fit into so many characters are left out, last first; None keeps them all.
        colour: draw with rich's boxes and escape codes; else plain aligned text.
        human: results of people, if there are any.
        frames: boards of entries of frames, if there are any.
    """
    parts = []
    for board in boards:
        title = f"{board.task}, {board.data}: {board.clips:,} test clips. {board.openness}"
        headings, numeric = [c.heading for c in COLUMNS], [c.numeric for c in COLUMNS]
        parts.append(_draw(title, headings, numeric, cells(board.rows), width, colour))
        if shifted := shifted_table(board):
            flush = [False, False] + [True] * (len(shifted.headings) - 2)
            texts = [list(texts) for _, texts in shifted.rows]
            parts.append(_draw("test error % on shifted test sets", shifted.headings, flush, texts, width, colour))
    parts += [_draw(f"{board.title}. {about(board)}", *plain(board), width, colour) for board in frames]
    if not boards and not frames:
        parts.append("There are no entries yet.")
    if human:
        numeric = [False, *[True] * (len(people.HEADINGS) - 1)]
        parts.append(_draw(people.TITLE, people.HEADINGS, numeric, people.cells(human), width, colour))
    for reference in references:
        rows = [
            [
                row.model,
                "" if row.valid_error is None else percent(row.valid_error),
                "" if row.train_error is None else percent(row.train_error),
            ]
            for row in reference.rows
        ]
        title = f"{reference.source}; {reference.mark}"
        parts.append(_draw(title, ["model", "valid %", "train %"], [False, True, True], rows, width, colour))
    return "\n\n".join(parts)


def _draw(
    title: str,
    headings: Sequence[str],
    numeric: Sequence[bool],
    rows: Sequence[Sequence[str]],
    width: int | None,
    colour: bool,
) -> str:
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    kept = len(widths)
    while width is not None and kept > 1 and sum(widths[:kept]) + len(GAP) * (kept - 1) > width:
        kept -= 1
    title += f" ({len(widths) - kept} more columns in a wider window)" if kept < len(widths) else ""
    if colour:
        return _draw_rich(title, headings[:kept], numeric, [row[:kept] for row in rows])
    lines = [title]
    for row in (headings, *rows):
        filled = [
            text.rjust(size) if flush else text.ljust(size)
            for text, size, flush in zip(row[:kept], widths, numeric, strict=False)
        ]
        lines.append(GAP.join(filled).rstrip())
    return "\n".join(lines)


def _draw_rich(title: str, headings: Sequence[str], numeric: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    for heading, flush in zip(headings, numeric, strict=False):
        table.add_column(Text(heading), justify="right" if flush else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=10_000)
    console.print(Text(title, style="bold"))
    console.print(table)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())

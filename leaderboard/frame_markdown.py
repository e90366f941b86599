"""Boards of entries of frames as Markdown and as plain text; what entrants say stays text, as in `markdown`."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from leaderboard.frame_columns import LEGENDS, about, columns_of, texts
from leaderboard.frames import FrameBoard, FrameRow
from leaderboard.markdown import escape, table


def sections(boards: Sequence[FrameBoard]) -> list[str]:
    """Paragraphs of a page of Markdown: a heading, what the board is of, its table; what columns mean comes once."""
    parts, told = [], set[str]()
    for board in boards:
        headings, numeric, rows = plain(board)
        model = headings.index("model")
        shown = [
            [_link(row) if place == model else escape(text) for place, text in enumerate(cells)]
            for row, cells in zip(board.rows, rows, strict=True)
        ]
        parts += [
            f"## {escape(board.title)}",
            f"Open test: anyone can derive it. {escape(about(board))} Fingerprint"
            f" `{board.kind.split.fingerprint[:16]}`.",
            table(headings, numeric, shown),
        ]
        if board.task not in told:
            parts.append(f"**Columns.** {LEGENDS[board.task]}")
            told.add(board.task)
    return parts


def plain(board: FrameBoard) -> tuple[list[str], list[bool], list[list[str]]]:
    """Headings, which columns are numbers, and the cells of every row."""
    columns = columns_of(board)
    rows = [[" ".join(filter(None, texts(column, row))) for column in columns] for row in board.rows]
    return [column.heading for column in columns], [column.numeric for column in columns], rows


def _link(row: FrameRow) -> str:
    return f"[{escape(row.label)}]({quote(row.place)}/)"

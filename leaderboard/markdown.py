"""The board as Markdown. Whatever a record says appears as text: it can make no link, image, tag or cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from leaderboard.board import LEAST_SEEDS, RANK_RULE, Board, Row
from leaderboard.columns import COLUMNS, LEGEND, cells, percent
from leaderboard.entries import ENTRIES
from leaderboard.reference import Reference
from leaderboard.shifted import SHIFTED_LEGEND, ShiftedTable, shifted_table

GENERATED = "<!-- Written by `bench table` from entries/ and reference/. Edits are lost, and CI refuses them. -->"


def escape(text: str) -> str:
    """Text that Markdown and HTML show as it is, within a line, a table's cell or a link's label."""
    text = re.sub(r"""[\\`*\[\]{}<>#!|~$&":@]""", lambda found: f"&#{ord(found[0])};", text)
    return re.sub(r"(?i)(www)\.", r"\1&#46;", text.replace("_", r"\_"))


def page(boards: Sequence[Board], references: Sequence[Reference], more: Sequence[str] = ()) -> str:
    """The whole of leaderboard/README.md; `more` are paragraphs between the boards and what was published."""
    parts = [GENERATED, "# The board", _introduction()]
    if not boards and not more:
        parts.append("There are no entries yet.")
    for board in boards:
        parts += [f"## {title(board)}", _about(board), _board_table(board)]
        if shifted := shifted_table(board):
            parts += [f"**Shifted test sets.** {SHIFTED_LEGEND}", _shifted_table(shifted)]
    parts += more
    for reference in references:
        parts += [
            f"## For comparison: {escape(reference.title)}",
            f"**{escape(reference.mark.capitalize())}**: not comparable, number by number, with the boards above."
            f" {escape(reference.remark)} Intervals (Wilson, 95 %) are ours and cover the choice of clips alone.",
            f"Source: {escape(reference.source)}.",
            _reference_table(reference),
        ]
    return "\n\n".join(parts) + "\n"


def _introduction() -> str:
    return "\n\n".join(
        [
            "Every number below is computed from the predictions in [`entries/`](entries/). The same as a"
            " spreadsheet: [`leaderboard.csv`](leaderboard.csv). How to enter: [CONTRIBUTING](../CONTRIBUTING.md).",
            f"**Ranks.** {RANK_RULE}",
            "**Intervals.** 95 %, by resampling test clips within each class and training seeds, widened for the few"
            " seeds there are (Student's t; see [`benchmark/statistics.py`](../benchmark/statistics.py)). With fewer"
            f" than {LEAST_SEEDS} seeds they say little about training.",
            f"**Columns.** {LEGEND}",
        ]
    )


def title(board: Board) -> str:
    """A board's heading."""
    return escape(board.title)


def _about(board: Board) -> str:
    return (
        f"{board.openness} {board.clips:,} clips, fingerprint `{_code(board.fingerprint[:16])}`. Chance is 90 % error."
        " Best first."
    )


def _code(text: str) -> str:
    """Text for a code span, where nothing can be escaped."""
    return re.sub(r"[^\w.:-]", "?", text)


def _board_table(board: Board) -> str:
    rows = []
    for row, texts in zip(board.rows, cells(board.rows), strict=True):
        shown = [escape(text) for text in texts]
        shown[[column.heading for column in COLUMNS].index("model")] = link(row)
        rows.append(shown)
    return table([column.heading for column in COLUMNS], [column.numeric for column in COLUMNS], rows)


def _shifted_table(shifted: ShiftedTable) -> str:
    rows = [[link(row), *map(escape, texts[1:])] for row, texts in shifted.rows]
    return table(shifted.headings, [False, False] + [True] * (len(shifted.headings) - 2), rows)


def link(row: Row, board: str = "", kind: str = ENTRIES) -> str:
    """A model's name that leads to its entry; `board` is the way from the page to the board's folder, with a slash."""
    return f"[{escape(row.model)}]({board}{kind}/{quote(row.group)}/{quote(row.name)}/)"


def _reference_table(reference: Reference) -> str:
    rows = []
    for row in reference.rows:
        train = "not published" if row.train_error is None else percent(row.train_error)
        valid = "not published" if row.valid_error is None else percent(row.valid_error)
        if row.interval is not None:
            valid += f" ({percent(row.interval.low)}–{percent(row.interval.high)})"
        rows.append([escape(row.model), valid, train, f"{row.valid_clips:,}", escape(row.note)])
    headings = ["model", "valid error % (95 %)", "train %", "clips in valid", "note"]
    return table(headings, [False, True, True, True, False], rows)


def table(headings: Sequence[str], numeric: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts that are Markdown already; `numeric` columns are set flush right."""
    lines = [headings, ["---:" if flush else "---" for flush in numeric], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

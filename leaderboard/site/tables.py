"""A board and its shifted test sets as tables that a reader can sort, each cell with the value it is sorted by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from leaderboard.board import Board, Row
from leaderboard.columns import COLUMNS, Column, percent
from leaderboard.reference import Reference
from leaderboard.shifted import SHIFTED_LEGEND, shifted_table
from leaderboard.site.chart import whisker
from leaderboard.site.html import Html, Part, scroll, tag
from leaderboard.site.names import address, file_of, key

VALUES: dict[str, Callable[[Row], float | None]] = {
    "rank": lambda row: row.rank,
    "test error % (95 %)": lambda row: row.test_error,
    "deviation %": lambda row: row.deviation,
    "than above (p)": lambda row: None if row.above is None else row.above.mean,
    "valid %": lambda row: row.valid_error,
    "train %": lambda row: row.train_error,
    "path %": lambda row: row.error_path,
    "speed %": lambda row: row.error_speed,
    "calibration %": lambda row: row.calibration_error,
    "seeds": lambda row: row.seeds,
    "parameters": lambda row: row.parameters,
    "GFLOPs/clip": lambda row: row.flops_per_clip,
    "training": lambda row: row.wall_time_s,
    "clips/s": lambda row: row.training_clips_per_s,
}
"""By heading, what a column of numbers is sorted by; the others are sorted by their text."""

CLIPPED = ("device", "tags")
WIDE = {"by": "wide", "device": "wide", "clips/s": "widest"}
"""Columns for which a phone, or all but wide screens, have no room, and their class; the entry's page has them."""

BEST_FIRST = "test error % (95 %)"
"""The column by which rows stand when a page is opened."""


def board_table(board: Board, references: Sequence[Reference]) -> Html:
    """A row an entry, to be sorted by any column; below them, apart, what was published."""
    head = [
        tag(
            "th",
            column.heading,
            scope="col",
            class_=_kind(column),
            data_kind="number" if column.heading in VALUES else "text",
            aria_sort="ascending" if column.heading == BEST_FIRST else None,
        )
        for column in COLUMNS
    ]
    return scroll(
        tag(
            "table",
            tag("caption", f"{board.title}: entries", class_="unseen"),
            tag("thead", tag("tr", head)),
            tag("tbody", (_row(row) for row in board.rows)),
            [_reference_rows(reference) for reference in references],
            class_="board sortable",
        ),
        f"{board.title}: table",
    )


def _row(row: Row) -> Html:
    return tag(
        "tr",
        (_cell(column, row) for column in COLUMNS),
        data_entry=key(row),
        data_input=row.input,
        data_seeds=row.seeds,
    )


def _cell(column: Column, row: Row) -> Html:
    text = column.cell(row)
    if column.heading == "model":
        return tag("th", _link_to(row), scope="row", data_value=text)
    value = VALUES[column.heading](row) if column.heading in VALUES else text
    shown: Part = clipped(text) if column.heading in CLIPPED else text
    if column.heading == BEST_FIRST:
        number, _, interval = text.partition(" ")
        shown = [
            whisker(row.interval.low, row.test_error, row.interval.high),
            tag("strong", number),
            " ",
            tag("span", interval, class_="range"),
        ]
    return tag("td", shown, class_=_kind(column), data_value="" if value is None else value)


def _kind(column: Column) -> str | None:
    words = ["number" if column.numeric else "", WIDE.get(column.heading, "")]
    return " ".join(filter(None, words)) or None


def _link_to(row: Row) -> Html:
    """A model's name that leads from the first page to its entry's."""
    return tag("a", row.model, href=address(file_of(row)))


def _reference_rows(reference: Reference) -> Html:
    """Published figures below a board's rows, in columns of their own meaning; they are never sorted among them."""
    about = tag(
        "div",
        tag("strong", f"For comparison, not comparable: {reference.title}."),
        f" {reference.mark.capitalize()}; errors on valid. {reference.remark} {reference.source}.",
    )
    lines = [tag("tr", tag("th", about, colspan=len(COLUMNS), scope="rowgroup"), class_="mark")]
    for row in reference.rows:
        cells = {
            "model": row.model,
            "by": reference.name,
            "valid %": percent(row.valid_error),
            "train %": percent(row.train_error),
            "tags": "; ".join(part for part in ("not comparable", row.note) if part),
        }
        lines.append(
            tag(
                "tr",
                (
                    tag("th" if column.heading == "model" else "td", _plain(cells, column), class_=_kind(column))
                    for column in COLUMNS
                ),
            )
        )
    return tag("tbody", lines, class_="reference")


def _plain(cells: dict[str, str], column: Column) -> Part:
    text = cells.get(column.heading, "–")
    return clipped(text) if column.heading in CLIPPED else text


def clipped(text: str) -> Html:
    """A text of which a table shows one line, and the entry's page the whole."""
    return tag("span", text, class_="clipped", title=text)


def shifted_sets(board: Board) -> Part:
    """A heading and the table of those rows that were put to other releases; nothing, if none was."""
    found = shifted_table(board)
    if found is None:
        return None
    head = [
        tag(
            "th",
            text,
            scope="col",
            class_="number" if place > 1 else None,
            data_kind="number" if place > 1 else "text",
            aria_sort="ascending" if place == 2 else None,
        )
        for place, text in enumerate(found.headings)
    ]
    lines = []
    for row, texts in found.rows:
        errors = [row.test_error, *(row.shifted[name][0] if name in row.shifted else "" for name in found.headings[3:])]
        cells = [
            tag("td", _number(text), class_="number", data_value=value)
            for text, value in zip(texts[2:], errors, strict=True)
        ]
        first = tag("th", _link_to(row), scope="row", data_value=texts[0])
        lines.append(tag("tr", first, tag("td", texts[1], data_value=texts[1]), cells, data_entry=key(row)))
    whole = tag(
        "table",
        tag("caption", f"{board.title}: shifted test sets", class_="unseen"),
        tag("thead", tag("tr", head)),
        tag("tbody", lines),
        class_="sortable",
    )
    return [
        tag("h3", "Shifted test sets"),
        tag("p", SHIFTED_LEGEND, class_="about"),
        scroll(whole, f"{board.title}: shifted test sets"),
    ]


def _number(text: str) -> Part:
    """A number, and its interval below it."""
    number, _, interval = text.partition(" ")
    return [number, tag("span", interval, class_="range below") if interval else None]

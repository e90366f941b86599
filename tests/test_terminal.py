"""The printed board: aligned, as wide as the window, and no text in it drives the terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_records import make_record, write_run

from leaderboard.board import Board, make_boards
from leaderboard.columns import COLUMNS, count, duration
from leaderboard.entries import read_entry
from leaderboard.reference import read_references
from leaderboard.terminal import screen

BOARD = Path(__file__).parent.parent / "leaderboard"


@pytest.fixture
def boards(tmp_path: Path) -> list[Board]:
    """Two entries, one with rich's and the terminal's markup in its note."""
    made, files = make_record()
    write_run(tmp_path / "a", replace(made, tags=replace(made.tags, note="[red]x[/red]")), files)
    write_run(tmp_path / "b", *make_record("a_longer_name", errors=(0.05,)))
    return make_boards([read_entry(tmp_path / name, "ours", name) for name in "ab"])


def test_plain_columns_are_aligned(boards: list[Board]) -> None:
    """Every heading ends or begins where its cells do, and all columns are there."""
    title, heading, *rows = screen(boards, [], width=None, colour=False).splitlines()
    assert title == "classification, standard, mini: 200 test clips. Open test: anyone can derive its labels."
    assert heading.split()[-1] == "tags"
    for row in rows:
        assert row[heading.index("seeds") + 4] in "13"
        assert row[heading.index("tags") :].startswith("verified, input rgb")
    assert "[red]x[/red]" in rows[1]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("colour", [False, True])
def test_no_row_is_wider_than_the_window(boards: list[Board], width: int, colour: bool) -> None:
    """Columns are left out from the right, and the title says how many."""
    title, *lines = re.sub(r"\x1b\[[\d;]*m", "", screen(boards, [], width=width, colour=colour)).splitlines()
    assert all(len(line) <= width for line in lines)
    (left,) = map(int, re.findall(r"\((\d+) more columns in a wider window\)", title))
    heading = next(line for line in lines if "rank" in line)
    assert [column.heading in heading for column in COLUMNS] == [True] * (len(COLUMNS) - left) + [False] * left


def test_colour_shows_the_same_text(boards: list[Board]) -> None:
    """Boxes and colour change no cell, and rich's markup in a note is text."""
    plain = screen(boards, [], width=None, colour=False)
    coloured = re.sub(r"\x1b\[[\d;]*m|─+", "", screen(boards, [], width=None, colour=True))
    assert coloured.split() == plain.split()
    assert "\x1b" not in plain


def test_references_are_shown_below_with_their_mark() -> None:
    """After the boards, or after the word that there are none."""
    text = screen([], read_references(BOARD), width=None, colour=False)
    assert text.startswith("There are no entries yet.\n\nOlivier Mastropietro")
    assert "measured on the unreleased original data\nmodel" in text
    assert re.search(r"^human +8\.0$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (90, "1.5 min"), (3599, "60.0 min"), (9000, "2.5 h")]
)
def test_durations_have_the_unit_that_suits(seconds: float, text: str) -> None:
    """Seconds, minutes, hours."""
    assert duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (864_123, "864 k"), (1_810_000, "1.81 M")])
def test_counts_have_three_digits(number: int, text: str) -> None:
    """Enough to tell models apart."""
    assert count(number) == text

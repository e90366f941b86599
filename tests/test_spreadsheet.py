"""The spreadsheet: every number in full, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from statistics import stdev

import pytest
from synthetic_records import make_record, write_run

from leaderboard.board import make_boards
from leaderboard.entries import read_entry
from leaderboard.reference import read_references
from leaderboard.spreadsheet import HEADINGS, plain, sheet

BOARD = Path(__file__).parent.parent / "leaderboard"


def test_spreadsheet_holds_the_numbers_of_the_record(tmp_path: Path) -> None:
    """Read back, a line has the record's values; a note with commas, quotes and a formula is one cell of text."""
    made, files = make_record()
    made = replace(made, tags=replace(made.tags, note='=1+1, "x"'))
    write_run(tmp_path, made, files)
    text = sheet(make_boards([read_entry(tmp_path, "ours", "conv3d")]), [])
    (line,) = csv.DictReader(io.StringIO(text))
    assert tuple(line) == HEADINGS
    assert float(line["test_error"]) == pytest.approx(sum(s.scores.test.error for s in made.seeds) / 3, abs=1e-6)
    assert float(line["test_error_low"]) < float(line["test_error"]) < float(line["test_error_high"])
    assert float(line["test_error_deviation"]) == pytest.approx(
        stdev(seed.scores.test.error for seed in made.seeds), abs=1e-6
    )
    assert 0 < float(line["calibration_error"]) < 0.3
    assert (line["more_than_above"], line["more_than_above_p"]) == ("", "")
    assert line["parameters"] == "860000"
    assert line["seeds"] == "3"
    assert line["rank"] == "1"
    assert line["verified"] == "True"
    assert line["note"] == '\'=1+1, "x"'


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "'=1"])
def test_formula_gets_an_apostrophe(text: str) -> None:
    """What begins like a formula is text."""
    assert plain(text) == "'" + text


def test_negative_number_stays_a_number() -> None:
    """Only text is marked."""
    assert plain(-0.12345678) == -0.123457
    assert plain(-3) == -3


def test_reference_rows_follow_and_say_what_they_are() -> None:
    """Marked in every line; what was not published is empty."""
    lines = list(csv.DictReader(io.StringIO(sheet([], read_references(BOARD)))))
    assert {line["kind"] for line in lines} == {"reference"}
    assert all("unreleased original data" in line["note"] for line in lines)
    assert [line["train_error"] for line in lines if line["model"] == "human"] == [""]
    assert all(line["test_error"] == "" for line in lines)

"""Published figures: as published, marked, and with what they leave out left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.errors import RecordError
from leaderboard.reference import read_references

BOARD = Path(__file__).parent.parent / "leaderboard"

TABLE_5_2 = {
    "Two-Streams": (90, 88),
    "Relation network": (0.2, 74),
    "ConvLSTM": (0.2, 72),
    "Conv3D": (0.3, 40),
    "Conv3D + ConvLSTM": (0.3, 36),
    "human": (None, 8),
}
"""Mastropietro 2017, table 5.2: per cent wrong on train and valid; for the human, section 5.2."""


def test_thesis_figures_are_those_of_its_table() -> None:
    """All six rows, to the digit."""
    (thesis,) = read_references(BOARD)
    found = {
        row.model: tuple(None if e is None else round(100 * e, 6) for e in (row.train_error, row.valid_error))
        for row in thesis.rows
    }
    assert found == TABLE_5_2
    assert thesis.mark == "measured on the unreleased original data"


def test_human_interval_is_that_of_a_hundred_clips() -> None:
    """8 of 100: Wilson's 95 % interval is 4.1 to 15.0 %."""
    (thesis,) = read_references(BOARD)
    (human,) = [row for row in thesis.rows if row.model == "human"]
    assert human.interval is not None
    assert (human.interval.low, human.interval.high) == pytest.approx((0.0411, 0.1500), abs=5e-5)


def test_malformed_reference_is_refused_with_its_path(tmp_path: Path) -> None:
    """Reference files are held to a schema like records."""
    (tmp_path / "reference").mkdir()
    good = (BOARD / "reference" / "thesis.json").read_text("utf-8")
    (tmp_path / "reference" / "x.json").write_text(good.replace("0.40", "40"), "utf-8")
    with pytest.raises(RecordError, match=r"x.json: rows\[1\].valid_error is 40: expected a number from 0 to 1"):
        read_references(tmp_path)
    (tmp_path / "reference" / "x.json").write_bytes(good.encode("latin-1"))
    with pytest.raises(RecordError, match=r"x.json: not UTF-8 text"):
        read_references(tmp_path)


def test_board_without_references_is_a_board(tmp_path: Path) -> None:
    """Another host need not show them."""
    assert read_references(tmp_path) == []

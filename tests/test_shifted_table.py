"""Shifted test sets on the board: on the page, in the spreadsheet and in the terminal, from the predictions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_records import LABELS, make_record, write_run

from benchmark import predictions
from benchmark.errors import RecordError
from leaderboard.board import Board, make_boards, make_row
from leaderboard.entries import Entry, read_entries, read_entry
from leaderboard.errors import BoardError
from leaderboard.markdown import page
from leaderboard.shifted import paired_differences, shifted_table
from leaderboard.spreadsheet import sheet
from leaderboard.terminal import screen

SETS = ("camera", "long")


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """A synthetic entry that was put to two shifted sets."""
    write_run(tmp_path / "shifted", *make_record(shifted=SETS))
    return read_entry(tmp_path / "shifted", "ours", "shifted")


@pytest.fixture
def board(entry: Entry, tmp_path: Path) -> Board:
    """That entry beside one that was put to one set, and one that was put to none."""
    write_run(tmp_path / "plain", *make_record("plain", errors=(0.2, 0.2, 0.2)))
    write_run(tmp_path / "partly", *make_record("partly", errors=(0.4,), shifted=("tempo",)))
    others = [read_entry(tmp_path / name, "ours", name) for name in ("plain", "partly")]
    (made,) = make_boards([entry, *others])
    return made


def test_entry_holds_what_each_seed_missed_there(entry: Entry) -> None:
    """Errors of the predictions beside the record, release by release."""
    assert tuple(entry.shifted) == SETS
    for one in entry.record.shifted:
        assert entry.shifted[one.release].wrong.mean(axis=1) == pytest.approx([s.scores.error for s in one.seeds])
        assert np.array_equal(entry.shifted[one.release].label, LABELS)


def test_table_has_the_rows_that_were_shifted(board: Board) -> None:
    """In the board's order, with a dash for a set that a row was not put to."""
    table = shifted_table(board)
    assert table is not None
    assert table.headings == ("model", "by", "standard", "camera", "long", "tempo")
    assert [row.model for row, _ in table.rows] == ["conv3d", "partly"]
    (row, cells), (_, partly) = table.rows
    error, interval = row.shifted["camera"]
    assert cells[3] == f"{100 * error:.1f} ({100 * interval.low:.1f}–{100 * interval.high:.1f})"
    assert interval.low < error < interval.high
    assert cells[5] == "–"
    assert partly[3:5] == ("–", "–")


def test_board_without_shifted_sets_has_no_such_table(tmp_path: Path) -> None:
    """Nothing is said of what nobody measured."""
    write_run(tmp_path, *make_record())
    (board,) = make_boards([read_entry(tmp_path, "ours", "a")])
    assert shifted_table(board) is None
    assert "hifted" not in page([board], [])
    assert "shifted" not in screen([board], [], width=None, colour=False)


def test_page_spreadsheet_and_terminal_show_them(board: Board, entry: Entry) -> None:
    """The same errors, three times."""
    error = make_row(entry).shifted["camera"][0]
    text = page([board], [])
    assert "| model | by | standard | camera | long | tempo |" in text
    assert f"| [conv3d](entries/ours/shifted/) | ours | {100 * make_row(entry).test_error:.1f} (" in text
    lines = {line["model"]: line for line in csv.DictReader(io.StringIO(sheet([board], [])))}
    assert float(lines["conv3d"]["error_on_camera"]) == pytest.approx(error, abs=1e-6)
    assert lines["conv3d"]["error_on_tempo"] == lines["plain"]["error_on_camera"] == ""
    printed = screen([board], [], width=None, colour=False)
    assert f"{100 * error:.1f} (" in printed.split("test error % on shifted test sets")[1]


def test_only_pairs_are_compared_clip_by_clip(entry: Entry) -> None:
    """`camera` shows the clips of `standard`, `long` does not; the mean is the difference of the errors."""
    found = paired_differences(make_row(entry))
    assert tuple(found) == ("camera",)
    assert found["camera"].mean == pytest.approx(entry.shifted["camera"].wrong.mean() - entry.wrong.mean())


def test_scores_that_shifted_predictions_do_not_have_are_refused(tmp_path: Path) -> None:
    """As for test: the record's claim, the error found, and where."""
    made, files = make_record(shifted=SETS)
    files["predictions-long-seed1.npz"] = files["predictions-seed1.npz"]
    write_run(tmp_path, made, files)
    with pytest.raises(RecordError, match=r"shifted\[1\].seeds\[1\].scores says an error of .*: expected that of pred"):
        read_entry(tmp_path, "ours", "a")


def test_entries_that_disagree_about_a_shifted_set_are_refused(tmp_path: Path) -> None:
    """One fingerprint, one list of clips and labels."""
    write_run(tmp_path / "entries" / "ours" / "a", *make_record(errors=(0.3,), shifted=("camera",)))
    made, files = make_record(errors=(0.3,), shifted=("camera",))
    said = files["predictions-camera-seed0.npz"]
    files["predictions-camera-seed0.npz"] = predictions.make(
        [f"other-{i}" for i in range(len(LABELS))], said.label, said.probabilities
    )
    write_run(tmp_path / "entries" / "ours" / "b", made, files)
    with pytest.raises(BoardError, match="entries/ours/b: other test clips or labels than entries/ours/a has"):
        read_entries(tmp_path)


def test_version_1_entry_is_an_entry(tmp_path: Path) -> None:
    """Committed before there were shifted sets."""
    write_run(tmp_path, *make_record())
    document = json.loads((tmp_path / "record.json").read_text())
    del document["shifted"]
    (tmp_path / "record.json").write_text(json.dumps({**document, "record_version": 1}))
    assert read_entry(tmp_path, "ours", "a").shifted == {}

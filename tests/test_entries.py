"""Entries: believed only when their predictions say what their records say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_records import CLIP_IDS, LABELS, make_predictions, make_record, write_run

from benchmark import predictions, record
from benchmark.errors import RecordError
from leaderboard.entries import read_entries, read_entry, read_runs
from leaderboard.errors import BoardError


def enter(root: Path, group: str = "ours", name: str = "conv3d", **made: Any) -> Path:
    """Writes a synthetic entry."""
    folder = root / "entries" / group / name
    write_run(folder, *make_record(**made))
    return folder


def test_entry_holds_what_each_seed_missed(tmp_path: Path) -> None:
    """One row a seed, one column a clip, in the order of the clips' ids."""
    made, files = make_record()
    write_run(tmp_path, made, files)
    entry = read_entry(tmp_path, "ours", "conv3d")
    assert np.array_equal(entry.label, LABELS)
    assert np.array_equal(entry.wrong, [said.wrong for said in files.values()])


def test_order_of_clips_does_not_matter(tmp_path: Path) -> None:
    """Two seeds may list the clips differently."""
    made, files = make_record()
    said = files["predictions-seed1.npz"]
    order = np.random.default_rng(0).permutation(len(LABELS))
    shuffled = [said.clip_id[order], said.label[order], said.probabilities[order]]
    files["predictions-seed1.npz"] = predictions.Predictions(**dict(zip(predictions.ARRAYS, shuffled, strict=True)))
    write_run(tmp_path, made, files)
    assert np.array_equal(read_entry(tmp_path, "ours", "conv3d").wrong[1], said.wrong)


def test_scores_that_the_predictions_do_not_have_are_refused(tmp_path: Path) -> None:
    """A record of better scores than its predictions', otherwise in order, is told with both errors."""
    better, _ = make_record(errors=(0.1,))
    _, files = make_record(errors=(0.3,))
    write_run(tmp_path, better, files)
    claimed = better.seeds[0].scores.test.error
    computed = files["predictions-seed0.npz"].scores().error
    with pytest.raises(RecordError, match=rf"error of {claimed:.4f}: expected that of .* {computed:.4f}, with"):
        read_entry(tmp_path, "ours", "conv3d")


def test_altered_predictions_are_refused(tmp_path: Path) -> None:
    """The record's hash holds them."""
    folder = enter(tmp_path)
    predictions.write(make_predictions(np.random.default_rng(9), 0.0), folder / "predictions-seed0.npz")
    with pytest.raises(RecordError, match=r"predictions-seed0.npz: its SHA-256 is"):
        read_entries(tmp_path)


def test_missing_predictions_are_refused(tmp_path: Path) -> None:
    """With the path of the file."""
    folder = enter(tmp_path)
    (folder / "predictions-seed2.npz").unlink()
    with pytest.raises(RecordError, match=r"predictions-seed2.npz: no such file"):
        read_entries(tmp_path)


def test_malformed_record_is_refused_with_its_path(tmp_path: Path) -> None:
    """One bad entry stops the board, and says which it is and what is wrong."""
    folder = enter(tmp_path)
    document = json.loads((folder / "record.json").read_text())
    document["seeds"][1]["scores"]["test"]["error"] = "0.31"
    (folder / "record.json").write_text(json.dumps(document))
    with pytest.raises(RecordError, match=r'conv3d/record.json: seeds\[1\].scores.test.error is "0.31": expected a n'):
        read_entries(tmp_path)


def test_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    """An empty entry is a slip, not nothing."""
    (tmp_path / "entries" / "ours" / "empty").mkdir(parents=True)
    with pytest.raises(RecordError, match=r"empty/record.json: no such file"):
        read_entries(tmp_path)


def test_seeds_scored_on_other_clips_are_refused(tmp_path: Path) -> None:
    """All seeds answer for the same clips."""
    made, files = make_record(errors=(0.3, 0.3))
    said = files["predictions-seed1.npz"]
    files["predictions-seed1.npz"] = predictions.make(
        [f"other-{name}" for name in CLIP_IDS], said.label, said.probabilities
    )
    write_run(tmp_path, made, files)
    with pytest.raises(RecordError, match=r"predictions-seed1.npz: other clips or labels than the first seed has"):
        read_entry(tmp_path, "ours", "conv3d")


def test_entries_that_disagree_about_a_test_split_are_refused(tmp_path: Path) -> None:
    """Labels are the dataset's, not the entrant's to choose."""
    enter(tmp_path, name="a", errors=(0.3,))
    made, files = make_record(errors=(0.3,))
    said = files["predictions-seed0.npz"]
    moved = predictions.make(CLIP_IDS, (said.label + 1) % 10, said.probabilities)
    scores = replace(made.seeds[0].scores, test=moved.scores())
    made = replace(made, seeds=(replace(made.seeds[0], scores=scores),))
    write_run(tmp_path / "entries" / "theirs" / "b", made, {"predictions-seed0.npz": moved})
    with pytest.raises(BoardError, match="entries/theirs/b: other test clips or labels than entries/ours/a has"):
        read_entries(tmp_path)


@pytest.mark.parametrize("name", ["a b", "<b>", "é", "-x", "x" * 65])
def test_odd_folder_names_are_refused(tmp_path: Path, name: str) -> None:
    """Names become links and cells."""
    (tmp_path / "entries" / "ours" / name).mkdir(parents=True)
    with pytest.raises(BoardError, match="expected at most 64 letters, digits"):
        read_entries(tmp_path)


def test_missing_folders_are_told_apart(tmp_path: Path) -> None:
    """No board, or no runs."""
    with pytest.raises(BoardError, match="leaderboard: no such folder: expected the board's"):
        read_entries(tmp_path / "leaderboard")
    with pytest.raises(BoardError, match="runs: no such folder: expected the runs of `bench run`"):
        read_runs(tmp_path / "runs")


def test_board_without_entries_is_a_board(tmp_path: Path) -> None:
    """Git keeps no empty folder."""
    assert read_entries(tmp_path) == []


def test_runs_are_read_as_local_entries(tmp_path: Path) -> None:
    """Finished runs only: a folder without a record is one still going on."""
    write_run(tmp_path / "runs" / "conv3d" / "standard-mini", *make_record())
    (tmp_path / "runs" / "convlstm" / "standard-mini" / "seed-0").mkdir(parents=True)
    (entry,) = read_runs(tmp_path / "runs")
    assert entry.local
    assert entry.name == "conv3d/standard-mini"
    assert entry.record == record.read(tmp_path / "runs" / "conv3d" / "standard-mini" / "record.json")

"""Every committed entry: valid, its predictions untouched, its scores recomputed; and the table says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmark import predictions, record
from leaderboard.entries import read_entries
from leaderboard.table import main

BOARD = Path(__file__).parent.parent / "leaderboard"
FOLDERS = sorted(path for path in (BOARD / "entries").glob("*/*") if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_entry_is_complete_and_true(folder: Path) -> None:
    """Record, predictions of every seed with their hash and scores, both pictures, and nothing else."""
    read = record.read(folder / "record.json")
    for seed in read.seeds:
        said = predictions.read(folder / seed.predictions, seed.predictions_sha256)
        assert said.scores() == seed.scores.test
    pictures = ["curve.png", "confusion.png"]
    for name in pictures:
        with Image.open(folder / name) as picture:
            picture.verify()
    expected = {"record.json", *pictures, *(seed.predictions for seed in read.seeds)}
    assert {path.name for path in folder.iterdir()} == expected


def test_entries_agree_about_their_clips() -> None:
    """As the board reads them, together."""
    assert len(read_entries(BOARD)) == len(FOLDERS)


def test_committed_table_is_what_the_records_say() -> None:
    """What `bench table --check` says in CI."""
    main(BOARD, None, check=True)

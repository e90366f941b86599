"""Every committed entry: valid, its predictions untouched, its scores recomputed; and the table says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmark import predictions, record
from leaderboard.entries import is_submission, read_entries
from leaderboard.table import main

BOARD = Path(__file__).parent.parent / "leaderboard"
FOLDERS = sorted(
    path
    for kind in ("entries", "experiments")
    for path in (BOARD / kind).glob("*/*")
    if path.is_dir() and not is_submission(path)
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: "/".join(folder.parts[-3:]))
def test_entry_is_complete_and_true(folder: Path) -> None:
    """Record, predictions of every seed for every set with their hash and scores, three pictures, and nothing else."""
    read = record.read(folder / "record.json")
    scored = [(seed.predictions, seed.predictions_sha256, seed.scores.test) for seed in read.seeds]
    scored += [(seed.predictions, seed.predictions_sha256, seed.scores) for one in read.shifted for seed in one.seeds]
    for name, sha256, scores in scored:
        assert predictions.read(folder / name, sha256).scores() == scores
    pictures = ["curve.png", "confusion.png", "reliability.png"]
    for name in pictures:
        with Image.open(folder / name) as picture:
            picture.verify()
    expected = {"record.json", *pictures, *(name for name, _, _ in scored)}
    assert {path.name for path in folder.iterdir()} == expected


def test_entries_agree_about_their_clips() -> None:
    """As the board reads them, together."""
    assert len(read_entries(BOARD)) + len(read_entries(BOARD, "experiments")) == len(FOLDERS)


def test_committed_table_is_what_the_records_say() -> None:
    """What `bench table --check` says in CI."""
    main(BOARD, None, check=True)

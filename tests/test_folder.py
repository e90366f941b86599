"""A run's folder: one process at a time, and nothing of a stranger's is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.errors import TrainingError
from benchmark.folder import RunFolder


def test_folder_is_held_by_one_run(tmp_path: Path) -> None:
    """A second run is refused at once; when the first is over, the next may."""
    folder = RunFolder(tmp_path / "conv3d" / "standard-tiny")
    refused = pytest.raises(TrainingError, match="is in use by another run: wait for it, or")
    with folder.locked(), refused, folder.locked():
        pass
    with folder.locked():
        pass


def test_folder_that_cannot_be_made_is_the_systems_error(tmp_path: Path) -> None:
    """A file stands where the folder should."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(OSError, match="runs"), RunFolder(tmp_path / "runs" / "conv3d").locked():
        pass


def test_clearing_removes_what_runs_leave_and_nothing_else(tmp_path: Path) -> None:
    """Notes and pictures of the user's own stay."""
    folder = RunFolder(tmp_path)
    for path in (folder.checkpoint(0), folder.choice(0), folder.weights(11)):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    for name in ("record.json", "curve.png", "confusion.png", "reliability.png", "notes.txt"):
        (tmp_path / name).write_text("x")
    for name in ("predictions-seed0.npz", "predictions-camera-seed0.npz", "predictions.npz"):
        (tmp_path / name).write_text("x")
    (tmp_path / "seed-notes").mkdir()
    assert folder.is_used()
    folder.clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "predictions.npz", "seed-notes"]
    assert not folder.is_used()

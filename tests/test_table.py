"""`bench table`: writes what the records say, and fails in CI when something else is committed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from site_board import predictor, write_predictor
from synthetic_records import make_record, write_run

from leaderboard.errors import BoardError
from leaderboard.table import main

BOARD = Path(__file__).parent.parent / "leaderboard"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A board with three entries and the thesis's figures, its table written."""
    root = tmp_path / "leaderboard"
    shutil.copytree(BOARD / "reference", root / "reference")
    for name, errors in (("far", (0.6, 0.62, 0.58)), ("near", (0.3, 0.32, 0.28)), ("once", (0.1,))):
        write_run(root / "entries" / "ours" / name, *make_record(name, errors=errors))
    main(root, None, check=False)
    return root


def contents(root: Path) -> dict[str, bytes]:
    """The generated files."""
    return {name: (root / name).read_bytes() for name in ("README.md", "leaderboard.csv")}


def test_table_is_what_the_records_say(root: Path) -> None:
    """Rows in the order of their errors, one unranked; the check agrees and writes nothing."""
    text = (root / "README.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if "](entries/ours/" in line]
    assert [line.split(" | ")[0] for line in rows] == ["| –", "| 1", "| 2"]
    assert [line.split("](entries/ours/")[1].split("/")[0] for line in rows] == ["once", "near", "far"]
    before = contents(root)
    printed = main(root, None, check=True)
    assert contents(root) == before
    assert "measured on the unreleased original data" in printed
    assert printed.index("once") < printed.index("near") < printed.index("far")
    assert "\x1b" not in printed


def test_writing_again_changes_no_byte(root: Path) -> None:
    """Generation has no clock and no chance in it."""
    before = contents(root)
    main(root, None, check=False)
    assert contents(root) == before


@pytest.mark.parametrize("name", ["README.md", "leaderboard.csv"])
def test_edited_file_fails_the_check(root: Path, name: str) -> None:
    """The stale file, the line and the command to run are named; writing mends it."""
    before = contents(root)
    lines = (root / name).read_text("utf-8").splitlines()
    lines[1] = "edited"
    (root / name).write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(BoardError, match=rf"{name} is not what the records say, from line 2 on: run `bench table`"):
        main(root, None, check=True)
    main(root, None, check=False)
    assert contents(root) == before


def test_shortened_file_fails_the_check(root: Path) -> None:
    """Also when every line there is right, down to the last line break."""
    path = root / "leaderboard.csv"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BoardError, match="is not what the records say"):
        main(root, None, check=True)
    path.unlink()
    with pytest.raises(BoardError, match=r"leaderboard.csv is missing: run `bench table` and commit it"):
        main(root, None, check=True)


def test_new_entry_makes_the_table_stale(root: Path) -> None:
    """Whoever adds an entry regenerates the table."""
    write_run(root / "entries" / "theirs" / "new", *make_record("new", errors=(0.2, 0.2, 0.2)))
    with pytest.raises(BoardError, match="is not what the records say"):
        main(root, None, check=True)


def test_local_runs_are_printed_and_not_written(root: Path, tmp_path: Path) -> None:
    """They stand among the entries, marked; the table stays that of the entries."""
    before = contents(root)
    write_run(tmp_path / "runs" / "mine" / "standard-mini", *make_record("mine", errors=(0.4, 0.4, 0.4)))
    for check in (False, True):
        printed = main(root, tmp_path / "runs", check=check)
        (row,) = [line for line in printed.splitlines() if "mine" in line]
        assert row.split()[0] == "–"
        assert row.endswith("local, input rgb")
        assert printed.index("near") < printed.index("mine") < printed.index("far")
    assert contents(root) == before


def test_local_predictors_are_printed_among_ours_of_the_same_board(root: Path, tmp_path: Path) -> None:
    """By their errors; boards with no run of this machine on them are left out, and nothing is written."""
    for name, size in (("copy_last", 32), ("simvp", 32), ("copy_last", 64)):
        write_predictor(root / "predictors" / f"{name}-{size}", predictor(name, size))
    before = contents(root)
    write_predictor(tmp_path / "runs" / "cdna" / "standard-mini", predictor("cdna"))
    assert "Prediction, " not in main(root, None, check=True)
    printed = main(root, tmp_path / "runs", check=True)
    assert printed.count("Prediction, ") == 1
    lines = printed.split("Prediction, ")[1].splitlines()
    assert "frames of 32×32" in lines[0]
    assert [line.split()[0] for line in lines[2:5]] == ["simvp", "cdna", "copy_last"]
    assert ["this machine" in line for line in lines[2:5]] == [False, True, False]
    assert contents(root) == before


def test_bad_entry_leaves_the_table_alone(root: Path) -> None:
    """Nothing is written when anything is wrong."""
    before = contents(root)
    (root / "entries" / "ours" / "near" / "predictions-seed1.npz").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"predictions-seed1.npz: its SHA-256 is"):
        main(root, None, check=False)
    assert contents(root) == before

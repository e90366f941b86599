"""What was made again stands on the page with its verdict, and every committed file agrees with the board."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_records import make_record

from benchmark import record
from benchmark.reproduction import result
from benchmark.reproduction.result import Reproduction
from leaderboard.results.reproductions import REPRODUCTIONS, made_again, read_reproductions
from leaderboard.results.words import NOT_MEASURED

BOARD = Path(__file__).parent.parent / "leaderboard"
MADE = sorted((BOARD / REPRODUCTIONS).glob("*.json"))


def again(before: float, now: float) -> Reproduction:
    """Three seeds of one error, and one of another."""
    old, said = make_record("conv3d", errors=(before,) * 3)
    new, anew = make_record("conv3d", errors=(now,), rng_seed=1)
    new = replace(new, environment=replace(new.environment, device="a|card"))
    return result.compare(old, new, list(said.values()), list(anew.values()), "0" * 64)


@pytest.mark.parametrize(("now", "verdict"), [(0.2, "yes"), (0.6, "no")])
def test_a_row_says_both_errors_and_the_verdict(tmp_path: Path, now: float, verdict: str) -> None:
    """Whatever a record says is text."""
    (tmp_path / REPRODUCTIONS).mkdir()
    one = result.write(again(0.2, now), tmp_path / REPRODUCTIONS / "conv3d-mini.json")
    about, text = made_again(read_reproductions(tmp_path))
    assert about
    (row,) = [line for line in text.splitlines() if line.startswith("| conv3d |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2].startswith(f"{100 * sum(one.recorded.test_errors) / 3:.1f} (")
    assert cells[3:5] == [f"{100 * one.again.test_errors[0]:.1f}", verdict]
    assert cells[7] == "1 of 3"
    assert cells[9] == "a&#124;card, 32-true"


def test_nothing_made_again_is_said() -> None:
    """In the page's words."""
    assert made_again([]) == [NOT_MEASURED]


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.stem)
def test_committed_reproductions_are_of_entries_of_the_board(path: Path) -> None:
    """The very record that is there, named as its entry is."""
    made = result.read(path)
    entry = BOARD / "entries" / "dynamics" / path.stem / "record.json"
    assert made.record_sha256 == hashlib.sha256(entry.read_bytes()).hexdigest()
    assert made.model == record.read(entry).model

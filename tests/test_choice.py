"""Test stays closed until every seed's epoch is chosen and written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from moving_squares import MemorySplit

from benchmark.choice import Choice, Splits, read_choice, write_choice
from benchmark.errors import TrainingError


def opener(path: Path) -> MemorySplit:
    """Stands in for `dynamics_gen.open`."""
    return MemorySplit(10)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A choice with its weights."""
    (tmp_path / "chosen.safetensors").write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    choice = Choice(seed=0, epoch=3, metric="error", value=0.25, weights="chosen.safetensors", weights_sha256=sha256)
    write_choice(choice, tmp_path / "choice.json")
    return tmp_path / "choice.json"


def test_test_opens_once_the_choice_is_written(written: Path) -> None:
    """The order of opening is on record."""
    splits = Splits(Path("data"), opener)
    splits.train()
    splits.valid()
    splits.test([written])
    assert splits.opened == ["train", "valid", "test"]


def test_choice_reads_back(written: Path) -> None:
    """What was chosen is what is read."""
    choice = read_choice(written)
    assert (choice.seed, choice.epoch, choice.metric, choice.value) == (0, 3, "error", 0.25)


def refused(choices: list[Path], sentence: str) -> None:
    """Test must not even be touched."""
    splits = Splits(Path("data"), opener)
    with pytest.raises(TrainingError, match=sentence):
        splits.test(choices)
    assert splits.opened == []


def test_no_choice_opens_nothing() -> None:
    """Without a choice there is no test."""
    refused([], "test stays closed until an epoch is chosen on valid")


def test_every_seed_must_have_chosen(written: Path, tmp_path: Path) -> None:
    """One seed's choice does not open test while another still trains."""
    refused([written, tmp_path / "other" / "choice.json"], "test stays closed until an epoch is chosen on valid")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"seed": 0', b"\xff"])
def test_damaged_choice_opens_nothing(written: Path, content: bytes) -> None:
    """A choice that cannot be read is none."""
    written.write_bytes(content)
    refused([written], "is not a choice that can be read")


def test_choice_of_other_weights_opens_nothing(written: Path) -> None:
    """The weights that are tested are the ones that were chosen."""
    (written.parent / "chosen.safetensors").write_bytes(b"better weights")
    refused([written], "are not the weights that .* chose")

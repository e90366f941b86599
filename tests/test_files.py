"""Files appear whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from dynamics_gen.errors import BuildError
from dynamics_gen.files import explained, file_sha256, remove_temporaries, replacing, write_whole


def test_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A reader sees the old file until the new one is complete."""
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """An error in the middle of writing costs nothing that was there."""
    path = tmp_path / "a.json"
    write_whole(path, b"old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_temporaries_of_the_named_files_are_removed(tmp_path: Path) -> None:
    """Somebody else's files stay."""
    kept = {tmp_path / "train-00000-of-00001.h5", tmp_path / "other-1.tmp"}
    for path in [*kept, tmp_path / "train-00000-of-00001.h5.12.tmp"]:
        path.touch()
    remove_temporaries(tmp_path, "train-")
    assert set(tmp_path.iterdir()) == kept


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_told_as_such(number: int) -> None:
    """The sentence says what to do, and that the work is not lost."""
    sentence = r"cannot write here: .*; free some space .* finished shards are kept"
    with pytest.raises(BuildError, match=sentence), explained(Path("here")):
        raise OSError(number, "No space left on device")


def test_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    """SHA-256 of the empty and of a three-letter file, as FIPS 180 gives them."""
    write_whole(tmp_path / "abc", b"abc")
    (tmp_path / "empty").touch()
    assert file_sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert file_sha256(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")

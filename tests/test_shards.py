"""A shard is written whole, checked, and holds what it was given."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fake_clips import fake_clip, fake_clips, small_config

from dynamics_gen import shard_file, shards
from dynamics_gen.clip import STATE_COLUMNS, Clip
from dynamics_gen.errors import BuildError, ShardError
from dynamics_gen.layout import header_of
from dynamics_gen.shard_file import ShardFile
from dynamics_gen.shards import ShardResult, check_shard, compress_piece, join_pieces, write_shard


def write(path: Path, codec: str = "zstd") -> ShardResult:
    """Writes the second shard of the small build."""
    config = small_config(codec=codec)
    return write_shard(path, header_of(config, 1, {}), fake_clips(config, range(8, 16)), lambda clips: None)


@pytest.mark.parametrize("codec", ["zstd", "gzip"])
def test_shard_gives_back_what_was_written(tmp_path: Path, codec: str) -> None:
    """Videos, labels, states, ids and every parameter survive the way to disk and back, for either codec."""
    write(tmp_path / "s.h5", codec)
    with ShardFile(tmp_path / "s.h5") as shard:
        for number in range(8):
            clip = fake_clip(small_config(), 8 + number)
            np.testing.assert_array_equal(shard.video(number), clip.video)
            assert shard.column("clip_id")[number] == clip.clip_id.encode()
            for name in ("label", "path", "speed", *STATE_COLUMNS):
                np.testing.assert_array_equal(shard.column(name)[number], getattr(clip, name))
            for name, value in clip.parameters.items():
                expected = value.encode() if isinstance(value, str) else value
                np.testing.assert_array_equal(shard.column(f"parameters/{name}")[number], expected)


def test_shard_is_plain_hdf5(tmp_path: Path) -> None:
    """Any HDF5 program reads a shard: names, attributes, one clip a chunk, checksums on every dataset."""
    write(tmp_path / "s.h5", "gzip")
    with h5py.File(tmp_path / "s.h5") as file:
        video = file["video"]
        assert isinstance(video, h5py.Dataset)
        assert video.shape == (8, 4, 16, 16, 3)
        assert video.chunks == (1, 4, 16, 16, 3)
        np.testing.assert_array_equal(video[0], fake_clip(small_config(), 8).video)
        assert file.attrs["split"] == b"train"
        assert (file.attrs["first_clip"], file.attrs["clips"], file.attrs["seed"]) == (8, 8, 0)
        unchecked: list[str] = []
        file.visititems(
            lambda name, item: (
                unchecked.append(name) if isinstance(item, h5py.Dataset) and not item.fletcher32 else None
            )
        )
        assert not unchecked


def test_small_columns_may_span_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard of more clips than a chunk holds comes back whole."""
    monkeypatch.setattr(shard_file, "SMALL_CHUNK", 3)
    write(tmp_path / "s.h5")
    with ShardFile(tmp_path / "s.h5") as shard:
        expected = [fake_clip(small_config(), 8 + number).position for number in range(8)]
        np.testing.assert_array_equal(shard.column("position"), expected)


def test_two_writings_are_the_same_file(tmp_path: Path) -> None:
    """No timestamp, address or leftover of memory gets into a shard."""
    write(tmp_path / "a.h5")
    time.sleep(1.1)
    write(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_codec_changes_nothing_but_the_file(tmp_path: Path) -> None:
    """Digests and content hash are of the clips, not of their storage."""
    zstd, gzip = write(tmp_path / "a.h5", "zstd"), write(tmp_path / "b.h5", "gzip")
    assert zstd.entry.content_sha256 == gzip.entry.content_sha256
    assert zstd.entry.sha256 != gzip.entry.sha256


def test_entry_describes_the_file(tmp_path: Path) -> None:
    """Size, hash and range are those of the file that stands there; checking it again finds the same."""
    path = tmp_path / "train-00001-of-00004.h5"
    result = write(path)
    entry = result.entry
    assert (entry.name, entry.first_clip, entry.clips) == (path.name, 8, 8)
    assert entry.bytes == path.stat().st_size
    assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    again = check_shard(path, result.header)
    assert again.entry == entry
    np.testing.assert_array_equal(again.digests, result.digests)


def test_progress_adds_up(tmp_path: Path) -> None:
    """Progress comes several times a shard and counts every clip once."""
    config = small_config(per_class=6, shard_size=60)
    reports: list[int] = []
    write_shard(tmp_path / "s.h5", header_of(config, 0, {}), fake_clips(config, range(60)), reports.append)
    assert len(reports) > 1
    assert sum(reports) == 60


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    """A shard that was not finished does not exist."""

    def clips() -> Iterator[Clip]:
        yield from fake_clips(small_config(), range(5))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path / "s.h5", header_of(small_config(), 0, {}), clips(), lambda clips: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [0, 7, 9])
def test_wrong_number_of_clips_is_refused(tmp_path: Path, count: int) -> None:
    """A clip source that ends early or late makes no shard."""
    config = small_config()
    with pytest.raises(ValueError, match=r"clips came .* 8"):
        write_shard(tmp_path / "s.h5", header_of(config, 0, {}), fake_clips(config, range(count)), lambda clips: None)
    assert not list(tmp_path.iterdir())


def test_shard_that_reads_back_wrongly_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reaches the disk is compared with what was meant, before it gets its name."""
    plain = Path.write_bytes

    def faulty(path: Path, data: memoryview) -> int:
        wrong = bytearray(data)
        wrong[wrong.index(chunk) + len(chunk) // 2] ^= 1
        return plain(path, wrong)

    config = small_config()
    clips = fake_clips(config, range(8, 16))
    chunk = compress_piece(header_of(config, 1, {}), 0, 8, clips, lambda clips: None).chunks["video"][3]
    monkeypatch.setattr(Path, "write_bytes", faulty)
    with pytest.raises(ShardError, match="read back other bytes"):
        write(tmp_path / "s.h5")
    assert not list(tmp_path.iterdir())


def test_clip_that_decodes_wrongly_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec that gives back another clip than it was given makes no shard."""
    plain, calls = shards.encode_chunk, itertools.count()

    def faulty(values: np.ndarray, codec: str, *, shuffled: bool) -> bytes:
        values = values.copy()
        values.reshape(-1)[100] ^= next(calls) == 3
        return plain(values, codec, shuffled=shuffled)

    monkeypatch.setattr(shards, "encode_chunk", faulty)
    with pytest.raises(ShardError, match="clip 3 of a piece decodes to another"):
        write(tmp_path / "s.h5")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("codec", ["zstd", "gzip"])
def test_pieces_make_the_same_file(tmp_path: Path, codec: str) -> None:
    """However a shard is cut, and in whatever order its pieces come, its bytes are the same."""
    write(tmp_path / "whole.h5", codec)
    config = small_config(codec=codec)
    header = header_of(config, 1, {})
    pieces = [
        compress_piece(header, start, stop, fake_clips(config, range(8 + start, 8 + stop)), lambda clips: None)
        for start, stop in ((5, 8), (0, 1), (1, 5))
    ]
    join_pieces(tmp_path / "joined.h5", header, pieces)
    assert (tmp_path / "joined.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_bytes_do_not_depend_on_when_handles_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that keeps an HDF5 handle a little longer, as a profiler's thread does, changes nothing in the file."""
    write(tmp_path / "plain.h5")
    plain, kept = shards._dataset, []

    def keeping(*arguments: Any) -> h5py.Dataset:
        made = plain(*arguments)
        if "color" in arguments[1] or "label" in arguments[1]:
            kept.append(made)
        return made

    monkeypatch.setattr(shards, "_dataset", keeping)
    write(tmp_path / "kept.h5")
    kept.clear()
    assert (tmp_path / "kept.h5").read_bytes() == (tmp_path / "plain.h5").read_bytes()


def test_missing_piece_makes_no_shard(tmp_path: Path) -> None:
    """A shard is whole or it is not there."""
    config = small_config()
    header = header_of(config, 1, {})
    piece = compress_piece(header, 0, 5, fake_clips(config, range(8, 13)), lambda clips: None)
    with pytest.raises(ValueError, match="pieces of 5 clips came for a shard of 8"):
        join_pieces(tmp_path / "s.h5", header, [piece])
    assert not list(tmp_path.iterdir())


def test_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    """The error names the file and says what to try."""
    with pytest.raises(BuildError, match=r"cannot write .*gone/s\.h5: No such file or directory; choose another"):
        write(tmp_path / "gone" / "s.h5")


def test_changed_clip_is_found_by_its_digest(tmp_path: Path) -> None:
    """A clip that was changed through HDF5 itself, checksums and all, is still found out."""
    path = tmp_path / "s.h5"
    header = dataclasses.replace(write(path).header)
    with h5py.File(path, "r+") as file:
        labels = file["label"]
        assert isinstance(labels, h5py.Dataset)
        labels[2] = (labels[2] + 1) % 10
    with pytest.raises(ShardError, match="1 of its 8 clips, the first at 2, are not those that were written"):
        check_shard(path, header)

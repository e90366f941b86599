"""Writes one shard, whole or not at all, and checks what it wrote.

A shard is compressed in pieces, by as many processes as there are, and put together by one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from dynamics_gen.clip import Storable
from dynamics_gen.errors import ShardError
from dynamics_gen.files import explained, file_sha256, replacing
from dynamics_gen.layout import (
    LARGE,
    Column,
    ShardEntry,
    ShardHeader,
    clip_digests,
    describe,
    small_columns,
)
from dynamics_gen.shard_file import (
    BYTES,
    DIGEST,
    DIGEST_COLUMN,
    FILTERS,
    REMEDY,
    ShardFile,
    chunk_shape,
)
from dynamics_gen.stored_chunk import LEVELS, decode_stored, encode_chunk

Report = Callable[[int], None]
"""Called now and then with the number of clips finished since the last call."""

CLIPS_A_REPORT = 25

_COMPRESSION = {
    "zstd": {"compression": FILTERS["zstd"], "compression_opts": (LEVELS["zstd"],)},
    "gzip": {"compression": "gzip", "compression_opts": LEVELS["gzip"]},
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ShardResult:
    """A shard that stands complete on disk.

    Attributes:
        digests: uint8, [clips, 32].
        damage: what was wrong with the file that stood there before, if one did.
    """

    entry: ShardEntry
    header: ShardHeader
    digests: np.ndarray
    damage: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """Some consecutive clips of a shard, compressed.

    Attributes:
        start: place of the first in its shard.
        large: types and shapes of the large columns.
        chunks: of each large column, each clip as it will stand in the file.
        hashes: SHA-256 of each clip's large columns.
        small: everything else of each clip, by column name.
    """

    start: int
    large: dict[str, Column]
    chunks: dict[str, list[bytes]]
    hashes: list[bytes]
    small: list[dict[str, object]]


def compress_piece(header: ShardHeader, start: int, stop: int, clips: Iterable[Storable], report: Report) -> Piece:
    """Compresses the clips `start` to `stop` - 1 of a shard, and decodes them again to see that they are the same.

    Args:
        header: what the shard is to hold; its `columns` are not looked at.
        start: first clip, counted in the shard.
        stop: the clip after the last.
        clips: exactly `stop` - `start` of them, in order.
        report: told of progress.

    Raises:
        ShardError: what was decoded is not what was compressed.
    """
    codec, expected = header.codec, stop - start
    _register_codec(codec)
    hashes: list[bytes] = []
    small: list[dict[str, object]] = []
    large: dict[str, Column] = {}
    chunks: dict[str, list[bytes]] = {}
    for clip in clips:
        if len(hashes) == expected:
            raise ValueError(f"more clips came than the {expected} of the piece")
        arrays = {name: np.ascontiguousarray(array) for name, array in sorted(clip.large().items())}
        if not large:
            large = {name: Column(dtype=array.dtype.str, shape=array.shape) for name, array in arrays.items()}
            chunks = {name: [] for name in large}
        for name, array in arrays.items():
            chunks[name].append(_encoded(array, codec, len(hashes), shuffled=name not in BYTES))
        hashes.append(_hash(arrays.values()))
        small.append(clip.small())
        if len(hashes) % CLIPS_A_REPORT == 0 or len(hashes) == expected:
            report((len(hashes) - 1) % CLIPS_A_REPORT + 1)
    if len(hashes) != expected:
        raise ValueError(f"only {len(hashes)} clips came for a piece of {expected}")
    return Piece(start=start, large=large, chunks=chunks, hashes=hashes, small=small)


def join_pieces(path: Path, header: ShardHeader, pieces: Iterable[Piece]) -> ShardResult:
    """Writes a shard to `path`, reads its bytes back, and only then gives the file its name.

    The shard is put together in memory (about 18 MB for a thousand clips of the default size). The same clips give the
    same bytes (there are no timestamps in it), given the same versions of HDF5 and codec.

    Args:
        path: final name; its folder exists.
        header: what the shard is to hold; its `columns` are found from the clips.
        pieces: all of its pieces, in any order.

    Raises:
        BuildError: the disk is full or cannot be written.
        ShardError: what was read back is not what was written.
    """
    _register_codec(header.codec)
    pieces = sorted(pieces, key=lambda piece: piece.start)
    hashes = [digest for piece in pieces for digest in piece.hashes]
    if len(hashes) != header.clips:
        raise ValueError(f"pieces of {len(hashes)} clips came for a shard of {header.clips}")
    large = pieces[0].large
    data = small_columns([values for piece in pieces for values in piece.small])
    digests = clip_digests(hashes, data)
    columns = describe(data)
    header = dataclasses.replace(header, columns={**large, **columns})
    image = io.BytesIO()
    with _created(image) as file:
        for name, column in large.items():
            stored = _dataset(file, name, column, header)
            for clip, chunk in enumerate(chunk for piece in pieces for chunk in piece.chunks[name]):
                stored.id.write_direct_chunk((clip, *[0] * len(column.shape)), chunk)
        for group in sorted({name.split("/")[0] for name in data if "/" in name}):
            _group(file, group)
        for name, values in data.items():
            _write_column(file, name, columns[name], header, values)
        _write_column(file, DIGEST, DIGEST_COLUMN, header, digests)
        _write_attributes(file, header)
    with explained(path), replacing(path) as temporary:
        temporary.write_bytes(image.getbuffer())
        _read_back(temporary, header, digests, image.getbuffer())
    return ShardResult(entry=_entry(path, header, digests, image.getbuffer()), header=header, digests=digests)


def write_shard(path: Path, header: ShardHeader, clips: Iterable[Storable], report: Report) -> ShardResult:
    """Compresses and writes a whole shard in this process; see `compress_piece` and `join_pieces`."""
    return join_pieces(path, header, [compress_piece(header, 0, header.clips, clips, report)])


def check_shard(path: Path, header: ShardHeader | None = None) -> ShardResult:
    """Decodes every clip of a shard and holds its digests against those stored in it.

    Raises:
        ShardError: the file is damaged, or not what `header` says.
    """
    with ShardFile(path, header) as shard:
        shard.check_structure()
        found, stored = shard.header, shard.column(DIGEST)
        small = {name: shard.column(name) for name in found.columns if name not in LARGE}
        large = sorted(set(found.columns) & set(LARGE))
        hashes = (_hash(shard.large(name, clip) for name in large) for clip in range(len(shard)))
        digests = clip_digests(hashes, small)
    wrong = np.flatnonzero((digests != stored).any(axis=1))
    if len(wrong):
        raise ShardError(
            f"{path} is damaged: {len(wrong)} of its {len(stored)} clips, the first at {wrong[0]}, are not "
            f"those that were written; {REMEDY}"
        )
    return ShardResult(entry=_entry(path, found, digests), header=found, digests=digests)


def _register_codec(codec: str) -> None:
    """Makes HDF5 know the codec that it is to write.

    Raises:
        ShardError: the plugin for it is not installed.
    """
    if codec == "zstd":
        try:
            import hdf5plugin  # noqa: F401
        except ImportError:
            raise ShardError(
                "writing shards with Zstd needs the Python package hdf5plugin, which is not installed: "
                "run `pip install hdf5plugin`, or build with --codec gzip"
            ) from None


def _entry(path: Path, header: ShardHeader, digests: np.ndarray, image: memoryview | None = None) -> ShardEntry:
    return ShardEntry(
        name=path.name,
        first_clip=header.first_clip,
        clips=header.clips,
        bytes=path.stat().st_size,
        sha256=file_sha256(path) if image is None else hashlib.sha256(image).hexdigest(),
        content_sha256=hashlib.sha256(digests.tobytes()).hexdigest(),
    )


def _read_back(path: Path, header: ShardHeader, digests: np.ndarray, image: memoryview) -> None:
    """Holds the file that was just written against what was meant."""
    with ShardFile(path, header) as shard:
        shard.check_structure()
        same = np.array_equal(shard.column(DIGEST), digests)
    if not same or path.read_bytes() != image:
        raise ShardError(f"{path} read back other bytes than were written to it: the disk may be faulty")


def _encoded(values: np.ndarray, codec: str, clip: int, *, shuffled: bool) -> bytes:
    """A chunk of a clip, decoded again to see that it holds the values."""
    chunk = encode_chunk(values, codec, shuffled=shuffled)
    decoded = np.empty_like(values)
    decode_stored(chunk, codec, decoded, shuffled=shuffled)
    if decoded.tobytes() != values.tobytes():
        raise ShardError(f"clip {clip} of a piece decodes to another than was compressed: the memory may be faulty")
    return chunk


def _write_column(file: h5py.File, name: str, column: Column, header: ShardHeader, values: np.ndarray) -> None:
    """Writes a small column at once: left to its handle's end, its place in the file would depend on when that is."""
    stored = _dataset(file, name, column, header)
    stored[...] = values
    stored.flush()


def _dataset(file: h5py.File, name: str, column: Column, header: ShardHeader) -> h5py.Dataset:
    return file.create_dataset(
        name,
        (header.clips, *column.shape),
        column.dtype,
        chunks=chunk_shape(name, column, header.clips),
        **_COMPRESSION[header.codec],
        shuffle=name not in BYTES,
        fletcher32=True,
    )


def _write_attributes(file: h5py.File, header: ShardHeader) -> None:
    """Fixed-size attributes only: variable-length ones live in a heap without checksums."""
    described = dataclasses.asdict(header)
    described["columns"] = {name: [column.dtype, column.shape] for name, column in header.columns.items()}
    for name, value in described.items():
        if isinstance(value, int):
            file.attrs[name] = np.int64(value)
        else:
            file.attrs[name] = np.bytes_(value if isinstance(value, str) else json.dumps(value))


def _hash(arrays: Iterable[np.ndarray]) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.data)
    return digest.digest()


@contextlib.contextmanager
def _created(image: io.BytesIO) -> Iterator[h5py.File]:
    """A new HDF5 file in memory, without timestamps, whose metadata carry checksums (format of HDF5 1.10).

    On disk a failing write would do more than fail: HDF5 2.0 then crashes the process when the file is closed.
    """
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, image)
    with h5py.File(h5py.h5f.create(b"shard", h5py.h5f.ACC_TRUNC, creation, access)) as file:
        yield file


def _group(file: h5py.File, name: str) -> None:
    creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    creation.set_obj_track_times(False)
    h5py.h5g.create(file.id, name.encode(), gcpl=creation)

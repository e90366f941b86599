"""Writes one shard, whole or not at all, and checks what it wrote."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from dynamics_gen.clip import Clip
from dynamics_gen.errors import ShardError
from dynamics_gen.files import explained, file_sha256, replacing
from dynamics_gen.layout import (
    Column,
    ShardEntry,
    ShardHeader,
    clip_digests,
    describe,
    small_columns,
    small_values,
)
from dynamics_gen.shard_file import (
    DIGEST,
    DIGEST_COLUMN,
    FILTERS,
    REMEDY,
    VIDEO,
    ShardFile,
    chunk_shape,
    register_codec,
)

Report = Callable[[int], None]
"""Called now and then with the number of clips finished since the last call."""

CLIPS_A_REPORT = 25

_COMPRESSION = {
    "zstd": {"compression": FILTERS["zstd"], "compression_opts": (3,)},
    "gzip": {"compression": "gzip", "compression_opts": 4},
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


def write_shard(path: Path, header: ShardHeader, clips: Iterable[Clip], report: Report) -> ShardResult:
    """Writes clips to `path`, reads them back, and only then gives the file its name.

    The shard is put together in memory (about 12 MB for a thousand clips of the default size).

    The same clips give the same bytes (there are no timestamps in it), given the same versions of HDF5 and codec.

    Args:
        path: final name; its folder exists.
        header: what the shard is to hold; its `columns` are found from the clips.
        clips: exactly `header.clips` of them, in order.
        report: told of progress.

    Raises:
        BuildError: the disk is full or cannot be written.
        ShardError: what was read back is not what was written.
    """
    register_codec(header.codec)
    image = io.BytesIO()
    with _created(image) as file:
        header, digests, marks = _fill(file, header, clips, report)
    with explained(path), replacing(path) as temporary:
        temporary.write_bytes(image.getbuffer())
        _read_back(temporary, header, digests, marks)
    return ShardResult(entry=_entry(path, header, digests, image.getbuffer()), header=header, digests=digests)


def check_shard(path: Path, header: ShardHeader | None = None) -> ShardResult:
    """Decodes every clip of a shard and holds its digests against those stored in it.

    Raises:
        ShardError: the file is damaged, or not what `header` says.
    """
    with ShardFile(path, header) as shard:
        shard.check_structure()
        found, stored = shard.header, shard.column(DIGEST)
        small = {name: shard.column(name) for name in found.columns if name != VIDEO}
        digests = clip_digests((_video_hash(shard.video(i)) for i in range(len(shard))), small)
    wrong = np.flatnonzero((digests != stored).any(axis=1))
    if len(wrong):
        raise ShardError(
            f"{path} is damaged: {len(wrong)} of its {len(stored)} clips, the first at {wrong[0]}, are not "
            f"those that were written; {REMEDY}"
        )
    return ShardResult(entry=_entry(path, found, digests), header=found, digests=digests)


def _entry(path: Path, header: ShardHeader, digests: np.ndarray, image: memoryview | None = None) -> ShardEntry:
    return ShardEntry(
        name=path.name,
        first_clip=header.first_clip,
        clips=header.clips,
        bytes=path.stat().st_size,
        sha256=file_sha256(path) if image is None else hashlib.sha256(image).hexdigest(),
        content_sha256=hashlib.sha256(digests.tobytes()).hexdigest(),
    )


def _read_back(path: Path, header: ShardHeader, digests: np.ndarray, marks: list[int]) -> None:
    """Decodes what was just written; comparing checksums takes a fifth of the time of hashing again."""
    with ShardFile(path, header) as shard:
        shard.check_structure()
        same = np.array_equal(shard.column(DIGEST), digests)
        if not same or any(_mark(shard.video(clip)) != mark for clip, mark in enumerate(marks)):
            raise ShardError(f"{path} read back other clips than were written to it: the disk or memory may be faulty")


def _fill(
    file: h5py.File, header: ShardHeader, clips: Iterable[Clip], report: Report
) -> tuple[ShardHeader, np.ndarray, list[int]]:
    """Writes videos as they come and everything else at the end."""
    hashes: list[bytes] = []
    marks: list[int] = []
    small: list[dict[str, object]] = []
    videos = video_column = None
    for clip in clips:
        if len(hashes) == header.clips:
            raise ValueError(f"more clips came than the {header.clips} of the shard")
        if videos is None:
            video_column = Column(dtype="|u1", shape=clip.video.shape)
            videos = _dataset(file, VIDEO, video_column, header)
        video = np.ascontiguousarray(clip.video)
        videos[len(hashes)] = video
        hashes.append(_video_hash(video))
        marks.append(_mark(video))
        small.append(small_values(clip))
        if len(hashes) % CLIPS_A_REPORT == 0 or len(hashes) == header.clips:
            report((len(hashes) - 1) % CLIPS_A_REPORT + 1)
    if len(hashes) != header.clips or video_column is None:
        raise ValueError(f"only {len(hashes)} clips came for a shard of {header.clips}")
    data = small_columns(small)
    digests = clip_digests(hashes, data)
    columns = describe(data)
    _group(file, "parameters")
    for name, values in data.items():
        _dataset(file, name, columns[name], header)[...] = values
    _dataset(file, DIGEST, DIGEST_COLUMN, header)[...] = digests
    header = dataclasses.replace(header, columns={VIDEO: video_column, **columns})
    _write_attributes(file, header)
    return header, digests, marks


def _dataset(file: h5py.File, name: str, column: Column, header: ShardHeader) -> h5py.Dataset:
    return file.create_dataset(
        name,
        (header.clips, *column.shape),
        column.dtype,
        chunks=chunk_shape(name, column, header.clips),
        **_COMPRESSION[header.codec],
        shuffle=name != VIDEO,
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


def _mark(video: np.ndarray) -> int:
    """A checksum of a video that depends on every byte and its place, far quicker than a cryptographic one."""
    flat = video.reshape(-1)
    words = flat[: flat.size // 8 * 8].view(np.uint64)
    return int(words @ _odd_numbers(words.size)) + int(flat[words.nbytes :].sum())


@functools.lru_cache(maxsize=1)
def _odd_numbers(count: int) -> np.ndarray:
    return 2 * np.arange(count, dtype=np.uint64) + 1


def _video_hash(video: np.ndarray) -> bytes:
    return hashlib.sha256(video.data).digest()


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

"""Reads one shard, and trusts nothing in it: every name must be the plain dataset that the header promises.

HDF5 files can point elsewhere (soft and external links, virtual datasets, external storage) or claim absurd sizes;
all of that is refused before a byte is decoded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dynamics_gen.errors import ShardError
from dynamics_gen.layout import FORMAT_VERSION, LARGE, VIDEO, Column, ShardHeader, columns_problem
from dynamics_gen.stored_chunk import decode_chunk

DIGEST = "digest"
DIGEST_COLUMN = Column(dtype="|u1", shape=(32,))

FILTERS = {"zstd": 32015, "gzip": h5py.h5z.FILTER_DEFLATE}
"""HDF5's number for each codec."""

SMALL_CHUNK = 1_000
"""Clips a chunk in every column that is not large."""

BYTES = (VIDEO, "mask", "forward_occluded", "backward_occluded")
"""Large columns of single bytes: there is nothing to shuffle."""

_LARGEST_ATTRIBUTE = 1_000_000
_LARGEST_RATIO = 1_000
"""Bytes of a small column over those of the file: every clip has 32 bytes in it that do not compress."""
REMEDY = "delete it and run the command that built it again"


def chunk_shape(name: str, column: Column, clips: int) -> tuple[int, ...]:
    """Chunks of a column: what is large stands alone, small columns in thousands."""
    return (1 if name in LARGE else min(clips, SMALL_CHUNK), *column.shape)


def filter_pipeline(name: str, codec: str) -> list[int]:
    """HDF5 filters of a column in order of writing; the checksum covers the compressed bytes."""
    shuffle = [] if name in BYTES else [h5py.h5z.FILTER_SHUFFLE]
    return [*shuffle, FILTERS[codec], h5py.h5z.FILTER_FLETCHER32]


class UnknownFormatError(ShardError):
    """A shard of a format version that this program does not read: not damage."""


class ShardFile:
    """One open shard, read-only; a context manager.

    Args:
        path: the file.
        header: what its root attributes must say; None takes them as they are.

    Raises:
        ShardError: the file is missing, damaged, not a shard, or not the one that `header` describes.
    """

    def __init__(self, path: Path, header: ShardHeader | None = None) -> None:
        self.path = path
        self._datasets: dict[str, h5py.Dataset] = {}
        if not path.is_file():
            raise ShardError(f"{path} is missing: run the command that built it again")
        with self._reading("its header"):
            self._file = _open_file(path)
            self.header = _read_header(self._file)
        if header is not None and self.header != header:
            difference = header_difference(self.header, header)
            raise ShardError(f"{path} is not the shard that is expected here: {difference}; {REMEDY}")

    def __enter__(self) -> ShardFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; reading afterwards is an error."""
        self._datasets.clear()
        self._file.close()

    def __len__(self) -> int:
        return self.header.clips

    def video(self, clip: int) -> np.ndarray:
        """Decodes one clip: uint8, [T, H, W, 3]."""
        return self.large(VIDEO, clip)

    def large(self, name: str, clip: int) -> np.ndarray:
        """Decodes one clip of a large column: [T, H, W, ...]."""
        self._dataset(name)
        column = self.header.columns[name]
        out = np.empty(column.shape, column.dtype)
        self._read_clips(name, clip, out[None])
        return out

    def read_videos(self, start: int, out: np.ndarray) -> None:
        """Decodes `len(out)` consecutive clips from `start` into a contiguous uint8 array [n, T, H, W, 3]."""
        self._read_clips(VIDEO, start, out)

    def _read_clips(self, name: str, start: int, out: np.ndarray) -> None:
        assert 0 <= start <= len(self) - len(out)
        dataset = self._dataset(name).id
        for clip, into in enumerate(out, start):
            with self._reading(f"clip {clip}"):
                decode_chunk(dataset, (clip, *[0] * into.ndim), self.header.codec, into, shuffled=name not in BYTES)

    def column(self, name: str) -> np.ndarray:
        """Reads a whole column: [clips, ...]."""
        dataset = self._dataset(name)
        column = DIGEST_COLUMN if name == DIGEST else self.header.columns[name]
        rows = chunk_shape(name, column, len(self))[0]
        with self._reading(f"column {name}"):
            # The last chunk is stored whole, beyond the end of the column.
            whole = np.empty((-(-len(self) // rows) * rows, *column.shape), column.dtype)
            for start in range(0, len(whole), rows):
                place = (start, *[0] * len(column.shape))
                decode_chunk(dataset.id, place, self.header.codec, whole[start : start + rows], shuffled=True)
        return whole[: len(self)]

    def check_structure(self) -> None:
        """Checks that the promised datasets are there, and nothing else.

        Raises:
            ShardError: they are not.
        """
        expected = {*self.header.columns, DIGEST}
        for name in sorted(expected):
            self._dataset(name)
        groups = {name.split("/")[0] for name in expected if "/" in name}
        with self._reading("its names"):
            names = set(self._file) - groups
            for group in groups:
                self._require_own(group)
                inside = self._file[group]
                assert isinstance(inside, h5py.Group)
                names |= {f"{group}/{name}" for name in inside}
        if names != expected:
            surplus = ", ".join(sorted(names - expected))
            raise ShardError(f"{self.path} holds datasets that no shard has ({surplus}): {REMEDY}")

    def _dataset(self, name: str) -> h5py.Dataset:
        if name not in self._datasets:
            with self._reading(f"column {name}"):
                self._datasets[name] = self._open(name)
        return self._datasets[name]

    def _open(self, name: str) -> h5py.Dataset:
        """Opens a dataset by hard links alone and holds it against the header before anything is read."""
        column = DIGEST_COLUMN if name == DIGEST else self.header.columns.get(name)
        if column is None:
            raise ShardError(f"{self.path} has no column {name!r}: it has {', '.join(self.header.columns)}")
        if "/" in name:
            self._require_own(name.split("/")[0])
        self._require_own(name)
        dataset = self._file[name]
        if not isinstance(dataset, h5py.Dataset):
            raise ShardError(f"{self.path}: {name!r} is not a dataset: {REMEDY}")
        clips = self.header.clips
        plist = dataset.id.get_create_plist()
        if plist.get_layout() != h5py.h5d.CHUNKED or plist.get_external_count():
            raise ShardError(f"{self.path}: the data of {name!r} are stored elsewhere, which is not followed")
        # Shapes first: `dtype` of a hostile file is only compared, never allocated.
        found = dataset.dtype.str, dataset.shape, dataset.chunks
        wanted = column.dtype, (clips, *column.shape), chunk_shape(name, column, clips)
        if found != wanted:
            raise ShardError(f"{self.path}: {name!r} has type, shape and chunks {found}, expected {wanted}: {REMEDY}")
        if name not in LARGE and dataset.size * dataset.dtype.itemsize > _LARGEST_RATIO * self.path.stat().st_size:
            raise ShardError(f"{self.path}: {name!r} claims to be {dataset.shape}, far more than the file holds")
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        if filters != filter_pipeline(name, self.header.codec):
            raise ShardError(f"{self.path}: {name!r} is not stored with {self.header.codec} and checksums: {REMEDY}")
        return dataset

    def _require_own(self, name: str) -> None:
        """Refuses a name that is not there, or that HDF5 would look up somewhere else."""
        link = self._file.get(name, getlink=True)
        if link is None:
            raise ShardError(f"{self.path} has no {name!r}, which every shard has: {REMEDY}")
        if not isinstance(link, h5py.HardLink):
            raise ShardError(f"{self.path}: {name!r} is a link to somewhere else, which is not followed")

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Turns what h5py raises over a damaged file into one sentence."""
        try:
            yield
        except ShardError:
            raise
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ShardError(f"{self.path} is damaged: {what} cannot be read ({reason}); {REMEDY}") from error


def header_difference(found: ShardHeader, wanted: ShardHeader) -> str:
    """Says which entries of two headers differ, as `seed is 3, expected 0`."""
    left, right = _flat(found), _flat(wanted)
    different = [name for name in {**right, **left} if left.get(name) != right.get(name)]
    return ", ".join(f"{name} is {left.get(name)}, expected {right.get(name)}" for name in different[:4])


def _flat(header: ShardHeader) -> dict[str, object]:
    """A header's entries by name; what it says itself goes before what its content repeats."""
    flat: dict[str, object] = {}
    for name, value in header.content.items():
        flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    flat |= {f"column {name}": column for name, column in header.columns.items()}
    for field in dataclasses.fields(header):
        if field.name not in ("content", "columns", "first_clip"):
            flat[field.name] = getattr(header, field.name)
    flat["clips"] = f"{header.first_clip} to {header.first_clip + header.clips - 1}"
    flat.pop("release.name", None)
    return flat


def _open_file(path: Path) -> h5py.File:
    """Opens a file without locking it, so that it may lie on any file system; or as it is open already elsewhere."""
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, "r")


def _read_header(file: h5py.File) -> ShardHeader:
    version = _attribute(file, "format_version", "i")
    if version != FORMAT_VERSION:
        raise UnknownFormatError(
            f"{file.filename} has shard format {version}, this program reads {FORMAT_VERSION}: "
            "update dynamics-benchmark, or build the split again"
        )
    columns = {
        str(name): Column(dtype=str(dtype), shape=tuple(int(side) for side in shape))
        for name, (dtype, shape) in json.loads(_attribute(file, "columns", "S")).items()
    }
    header = ShardHeader(
        format_version=version,
        generator_version=_attribute(file, "generator_version", "S"),
        pybullet_version=_attribute(file, "pybullet_version", "S"),
        release=_attribute(file, "release", "S"),
        split=_attribute(file, "split", "S"),
        seed=_attribute(file, "seed", "i"),
        first_clip=_attribute(file, "first_clip", "i"),
        clips=_attribute(file, "clips", "i"),
        codec=_attribute(file, "codec", "S"),
        content=json.loads(_attribute(file, "content", "S")),
        classes=tuple(json.loads(_attribute(file, "classes", "S"))),
        columns=columns,
    )
    _check_header(header)
    return header


def _check_header(header: ShardHeader) -> None:
    """Refuses headers whose numbers make no sense or would exhaust memory."""
    if not isinstance(header.content, dict) or header.codec not in FILTERS:
        raise ValueError(f"codec {header.codec!r} with content of type {type(header.content).__name__}")
    if header.clips < 1 or header.first_clip < 0:
        raise ValueError(f"{header.clips} clips from {header.first_clip}")
    if problem := columns_problem(header.columns, header.clips):
        raise ValueError(problem)


def _attribute(file: h5py.File, name: str, kind: str) -> Any:
    """A scalar root attribute of fixed size: a whole number (kind `i`) or an ASCII text (kind `S`)."""
    attribute = h5py.h5a.open(file.id, name.encode())
    if attribute.shape != () or attribute.dtype.kind != kind or attribute.dtype.itemsize > _LARGEST_ATTRIBUTE:
        raise ValueError(f"attribute {name} is not what a shard has")
    value: Any = np.empty((), attribute.dtype)
    attribute.read(value)
    return value.item().decode("ascii") if kind == "S" else int(value)

"""What a shard looks like: its name, its columns, its root attributes. Codec and HDF5 calls are elsewhere."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics_gen.config import SplitConfig
from dynamics_gen.version import __version__

FORMAT_VERSION = 1

VIDEO = "video"

ANNOTATION_KINDS = {
    "mask": ("mask",),
    "depth": ("depth",),
    "flow": ("forward_flow", "backward_flow", "forward_occluded", "backward_occluded"),
}
"""Ground truth that may be stored beside a split, and the columns that it is stored in."""

ANNOTATIONS_FOLDER = "annotations"
"""Where they stand in a split's folder."""

LARGE = (VIDEO, *(column for columns in ANNOTATION_KINDS.values() for column in columns))
"""Columns of which each clip is a chunk; a shard has at least one of them."""

TEXT = np.dtype("S64")
"""Every string column: ASCII, padded with zero bytes."""

LARGEST_CLIP = 2**32 - 1
"""Most bytes of one clip in a large column: HDF5's limit on a chunk."""

LARGEST_COLUMN = 2**32 - 1
"""Most bytes of a small column of one shard."""

_COLUMN_NAME = re.compile(r"[A-Za-z0-9_]{1,64}(/[A-Za-z0-9_]{1,64})?")
_COLUMN_TYPE = re.compile(r"[<|]([iuf][1248]|b1|S[1-9]\d{0,4})")
_SHARD_NAME = re.compile(r"[a-z0-9_-]+-\d{5,}-of-\d{5,}\.h5")


def shard_name(split: str, shard: int, shards: int) -> str:
    """File name of one shard: `train-00000-of-00050.h5`."""
    return f"{split}-{shard:05d}-of-{shards:05d}.h5"


def is_shard_name(name: str) -> bool:
    """Whether a file name is one that `shard_name` makes, for whatever split and number of shards."""
    return _SHARD_NAME.fullmatch(name) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """What one clip has in a column: a NumPy type (`<f4`, `|u1`, `|S64` …) and a shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardHeader:
    """A shard's root attributes: what it holds and what made it.

    Attributes:
        content: `BuildConfig.content()`: all that determines the clips.
        columns: the datasets, by name; `digest` beside them.
    """

    format_version: int
    generator_version: str
    pybullet_version: str
    release: str
    split: str
    seed: int
    first_clip: int
    clips: int
    codec: str
    content: dict
    classes: tuple[str, ...]
    columns: dict[str, Column]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardEntry:
    """What a manifest says of one shard file; hashes are SHA-256 in hexadecimal.

    Attributes:
        content_sha256: over the digests of its clips in order: independent of codec, chunks and HDF5 version.
    """

    name: str
    first_clip: int
    clips: int
    bytes: int
    sha256: str
    content_sha256: str


def header_of(
    config: SplitConfig, shard: int, columns: Mapping[str, Column], annotations: Sequence[str] = ()
) -> ShardHeader:
    """The header that a shard of a build has, or one of the annotations beside it."""
    first = shard * config.shard_size
    content: dict[str, Any] = config.content() | ({"annotations": annotations} if annotations else {})
    return ShardHeader(
        format_version=FORMAT_VERSION,
        generator_version=__version__,
        pybullet_version=importlib.metadata.version("pybullet"),
        release=config.release_name,
        split=config.split,
        seed=content["seed"],
        first_clip=first,
        clips=min(config.shard_size, config.clips - first),
        codec=config.codec,
        content=json.loads(json.dumps(content)),
        classes=config.classes,
        columns=dict(columns),
    )


def columns_problem(columns: Mapping[str, Column], clips: int) -> str:
    """What is wrong with the columns that a shard of `clips` clips claims to have, if anything is.

    Names must be plain, types numbers or texts, sizes such that one clip of a large column, or a whole small column,
    fits into memory.
    """
    if not any(name in LARGE for name in columns):
        return f"none of the columns is one of {', '.join(LARGE)}"
    for name, column in columns.items():
        size = math.prod(column.shape) * _item_size(column.dtype)
        most = LARGEST_CLIP if name in LARGE else LARGEST_COLUMN // clips
        if not _COLUMN_NAME.fullmatch(name) or min(column.shape, default=1) < 1 or not 0 < size <= most:
            return f"column {name} is {column}"
        if name in LARGE:
            wanted = {VIDEO: ("|u1", 4, 3), "depth": ("<f4", 3, 0)}.get(name, ("|u1", 3, 0))
            if name.endswith("flow"):
                wanted = ("<f4", 4, 2)
            kind, dimensions, last = wanted
            if column.dtype != kind or len(column.shape) != dimensions or (last and column.shape[-1] != last):
                return f"{name} is {column}"
    return ""


def _item_size(dtype: str) -> int:
    """Bytes of one value of a type such as `<f4`, `|u1`, `|S64`; 0 for what no column has."""
    return int(dtype[2:]) if _COLUMN_TYPE.fullmatch(dtype) else 0


def small_columns(clips: Sequence[Mapping[str, object]]) -> dict[str, np.ndarray]:
    """Stacks everything but what is large of some clips (as `Clip.small` gives it) into columns, sorted by name.

    Raises:
        ValueError: the clips differ in what they carry; a generator must not let them.
    """
    names = sorted(clips[0])
    if any(clip.keys() != clips[0].keys() for clip in clips):
        raise ValueError("clips of one shard carry different parameters")
    return {name: _stack(name, [clip[name] for clip in clips]) for name in names}


def describe(columns: Mapping[str, np.ndarray]) -> dict[str, Column]:
    """The types and per-clip shapes of some columns."""
    return {name: Column(dtype=data.dtype.str, shape=data.shape[1:]) for name, data in columns.items()}


def clip_digests(large_hashes: Iterable[bytes], small: Mapping[str, np.ndarray]) -> np.ndarray:
    """One SHA-256 a clip over all that it holds, independent of how and beside what it is stored.

    It covers, in this order: the SHA-256 of the names, types and shapes of the small columns; the SHA-256 of the
    video's bytes (of all large columns', one after the other by name); the bytes of the small columns, sorted by name,
    in C order.

    Returns:
        uint8, [clips, 32].
    """
    ordered = {name: np.ascontiguousarray(small[name]) for name in sorted(small)}
    schema = [[name, column.dtype, column.shape] for name, column in describe(ordered).items()]
    prefix = hashlib.sha256(json.dumps(schema).encode()).digest()
    rows = np.concatenate(
        [data.view(np.uint8).reshape(len(data), -1) for data in ordered.values()], axis=1
    )  # [clips, bytes]
    hashes = [
        hashlib.sha256(prefix + large + row.tobytes()).digest() for large, row in zip(large_hashes, rows, strict=True)
    ]
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)


def _stack(name: str, values: list) -> np.ndarray:
    """One column from one value a clip: text, whole numbers, floats, or arrays of one type and shape."""
    kinds = {_kind(name, kind) for kind in set(map(type, values))}
    if kinds == {"array"}:
        kinds = {value.dtype for value in values}
    if len(kinds) > 1:
        raise ValueError(f"column {name} mixes {' and '.join(sorted(map(str, kinds)))}")
    (kind,) = kinds
    if isinstance(kind, np.dtype):
        if kind.kind not in "biuf":
            raise ValueError(f"column {name} holds arrays of {kind}: expected numbers")
        return np.ascontiguousarray(np.stack(values), kind.newbyteorder("<"))
    if kind == "text":
        if max(map(len, values)) > TEXT.itemsize:
            raise ValueError(f"column {name} holds a text longer than {TEXT.itemsize} characters")
        return np.array([value.encode("ascii") for value in values], TEXT)
    return np.array(values, "<f8" if kind == "float" else "<i8")


def _kind(name: str, kind: type) -> str:
    """What values of a Python type are stored as."""
    for stored, kinds in _KINDS.items():
        if issubclass(kind, kinds):
            return stored
    raise ValueError(f"column {name} holds a {kind.__name__}: expected a number, a text or an array")


_KINDS = {
    "array": np.ndarray,
    "text": str,
    "integer": (int, np.integer, np.bool_),
    "float": (float, np.floating),
}

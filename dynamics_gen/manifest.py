"""The manifest: one JSON file a split, which says what its shards are and proves that nobody changed it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynamics_gen.errors import ShardError
from dynamics_gen.files import write_whole
from dynamics_gen.layout import FORMAT_VERSION, LARGE, Column, ShardEntry, ShardHeader, columns_problem, shard_name

NAME = "manifest.json"

_SEAL = "manifest_sha256"
_LARGEST = 64 << 20
_LONGEST = 200
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a split is.

    Attributes:
        clips: how many it has.
        fingerprint: SHA-256 over the digests of its clips in order; independent of shard size and codec.
        content: `BuildConfig.content()`: all that determines the clips.
        classes: class names in label order.
        columns: what each clip carries, by name.
        versions: of the generator and of PyBullet.
    """

    release: str
    split: str
    seed: int
    clips: int
    fingerprint: str
    shard_size: int
    codec: str
    content: dict[str, Any]
    classes: tuple[str, ...]
    columns: dict[str, Column]
    versions: dict[str, str]
    shards: tuple[ShardEntry, ...]

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """Shape of one clip's video: (T, H, W, 3); for annotations, of the video that they annotate."""
        large = next(self.columns[name] for name in LARGE if name in self.columns)
        frames, height, width = large.shape[:3]
        return frames, height, width, 3

    def header(self, shard: int) -> ShardHeader:
        """What the root attributes of a shard must say."""
        return ShardHeader(
            format_version=FORMAT_VERSION,
            generator_version=self.versions["generator"],
            pybullet_version=self.versions["pybullet"],
            release=self.release,
            split=self.split,
            seed=self.seed,
            first_clip=self.shards[shard].first_clip,
            clips=self.shards[shard].clips,
            codec=self.codec,
            content=self.content,
            classes=self.classes,
            columns=self.columns,
        )


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Writes a split's manifest, whole or not at all."""
    described = {"format_version": FORMAT_VERSION, **dataclasses.asdict(manifest)}
    described[_SEAL] = _seal(described)
    write_whole(directory / NAME, (json.dumps(described, indent=1, sort_keys=True) + "\n").encode())


def read_manifest(directory: Path) -> Manifest:
    """Reads a split's manifest.

    Raises:
        ShardError: there is none, it is damaged, was edited by hand, or is of a format this program does not know.
    """
    path = directory / NAME
    if not path.is_file():
        raise ShardError(_missing(directory))
    if path.stat().st_size > _LARGEST:
        raise ShardError(f"{path} is larger than any manifest: {path.stat().st_size:,} bytes")
    try:
        described = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ShardError(f"{path} is not JSON ({error}): {_REMEDY}") from error
    if not isinstance(described, dict):
        raise ShardError(f"{path} holds a {type(described).__name__}, expected an object: {_REMEDY}")
    version = described.get("format_version")
    if version != FORMAT_VERSION:
        raise ShardError(
            f"{path} has format version {version!r}, this program reads {FORMAT_VERSION}: "
            "update dynamics-benchmark, or build the split again"
        )
    seal = described.pop(_SEAL, None)
    if seal != _seal(described):
        raise ShardError(f"{path} was changed after it was written (its own checksum does not match): {_REMEDY}")
    try:
        return _parse(described)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ShardError(f"{path} is not a manifest ({type(error).__name__}: {error}): {_REMEDY}") from error


_REMEDY = "delete it and run the command that built the split again, which writes it anew and keeps the shards"


def _missing(directory: Path) -> str:
    if not directory.is_dir():
        return f"{directory} is not a folder: expected one that `dynamics-gen --split NAME` made"
    inside = sorted(path.parent.name for path in directory.glob(f"*/{NAME}"))
    if inside:
        return f"{directory} holds several splits: open one of them, as {directory / inside[0]}"
    if any(directory.glob("*-of-*.h5")):
        return f"{directory} is not finished (no {NAME} yet): run the command that builds it again"
    return f"{directory} has no {NAME}: expected a folder that `dynamics-gen --split NAME` made"


def _seal(described: dict[str, Any]) -> str:
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _parse(data: dict[str, Any]) -> Manifest:
    """Checks types and that the parts agree with each other; plain errors are turned into sentences above."""
    manifest = Manifest(
        release=_text(data, "release"),
        split=_text(data, "split"),
        seed=_of(data, "seed", int),
        clips=_of(data, "clips", int),
        fingerprint=_hash(data, "fingerprint"),
        shard_size=_of(data, "shard_size", int),
        codec=_text(data, "codec"),
        content=_of(data, "content", dict),
        classes=tuple(_text({"class": name}, "class") for name in _of(data, "classes", list)),
        columns={
            str(name): Column(dtype=_of(column, "dtype", str), shape=_sides(column))
            for name, column in _of(data, "columns", dict).items()
        },
        versions={name: _text(_of(data, "versions", dict), name) for name in sorted(_of(data, "versions", dict))},
        shards=tuple(
            ShardEntry(
                name=_of(entry, "name", str),
                first_clip=_of(entry, "first_clip", int),
                clips=_of(entry, "clips", int),
                bytes=_of(entry, "bytes", int),
                sha256=_hash(entry, "sha256"),
                content_sha256=_hash(entry, "content_sha256"),
            )
            for entry in _of(data, "shards", list)
        ),
    )
    first = 0
    for number, entry in enumerate(manifest.shards):
        expected = shard_name(manifest.split, number, len(manifest.shards))
        if (entry.name, entry.first_clip) != (expected, first) or entry.clips < 1:
            raise ValueError(f"shard {number} is {entry.name!r} from clip {entry.first_clip}")
        first += entry.clips
    if first != manifest.clips or not first:
        raise ValueError(f"the shards hold {first} clips, the split {manifest.clips}")
    if problem := columns_problem(manifest.columns, max(entry.clips for entry in manifest.shards)):
        raise ValueError(problem)
    if "/" in manifest.split:
        raise ValueError(f"split is {manifest.split!r}")
    _ = manifest.versions["generator"], manifest.versions["pybullet"]
    return manifest


def _of(data: dict[str, Any], name: str, kind: type) -> Any:
    value = data[name]
    if type(value) is not kind:
        raise TypeError(f"{name} is {value!r}, expected {kind.__name__}")
    return value


def _text(data: dict[str, Any], name: str) -> str:
    """A text that may be shown: nothing in it moves a terminal's cursor."""
    value = _of(data, name, str)
    if not value.isprintable() or len(value) > _LONGEST:
        raise ValueError(f"{name} is {value[:_LONGEST]!r}, expected at most {_LONGEST} printable characters")
    return value


def _sides(column: dict[str, Any]) -> tuple[int, ...]:
    shape = _of(column, "shape", list)
    if not all(type(side) is int and side > 0 for side in shape):
        raise ValueError(f"shape {shape}")
    return tuple(shape)


def _hash(data: dict[str, Any], name: str) -> str:
    value = _of(data, name, str)
    if not _HASH.fullmatch(value):
        raise ValueError(f"{name} is {value!r}, expected 64 hexadecimal digits")
    return value

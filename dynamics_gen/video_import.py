"""Folders of video files (KTH, UCF101 …) as splits that all else here reads: same shards and manifest, other classes.

A table names each file's class, unless nobody knows it. The clips are a function of the files, the table and the
settings alone.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dynamics_gen.config import SPLITS
from dynamics_gen.errors import ConfigError, DynamicsError
from dynamics_gen.files import explained, file_sha256, write_whole
from dynamics_gen.generate import build_split
from dynamics_gen.manifest import Manifest
from dynamics_gen.pool import available_cores, run_tasks
from dynamics_gen.video_files import probe_video, read_video
from dynamics_gen.video_table import LONGEST_NAME, SHOWN, UNLABELLED, list_videos, read_table

FITS = ("crop", "pad", "stretch")
"""How a frame becomes square: its middle; whole, with black bars; or whole, out of shape."""

WINDOWS = ("middle", "all")
"""Which frames of a long video: those around its middle, or one clip after the other."""

SOURCES = "sources.csv"
"""Which clip is which part of which file; stands beside the shards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One video file.

    Attributes:
        file: its path, as the table has it.
        length: its frames at the rate of the clips.
        step: its own frames from one of those to the next.
        clips: how many are cut from it.
    """

    file: str
    label: int
    length: int
    step: float
    clips: int


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """One imported split, as `generate.build_split` takes it.

    Attributes:
        folder: where the files are.
        release_name: the dataset's own.
        sources: in the order of their clips.
        fps: frames a second of the clips.
        resampled: whether files of other rates are brought to it.
        files_sha256: over names, classes and contents of the files.
    """

    folder: Path
    release_name: str
    split: str
    classes: tuple[str, ...]
    sources: tuple[Source, ...]
    files_sha256: str
    fps: float
    resampled: bool
    image_size: int = 64
    frames: int = 32
    fit: str = "crop"
    windows: str = "middle"
    shard_size: int = 1_000
    codec: str = "zstd"

    @property
    def clips(self) -> int:
        """Number of clips in the split."""
        return int(self._ends[-1])

    @property
    def shards(self) -> int:
        """Number of shards; the last may be shorter."""
        return -(-self.clips // self.shard_size)

    @property
    def bytes_a_clip(self) -> int:
        """What a clip takes on disk: natural video keeps half of its bytes or less."""
        return self.frames * self.image_size**2 * 3 // 2

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum([source.clips for source in self.sources])

    def locate(self, clip: int) -> tuple[int, int]:
        """The number of a clip's file, and the clip's own number in it."""
        source = int(np.searchsorted(self._ends, clip, side="right"))
        return source, clip - int(self._ends[source]) + self.sources[source].clips

    def content(self) -> dict[str, Any]:
        """All that determines the clips, ready for JSON."""
        return {
            "imported": {
                "files": len(self.sources),
                "files_sha256": self.files_sha256,
                "fit": self.fit,
                "windows": self.windows,
                "resampled": self.resampled,
            },
            "split": self.split,
            "seed": 0,
            "image_size": self.image_size,
            "frames": self.frames,
            "fps": self.fps,
        }


@dataclass(frozen=True, slots=True, eq=False)
class ImportedClip:
    """A clip cut from a file: frames, name and class."""

    clip_id: str
    label: int
    video: UInt8[np.ndarray, "time height width 3"]

    def large(self) -> dict[str, np.ndarray]:
        """What is stored a clip at a time, by column name."""
        return {"video": self.video}

    def small(self) -> dict[str, object]:
        """Everything else, by column name."""
        return {"clip_id": self.clip_id, "label": self.label}


def plan_import(
    folder: Path,
    table: Path | None,
    *,
    name: str,
    split: str = "train",
    image_size: int = 64,
    frames: int = 32,
    fps: float | None = None,
    fit: str = "crop",
    windows: str = "middle",
    shard_size: int = 1_000,
    codec: str = "zstd",
    workers: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[ImportConfig]:
    """Decodes every file of a folder once, to see what is there, and says which splits `build_import` can make of it.

    Args:
        folder: holds the files: MP4, AVI, WebM, GIF and so on; grey or colour, of any size.
        table: CSV with the columns `file` (relative to `folder`), `label` (name of a class), and perhaps `split`;
            without one, every video file in the folder is taken, and all are of the one class `UNLABELLED`.
        name: of the dataset, letters, digits, - and _.
        split: of all files, if the table has no such column.
        image_size: side of the clips' frames, pixels.
        frames: of a clip; shorter videos hold their last frame.
        fps: frames a second that all files are brought to; without it every frame is taken, and all files must have
            one rate.
        fit: one of `FITS`.
        windows: one of `WINDOWS`.
        shard_size: clips a shard.
        codec: "zstd" or "gzip".
        workers: processes; as many as there are cores unless given.
        say: told, a line at a time, what is noteworthy.

    Raises:
        ConfigError: a setting, the table or a file is not as expected.
    """
    for kind, value, known in (("fit", fit, FITS), ("windows", windows, WINDOWS)):
        if value not in known:
            raise ConfigError(f"{kind} is {value!r}: expected one of {', '.join(known)}")
    for number, value, low, high in (
        ("image_size", image_size, 16, 1024),
        ("frames", frames, 2, 4096),
        ("fps", 1 if fps is None else fps, 0.1, 240),
        ("shard_size", shard_size, 1, 1_000_000),
    ):
        if not low <= value <= high:
            raise ConfigError(f"{number} is {value}: expected a number from {low} to {high}")
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or len(name) > LONGEST_NAME:
        raise ConfigError(f"name is {name!r}: expected at most {LONGEST_NAME} letters, digits, - and _")
    rows, classes = (list_videos(folder, split), [UNLABELLED]) if table is None else read_table(table, folder, split)
    crew = available_cores() if workers is None else workers
    probed = _probe_all(folder, sorted({row["file"] for row in rows}), crew)
    rate = _common_rate(probed, fps)
    short = 0
    planned = []
    for chosen in sorted({row["split"] for row in rows}, key=SPLITS.index):
        sources, digest = [], hashlib.sha256()
        for row in _shuffled([row for row in rows if row["split"] == chosen]):
            count, own_rate, sha256 = probed[row["file"]]
            step = 1.0 if fps is None else own_rate / rate
            length = max(1, math.floor(count / step))
            short += length < frames
            clips = max(1, length // frames) if windows == "all" else 1
            label = classes.index(row["label"])
            sources.append(Source(file=row["file"], label=label, length=length, step=step, clips=clips))
            digest.update(json.dumps([row["file"], row["label"], sha256]).encode())
        config = ImportConfig(
            folder=folder.resolve(),
            release_name=name,
            split=chosen,
            classes=tuple(classes),
            sources=tuple(sources),
            files_sha256=digest.hexdigest(),
            fps=int(rate) if rate == int(rate) else rate,
            resampled=fps is not None,
            image_size=image_size,
            frames=frames,
            fit=fit,
            windows=windows,
            shard_size=shard_size,
            codec=codec,
        )
        planned.append(config)
    if short:
        say(f"{short:,} of {len(rows):,} videos are shorter than {frames} frames: their last frame is held to the end")
    return planned


def build_import(
    config: ImportConfig,
    out: Path,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Builds an imported split in the folder `out`; like any build, it goes on where it was stopped.

    Raises:
        ConfigError: a file has changed since it was planned.
        BuildError: as `generate.build_split`.
    """
    manifest = build_split(config, out, workers, progress, source=imported_clips)
    _write_sources(config, out / SOURCES)
    return manifest


def imported_clips(config: ImportConfig, indices: Sequence[int]) -> Iterator[ImportedClip]:
    """Decodes clips by number; those of one file are read in one go."""
    for number, group in groupby(indices, key=lambda index: config.locate(index)[0]):
        source, wanted = config.sources[number], list(group)
        parts = [config.locate(index)[1] for index in wanted]
        for index, video in zip(wanted, _cut(config, source, parts), strict=True):
            yield ImportedClip(f"{config.split}-{index:06d}", source.label, video)


def _cut(config: ImportConfig, source: Source, parts: Sequence[int]) -> Iterator[UInt8[np.ndarray, "time y x 3"]]:
    """Consecutive clips of a file, by number."""
    first = parts[0] * config.frames if config.windows == "all" else max(0, (source.length - config.frames) // 2)
    last = min(first + len(parts) * config.frames, source.length)
    frames = _picked(config, source, range(first, last))
    for _ in parts:
        clip = list(islice(frames, config.frames))
        if not clip:
            raise ConfigError(f"{config.folder / source.file} has fewer frames than it had: run the same command again")
        yield np.stack(clip + [clip[-1]] * (config.frames - len(clip)))


def _picked(config: ImportConfig, source: Source, places: range) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    """Frames of a file at the rate of the clips, square."""
    waiting = deque(math.floor(place * source.step) for place in places)
    with contextlib.closing(read_video(config.folder / source.file)) as frames:
        for number, frame in enumerate(frames):
            if not waiting:
                return
            if waiting[0] == number:
                small = square(frame, config.image_size, config.fit)
                while waiting and waiting[0] == number:
                    waiting.popleft()
                    yield small


def square(frame: UInt8[np.ndarray, "y x 3"], size: int, fit: str) -> UInt8[np.ndarray, "size size 3"]:
    """Brings a frame to a square of the given side, with anti-aliased bicubic resampling."""
    from PIL import Image, ImageOps

    image = Image.fromarray(frame)
    method = Image.Resampling.BICUBIC
    if fit == "crop":
        image = ImageOps.fit(image, (size, size), method)
    elif fit == "pad":
        image = ImageOps.pad(image, (size, size), method, color=(0, 0, 0))
    else:
        image = image.resize((size, size), method)
    return np.asarray(image)


def _shuffled(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Mixed by a fixed seed, so that any part of a split has all classes; clips of one file stay together."""
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[place] for place in order]


def _probe_all(folder: Path, files: Sequence[str], workers: int) -> dict[str, tuple[int, float, str]]:
    """Frames, frames a second and SHA-256 of each file; every file that cannot be read is told at once."""
    found, problems = {}, []
    for file, result in run_tasks(
        _probe, [(folder, file) for file in files], workers=workers, progress=lambda _: None, name=lambda job: job[1]
    ):
        if isinstance(result, str):
            problems.append(result)
        else:
            found[file] = result
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ConfigError("; ".join(sorted(problems)[:SHOWN]) + more)
    return found


def _probe(job: tuple[Path, str], report: Callable[[int], None]) -> tuple[str, tuple[int, float, str] | str]:
    folder, file = job
    try:
        return file, (*probe_video(folder / file), file_sha256(folder / file))
    except DynamicsError as error:
        return file, str(error)


def _common_rate(probed: dict[str, tuple[int, float, str]], fps: float | None) -> float:
    """The rate that all clips will have."""
    if fps is not None:
        return fps
    rates = Counter(round(rate, 2) for _, rate, _ in probed.values())
    if len(rates) > 1:
        told = ", ".join(f"{rate:g} ({count})" for rate, count in sorted(rates.items())[:4])
        raise ConfigError(f"the videos have different frame rates (files): {told}; choose one with --fps")
    return next(iter(rates))


def _write_sources(config: ImportConfig, path: Path) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["clip_id", "file", "clip_of_file", "label"])
    for clip in range(config.clips):
        number, part = config.locate(clip)
        source = config.sources[number]
        table.writerow([f"{config.split}-{clip:06d}", source.file, part, config.classes[source.label]])
    with explained(path):
        write_whole(path, text.getvalue().encode())

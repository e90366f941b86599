"""Random access to the clips of a split. Needs neither PyBullet nor torch."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Int64, UInt8

from dynamics_gen.errors import ShardError
from dynamics_gen.manifest import Manifest, read_manifest
from dynamics_gen.shard_file import VIDEO, ShardFile

MOST_OPEN_FILES = 128


class ClipDataset:
    """The clips of one split, by number: a map-style dataset for any framework.

    It may be pickled, forked and shared by the workers of a DataLoader: each process opens a shard when it first
    reads from it. What is read is held against checksums.

    Args:
        directory: a folder that `dynamics-gen` made, with its manifest.

    Attributes:
        directory: that folder.
        manifest: what the split is.
        labels: class of each clip.
        paths: first factor of each clip's class.
        speeds: second factor of each clip's class.
        clip_ids: name of each clip.

    Raises:
        ShardError: there is no finished split, or it is damaged or of an unknown version; the same for every method
            that reads.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self.manifest: Manifest = read_manifest(self.directory)
        self._starts = np.array([entry.first_clip for entry in self.manifest.shards])
        self._files: dict[int, ShardFile] = {}
        self._process = os.getpid()
        for entry in self.manifest.shards:
            path = self.directory / entry.name
            if not path.is_file():
                raise ShardError(f"{path} is missing: run the command that built the split again")
            if path.stat().st_size != entry.bytes:
                raise ShardError(
                    f"{path} has {path.stat().st_size:,} bytes, expected {entry.bytes:,}: "
                    "run the command that built the split again, which makes damaged shards anew"
                )
        self.labels: Int64[np.ndarray, " clips"] = self.column("label")
        self.paths: Int64[np.ndarray, " clips"] = self.column("path")
        self.speeds: Int64[np.ndarray, " clips"] = self.column("speed")
        self.clip_ids: list[str] = [name.decode("ascii") for name in self.column("clip_id").tolist()]

    def __repr__(self) -> str:
        return f"ClipDataset({str(self.directory)!r}): {len(self):,} clips of {self.manifest.release}"

    def __len__(self) -> int:
        return self.manifest.clips

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        """One clip: `video` (uint8, [T, H, W, 3]), `label`, `path`, `speed` and `clip_id`.

        Raises:
            IndexError: there is no such clip; negative numbers count from the end.
        """
        clip = self._number(index)
        file, within = self._locate(clip)
        return {
            "video": file.video(within),
            "label": int(self.labels[clip]),
            "path": int(self.paths[clip]),
            "speed": int(self.speeds[clip]),
            "clip_id": self.clip_ids[clip],
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[clip] for clip in range(len(self)))

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """Shape of one clip's video: (T, H, W, 3)."""
        return self.manifest.video_shape

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that `column` knows: all that is stored for each clip but its video."""
        return tuple(name for name in self.manifest.columns if name != VIDEO)

    def column(self, name: str) -> np.ndarray:
        """One column over all clips, such as `position` or `parameters/radius`: [N, ...].

        Raises:
            KeyError: there is no such column.
        """
        if name not in self.columns:
            raise KeyError(f"no column {name!r}: there are {', '.join(self.columns)}")
        return np.concatenate([self._file(shard).column(name) for shard in range(len(self.manifest.shards))])

    def read_videos(
        self,
        indices: slice | Sequence[int] | np.ndarray,
        out: UInt8[np.ndarray, "n time height width 3"] | None = None,
    ) -> UInt8[np.ndarray, "n time height width 3"]:
        """Decodes many clips, in the order asked for.

        Args:
            indices: a slice, or numbers of clips (negative ones count from the end).
            out: where to put them: C-contiguous; made if not given.

        Raises:
            IndexError: there is no such clip.
            ValueError: `out` has another shape, type or layout.
        """
        if isinstance(indices, slice):
            clips: Sequence[int] = range(*indices.indices(len(self)))
        else:
            clips = [self._number(index) for index in indices]
        shape = (len(clips), *self.video_shape)
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
            raise ValueError(f"out is {out.dtype} {out.shape}: expected C-contiguous uint8 {shape}")
        begin = 0
        while begin < len(clips):
            file, within = self._locate(clips[begin])
            end = begin + 1
            while end < len(clips) and clips[end] == clips[end - 1] + 1 and within + end - begin < len(file):
                end += 1
            file.read_videos(within, out[begin:end])
            begin = end
        return out

    def close(self) -> None:
        """Closes every open file; reading opens them again."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}}

    def _number(self, index: SupportsIndex) -> int:
        clip = operator.index(index)
        if not -len(self) <= clip < len(self):
            raise IndexError(f"clip {clip} is out of range: {self.directory} has {len(self)} clips")
        return clip % len(self)

    def _locate(self, clip: int) -> tuple[ShardFile, int]:
        shard = int(np.searchsorted(self._starts, clip, side="right")) - 1
        return self._file(shard), clip - self.manifest.shards[shard].first_clip

    def _file(self, shard: int) -> ShardFile:
        """This process's own handle of a shard: one that was opened before a fork is dropped, unused."""
        if self._process != os.getpid():
            self._files, self._process = {}, os.getpid()
        file = self._files.get(shard)
        if file is None:
            if len(self._files) >= MOST_OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
            entry = self.manifest.shards[shard]
            file = ShardFile(self.directory / entry.name, self.manifest.header(shard))
            self._files[shard] = file
        return file

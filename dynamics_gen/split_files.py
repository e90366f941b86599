"""The shard files of a split, opened when they are first read from, by each process for itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from dynamics_gen.errors import ShardError
from dynamics_gen.manifest import Manifest
from dynamics_gen.shard_file import ShardFile

MOST_OPEN_FILES = 128


class SplitFiles:
    """Finds the file of a clip; may be pickled, forked and shared by the workers of a DataLoader.

    Args:
        directory: a folder of shards.
        manifest: what it says of them.

    Raises:
        ShardError: a file is missing or of another length than it had.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory, self.manifest = directory, manifest
        self._starts = np.array([entry.first_clip for entry in manifest.shards])
        self._open: dict[int, ShardFile] = {}
        self._process = os.getpid()
        for entry in manifest.shards:
            path = directory / entry.name
            if not path.is_file():
                raise ShardError(f"{path} is missing: run the command that built the split again")
            if path.stat().st_size != entry.bytes:
                raise ShardError(
                    f"{path} has {path.stat().st_size:,} bytes, expected {entry.bytes:,}: "
                    "run the command that built the split again, which makes damaged shards anew"
                )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def locate(self, clip: int) -> tuple[ShardFile, int]:
        """The file that holds a clip, and the clip's number in it."""
        shard = int(np.searchsorted(self._starts, clip, side="right")) - 1
        return self._file(shard), clip - self.manifest.shards[shard].first_clip

    def column(self, name: str) -> np.ndarray:
        """One small column over all clips: [N, ...]."""
        return np.concatenate([self._file(shard).column(name) for shard in range(len(self.manifest.shards))])

    def close(self) -> None:
        """Closes every open file; reading opens them again."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _file(self, shard: int) -> ShardFile:
        """This process's own handle of a shard: one that was opened before a fork is dropped, unused."""
        if self._process != os.getpid():
            self._open, self._process = {}, os.getpid()
        file = self._open.get(shard)
        if file is None:
            if len(self._open) >= MOST_OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            entry = self.manifest.shards[shard]
            file = ShardFile(self.directory / entry.name, self.manifest.header(shard))
            self._open[shard] = file
        return file

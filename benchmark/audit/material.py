"""The clips that an audit judges: all splits of a folder behind one numbering."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import dynamics_gen
from dynamics_gen import parameters, seeds, textures
from dynamics_gen.config import SPLITS, config_from
from dynamics_gen.errors import ShardError


class Material:
    """Clips of train (at most `most` of them), then of valid and test.

    Args:
        root: a folder with the three splits.
        most: clips of train to take; all unless given.

    Raises:
        ShardError: a split is missing or damaged.
    """

    def __init__(self, root: Path, most: int | None = None) -> None:
        self.root = root
        for split in SPLITS:
            if not (root / split).is_dir():
                raise ShardError(
                    f"{root} has no {split}: an audit needs {', '.join(SPLITS)}; "
                    f"run `dynamics-gen --split all --out {root}` with the size that you want"
                )
        self._sets = [dynamics_gen.open(root / split) for split in SPLITS]
        for clips in self._sets:
            if not {"position", "parameters/shape", "label"} <= set(clips.columns):
                raise ShardError(
                    f"{clips.directory} has no trajectories and drawn parameters to ask: an audit needs "
                    "simulated clips with their labels"
                )
        counts = [len(clips) if most is None or k else min(most, len(clips)) for k, clips in enumerate(self._sets)]
        self._starts = np.cumsum([0, *counts])
        self.train, self.held_out = np.arange(counts[0]), np.arange(counts[0], sum(counts))
        self.manifests = [clips.manifest for clips in self._sets]
        self.video_shape = self._sets[0].video_shape
        self.labels = self._gather([clips.labels for clips in self._sets])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def column(self, name: str) -> np.ndarray:
        """A stored column of all clips."""
        return self._gather([clips.column(name) for clips in self._sets])

    def videos(self, clips: np.ndarray) -> np.ndarray:
        """Frames of some clips by number, uint8 [n, T, H, W, 3]."""
        out = np.empty((len(clips), *self.video_shape), np.uint8)
        split = np.searchsorted(self._starts, clips, side="right") - 1
        for k, some in enumerate(self._sets):
            rows = np.flatnonzero(split == k)
            if len(rows):
                out[rows] = some.read_videos(clips[rows] - self._starts[k])
        return out

    def pictures(self, choose: str, rng: np.random.Generator) -> np.ndarray:
        """One picture of every clip, uint8 [n, H, W, C].

        Args:
            choose: "first", "middle", "last", "random", "mean" (over time), or "two" (neighbours in the middle).
            rng: draws the random frame.
        """
        frames = self.video_shape[0]
        at = {"first": 0, "middle": frames // 2, "last": frames - 1}
        parts = []
        for some in np.array_split(np.arange(len(self)), -(-len(self) // 256)):
            videos = self.videos(some)
            if choose == "mean":
                parts.append(np.rint(videos.mean(axis=1, dtype=np.float32)).astype(np.uint8))
            elif choose == "two":
                parts.append(np.concatenate([videos[:, frames // 2 - 1], videos[:, frames // 2]], axis=-1))
            else:
                frame = rng.integers(frames, size=len(some)) if choose == "random" else at[choose]
                parts.append(videos[np.arange(len(some)), frame])
        return np.concatenate(parts)

    def backdrops(self) -> np.ndarray:
        """The backdrop of every clip without its object, unlit, uint8 [n, H, W, 3]: drawn again, not cut out."""
        pictures = []
        for k, clips in enumerate(self._sets):
            manifest = clips.manifest
            config = config_from(manifest.content, shard_size=manifest.shard_size, codec=manifest.codec)
            for index in range(int(self._starts[k + 1] - self._starts[k])):
                look, rng = parameters.draw_appearance(config, index), seeds.stream(config, index, "backdrop")
                size = config.image_size
                pictures.append(
                    textures.backdrop(rng, look.backdrop, size, look.backdrop_color, look.backdrop_contrast)
                )
        return np.array(pictures)

    def _gather(self, columns: list[np.ndarray]) -> np.ndarray:
        counts = np.diff(self._starts)
        return np.concatenate([column[:count] for column, count in zip(columns, counts, strict=True)])

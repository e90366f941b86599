"""Parts of a split, with the interface of the whole: some of its clips, some of their frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float16

from benchmark.data import ClipDataset
from dynamics_gen.clip import STATE_COLUMNS
from dynamics_gen.errors import ConfigError


class PartOfSplit:
    """Some clips of a split, or some consecutive frames of each; its manifest stays that of the whole.

    Args:
        whole: the split.
        clips: numbers of the clips, in order; all of them unless given.
        frames: the first frame and the one after the last; all of them unless given.

    Attributes:
        whole: the split.
        directory: that of the whole.
    """

    def __init__(
        self, whole: ClipDataset, clips: np.ndarray | None = None, frames: tuple[int, int] | None = None
    ) -> None:
        self.whole = whole
        self.directory = whole.directory
        self._clips = np.arange(len(whole)) if clips is None else clips
        time, height, width, channels = whole.video_shape
        self._frames = slice(*(frames or (0, time)))
        self.video_shape = (len(range(time)[self._frames]), height, width, channels)
        self.labels = whole.labels[self._clips]
        self.clip_ids = [whole.clip_ids[clip] for clip in self._clips]
        self.manifest = whole.manifest

    def __len__(self) -> int:
        return len(self._clips)

    def read_videos(self, indices: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Frames of some clips, uint8 [clips, T, H, W, 3], into `out` where it is given."""
        clips = self._clips[indices]
        if self.video_shape == self.whole.video_shape:
            return self.whole.read_videos(clips, out)
        videos = self.whole.read_videos(clips)[:, self._frames]
        if out is None:
            return np.ascontiguousarray(videos)
        out[:] = videos
        return out

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that `column` knows: those of the whole."""
        return self._stored.columns

    def column(self, name: str) -> np.ndarray:
        """One column over these clips, [clips, ...]; of what is stored by frame, these frames.

        Raises:
            KeyError: the whole has no such column.
        """
        values = self._stored.column(name)[self._clips]
        return values[:, self._frames] if name in STATE_COLUMNS else values

    @property
    def _stored(self) -> Any:
        """The whole, with its columns, which what a network is fed need not have."""
        return self.whole

    def part_of_flow(self, flow: Float16[np.ndarray, "all steps height width 2"]) -> Float16[np.ndarray, "..."]:
        """The flow of these clips between these frames, given that of the whole; a view where clips are neighbours."""
        first, last = self._clips[0], self._clips[-1]
        neighbours = np.array_equal(self._clips, np.arange(first, last + 1))
        clips = slice(first, last + 1) if neighbours else self._clips
        return flow[clips][:, self._frames.start : self._frames.stop - 1]


def first_of_each_class(split: ClipDataset, per_class: int) -> PartOfSplit:
    """The first clips of every class, in the split's order; fewer are always a part of more.

    In a split whose classes are balanced in blocks, such as `train`, these are its first clips.

    Raises:
        ConfigError: a class has fewer.
    """
    counts = np.bincount(split.labels, minlength=len(split.manifest.classes))
    if counts.min() < per_class:
        raise ConfigError(f"train has {counts.min()} clips of a class: expected at least the {per_class} asked for")
    return PartOfSplit(
        split, np.sort(np.concatenate([np.flatnonzero(split.labels == k)[:per_class] for k in range(len(counts))]))
    )

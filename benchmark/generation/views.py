"""A split as generators see it: single frames, or whole clips of fewer and smaller frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8

from benchmark.data import ClipDataset
from dynamics_gen.errors import ConfigError

FRAMES_A_CLIP = 4
"""Single frames that stand for a clip, evenly spread over it from its first."""


class View:
    """Frames of a split's clips, shrunk, each by itself or together; has the interface of the split.

    Args:
        whole: the split; its frames are square.
        form: one of `spec.VIEWS`: `frames` are clips of one frame, `FRAMES_A_CLIP` of each clip, `clips` whole ones.
        frames: how many frames of each clip are kept, every second, fourth, …; of `clips` alone.
        image_size: side of a frame; each pixel is the mean of those it covers.

    Attributes:
        directory: that of the whole.
        moments: numbers of the frames that are kept.
        copies: how many of these stand by themselves for each clip, one after the other; 1 of whole clips.

    Raises:
        ConfigError: the split's frames or clips cannot be divided so.
    """

    def __init__(self, whole: ClipDataset, form: str, frames: int, image_size: int) -> None:
        time, height, width, channels = whole.video_shape
        if height != width or height % image_size:
            raise ConfigError(
                f"frames of {height}×{width} pixels were to be shrunk to {image_size}: expected a size that divides "
                f"theirs, such as {height // 2}; try --set image_size={height // 2}"
            )
        kept = min(FRAMES_A_CLIP, time) if form == "frames" else frames
        if not 1 <= kept <= time or time % kept:
            raise ConfigError(
                f"{kept} of {time} frames of a clip were asked for: expected a number that divides it, "
                f"such as {max(time // 2, 1)}; try --set frames={max(time // 2, 1)}"
            )
        self.whole, self.directory, self.manifest = whole, whole.directory, whole.manifest
        self._every = time // kept
        self.moments = np.arange(0, time, self._every)
        self._apart = form == "frames"
        self.copies = kept if self._apart else 1
        self.video_shape = (1 if self._apart else kept, image_size, image_size, channels)

    def __len__(self) -> int:
        return len(self.whole) * self.copies

    @property
    def labels(self) -> np.ndarray:
        """Class of the clip that each comes from, int64."""
        return self.of_clips(self.whole.labels)

    @property
    def clip_ids(self) -> list[str]:
        """Name of the clip, with the frame's number where frames are by themselves."""
        if not self._apart:
            return self.whole.clip_ids
        return [f"{name}@{moment}" for name in self.whole.clip_ids for moment in self.moments]

    def of_clips(self, values: np.ndarray) -> np.ndarray:
        """One row for each clip of the whole, as one for each of these."""
        return np.repeat(values, self.copies, axis=0)

    def read_videos(self, indices: Any, out: np.ndarray | None = None) -> UInt8[np.ndarray, "clips time size size 3"]:
        """Frames of some, uint8, into `out` where it is given."""
        numbers = np.arange(len(self))[indices]
        if self._apart:
            clips, moments = np.divmod(numbers, self.copies)
            needed, places = np.unique(clips, return_inverse=True)
            taken = self._kept(needed)[places, moments][:, None]
        else:
            taken = self._kept(numbers)
        small = shrunk(taken, self.video_shape[1])
        if out is None:
            return small
        out[:] = small
        return out

    def _kept(self, clips: np.ndarray) -> UInt8[np.ndarray, "clips kept height width 3"]:
        return self.whole.read_videos(clips)[:, :: self._every]


def shrunk(
    videos: UInt8[np.ndarray, "clips time height width 3"], image_size: int
) -> UInt8[np.ndarray, "clips time size size 3"]:
    """Each pixel the mean of the square it covers, rounded to the nearest grey level."""
    side = videos.shape[2] // image_size
    if side == 1:
        return np.ascontiguousarray(videos)
    area = side * side
    wide = np.uint16 if 256 * area <= 2**16 else np.uint32
    small = np.empty((*videos.shape[:2], image_size, image_size, videos.shape[-1]), np.uint8)
    for clip, into in zip(videos, small, strict=True):  # one at a time, which the processor's cache holds
        rows = clip[:, ::side].astype(wide)
        for row in range(1, side):
            rows += clip[:, row::side]
        sums = rows[:, :, ::side] + wide(area // 2)
        for column in range(1, side):
            sums += rows[:, :, column::side]
        np.floor_divide(sums, area, out=into, casting="unsafe")
    return small

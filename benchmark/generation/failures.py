"""Which generated clips have failed, and why: what one object before a backdrop that stands still never does.

Real clips set the limits: no cause holds of more of them than an equal part of `SHARE`, so that about so many fail.
The backdrop is, pixel by pixel and channel by channel, where values lie densest over time; what differs from it is the
object. Differences are in grey levels, means over channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped
from scipy import ndimage

from benchmark.generation.metrics import neighbour_distances

CAUSES = ("no object", "frozen", "lost", "split", "vast", "flicker", "copy")
"""What is measured of a clip, each so that more is worse:

- `no object`: pixels that differ from the backdrop, a mean over frames, negative;
- `frozen`: share of the steps from frame to frame at which no pixel changes;
- `lost`: share of the frames with little of the object, below `PRESENT` of the clip's mean;
- `split`: share of the frames with the object in parts, the largest below `WHOLE` of it;
- `vast`: share of the picture that differs from the backdrop, a mean over frames;
- `flicker`: the largest of the steps' changes, each that of its median pixel, which is the backdrop's;
- `copy`: distance to the nearest other clip of the set, root mean square of coarse pixels, negative.
"""

SHARE = 0.01
"""Of real clips, about as many fail."""

LEAST_CHANGE, NOISES = 7.0, 4.0
"""A pixel differs by more than the first, in grey levels, and so many times the clip's own median difference."""

DENSE = 3 / 8
"""Share of the frames that show the backdrop at the least, at every pixel."""

PRESENT, WHOLE = 0.25, 0.75

LEAST_FRAMES = 3
"""A clip has, or there is no saying what moves in it."""

COARSE = 8
"""Pixels a side, at most, when clips are compared."""

BOUNDS = {
    "no object": (-np.inf, -0.5),
    "frozen": (0.0, 0.99),
    "lost": (0.125, 0.99),
    "split": (0.125, 0.99),
    "flicker": (3.0, np.inf),
    "copy": (-np.inf, -0.5),
}
"""Of the limits, whatever real clips do. It is no failure to lose the object in an eighth of the frames, or to flicker
within three grey levels; but it is one to have no object, never to move, or to be another clip within half a level."""

Clips: TypeAlias = Shaped[np.ndarray, "clips channels time height width"]
"""uint8, or floats in [-1, 1]."""

_IN_A_FRAME = np.array([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))], bool)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failures:
    """What was found of a set of clips.

    Attributes:
        causes: whether each of `CAUSES` holds of each clip; several may.
    """

    causes: Bool[np.ndarray, "clips cause"]

    @property
    def failed(self) -> Bool[np.ndarray, " clips"]:
        """Whether any cause holds."""
        return np.asarray(self.causes.any(axis=1))

    @property
    def counts(self) -> dict[str, int]:
        """Clips by cause; one of several causes counts for each."""
        return dict(zip(CAUSES, self.causes.sum(axis=0).tolist(), strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """The largest measures that are still those of real clips, by cause."""

    limits: Mapping[str, float]

    @classmethod
    def of(cls, real: Clips, share: float = SHARE) -> Criterion:
        """From real clips; a limit is one of their measures, or beyond all of them, within `BOUNDS`.

        Measures of `copy` shrink with the size of a set: there should be about as many real clips as are judged.
        """
        quantile = 1 - share / len(CAUSES)
        limits = {}
        for cause, values in measures(real).items():
            low, high = BOUNDS.get(cause, (-np.inf, np.inf))
            limits[cause] = float(np.clip(np.quantile(values, quantile, method="higher"), low, high))
        return cls(limits=limits)

    def failures(self, clips: Clips) -> Failures:
        """Of clips of the same form as the real ones, the causes whose measure exceeds its limit."""
        found = measures(clips)
        return Failures(causes=np.stack([found[cause] > self.limits[cause] for cause in CAUSES], axis=1))


def measures(clips: Clips) -> dict[str, Float64[np.ndarray, " clips"]]:
    """What `CAUSES` says, of each clip.

    Raises:
        ValueError: these are not two clips or more of three frames or more, in grey levels or in [-1, 1].
    """
    if clips.ndim != 5 or len(clips) < 2 or clips.shape[2] < LEAST_FRAMES:
        raise ValueError(
            f"got clips of shape {clips.shape}, expected [clips, channels, time, height, width], two clips or more of "
            "three frames or more"
        )
    if clips.dtype != np.uint8 and not (np.issubdtype(clips.dtype, np.floating) and np.abs(clips).max() <= 1):
        raise ValueError(f"got clips of {clips.dtype}, expected grey levels as uint8, or floats in [-1, 1]")
    rows = np.array([_measure(_grey_levels(clip)) for clip in clips])
    distances = neighbour_distances(np.stack([_coarse(_grey_levels(clip)) for clip in clips]), 1)
    return dict(zip(CAUSES, [*rows.T, -distances], strict=True))


def _grey_levels(clip: np.ndarray) -> Float32[np.ndarray, "channels time height width"]:
    values = clip.astype(np.float32)
    return values if clip.dtype == np.uint8 else (values + 1) * 127.5


def _measure(clip: Float32[np.ndarray, "channels time height width"]) -> tuple[float, ...]:
    """Of one clip, all but its distance to others."""
    change = np.abs(clip - _backdrop(clip)).mean(axis=0)
    steps = np.abs(np.diff(clip, axis=1)).mean(axis=0)
    least = LEAST_CHANGE + NOISES * float(np.median(change))
    differs = change > least
    area = differs.sum(axis=(1, 2))
    still = ~(steps > least).any(axis=(1, 2))
    return (
        -float(area.mean()),
        float(still.mean()),
        float((area < PRESENT * area.mean()).mean()),
        float((_largest_part(differs) < WHOLE * area).mean()),
        float(differs.mean()),
        float(np.median(steps, axis=(1, 2)).max()),
    )


def _backdrop(clip: Float32[np.ndarray, "channels time height width"]) -> np.ndarray:
    """The mean of the closest `DENSE` of each pixel's values, [channels, 1, height, width]."""
    ordered = np.sort(clip, axis=1)
    count = max(2, round(DENSE * clip.shape[1]))
    reach = ordered[:, count - 1 :] - ordered[:, : clip.shape[1] - count + 1]
    first = reach.argmin(axis=1, keepdims=True)
    taken = [np.take_along_axis(ordered, first + offset, axis=1) for offset in range(count)]
    return np.mean(taken, axis=0)


def _largest_part(differs: Bool[np.ndarray, "time height width"]) -> Float64[np.ndarray, " time"]:
    """Pixels of each frame's largest part; bits with no more than two pixels between them are one part."""
    labels = np.empty(differs.shape, np.int32)
    parts = _label(ndimage.binary_dilation(differs, _IN_A_FRAME), labels)
    moments = np.nonzero(differs)[0]
    found = labels[differs]
    frame_of = np.zeros(parts + 1, int)
    frame_of[found] = moments
    largest = np.zeros(len(differs))
    np.maximum.at(largest, frame_of, np.bincount(found, minlength=parts + 1))
    return largest


def _label(marked: np.ndarray, into: np.ndarray) -> int:
    """Numbers the connected parts of every frame, from 1 on, and says how many there are."""
    parts = ndimage.label(marked, _IN_A_FRAME, into)
    assert isinstance(parts, int)  # as it is where the numbers go into an array
    return parts


def _coarse(clip: Float32[np.ndarray, "channels time height width"]) -> Float64[np.ndarray, " values"]:
    """Means of squares of pixels, over the root of their number, so that distances are root mean squares."""
    side = max(1, min(clip.shape[2:]) // COARSE)
    channels, time, height, width = clip.shape
    rows, columns = height // side, width // side
    squares = clip[:, :, : rows * side, : columns * side].reshape(channels, time, rows, side, columns, side)
    values = squares.mean(axis=(3, 5), dtype=np.float64).ravel()
    return values / np.sqrt(len(values))

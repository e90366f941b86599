"""Where the object is, from frames alone: what differs from a backdrop that stands still, sub-pixel."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

LEAST_CHANGE = 10.0
"""Grey levels, summed over channels, from which on a pixel differs from the backdrop."""

FULL_CHANGE = 40.0
"""From which on it counts whole; between them an edge's pixel counts in part."""

ALIKE = 2.0
"""Grey levels within which a pixel's values are the same one."""

PASSES = 3
"""How often the backdrop is taken anew from the frames in which the object is elsewhere."""

LEAST_FREE = 2
"""Frames in which a pixel must be free of the object for that."""

NOISES = 4.0
"""Times the median change of a frame that is not the true one, beyond which a pixel of it differs."""

MARGIN = 2
"""Pixels around the object that are not trusted to be free of it."""


def track(
    video: UInt8[np.ndarray, "time height width 3"],
) -> tuple[Float64[np.ndarray, "time 2"], Float64[np.ndarray, " time"], Float32[np.ndarray, "time height width"]]:
    """Follows the one thing that changes in a clip whose camera stands still.

    The backdrop is, pixel by pixel, the value that most frames share; then the median over the frames in which the
    object found so far is elsewhere, so that an object that lingers does not become part of it. In each frame the
    object is the connected part of all change that weighs most, with its holes.

    Returns:
        its weighted centroid in pixels (x right, y down, pixel centres at .5), its area in pixels, both by frame, and
        the weights, from 0 to 1, of its pixels. A frame without change repeats the frame before it (the first ones,
        the first frame with change; a clip without any stays in the middle).
    """
    height, width = video.shape[1:3]
    moving = (video.max(axis=0).astype(float) - video.min(axis=0)).sum(axis=-1) >= LEAST_CHANGE  # elsewhere: no object
    values = np.moveaxis(video[:, moving], 0, -1).astype(np.float32)  # [P, 3, T]
    weights = np.zeros((len(video), height, width), np.float32)
    backdrop = _backdrop(values, moving, weights)
    _mark(weights, moving, values, backdrop)
    return (*_centroids(weights), weights)


def backdrop_of(video: UInt8[np.ndarray, "time height width 3"]) -> Float32[np.ndarray, "height width 3"]:
    """What stands still in a clip, pixel by pixel, as `track` finds it."""
    everywhere = np.ones(video.shape[1:3], bool)
    values = np.moveaxis(video[:, everywhere], 0, -1).astype(np.float32)
    return _backdrop(values, everywhere, np.zeros(video.shape[:3], np.float32)).reshape(video.shape[1:])


def differing(
    video: UInt8[np.ndarray, "time height width 3"], backdrop: Float32[np.ndarray, "height width 3"]
) -> Float32[np.ndarray, "time height width"]:
    """How much each pixel differs from a known backdrop, from 0 to 1, beyond what half of its frame's pixels do."""
    change = np.abs(video.astype(np.float32) - backdrop).sum(axis=-1)
    usual = np.median(change, axis=(1, 2), keepdims=True)
    return _weights(change - NOISES * usual)


def heaviest(
    weights: Float32[np.ndarray, "time height width"],
) -> tuple[Float64[np.ndarray, "time 2"], Float64[np.ndarray, " time"]]:
    """Centroid and area, by frame, of the connected part that weighs most, with its holes; `weights` stay as they are.

    A frame without weights repeats the frame before it, as in `track`.
    """
    kept = weights.copy()
    _keep_heaviest(kept)
    return _centroids(kept)


def _backdrop(
    values: Float32[np.ndarray, "pixel channel time"],
    moving: Bool[np.ndarray, "height width"],
    weights: Float32[np.ndarray, "time height width"],
) -> Float32[np.ndarray, "pixel channel"]:
    """Of the pixels `moving`, whose values these are; `weights` become those of the last pass but one."""
    backdrop = _commonest(values)
    for _ in range(PASSES):
        _mark(weights, moving, values, backdrop)
        backdrop = _free_median(values, _taken(weights)[:, moving].T, backdrop)
    return backdrop


def _mark(weights: np.ndarray, moving: np.ndarray, values: np.ndarray, backdrop: np.ndarray) -> None:
    """Sets the weights of what differs from a backdrop and is the object."""
    weights[:, moving] = _weights(np.abs(values - backdrop[..., None]).sum(axis=1)).T
    _keep_heaviest(weights)


def _weights(change: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """From 0 to 1, of a change in grey levels that is summed over channels."""
    return np.clip((change - LEAST_CHANGE) / (FULL_CHANGE - LEAST_CHANGE), 0, 1).astype(np.float32)


def _commonest(values: Float32[np.ndarray, "pixel channel time"]) -> Float32[np.ndarray, "pixel channel"]:
    """The value that most frames share in all channels, up to `ALIKE`; of equals, the first in time."""
    alike = np.ones((len(values), values.shape[-1], values.shape[-1]), bool)
    for channel in range(values.shape[1]):
        alike &= np.abs(values[:, channel, :, None] - values[:, channel, None, :]) <= ALIKE
    best = alike.sum(axis=-1).argmax(axis=-1)
    return np.take_along_axis(values, best[:, None, None], axis=-1)[..., 0]


def _free_median(
    values: Float32[np.ndarray, "pixel channel time"],
    taken: Bool[np.ndarray, "pixel time"],
    backdrop: Float32[np.ndarray, "pixel channel"],
) -> Float32[np.ndarray, "pixel channel"]:
    """The (lower) median over the frames that are not taken; the backdrop itself where those are too few."""
    ordered = np.sort(np.where(taken[:, None], np.inf, values), axis=-1)
    free = (~taken).sum(axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(free - 1, 0) // 2)[:, None, None], axis=-1)[..., 0]
    return np.where((free >= LEAST_FREE)[:, None], middle, backdrop)


def _keep_heaviest(weights: Float32[np.ndarray, "time height width"]) -> None:
    """Clears all but the heaviest connected part of each frame, and fills that one's holes."""
    from scipy import ndimage

    for frame in weights:
        parts = np.empty(frame.shape, np.int32)
        if ndimage.label(frame, np.ones((3, 3)), parts):
            kept = parts == np.bincount(parts.ravel(), frame.ravel())[1:].argmax() + 1
            frame[~kept] = 0
            frame[ndimage.binary_fill_holes(kept) & ~kept] = 1


def _taken(weights: Float32[np.ndarray, "time height width"]) -> Bool[np.ndarray, "time height width"]:
    from scipy import ndimage

    side = 2 * MARGIN + 1
    return ndimage.maximum_filter(weights, (1, side, side)) > 0


def _centroids(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, height, width = weights.shape
    area = weights.sum(axis=(1, 2)).astype(float)
    x = weights.sum(axis=1) @ (np.arange(width) + 0.5)
    y = weights.sum(axis=2) @ (np.arange(height) + 0.5)
    places = np.stack([x, y], axis=-1) / np.maximum(area, 1e-9)[:, None]
    found = np.flatnonzero(area)
    if not len(found):
        return np.full((len(weights), 2), (width / 2, height / 2)), area
    last = found[np.maximum(np.searchsorted(found, np.arange(len(weights)), side="right") - 1, 0)]
    return places[last], area

"""Points on a dense grid, followed through optical flow, and what is seen around them on their way.

Source: Wang and Schmid 2013, "Action recognition with improved trajectories", ICCV; Wang et al. 2011 for the tracks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt8

ORIENTATIONS = 8
"""Bins of a full circle."""

CELLS = (3, 2, 2)
"""Of the volume around a track: in time, down, across."""

TEXTURE = 1e-3
"""Least eigenvalue of a point's structure tensor, as a share of the frame's largest, for a track to begin there."""

LEAST_FLOW = 0.2
"""Pixels a frame; slower ones count in a histogram of flow as standing still."""

LEAST_SPREAD = 0.4
"""Pixels; a track whose places deviate by less in both axes stands still and is dropped."""

LARGEST_STEP = 0.7
"""Of a track's whole way; one with a larger step has jumped and is dropped."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tracks:
    """Tracks of one clip, all of the same length.

    Attributes:
        start: the frame in which each begins.
        places: x and y in pixels, a pixel's centre at whole numbers.
    """

    start: Int64[np.ndarray, " track"]
    places: Float32[np.ndarray, "track step 2"]


def grey_frames(video: UInt8[np.ndarray, "time height width 3"]) -> UInt8[np.ndarray, "time height width"]:
    """Luminance."""
    return np.rint(video @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def dense_tracks(
    grey: UInt8[np.ndarray, "time height width"],
    flow: Float32[np.ndarray, "pairs height width 2"],
    length: int,
    spacing: int,
) -> Tracks:
    """Follows points for `length` steps through the flow's median over 3×3 pixels.

    A track begins in any frame in the middle of any square of `spacing` pixels with no track in it and enough texture.
    Those that leave the frame, stand still or jump are dropped.
    """
    import cv2

    height, width = grey.shape[1:]
    rows, columns = (np.arange(spacing // 2, side, spacing) for side in (height, width))
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    down, across = len(rows), len(columns)
    alive, born = np.empty((0, length + 1, 2), np.float32), np.empty(0, int)
    done: list[Tracks] = []
    for t in range(len(flow)):
        if t + length <= len(flow):
            free = np.ones(down * across, bool)
            x, y = alive[np.arange(len(alive)), t - born].T.round().astype(int)
            free[np.minimum(y // spacing, down - 1) * across + np.minimum(x // spacing, across - 1)] = False
            texture = cv2.cornerMinEigenVal(grey[t], 3)
            textured = texture[grid[:, 1], grid[:, 0]] > TEXTURE * texture.max()
            new = np.zeros((int((free & textured).sum()), length + 1, 2), np.float32)
            new[:, 0] = grid[free & textured]
            alive, born = np.concatenate([alive, new]), np.concatenate([born, np.full(len(new), t)])
        smooth = np.stack([cv2.medianBlur(np.ascontiguousarray(flow[t, ..., axis]), 3) for axis in (0, 1)], axis=-1)
        each = np.arange(len(alive))
        here = alive[each, t - born]
        x, y = here.round().astype(int).T
        there = here + smooth[y, x]
        alive[each, t + 1 - born] = there
        inside = ((there > -0.5) & (there < (width - 0.5, height - 0.5))).all(axis=1)
        ended = inside & (t + 1 - born == length)
        done.append(Tracks(start=born[ended], places=alive[ended]))
        alive, born = alive[inside & ~ended], born[inside & ~ended]
    places, start = np.concatenate([one.places for one in done]), np.concatenate([one.start for one in done])
    steps = np.linalg.norm(np.diff(places, axis=1), axis=-1)
    good = (places.std(axis=1) > LEAST_SPREAD).any(axis=-1) & (steps.max(axis=1) <= LARGEST_STEP * steps.sum(axis=1))
    return Tracks(start=start[good], places=places[good])


def shapes(tracks: Tracks) -> Float32[np.ndarray, "track numbers"]:
    """Each track's steps, over the length of its whole way."""
    steps = np.diff(tracks.places, axis=1)
    way = np.linalg.norm(steps, axis=-1).sum(axis=1)
    return (steps / np.maximum(way, 1e-9)[:, None, None]).reshape(len(steps), steps.shape[1] * 2)


def histograms(
    grey: UInt8[np.ndarray, "time height width"],
    flow: Float32[np.ndarray, "pairs height width 2"],
    tracks: Tracks,
    cell: int,
) -> dict[str, Float32[np.ndarray, "track numbers"]]:
    """HOG, HOF and the two MBH of each track, from the volume of `CELLS` cells of `cell` pixels that goes with it.

    Each is a histogram over orientations by cell, weighted by magnitude, that sums to 1, under a square root. Numbers
    are in the order time, down, across, orientation; HOF's last orientation counts what stands still.
    """
    frames = grey[:-1].astype(np.float32)
    parts = {
        "hog": orientation_maps(*_gradients(frames)),
        "hof": orientation_maps(flow[..., 0], flow[..., 1], LEAST_FLOW),
        "mbh_x": orientation_maps(*_gradients(flow[..., 0])),
        "mbh_y": orientation_maps(*_gradients(flow[..., 1])),
    }
    widths = np.cumsum([part.shape[-1] for part in parts.values()])
    pooled = _pool(np.concatenate(list(parts.values()), axis=-1), tracks, cell)  # [N, 3, 2, 2, bins of all four]
    found = {}
    for name, values in zip(parts, np.split(pooled, widths[:-1], axis=-1), strict=True):
        rows = values.reshape(len(values), int(np.prod(values.shape[1:])))
        rows = np.maximum(rows, 0)  # running sums leave some a little below
        found[name] = np.sqrt(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-9))
    return found


def orientation_maps(
    x: Float32[np.ndarray, "time height width"],
    y: Float32[np.ndarray, "time height width"],
    least: float | None = None,
) -> Float32[np.ndarray, "time height width bins"]:
    """The magnitude of each vector, shared between the two of `ORIENTATIONS` directions that it lies between.

    Args:
        x: to the right.
        y: down.
        least: if given, vectors shorter than this count 1 in a last bin of their own, and nowhere else.
    """
    magnitude, turn = np.hypot(x, y), np.arctan2(y, x) * (ORIENTATIONS / (2 * np.pi))
    maps = np.zeros((*x.shape, ORIENTATIONS + (least is not None)), np.float32)
    if least is not None:
        maps[..., -1] = magnitude < least
        magnitude = np.where(magnitude < least, 0, magnitude)
    lower = np.floor(turn)
    share = turn - lower
    lower = lower.astype(np.int64) % ORIENTATIONS
    pixels, flat = np.arange(x.size) * maps.shape[-1], maps.reshape(-1)
    flat[pixels + lower.ravel()] = (magnitude * (1 - share)).ravel()
    flat[pixels + ((lower + 1) % ORIENTATIONS).ravel()] = (magnitude * share).ravel()
    return maps


def _pool(maps: np.ndarray, tracks: Tracks, cell: int) -> Float32[np.ndarray, "track time down across bins"]:
    """Sums of the maps over every track's cells."""
    import cv2

    times, downs, acrosses = CELLS
    boxed = np.array(
        [cv2.boxFilter(one, -1, (cell, cell), normalize=False, borderType=cv2.BORDER_CONSTANT) for one in maps]
    )
    steps = tracks.places.shape[1] - 1
    frame = tracks.start[:, None] + np.arange(steps)
    x, y = np.moveaxis(tracks.places[:, :-1].round().astype(int), -1, 0)
    height, width = maps.shape[1:3]
    sums = np.empty((len(x), steps, downs, acrosses, maps.shape[-1]), np.float32)
    for j in range(downs):
        for i in range(acrosses):
            # A box of `cell` pixels is kept at its pixel number cell // 2.
            row = np.clip(y + (j * 2 - downs) * cell // 2 + cell // 2, 0, height - 1)
            column = np.clip(x + (i * 2 - acrosses) * cell // 2 + cell // 2, 0, width - 1)
            sums[:, :, j, i] = boxed[frame, row, column]
    return sums.reshape(len(x), times, steps // times, *sums.shape[2:]).sum(axis=2)


def _gradients(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central differences, to the right and down; a border repeats its neighbour's value."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2

"""Does the motion go on as physics says? The object, found in predicted frames, against where it truly went.

The backdrop stands still, so it is known from the true clip; what differs from it in a predicted frame is taken for the
object. Distances are in pixels of a frame of 64×64, whatever size frames have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from benchmark.prediction.contract import CONTEXT
from benchmark.tracking import backdrop_of, differing, heaviest

SIDE = 64
"""Of the frame whose pixels distances are told in."""

PRESENT, WHOLE = 0.25, 0.75
"""An object is lost in a frame with less than the first of its true area; split, if its largest part has less than the
second of all that differs there."""

REACH = 3
"""Frames before and after a turn over which directions are taken."""

TURNED = 0.5
"""Least cosine between a predicted and a true direction for the object to have come back."""

SPEED_STEPS = 4
"""Frames at the end over which a speed is taken."""

LEAST_SPEED = 0.25
"""Pixels a frame, of objects whose speed is compared."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Followed:
    """An object in clips.

    Attributes:
        place: pixels of a 64×64 frame, x right and y down; where it was last seen, while it is lost.
        area: in pixels of such a frame.
        parts: share of all that differs which is the largest part; 1 where nothing does.
    """

    place: Float64[np.ndarray, "clips time 2"]
    area: Float64[np.ndarray, "clips time"]
    parts: Float64[np.ndarray, "clips time"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """What became of the motion, over clips.

    Attributes:
        error: median distance from the true place, by step.
        lost: share of the clips in which the object is lost, by step.
        split: share in which it is in parts, by step.
        speed: of objects of constant speed, the median ratio of their speed at the end to the true one.
        speed_kept: share of these whose speed is within a fifth of the true one.
        came_back: of objects that bounce while they are predicted, the share that turns as they truly do.
    """

    error: tuple[float, ...]
    lost: tuple[float, ...]
    split: tuple[float, ...]
    speed: float | None
    speed_kept: float | None
    came_back: float | None


def is_known(dataset: Any) -> bool:
    """Whether clips were simulated, so that it is known where each object was and how its speed went."""
    return {"speed", "position", "camera"} <= set(dataset.columns)


def true_places(dataset: Any) -> Float64[np.ndarray, "clips time 2"]:
    """Where the simulator had each object's centre, as a camera sees it, in pixels of a 64×64 frame."""
    position, camera = dataset.column("position").astype(float), dataset.column("camera").astype(float)
    depth = camera[..., 2] - position[..., 2]
    direction = (position[..., :2] - camera[..., :2]) / depth[..., None]
    slope = (camera[..., 3] / camera[..., 2])[..., None]
    return (direction / (slope * [1, -1]) + 1) * SIDE / 2


def backdrops_of(truth: UInt8[np.ndarray, "clips time height width 3"]) -> Float32[np.ndarray, "clips height width 3"]:
    """What stands still in each of whole true clips."""
    return np.stack([backdrop_of(video) for video in truth])


def follow(
    backdrops: Float32[np.ndarray, "clips height width 3"], said: UInt8[np.ndarray, "clips time height width 3"]
) -> Followed:
    """Finds the object in each frame of `said`.

    Args:
        backdrops: of the true clips.
        said: the clips, or others that go on from their beginnings.
    """
    scale = SIDE / said.shape[2]
    places, areas, parts = [], [], []
    for backdrop, clip in zip(backdrops, said, strict=True):
        weights = differing(clip, backdrop)
        place, area = heaviest(weights)
        total = weights.sum(axis=(1, 2))
        places.append(place * scale)
        areas.append(area * scale**2)
        parts.append(np.divide(area, total, out=np.ones_like(total, dtype=float), where=total > 0))
    return Followed(place=np.array(places), area=np.array(areas), parts=np.array(parts))


def motion_of(
    said: Followed,
    area: Float64[np.ndarray, "clips time"],
    places: Float64[np.ndarray, "clips time 2"],
    constant: Bool[np.ndarray, " clips"],
    bouncing: Bool[np.ndarray, " clips"],
) -> Motion:
    """Compares what was predicted with what happened.

    Args:
        said: the object in clips whose frames from `CONTEXT` on are predicted.
        area: of the object in true clips.
        places: where it truly was.
        constant: whose speed is constant, and who turns nowhere.
        bouncing: who bounces.
    """
    seen = said.area >= PRESENT * area
    place = _last_seen(said.place, seen)
    after = slice(CONTEXT, None)
    error = np.linalg.norm(place - places, axis=2)[:, after]
    split = (said.parts < WHOLE) & seen
    ratio = _speed(place)[constant] / np.maximum(_speed(places)[constant], 1e-9)
    ratio = ratio[_speed(places)[constant] >= LEAST_SPEED]
    back = _came_back(place[bouncing], places[bouncing])
    return Motion(
        error=tuple(np.median(error, axis=0).tolist()),
        lost=tuple((~seen)[:, after].mean(axis=0).tolist()),
        split=tuple(split[:, after].mean(axis=0).tolist()),
        speed=float(np.median(ratio)) if len(ratio) else None,
        speed_kept=float((np.abs(ratio - 1) <= 0.2).mean()) if len(ratio) else None,
        came_back=float(back.mean()) if len(back) else None,
    )


def _last_seen(place: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Places, with the one before in frames that show no object; the middle, where none was seen yet."""
    kept = place.copy()
    kept[~seen[:, 0], 0] = SIDE / 2
    for step in range(1, place.shape[1]):
        lost = ~seen[:, step]
        kept[lost, step] = kept[lost, step - 1]
    return kept


def _speed(place: np.ndarray) -> np.ndarray:
    """Mean length of the last steps, pixels a frame."""
    return np.linalg.norm(np.diff(place[:, -SPEED_STEPS - 1 :], axis=1), axis=2).mean(axis=1)


def _came_back(place: np.ndarray, places: np.ndarray) -> Bool[np.ndarray, " turns"]:
    """Of each clip whose sharpest true turn lies among predicted frames: whether the prediction then goes that way."""
    steps = np.diff(places, axis=1)
    cosine = (steps[:, :-1] * steps[:, 1:]).sum(2) / np.maximum(
        np.linalg.norm(steps[:, :-1], axis=2) * np.linalg.norm(steps[:, 1:], axis=2), 1e-9
    )
    turn = cosine.argmin(axis=1) + 1  # the frame at which it turns
    clips = np.flatnonzero((turn >= CONTEXT) & (turn + REACH < places.shape[1]) & (cosine.min(axis=1) < 0))
    ends = turn[clips] + REACH
    true = places[clips, ends] - places[clips, turn[clips]]
    said = place[clips, ends] - place[clips, turn[clips]]
    alike = (true * said).sum(1) / np.maximum(np.linalg.norm(true, axis=1) * np.linalg.norm(said, axis=1), 1e-9)
    return alike >= TURNED

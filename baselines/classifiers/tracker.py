"""Tracker: follows what differs from the backdrop; gradient-boosted trees on the track and on how the object turns.

Source: ours: the control that the labels can be read from frames without learning to see.
Deviations: none. The features are those of `trajectory`, with velocities from differences of places; whether the way is
retraced, which the simulation tells and a track must be asked; and the object's own change, seen from itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from baselines.boosting import boosted
from benchmark.audit.tables import trajectory_table
from benchmark.lessons import Fitted, Lesson, Shown
from benchmark.tracking import track

TASK = "classification"
INPUT = "rgb"
SOURCE = "ours; a hand-made control"

SHARP = np.cos(np.radians(100))
"""Cosine of the turn, from one step to the next, from which on the object may have turned back."""

GAP = 4
"""Frames after which the object is looked at again, to see whether it has turned."""

APART = 4
"""Frames between a place and the earlier ones that it may lie on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    rounds: int = 100
    """Trees of each class."""


def fit(config: Config, train: Lesson, valid: Lesson, seed: int) -> Iterator[Fitted]:
    """Offers the trees after a quarter, a half and all of the rounds."""
    return boosted(train, features, config.rounds, seed)


def features(clips: Shown) -> Float64[np.ndarray, "clip feature"]:
    """What `describe` says of every clip."""
    return clips.once("features", lambda: np.concatenate(clips.describe(describe)))


def describe(videos: UInt8[np.ndarray, "clips time height width 3"]) -> Float64[np.ndarray, "clips feature"]:
    """Tracks each clip and describes its track."""
    places, turning, rest = [], [], []
    for video in videos:
        height, width = video.shape[1:3]
        place, area, weights = track(video)
        places.append((place - (width / 2, height / 2)) * (2 / width, -2 / width))  # the view spans 2 units, y up
        turning.append(turned(video, place, weights))
        rest.append([area.std() / max(area.mean(), 1e-9), 2 * np.sqrt(area.mean() / np.pi) * 2 / width])
    return np.hstack([track_table(np.array(places), np.array(turning)), rest])


def track_table(
    places: Float64[np.ndarray, "clips time 2"], turning: Float64[np.ndarray, "clips time"]
) -> Float64[np.ndarray, "clips feature"]:
    """`trajectory_table` of tracks, twice: as if no sharp turn led back, and as if each did; and what tells which.

    Args:
        places: x and y in units of half a frame.
        turning: how fast the object turns, in any unit.
    """
    steps = np.diff(places, axis=1)
    length = np.linalg.norm(steps, axis=-1)
    cosine = (steps[:, 1:] * steps[:, :-1]).sum(-1) / np.maximum(length[:, 1:] * length[:, :-1], 1e-12)
    sense = np.cumprod(np.where(cosine < SHARP, -1.0, 1.0), axis=1)
    tables = []
    for signs in (np.ones_like(length), np.pad(sense, ((0, 0), (1, 0)), constant_values=1)):
        way = np.pad(np.cumsum(length * signs, axis=1), ((0, 0), (1, 0)))
        columns = {
            "position": places,
            "linear_velocity": np.gradient(places, axis=1),
            "angular_velocity": turning[..., None],
            "arc_length": way,
        }
        tables.append(trajectory_table(columns))
    extent = np.ptp(places, axis=1).max(axis=-1)
    rest = np.stack([(cosine < SHARP).sum(axis=1), extent, length.sum(axis=1), retraced(places)], axis=-1)
    return np.hstack([*tables, rest])


def retraced(places: Float64[np.ndarray, "clips time 2"]) -> Float64[np.ndarray, " clips"]:
    """How far the middle one of a clip's later places lies from the way before it, in units of the longest distance."""
    found = []
    for points in places:
        span = max(np.linalg.norm(points - points.mean(axis=0), axis=-1).max() * 2, 1e-9)
        away = [_to_way(points[t], points[: t - APART + 1]) for t in range(APART + 1, len(points))]
        found.append(float(np.median(away)) / span if away else 1.0)
    return np.array(found)


def turned(video: np.ndarray, place: np.ndarray, weights: np.ndarray) -> Float64[np.ndarray, " time"]:
    """How unlike itself the object has become after `GAP` frames, in a window that goes with it: 0 alike, 1 unlike.

    That is 1 less the correlation of its grey levels, from the frame to that one (or the last). The window moves by
    parts of a pixel, so that an object that only travels hardly changes in it.
    """
    from scipy import ndimage

    grey = video.mean(axis=-1)
    half = int(np.ceil(np.sqrt(weights.sum(axis=(1, 2)).max() / np.pi))) + 1
    offsets = np.arange(-half, half + 1)
    seen = []
    for t, (x, y) in enumerate(place - 0.5):
        window = np.meshgrid(y + offsets, x + offsets, indexing="ij")
        values = ndimage.map_coordinates(grey[t], window, order=1, mode="nearest")
        seen.append((values, ndimage.map_coordinates(weights[t], window, order=1, mode="constant") > 0.5))
    last = len(seen) - 1
    return np.array([_unlike(*seen[t], *seen[min(t + GAP, last)]) for t in range(len(seen))])


def _unlike(one: np.ndarray, here: np.ndarray, other: np.ndarray, there: np.ndarray) -> float:
    """1 less the correlation of two pictures where both show the object; 0 where nothing varies."""
    both = here & there
    if not both.any():
        return 0.0
    one, other = one[both] - one[both].mean(), other[both] - other[both].mean()
    spread = float(np.sqrt((one @ one) * (other @ other)))
    return 1 - float(one @ other) / spread if spread > 1e-9 else 0.0


def _to_way(point: np.ndarray, way: np.ndarray) -> float:
    """The least distance from a point to a line through points."""
    start, along = way[:-1], np.diff(way, axis=0)
    share = ((point - start) * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-12)
    return float(np.linalg.norm(point - start - np.clip(share, 0, 1)[:, None] * along, axis=-1).min())

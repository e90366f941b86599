"""What the tabular probes see: each clip as one row of numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

APPEARANCE = (
    "shape",
    "proportions",
    "radius",
    "pattern",
    "first_color",
    "second_color",
    "orientation",
    "light",
    "backdrop",
    "backdrop_color",
    "backdrop_contrast",
)
"""Parameters that are drawn before the class is looked at."""


def appearance_table(columns: Mapping[str, np.ndarray]) -> tuple[Float64[np.ndarray, "clip feature"], list[str]]:
    """All appearance parameters, families as numbers; and the name of each column."""
    parts, names = [], []
    for name in APPEARANCE:
        values = columns[f"parameters/{name}"]
        if values.dtype.kind == "S":
            values = np.unique(values, return_inverse=True)[1]
        table = values.reshape(len(values), -1).astype(float)
        parts.append(table)
        names += [name if table.shape[1] == 1 else f"{name}[{k}]" for k in range(table.shape[1])]
    return np.hstack(parts), names


def trajectory_table(columns: Mapping[str, np.ndarray]) -> Float64[np.ndarray, "clip feature"]:
    """What tells paths and speeds apart in a trajectory, whatever its place, size, direction and phase.

    Turning: how fast. Speed: its deviation, slope and departure from a straight line in time, and its falls. Path: how
    flat it is, and how its tangent turns along the way: always in one sense (a hypocycloid, through its cusps) or to
    and fro (a sine).
    """
    rows = zip(
        columns["position"][..., :2].astype(float),
        columns["linear_velocity"][..., :2].astype(float),
        columns["angular_velocity"].astype(float),
        columns["arc_length"].astype(float),
        strict=True,
    )
    return np.array([_features(*row) for row in rows])


def _features(place: np.ndarray, velocity: np.ndarray, spin: np.ndarray, way: np.ndarray) -> list[float]:
    turning = float(np.linalg.norm(spin, axis=1).mean())
    speed = np.linalg.norm(velocity, axis=1)
    mean = speed.mean()
    if mean < 1e-6:
        return [turning, *[0.0] * 11]
    speed, t = speed / mean, np.linspace(-1, 1, len(way))
    slope = (speed * t).sum() / (t * t).sum()
    rest = speed - 1 - slope * t
    steps = np.diff(way) / mean
    centred = place - place.mean(axis=0)
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(centred.T @ centred), 0))
    order = np.argsort(way, kind="stable")
    heading = np.where(np.gradient(way) < 0, -1.0, 1.0)[:, None] * velocity  # towards growing arc length
    angle = np.arctan2(heading[order, 1], heading[order, 0])
    turn = np.diff(np.unwrap(2 * angle)) / 2  # of the tangent as a line: a cusp does not count as half a turn
    total = np.abs(turn).sum()
    return [
        turning,
        speed.std(),
        slope,
        np.abs(rest).max(),
        speed.min(),
        speed.max(),
        (steps < 0).mean(),
        np.diff(speed).min(),
        spread[0] / max(spread[1], 1e-12),
        total,
        abs(turn.sum()) / max(total, 1e-9) if total > 1e-3 else 0.0,
        np.abs(turn).max(),
    ]


def bag_table(place: np.ndarray) -> Float64[np.ndarray, "clip feature"]:
    """Where an object is over the clip, without the order: everything here is the same for shuffled frames."""
    rows = []
    for points in place[..., :2].astype(float):
        centred = points - points.mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        turned = centred @ axes
        distance = np.linalg.norm(points[:, None] - points, axis=-1)
        np.fill_diagonal(distance, np.inf)
        nearest = np.sort(distance, axis=1)[:, :2]
        rows.append([*np.sort(np.linalg.norm(centred, axis=1)), *np.sort(np.abs(turned[:, 0])), *np.sort(nearest[:, 0]),
                     *np.sort(nearest[:, 1]), *turned.std(axis=0)])  # fmt: skip
    return np.array(rows)

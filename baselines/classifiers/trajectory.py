"""Trajectory: gradient-boosted trees on a dozen features of the object's true trajectory.

Source: ours: the upper end of what motion alone can tell, since it sees the simulation's own places and velocities.
Deviations: none; its features are those of the audit's trajectory probe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from baselines.boosting import boosted
from benchmark.audit.tables import trajectory_table
from benchmark.lessons import Fitted, Lesson, Shown

TASK = "classification"
INPUT = "trajectory"
SOURCE = "ours; a probe of the data, no model of video"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    rounds: int = 100
    """Trees of each class."""


def fit(config: Config, train: Lesson, valid: Lesson, seed: int) -> Iterator[Fitted]:
    """Offers the trees after a quarter, a half and all of the rounds."""
    return boosted(train, features, config.rounds, seed)


def features(clips: Shown) -> Float64[np.ndarray, "clip feature"]:
    """See `trajectory_table`."""
    wanted = ("position", "linear_velocity", "angular_velocity", "arc_length")
    return clips.once("features", lambda: trajectory_table({name: clips.column(name) for name in wanted}))

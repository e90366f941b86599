"""iDT: dense trajectories with HOG, HOF and MBH around them, Fisher vectors, a linear support vector machine.

Source: Wang and Schmid 2013, "Action recognition with improved trajectories", ICCV.
Deviations: one scale, since frames are small, and so a volume of 16 pixels around a track in place of 32; no
homography, since the camera stands still; mixtures of 16 Gaussians in place of 256, as there are fewer descriptors; the
cost of the machine is chosen on valid among three. Descriptors are normalised as a whole, not cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float16, Float32, Int64, UInt8

from baselines.dense_trajectories import CELLS, dense_tracks, grey_frames, histograms, shapes
from baselines.fisher import Vocabulary, learn_vocabulary
from baselines.linear_svm import machines
from benchmark.flow_maker import estimated
from benchmark.lessons import Fitted, Lesson, Shown
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Wang and Schmid 2013"

Descriptors = dict[str, Float16[np.ndarray, "track numbers"]]
"""All are from -1 to 1, and half precision does: there are some fifty a clip."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    length: int = 15
    """Steps of a track."""
    spacing: int = 5
    """Pixels between places where tracks begin."""
    cell: int = 8
    """Side of a cell, pixels; the volume around a track is twice as wide."""
    gaussians: int = 16
    costs: tuple[float, ...] = (1.0, 10.0, 100.0)

    def __post_init__(self) -> None:
        """Refuses what no track can be made of."""
        if self.length < CELLS[0] or self.length % CELLS[0]:
            raise ConfigError(
                f"got tracks of {self.length} steps, expected a multiple of {CELLS[0]}, the cells in time"
            )
        if self.spacing < 1 or self.cell < 2 or self.cell % 2:
            raise ConfigError(f"got spacing {self.spacing} and cell {self.cell}, expected 1 or more and an even number")
        if self.gaussians < 1:
            raise ConfigError(f"got {self.gaussians} Gaussians, expected 1 or more")


def fit(config: Config, train: Lesson, valid: Lesson, seed: int) -> Iterator[Fitted]:
    """Offers a machine for every cost."""
    described, _ = descriptors(config, train.clips)
    rng = np.random.default_rng(seed)
    words = {name: learn_vocabulary(rows, config.gaussians, rng) for name, rows in described.items()}

    def table(clips: Shown) -> Float32[np.ndarray, "clip numbers"]:
        return clips.once(("fisher", config, seed), lambda: encode(words, *descriptors(config, clips)))

    learnt = sum(one.numbers for one in words.values())
    yield from machines(train, valid, table, config.costs, seed, learnt)


def descriptors(config: Config, clips: Shown) -> tuple[Descriptors, Int64[np.ndarray, " clip"]]:
    """All descriptors of a split's clips, by kind, clip after clip; and how many tracks each clip has."""

    def extract() -> tuple[Descriptors, Int64[np.ndarray, " clip"]]:
        chunks = clips.describe(partial(describe, config))
        merged = {name: np.concatenate([found[name] for found, _ in chunks]) for name in chunks[0][0]}
        return merged, np.concatenate([counts for _, counts in chunks])

    return clips.once(("descriptors", config.length, config.spacing, config.cell), extract)


def describe(
    config: Config, videos: UInt8[np.ndarray, "clips time height width 3"]
) -> tuple[Descriptors, Int64[np.ndarray, " clip"]]:
    """Tracks and describes some clips.

    Raises:
        ConfigError: clips are shorter than a track.
    """
    if videos.shape[1] <= config.length:
        raise ConfigError(
            f"got clips of {videos.shape[1]} frames for tracks of {config.length} steps, expected longer ones: "
            f"try --set length={(videos.shape[1] - 1) // CELLS[0] * CELLS[0]}"
        )
    found = []
    for video in videos:
        grey = grey_frames(video)
        flow = estimated(grey)
        tracks = dense_tracks(grey, flow, config.length, config.spacing)
        found.append({"shape": shapes(tracks), **histograms(grey, flow, tracks, config.cell)})
    merged = {name: np.concatenate([one[name] for one in found]).astype(np.float16) for name in found[0]}
    return merged, np.array([len(one["shape"]) for one in found], np.int64)


def encode(
    words: dict[str, Vocabulary], described: Descriptors, counts: Int64[np.ndarray, " clip"]
) -> Float32[np.ndarray, "clip numbers"]:
    """The Fisher vectors of all kinds of descriptor, side by side."""
    return np.hstack([words[name].encode(rows, counts) for name, rows in described.items()])

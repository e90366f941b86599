"""Constant velocity: the object, cut out of the last frame, moves on as it moved last, before the backdrop. A control.

The backdrop and the object in it are found from the given frames alone, as the classifier `tracker` finds them; the
object's velocity is the mean of its last steps. What the object hides in every given frame stays as it was. Nothing is
learnt: it is what physics without forces says, and shows how much of the motion is more than that.

Source: ours.
Deviations: none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from benchmark.generation.pictures import grey_levels
from benchmark.prediction.contract import Clips
from benchmark.tracking import backdrop_of, track
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "control"

OPAQUE = 0.1
"""A pixel's weight, from which on it is taken for the object's, as its edge's pixels are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The size that clips are shrunk to, and over how many of the last steps the velocity is a mean."""

    image_size: int = 64
    steps: int = 2

    def __post_init__(self) -> None:
        """Refuses what no velocity can be had from."""
        if not 1 <= self.steps <= 9:
            raise ConfigError(f"got steps {self.steps}, expected a whole number from 1 to 9")


def predict(config: Config, context: Clips, count: int) -> Clips:
    """Each clip by itself."""
    made = np.stack([_moved_on(video, count, config.steps) for video in grey_levels(context)])
    frames = torch.from_numpy(made).to(context.device).permute(0, 4, 1, 2, 3)
    return frames / 127.5 - 1


def _moved_on(video: np.ndarray, count: int, steps: int) -> np.ndarray:
    """float32 [count, height, width, 3] in grey levels."""
    places, _, weights = track(video)
    backdrop, last = backdrop_of(video), video[-1].astype(np.float32)
    velocity = (places[-1] - places[-1 - steps]) / steps
    object_ = (weights[-1] > OPAQUE).astype(np.float32)
    cut = last * object_[..., None]
    frames = []
    for step in range(1, count + 1):
        x, y = velocity * step
        shade = ndimage.shift(object_, (y, x), order=1)
        frame = backdrop * (1 - shade[..., None]) + ndimage.shift(cut, (y, x, 0), order=1)
        frames.append(frame.astype(np.float32))
    return np.stack(frames)

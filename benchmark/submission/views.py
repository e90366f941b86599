"""What frames an entry consists of: a few fixed shapes, each of which is a board of its own.

Of prediction, the first `CLIPS_A_CLASS` clips of every class of the open test, in the order of their ids: frames 0 to 9
are given, 10 to 19 are said. Of generation, so many samples, of single frames or of whole clips, every second frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from benchmark.prediction.steps import CONTEXT, HORIZON
from benchmark.schema import Whole
from dynamics_gen.classes import CLASSES

CLASSIFICATION, PREDICTION, GENERATION = "classification", "prediction", "generation"
TASKS = (CLASSIFICATION, PREDICTION, GENERATION)

CLIPS_A_CLASS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Frames of each clip that was predicted or made, and the side of a frame in pixels."""

    frames: Annotated[int, Whole(1, 1_000)]
    image_size: Annotated[int, Whole(1, 1_000)]

    def __str__(self) -> str:
        return f"{self.frames} {'frames' if self.frames > 1 else 'frame'} of {self.image_size}×{self.image_size} pixels"


CLIPS, FRAMES = View(frames=16, image_size=32), View(frames=1, image_size=64)
"""Of generation: whole clips, and single frames."""

VIEWS = {
    CLASSIFICATION: (),
    PREDICTION: (View(frames=HORIZON, image_size=64), View(frames=HORIZON, image_size=32)),
    GENERATION: (CLIPS, FRAMES),
}
"""Of each task; classification sees clips as they are."""

SAMPLES = {CLIPS: 256, FRAMES: 1_024}
"""Of generation: how many an entry has."""


def predicted(labels: np.ndarray) -> np.ndarray:
    """Which clips an entry of prediction answers for, given all labels in the order of ids: rising numbers."""
    numbers = [np.flatnonzero(labels == kind)[:CLIPS_A_CLASS] for kind in range(len(CLASSES))]
    return np.sort(np.concatenate(numbers))


def no_view_of(task: str, view: View, video_shape: tuple[int, int, int, int]) -> str:
    """Why a split's clips cannot be seen so; empty if they can.

    Args:
        task: one of `TASKS`.
        view: one of its `VIEWS`.
        video_shape: (T, H, W, 3) of the split's clips.
    """
    time, height, width, _ = video_shape
    if task == PREDICTION and time < CONTEXT + HORIZON:
        return f"clips of {time} frames: expected {CONTEXT + HORIZON} or more"
    if view == CLIPS and time % view.frames:
        return f"clips of {time} frames: expected a multiple of {view.frames}"
    if height != width or height % view.image_size:
        return f"frames of {height}×{width} pixels: expected squares whose side is a multiple of {view.image_size}"
    return ""

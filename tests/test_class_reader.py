"""What class a clip is of, read off its motion."""

from __future__ import annotations

import numpy as np
import torch
from moving_squares import MemorySplit

from benchmark.data import Clips
from benchmark.generation.class_reader import class_agreement, class_reader
from benchmark.generation.clip_features import MOTION
from dynamics_gen.classes import CLASSES


def test_agreement_counts_class_path_and_speed_apart() -> None:
    """Linear accelerating read as linear constant agrees in its path; rotation has a path and speed of its own."""
    told = np.array([CLASSES.index(name) for name in ("linear_constant", "linear_accelerating", "rotation")])
    read = np.array([CLASSES.index(name) for name in ("linear_constant", "linear_constant", "sinusoidal_constant")])
    assert class_agreement(read, told) == {"class": 1 / 3, "path": 2 / 3, "speed": 1 / 3}
    assert class_agreement(told, told) == {"class": 1.0, "path": 1.0, "speed": 1.0}


def test_classes_are_read_off_features_of_the_motion() -> None:
    """Features that differ between classes tell them; of what follows the motion's, nothing is seen."""
    split = MemorySplit(60)
    clips = Clips(split, torch.device("cpu"), "pixels")
    directions = torch.randn(10, MOTION, generator=torch.Generator().manual_seed(0))
    every = [next(clips.batches([np.array([row])])) for row in range(len(split))]
    labels = {one.clips[0].numpy().tobytes(): int(one.labels) for one in every}

    class Told:
        """Features by class, and noise that would mislead."""

        name, sha256 = "told", ""

        def __call__(self, clips: torch.Tensor) -> torch.Tensor:
            rows = directions[[labels[one.numpy().tobytes()] for one in clips]]
            return torch.cat([rows + 0.1 * torch.randn_like(rows), 100 * torch.randn(len(clips), 8)], dim=1)

    torch.manual_seed(0)
    features = Told()
    batch = clips.draw(40)
    read = class_reader(features, clips)(features(batch.clips).double().numpy())
    assert np.array_equal(read, batch.labels.numpy())

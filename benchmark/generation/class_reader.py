"""Which class a made clip is of, read off its motion by linear discriminants of true clips."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float64, Int64

from benchmark.data import Clips
from benchmark.generation.clip_features import MOTION
from benchmark.generation.contract import Features
from dynamics_gen.classes import factors

LEARNT_FROM = 2_000
"""Clips of train, at most, from whose features the classes are learnt."""

CLIPS_A_BATCH = 20

Reader: TypeAlias = Callable[[Float64[np.ndarray, "clips feature"]], Int64[np.ndarray, " clips"]]
"""From features of clips to their labels."""


def class_reader(features: Features, train: Clips) -> Reader:
    """What tells the class from features of a clip's motion: linear discriminants, learnt from true clips of train."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    taken = train.spread(min(LEARNT_FROM, len(train)), CLIPS_A_BATCH)
    seen, labels = zip(*((features(batch.clips), batch.labels) for batch in taken), strict=True)
    machine = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    machine.fit(torch.cat(seen)[:, :MOTION].double().cpu().numpy(), torch.cat(labels).cpu().numpy())
    return lambda made: np.asarray(machine.predict(made[:, :MOTION]))


def class_agreement(read: Int64[np.ndarray, " clips"], told: Int64[np.ndarray, " clips"]) -> dict[str, float]:
    """The share of clips of the class that was told; and of its path, and of its type of speed.

    Args:
        read: labels read off the clips.
        told: what they were to be.
    """
    (path, speed), (asked_path, asked_speed) = (np.array([factors(label) for label in of]).T for of in (read, told))
    agrees = {"class": read == told, "path": path == asked_path, "speed": speed == asked_speed}
    return {name: float(np.mean(one)) for name, one in agrees.items()}

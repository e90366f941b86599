"""Mean of context: the mean of the frames that were given, again and again. A control: it shows where the object was.

Source: ours.
Deviations: none.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.prediction.contract import Clips

TASK = "prediction"
INPUT = "clips"
SOURCE = "control"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The size that clips are shrunk to."""

    image_size: int = 64


def predict(config: Config, context: Clips, count: int) -> Clips:
    """The mean over time, `count` times."""
    return context.mean(dim=2, keepdim=True).expand(-1, -1, count, -1, -1)

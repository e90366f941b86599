"""Copy last: the last frame that was given, again and again. A control: nothing moves.

Source: Mastropietro 2017, section 6.3, where predictions are set beside it; Mathieu et al. 2016, arXiv 1511.05440,
section 4, who report it first.
Deviations: none.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.prediction.contract import Clips

TASK = "prediction"
INPUT = "clips"
SOURCE = "Mathieu et al. 2016, arXiv 1511.05440, section 4"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The size that clips are shrunk to."""

    image_size: int = 64


def predict(config: Config, context: Clips, count: int) -> Clips:
    """The last frame, `count` times."""
    return context[:, :, -1:].expand(-1, -1, count, -1, -1)

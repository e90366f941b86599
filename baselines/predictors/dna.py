"""DNA: each pixel of the next frame is made of those around its place in the last, by a kernel of its own.

Source: Finn et al. 2016, arXiv 1605.07157, section 3, and the code that its authors released: the network of `cdna`
with a kernel for each pixel in place of a few for all, and two masks, for what is moved and for what stays.
Deviations: those of `cdna`.
Features: those of `cdna`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from baselines import moving_kernels

TASK = "prediction"
INPUT = "clips"
SOURCE = "Finn et al. 2016, arXiv 1605.07157"
TRAINING = {
    "*": {"epochs": 20, "batch_size": 32, "learning_rate": 1e-3, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 10, "batch_size": 16, "learning_rate": 3e-3},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(moving_kernels.Options):
    """Hyper-parameters: those of `cdna`, of which `kernels` has no meaning here."""

    only: ClassVar[str] = "dna"

    transform: str = "dna"


def build(config: Config, shape: tuple[int, int, int, int]) -> moving_kernels.CDNA:
    """The network for clips of `shape` (frames, channels, height, width)."""
    return moving_kernels.build(config, shape)

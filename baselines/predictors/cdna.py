"""CDNA: the last frame moved by a few kernels at once, each with a mask for where it holds.

Source: Finn et al. 2016, arXiv 1605.07157 (Mastropietro 2017, eq. 6.1), and the code that its authors released: seven
ConvLSTMs between a frame and its eighth and back, layer norm after each, two skips; kernels of 5×5 from the smallest
map, clipped at zero and divided by their sum; masks from a softmax over kernels, the last frame itself and, in CDNA, a
frame made from scratch. Squared error of the predicted frames in [0, 1]; scheduled sampling.
Deviations: no states and actions, for there are none; twelve masks for ten kernels, where the released code makes
eleven and so drops the last kernel without a word; kernels flipped, so that they move things the way eq. 6.1 says; no
ReLU before the softmax of masks and the sigmoid of the frame from scratch, where the released code had one by default;
scheduled sampling counts as iterations the share of the run that is done times the published 100,000.
Where asked for, it also sees how each frame differs from the one before.
Features: the hidden maps of the ConvLSTM at an eighth of the frame's side, of which the kernels are made, after each
frame.
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
    """Hyper-parameters; see `Options`."""

    only: ClassVar[str] = "cdna"


def build(config: Config, shape: tuple[int, int, int, int]) -> moving_kernels.CDNA:
    """The network for clips of `shape` (frames, channels, height, width)."""
    return moving_kernels.build(config, shape)

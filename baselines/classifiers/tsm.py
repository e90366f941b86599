"""TSM: a frame-wise CNN in which, before convolutions, an eighth of the channels is shifted to each neighbour frame.

Source: Lin, Gan, Han 2019, arXiv 1811.08383: bidirectional shift of 1/8 + 1/8 of the channels inside residual blocks,
logits averaged over frames.
Deviations: residual blocks of our own in four stages instead of ResNet-50, with a shift before each of their two
convolutions and none in the first block; all frames instead of 8 or 16; batch norm as theirs; the project's recipe.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from baselines.layers import ConvBlock
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Lin et al. 2019, arXiv 1811.08383"
TRAINING = {"*": {"learning_rate": 0.0082, "augment": True, "weight_decay": 0.0061, "label_smoothing": 0.1}}

MULTIPLES = (1, 2, 4, 4)
"""Channels of each stage, in units of `Config.width`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; one in `fold` channels goes to each neighbour, none if it is 0."""

    width: int = 16
    fold: int = 8
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        if self.width < 1 or self.fold < 0 or self.fold == 1:
            raise ConfigError(f"got width {self.width} and fold {self.fold}, expected 1 or more, and 0 or 2 and more")


def shift(
    features: Float[Tensor, "batch channels time height width"], fold: int
) -> Float[Tensor, "batch channels time height width"]:
    """Moves the first channels/fold channels one frame back, the next as many one frame on; ends are zero."""
    count = features.shape[1] // fold if fold else 0
    if not count:
        return features
    back, on, rest = features.split([count, count, features.shape[1] - 2 * count], dim=1)
    back = pad(back[:, :, 1:], (0, 0, 0, 0, 0, 1))
    on = pad(on[:, :, :-1], (0, 0, 0, 0, 1, 0))
    return torch.cat([back, on, rest], dim=1)


class ShiftBlock(nn.Module):
    """A residual block on frames whose two convolutions see shifted channels; halves height and width."""

    def __init__(self, in_channels: int, out_channels: int, fold: int) -> None:
        super().__init__()
        self.fold = fold
        self.first = ConvBlock(in_channels, out_channels)
        self.second = nn.Conv3d(out_channels, out_channels, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.norm = nn.BatchNorm3d(out_channels)
        self.around = nn.Conv3d(in_channels, out_channels, 1, (1, 2, 2), bias=False)

    def forward(
        self, features: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch features time rows columns"]:
        """Features of half the size."""
        inner = self.norm(self.second(shift(self.first(shift(features, self.fold)), self.fold)))
        return torch.relu(inner + self.around(features))


class TSM(nn.Module):
    """See the module."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        channels = shape[1]
        blocks = []
        for multiple in MULTIPLES:
            blocks.append(ShiftBlock(channels, multiple * config.width, config.fold if blocks else 0))
            channels = multiple * config.width
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.readout = nn.Linear(channels, classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        pooled = self.blocks(clips).mean((3, 4))  # [B, C, T]
        return self.readout(self.dropout(pooled.transpose(1, 2))).mean(1)


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> TSM:
    """The network for clips of `shape` (time, channels, height, width)."""
    return TSM(config, shape, classes)

"""R(2+1)D: a residual network whose 3D convolutions are split into one in space and one in time.

Source: Tran, Wang, Torresani, Ray, LeCun, Paluri 2018, arXiv 1711.11248: (2+1)D blocks with as many weights as the
3×3×3 convolution that each stands for, batch norm and ReLU between the two.
Deviations: one block a stage instead of two or more, a quarter of the widths; around every block a convolution of
1×1×1 without a norm; the project's recipe.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Tran et al. 2018, arXiv 1711.11248"
TRAINING = {"*": {"learning_rate": 0.0082, "augment": True, "weight_decay": 0.0061, "label_smoothing": 0.1}}

MULTIPLES = (1, 2, 4, 8)
"""Channels of each stage, in units of `Config.width`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    width: int = 16
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        if self.width < 1:
            raise ConfigError(f"got width {self.width}, expected 1 or more channels")


def middle_channels(in_channels: int, out_channels: int, kernel: int = 3) -> int:
    """Channels between the two convolutions, so that both have no more weights than one of kernel³ (section 3.5)."""
    return kernel**3 * in_channels * out_channels // (kernel**2 * in_channels + kernel * out_channels)


class Conv2Plus1D(nn.Sequential):
    """A convolution of 1×3×3, batch norm, ReLU, a convolution of 3×1×1; `stride` in space and time."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        middle = middle_channels(in_channels, out_channels)
        super().__init__(
            nn.Conv3d(in_channels, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(),
            nn.Conv3d(middle, out_channels, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
        )


class Block(nn.Module):
    """Two (2+1)D convolutions and a way around them; `stride` in space and time."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = Conv2Plus1D(in_channels, out_channels, stride), nn.BatchNorm3d(out_channels)
        self.second, self.second_norm = Conv2Plus1D(out_channels, out_channels), nn.BatchNorm3d(out_channels)
        self.around = nn.Conv3d(in_channels, out_channels, 1, stride, bias=False)

    def forward(
        self, features: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch features steps rows columns"]:
        """Features of the next stage."""
        inner = self.second_norm(self.second(torch.relu(self.first_norm(self.first(features)))))
        return torch.relu(inner + self.around(features))


class R2Plus1D(nn.Module):
    """See the module."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        channels = config.width
        self.stem = nn.Sequential(
            nn.Conv3d(shape[1], channels, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(channels),
            nn.ReLU(),
            nn.Conv3d(channels, channels, (3, 1, 1), 1, (1, 0, 0), bias=False),
            nn.BatchNorm3d(channels),
            nn.ReLU(),
        )
        stages = []
        for multiple in MULTIPLES:
            stages.append(Block(channels, multiple * config.width, 2 if stages else 1))
            channels = multiple * config.width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(config.dropout)
        self.readout = nn.Linear(channels, classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        return self.readout(self.dropout(self.stages(self.stem(clips)).mean((2, 3, 4))))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> R2Plus1D:
    """The network for clips of `shape` (time, channels, height, width)."""
    return R2Plus1D(config, shape, classes)

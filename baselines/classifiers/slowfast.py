"""SlowFast: a wide pathway on few frames and a narrow one on all, joined stage by stage.

Source: Feichtenhofer, Fan, Malik, He 2019, arXiv 1812.03982: the fast pathway sees α times as many frames with β times
the channels, and is led into the slow one by convolutions strided in time; the slow one has no temporal kernels early.
Deviations: four stages of one residual block each, narrow, without a convolution and pooling before them; around every
block a convolution of 1×1×1 without a norm; α is 4 and β 1/4; the project's recipe.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Feichtenhofer et al. 2019, arXiv 1812.03982"
TRAINING = {"*": {"learning_rate": 0.0082, "augment": True, "weight_decay": 0.0061, "label_smoothing": 0.1}}

MULTIPLES = (1, 2, 4, 4)
"""Channels of each stage of the slow pathway, in units of `Config.width`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; the slow pathway sees every `alpha`-th frame, the fast one has a `beta`-th of its channels."""

    width: int = 32
    alpha: int = 4
    beta: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        if self.alpha < 1 or self.beta < 1 or self.width < self.beta:
            raise ConfigError(
                f"got width {self.width}, alpha {self.alpha}, beta {self.beta}, expected 1 or more, and width >= beta"
            )


class Stage(nn.Module):
    """A residual block of stride 2 in space, with a temporal kernel of 1 or 3."""

    def __init__(self, in_channels: int, out_channels: int, temporal_kernel: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv3d(in_channels, out_channels, (temporal_kernel, 1, 1), 1, (temporal_kernel // 2, 0, 0), bias=False),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(),
            nn.Conv3d(out_channels, out_channels, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
            nn.BatchNorm3d(out_channels),
        )
        self.around = nn.Conv3d(in_channels, out_channels, 1, (1, 2, 2), bias=False)

    def forward(
        self, features: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch features time rows columns"]:
        """Features of half the size."""
        return torch.relu(self.inner(features) + self.around(features))


class SlowFast(nn.Module):
    """See the module; `lateral` leads each fast stage into the next slow one."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.alpha = min(config.alpha, shape[0])
        slow, fast, lateral = [], [], []
        slow_channels = fast_channels = shape[1]
        joined = 0
        for depth, multiple in enumerate(MULTIPLES):
            wide = multiple * config.width
            narrow = wide // config.beta
            slow.append(Stage(slow_channels + joined, wide, 1 if depth < 2 else 3))
            fast.append(Stage(fast_channels, narrow, 3))
            slow_channels, fast_channels, joined = wide, narrow, 2 * narrow
            lateral.append(nn.Conv3d(narrow, joined, (5, 1, 1), (self.alpha, 1, 1), (2, 0, 0), bias=False))
        self.slow, self.fast = nn.ModuleList(slow), nn.ModuleList(fast)
        self.lateral = nn.ModuleList(lateral[:-1])
        self.dropout = nn.Dropout(config.dropout)
        self.readout = nn.Linear(slow_channels + fast_channels, classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        slow, fast = clips[:, :, :: self.alpha], clips
        for depth in range(len(MULTIPLES)):
            if depth:
                slow = torch.cat([slow, self.lateral[depth - 1](fast)], dim=1)
            slow, fast = self.slow[depth](slow), self.fast[depth](fast)
        pooled = torch.cat([slow.mean((2, 3, 4)), fast.mean((2, 3, 4))], dim=1)
        return self.readout(self.dropout(pooled))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> SlowFast:
    """The network for clips of `shape` (time, channels, height, width)."""
    return SlowFast(config, shape, classes)

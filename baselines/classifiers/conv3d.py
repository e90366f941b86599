"""Conv3D: convolutions in space and time down to one position, one linear layer on the steps that are left.

Source: Mastropietro 2017, section 5.2.2: kernels of 3×3 in space with "half" padding and stride 2, repeated
until 1×1; temporal kernels that are large early and shrink with depth; one fully connected layer on the
concatenation of all remaining time steps.
Deviations: the thesis gives no widths, temporal kernels, temporal strides or training recipe: all of them
are ours. Each convolution is followed by batch norm and ReLU.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from baselines.layers import ConvBlock, halvings, schedule
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Mastropietro 2017, section 5.2.2"
TRAINING = {
    "*": {"learning_rate": 0.0057, "augment": True, "weight_decay": 0.0016, "label_smoothing": 0.1},
    "mini": {"epochs": 12},
}

MULTIPLES = (1, 2, 4, 4, 8, 8)
"""Channels of each convolution, in units of `Config.width`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; convolutions beyond the last temporal kernel and stride repeat them."""

    width: int = 16
    temporal_kernels: tuple[int, ...] = (7, 5, 3, 3, 3, 3)
    temporal_strides: tuple[int, ...] = (2, 2, 2, 1, 1, 1)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        if self.width < 1:
            raise ConfigError(f"got width {self.width}, expected 1 or more channels")
        if not self.temporal_kernels or not self.temporal_strides:
            raise ConfigError("got no temporal kernel or stride, expected one for each convolution")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"got dropout {self.dropout}, expected a probability in [0, 1)")


class Conv3D(nn.Module):
    """See the module; `blocks` map a clip to [B, C, T', 1, 1], `readout` sees those T' steps side by side."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        steps, channels, height, width = shape
        depth = halvings(height, width)
        blocks = []
        for multiple, kernel, stride in zip(
            schedule(MULTIPLES, depth),
            schedule(config.temporal_kernels, depth),
            schedule(config.temporal_strides, depth),
            strict=True,
        ):
            blocks.append(ConvBlock(channels, multiple * config.width, kernel, stride))
            channels = multiple * config.width
            steps = -(-steps // stride)
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.readout = nn.Linear(channels * steps, classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        features = self.blocks(clips)  # [B, C, T', 1, 1]
        return self.readout(self.dropout(features.flatten(1)))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> Conv3D:
    """The network for clips of `shape` (time, channels, height, width)."""
    return Conv3D(config, shape, classes)

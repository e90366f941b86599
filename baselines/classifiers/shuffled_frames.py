"""Shuffled frames: Conv3D on frames in random order, a control that sees all frames and no time.

Source: ours, after Mastropietro 2017, section 5.2.1, condition 1; the network is Conv3D (section 5.2.2).
Deviations: in training every clip of every step has an order of its own; in evaluation the logits of several fixed
orders, drawn when the network is built, are averaged.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.classifiers import conv3d
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "control: Mastropietro 2017, section 5.2.1"
TRAINING = {"*": {"learning_rate": 0.0011, "augment": True, "weight_decay": 0.018, "label_smoothing": 0.0}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; `orders` are averaged in evaluation."""

    width: int = 16
    orders: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        if self.orders < 1:
            raise ConfigError(f"got orders {self.orders}, expected 1 or more")


class ShuffledFrames(nn.Module):
    """See the module."""

    orders: Tensor

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.net = conv3d.build(conv3d.Config(width=config.width, dropout=config.dropout), shape, classes)
        self.register_buffer("orders", torch.stack([torch.randperm(shape[0]) for _ in range(config.orders)]))

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        if self.training:
            return self.net(shuffled(clips))
        return torch.stack([self.net(clips[:, :, order]) for order in self.orders]).mean(0)


def shuffled(
    clips: Float[Tensor, "batch channels time height width"],
) -> Float[Tensor, "batch channels time height width"]:
    """Each clip's frames in a random order of its own, drawn from torch's global generator."""
    orders = torch.rand(clips.shape[0], clips.shape[2]).argsort(1).to(clips.device)
    return torch.stack([clip[:, order] for clip, order in zip(clips, orders, strict=True)])


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> ShuffledFrames:
    """The network for clips of `shape` (time, channels, height, width)."""
    return ShuffledFrames(config, shape, classes)

"""TSN: a CNN on one frame from each of K segments; the segments' logits are averaged before the loss.

Source: Wang, Xiong, Wang, Qiao, Lin, Tang, Van Gool 2016, arXiv 1608.00859: sparse sampling, a net shared by all
snippets, average consensus.
Deviations: a CNN of our own, from scratch, on colour frames alone; three segments as theirs; in evaluation the middle
frame of each segment.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from baselines.layers import FrameNet
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Wang et al. 2016, arXiv 1608.00859"
TRAINING = {"*": {"learning_rate": 0.0032, "augment": True, "weight_decay": 0.004, "label_smoothing": 0.0}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; a clip of fewer frames than `segments` has as many segments as frames."""

    width: int = 16
    segments: int = 3
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("width", "segments"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")


class TSN(nn.Module):
    """See the module."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.segments = min(config.segments, shape[0])
        self.net = FrameNet(shape[1:], classes, width=config.width, dropout=config.dropout)

    def snippets(self, frames: int) -> Int64[Tensor, " segment"]:
        """One frame of each segment: a random one in training, else the middle one."""
        ends = torch.linspace(0, frames, self.segments + 1)
        share = torch.rand(self.segments) if self.training else torch.full((self.segments,), 0.5)
        return (ends[:-1] + share * (ends[1:] - ends[:-1])).long().clamp_max(frames - 1)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        return self.net(clips[:, :, self.snippets(clips.shape[2]).to(clips.device)]).mean(1)


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> TSN:
    """The network for clips of `shape` (time, channels, height, width)."""
    return TSN(config, shape, classes)

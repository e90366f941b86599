"""Flow matching of whole clips, told their class or nothing: noise flows into clips along straight lines.

Source: Lipman et al. 2023, arXiv 2210.02747, section 4.1, example II (optimal transport), with the guidance of Ho,
Salimans 2022, arXiv 2207.12598: one network learns velocities with and without what is told, which is left out of some
clips, and samples go beyond the former, away from the latter. That the network makes the data, of which the velocity
follows, is of Li and He 2025, arXiv 2511.13720.
Deviations: the papers make single images; that all frames of a clip flow at once, the network (see
`baselines.velocity_unet`), which is told path and type of speed as a linear map beside the time, and the weights'
moving average, from which samples come, are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.layers import channels_last
from baselines.settings import COUNT, NOT_NEGATIVE, Rules
from baselines.straight_flow import Options
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips
from benchmark.players import Player
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "generation"
INPUT = "clips"
SOURCE = "Lipman et al. 2023, arXiv 2210.02747; Ho, Salimans 2022, arXiv 2207.12598"
ATTRIBUTES = ("path", "speed")
TRAINING = {
    "*": {
        "epochs": 40,
        "batch_size": 32,
        "learning_rate": 5e-4,
        "weight_decay": 0.0,
        "warmup": 0.0,
        "gradient_clip": 1.0,
    },
    "mini": {"epochs": 12, "learning_rate": 1e-3},
    "tiny": {"epochs": 2, "batch_size": 10},
}

OWN: Rules = {
    "frames": COUNT,
    "untold": ("a number in [0, 1]", lambda value: 0 <= value <= 1),
    "guidance": NOT_NEGATIVE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(Options):
    """Hyper-parameters, those of the flow among them.

    Attributes:
        frames: of a clip.
        image_size: which `patch` times 2 to the number of halvings divides.
        untold: share of clips of which nothing is told.
        guidance: how far samples go from the velocity told nothing to the one told the class; 1 is the latter itself.
    """

    frames: int = 32
    image_size: int = 64
    untold: float = 0.1
    guidance: float = 1.0
    steps: int = 20

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        self.check(OWN)


class ClipFlowMatching(nn.Module):
    """See the module; `attributes` is how many numbers a row of them has. A row of zeros tells nothing."""

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int], attributes: int) -> None:
        super().__init__()
        self.config, self.shape, self.attributes = config, shape, attributes
        self.averaging = config.averaging
        self.velocity = config.network(shape, row=attributes)

    def players(self) -> dict[str, Player]:
        """One."""
        return {"velocity": Player(parameters=list(self.parameters()))}

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """The error of velocities of clips, told what they are or, some of them, nothing."""
        if batch.attributes is None:
            raise ConfigError("clip_flow_matching was given no attributes, expected a row of them for each clip")
        told = torch.rand(len(batch), 1, device=batch.clips.device) >= self.config.untold
        rows = batch.attributes * told
        return {"velocity": self.config.loss(lambda *at: self.velocity(*at, row=rows), batch.clips)}

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Clips from noise; of the classes told, or of any."""
        frames, channels, height, width = self.shape
        device = next(self.parameters()).device
        noise = torch.randn(count, channels, frames, height, width, device=device)
        rows = torch.zeros(count, self.attributes, device=device)  # which tell nothing
        told = rows if attributes is None else attributes.float()
        guided = attributes is not None and self.config.guidance != 1

        def made(points: Clips, time: Tensor) -> Clips:
            found = self.velocity(points, time, row=told)
            return torch.lerp(self.velocity(points, time, row=rows), found, self.config.guidance) if guided else found

        return self.config.flow(made, noise).clamp(-1, 1)


def build(config: Config, shape: tuple[int, int, int, int], attributes: int) -> ClipFlowMatching:
    """The network for clips of `shape` (time, channels, height, width) and rows of so many attributes."""
    return channels_last(ClipFlowMatching(config, shape, attributes))

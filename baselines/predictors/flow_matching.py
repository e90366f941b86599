"""Flow matching: noise flows into the next frames along straight lines, at velocities that a U-Net learns.

Source: Lipman et al. 2023, arXiv 2210.02747, section 4.1, example II (optimal transport), told the frames before; that
the network makes the data, of which the velocity follows, is of Li and He 2025, arXiv 2511.13720.
Deviations: the paper makes single images and tells the network nothing but the time; that whole blocks of frames flow
at once, told the frames before them, that the network makes their change from the last of these, that longer futures
are made block by block, the network (see `baselines.velocity_unet`), and the weights' moving average, from which
predictions come, are ours.
Features: the U-Net's coarsest maps after its attention, shown true frames at the end of their way, told those before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.layers import channels_last
from baselines.settings import COUNT
from baselines.straight_flow import Options
from baselines.windows import covering_windows, drawn_windows
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, HORIZON, Clips, Maps
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Lipman et al. 2023, arXiv 2210.02747"
TRAINING = {
    "*": {
        "epochs": 40,
        "batch_size": 32,
        "learning_rate": 5e-4,
        "weight_decay": 0.0,
        "warmup": 0.0,
        "gradient_clip": 1.0,
    },
    "mini": {"epochs": 20, "learning_rate": 1e-3},
    "tiny": {"epochs": 2, "batch_size": 10},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(Options):
    """Hyper-parameters, those of the flow among them.

    Attributes:
        image_size: which `patch` times 2 to the number of halvings divides.
        given: frames that are told, the last ones.
        block: frames that flow at once.
    """

    image_size: int = 64
    given: int = 10
    block: int = 10

    def __post_init__(self) -> None:
        """Refuses what no network can be built from, and blocks that the clips learnt from are too short for."""
        self.check({"given": COUNT, "block": COUNT})
        if self.given > CONTEXT or self.given + self.block > CONTEXT + HORIZON:
            raise ConfigError(
                f"got given {self.given} and block {self.block}, expected {CONTEXT} or fewer given, and "
                f"{CONTEXT + HORIZON} or fewer in all"
            )


class FlowMatching(nn.Module):
    """See the module."""

    stochastic = True

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, self.averaging = config, config.averaging
        self.velocity = config.network((config.block, *shape[1:]), given=config.given)

    def players(self) -> dict[str, Player]:
        """One."""
        return {"velocity": Player(parameters=list(self.parameters()))}

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """The error of velocities of a block, which starts anywhere, told the frames before."""
        given, block = self.config.given, self.config.block
        before, after = drawn_windows(batch.clips, 1, given + block).transpose(1, 2).split((given, block), dim=2)
        return {"velocity": self.config.loss(lambda points, time: self.made(points, time, before), after)}

    def predict(self, context: Clips, count: int) -> Clips:
        """Blocks drawn one after the other, each told the last frames before it; as many frames as asked for."""
        frames, given, block = context, self.config.given, self.config.block
        while frames.shape[2] < context.shape[2] + count:
            before = frames[:, :, -given:]
            noise = torch.randn(*before.shape[:2], block, *before.shape[3:], device=before.device)
            said = self.flow(noise, before)
            frames = torch.cat([frames, said.clamp(-1, 1)], dim=2)
        return frames[:, :, context.shape[2] : context.shape[2] + count]

    def represent(self, clips: Clips) -> Maps:
        """Of each frame of the blocks of windows as long as a block and what it is told; no noise is left in it."""
        windows = covering_windows(clips, self.config.given + self.config.block)
        before, block = windows.flatten(0, 1).split((self.config.given, self.config.block), dim=2)
        maps, _, _ = self.velocity.coarsest(block, torch.ones(len(block), device=block.device), before)
        return maps.unflatten(0, (len(clips), -1)).transpose(1, 2)

    def flow(self, noise: Clips, before: Clips) -> Clips:
        """The block that noise becomes after the frames `before` it."""
        return self.config.flow(lambda points, time: self.made(points, time, before), noise)

    def made(self, points: Clips, time: Tensor, before: Clips) -> Clips:
        """The points' velocity; or the block at the end of their way, as a change of the last frame before it."""
        said = self.velocity(points, time, before)
        return said if self.config.makes == "velocity" else before[:, :, -1:] + said


def build(config: Config, shape: tuple[int, int, int, int]) -> FlowMatching:
    """The network for clips of `shape` (time, channels, height, width)."""
    return channels_last(FlowMatching(config, shape))

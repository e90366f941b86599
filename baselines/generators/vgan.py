"""VGAN: clips of a foreground that moves before a background that stands still, made against a judge of clips.

Source: Vondrick et al. 2016, arXiv 1609.02612, and the code that its authors released: two streams and their mask,
which is kept sparse, in 32 frames of 64×64 pixels.
Deviations: both players move at once, from one forward pass; the recipe's schedule of the learning rate; other numbers
of frames and pixels (see `baselines.two_stream_video`); the judge's rate and the weights' moving average, both off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.adversarial import deceiving_loss, judgements, telling_loss
from baselines.settings import check
from baselines.two_stream_video import ClipJudge, TwoStreams
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "generation"
INPUT = "clips"
SOURCE = "Vondrick et al. 2016, arXiv 1609.02612"
TRAINING = {
    "*": {"epochs": 25, "batch_size": 64, "learning_rate": 2e-4, "weight_decay": 0.0, "warmup": 0.0},
    "tiny": {"epochs": 2, "batch_size": 10},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        frames: of a clip; powers of two keep all layers as published.
        image_size: a power of two from 8 on.
        latent: numbers in a latent.
        width: times the published maps.
        mask_weight: of the mask's mean, which keeps the foreground small.
        beta1: of both players' Adam.
        discriminator_rate: times the generator's learning rate.
        averaging: decay of a moving average of the weights, from which samples then come; 0 keeps none.
    """

    frames: int = 32
    image_size: int = 64
    latent: int = 100
    width: float = 1.0
    mask_weight: float = 0.1
    beta1: float = 0.5
    discriminator_rate: float = 1.0
    averaging: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)
        if self.frames < 1:
            raise ConfigError(f"got frames {self.frames!r}, expected a whole number of 1 or more")
        if not 0 <= self.mask_weight < float("inf"):
            raise ConfigError(f"got mask_weight {self.mask_weight!r}, expected a number of 0 or more")


class VGAN(nn.Module):
    """See the module."""

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, self.averaging = config, config.averaging
        self.generator = TwoStreams(config.latent, shape, config.width)
        self.discriminator = ClipJudge(shape, config.width)

    def players(self) -> dict[str, Player]:
        """Discriminator and generator."""
        config = self.config
        return {
            "discriminator": Player(
                parameters=list(self.discriminator.parameters()), rate=config.discriminator_rate, beta1=config.beta1
            ),
            "generator": Player(parameters=list(self.generator.parameters()), beta1=config.beta1),
        }

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', how much of a clip is foreground, and what the discriminator holds to be real."""
        streams = self.generator(self.prior(len(batch)))
        real, made = self.discriminator(batch.clips), self.discriminator(streams.clips())
        foreground = streams.mask.mean()
        return {
            "discriminator": telling_loss(real, made),
            "generator": deceiving_loss(made) + self.config.mask_weight * foreground,
            "foreground": foreground,
        } | judgements(real, made)

    def prior(self, count: int) -> Latents:
        """Latents from N(0, I)."""
        return torch.randn(count, self.config.latent, device=self.discriminator.readout.weight.device)

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Clips of latents from the prior."""
        return self.generator(self.prior(count)).clips()

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """The discriminator's logits."""
        return self.discriminator(clips)

    def represent(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """What the discriminator's layers make of each clip."""
        return self.discriminator.represent(clips)


def build(config: Config, shape: tuple[int, int, int, int]) -> VGAN:
    """The network for clips of `shape` (time, channels, height, width)."""
    return VGAN(config, shape)

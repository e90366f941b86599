"""Learned inverse: a GAN learns and is frozen; then an encoder learns which latents its frames came from.

Source: Dumoulin et al. 2017, arXiv 1606.00704, section 4.4 (Mastropietro 2017, section 4.4.5): least squares of latents
on frames that the frozen generator makes; BiGAN's paper (Donahue et al. 2017, arXiv 1605.09782) calls it the latent
regressor.
Deviations: both phases share one schedule of the learning rate; the share of the first is ours; in the second the
generator's batch norms use their running statistics; layers and other deviations are those of `ali`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from baselines.autoencoder import Encoder, table_for
from baselines.frozen_gan import FrozenGAN
from baselines.layers import channels_last
from baselines.settings import check
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player

TASK = "generation"
INPUT = "frames"
SOURCE = "Dumoulin et al. 2017, arXiv 1606.00704, section 4.4"
TRAINING = {
    "*": {"epochs": 100, "batch_size": 100, "learning_rate": 1e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 24, "batch_size": 32, "learning_rate": 2e-4},
    "tiny": {"epochs": 2},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: 64, in the layers for CelebA, or 32, in those for SVHN.
        latent: numbers in a latent.
        width: times the published maps and features.
        gan_share: of all steps, in which the GAN learns; the encoder learns in the others.
        dropout: before every layer of the discriminator.
        beta1: of each player's Adam.
    """

    image_size: int = 64
    latent: int = 256
    width: float = 1.0
    gan_share: float = 0.7
    dropout: float = 0.2
    beta1: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)


class LearnedInverse(nn.Module):
    """See the module."""

    last_phase: Int64[Tensor, ""]
    """How many steps the encoder has learnt."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        table = table_for(shape, config.width)
        self.config = config
        self.register_buffer("last_phase", torch.tensor(0))
        self.gan = FrozenGAN(shape[1:], table, config.latent, dropout=config.dropout, beta1=config.beta1)
        self.encoder = Encoder(shape[1], table, config.latent, gaussian=False)

    def players(self) -> dict[str, Player]:
        """Those of the GAN, and the encoder."""
        encoder = Player(parameters=list(self.encoder.parameters()), beta1=self.config.beta1)
        return {**self.gan.players(), "encoder": encoder}

    def phase(self, batch: Batch, progress: float) -> bool:
        """Whether the GAN learns."""
        return progress < self.config.gan_share

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """The GAN's first; then the encoder's, the squared distance between latents and those it infers, a mean."""
        gan_learns = self.phase(batch, progress)
        self.gan.train(self.training and gan_learns)
        if gan_learns:
            return self.gan.losses(batch.clips[:, :, 0])
        self.last_phase.add_(1)
        latents, frames = self.gan.pairs(len(batch))
        return {"encoder": (latents - self.encoder(frames).mean).square().sum(1).mean()}

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Frames of latents from the prior, as clips of one."""
        return self.decode(self.gan.prior(count))

    def encode(self, clips: Clips, attributes: Attributes | None = None) -> Latents:
        """The latents that the encoder infers."""
        return self.encoder(clips[:, :, 0]).mean

    def decode(self, latents: Latents, attributes: Attributes | None = None) -> Clips:
        """The frames of latents, as clips of one."""
        return self.gan.decoder(latents)[:, :, None]

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """The GAN's logits."""
        return self.gan.judge(clips[:, :, 0])


def build(config: Config, shape: tuple[int, int, int, int]) -> LearnedInverse:
    """The network for clips of `shape` (1, channels, height, width)."""
    return channels_last(LearnedInverse(config, shape))

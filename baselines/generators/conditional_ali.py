"""Conditional ALI: encoder, decoder and discriminator are told a frame's attributes, so that frames can be asked for.

Source: Dumoulin et al. 2017, arXiv 1606.00704 (Mastropietro 2017, section 4.4.4, equation 4.7), and the code that its
authors released: a linear map of the attributes goes beside the latents into the decoder, beside the features into the
encoder's last layer, and into the discriminator's layers on both; a frame's attributes also go with the latents drawn
from the prior. As released no player moves that map, which stays as it was drawn (`embedding_learns=False`).
Deviations: those of `ali`; encoder and decoder move the map, and the discriminator takes it as it is; attributes are
those of the benchmark's clips, in place of forty of faces. Equation 4.7 draws frames and attributes each by themselves,
from q(x) and p(y): here, as in the released code, they are drawn together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.autoencoder import initialise
from baselines.generators import ali
from baselines.layers import channels_last
from baselines.settings import check
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "generation"
INPUT = "frames"
SOURCE = "Dumoulin et al. 2017, arXiv 1606.00704, section 2.6; Mastropietro 2017, section 4.4.4"
ATTRIBUTES = ("shape", "size", "colour", "path", "speed")
TRAINING = {
    "*": {"epochs": 100, "batch_size": 128, "learning_rate": 1e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 24, "batch_size": 32, "learning_rate": 4e-4},
    "tiny": {"epochs": 2},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; all but the first two are those of `ali`.

    Attributes:
        embedding: numbers that a linear map makes of a row of attributes.
        embedding_learns: whether encoder and decoder move that map.
    """

    embedding: int = 256
    embedding_learns: bool = True
    image_size: int = 64
    latent: int = 256
    width: float = 1.0
    encoder: str = "gaussian"
    dropout: float = 0.2
    beta1: float = 0.5
    discriminator_rate: float = 1.0
    spectral_norm: bool = False
    gradient_penalty: float = 0.0
    averaging: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)


class ConditionalALI(nn.Module):
    """See the module; `attributes` is how many numbers a row of them has."""

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int], attributes: int) -> None:
        super().__init__()
        if attributes < 1:
            raise ConfigError("got rows of no attributes, expected one number or more")
        own = ali.Config(**{field.name: getattr(config, field.name) for field in dataclasses.fields(ali.Config)})
        self.averaging = config.averaging
        self.ali = ali.ALI(own, shape, told=config.embedding)
        self.embed = nn.Linear(attributes, config.embedding)
        initialise(self.embed)
        self.embed.requires_grad_(config.embedding_learns)

    def players(self) -> dict[str, Player]:
        """Those of ALI; the map is moved with encoder and decoder."""
        found = self.ali.players()
        learns = [weight for weight in self.embed.parameters() if weight.requires_grad]
        both = found["generator"]
        found["generator"] = dataclasses.replace(both, parameters=[*both.parameters, *learns])
        return found

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Those of ALI."""
        return self.ali.game(batch.clips[:, :, 0], self.told(batch.attributes))

    def told(self, attributes: Attributes | None) -> Float[Tensor, "batch embedding"]:
        """What the three networks are given of attributes, in single precision.

        Raises:
            ConfigError: there are none.
        """
        if attributes is None:
            raise ConfigError("conditional_ali was given no attributes, expected a row of them for each frame")
        return self.embed(attributes).float()

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Frames of latents from the prior and of attributes, as clips of one."""
        return self.decode(self.ali.prior(count), attributes)

    def encode(self, clips: Clips, attributes: Attributes | None = None) -> Latents:
        """The mean of each frame's latents."""
        return self.ali.encoder(clips[:, :, 0], self.told(attributes)).mean

    def decode(self, latents: Latents, attributes: Attributes | None = None) -> Clips:
        """The frames of latents and attributes, as clips of one."""
        return self.ali.decoder(torch.cat([latents, self.told(attributes)], dim=1))[:, :, None]

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """Logits of frames and attributes, with latents that the encoder draws for them."""
        frames, told = clips[:, :, 0], self.told(attributes)
        return self.ali.discriminator(frames, self.ali.encoder(frames, told).draw(), told)


def build(config: Config, shape: tuple[int, int, int, int], attributes: int) -> ConditionalALI:
    """The network for clips of `shape` (1, channels, height, width) and rows of so many attributes."""
    return channels_last(ConditionalALI(config, shape, attributes))

"""ALI: an encoder and a decoder learn to make pairs of frames and latents that a discriminator cannot tell apart.

Source: Dumoulin et al. 2017, arXiv 1606.00704 (Mastropietro 2017, chapter 4), equations 4.1 and 4.4, appendix A for the
layers, and the code that its authors released: both players move at once, from one forward pass in which real and made
pairs go through the discriminator as one batch; -log D in place of log(1 - D) for encoder and decoder. Without noise
(`encoder="deterministic"`) it is BiGAN (Donahue et al. 2017, arXiv 1605.09782).
Deviations: those of `baselines.autoencoder` and `baselines.adversarial`; the recipe's schedule of the learning rate;
100 epochs also in the layers for CelebA, which were published with 123; all settings against an unstable game, which
are off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.adversarial import Discriminator, judgements, squared_slope, swapping_loss, telling_loss
from baselines.autoencoder import Decoder, Encoder, Frames, represented, table_for
from baselines.layers import channels_last
from baselines.settings import check
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player
from benchmark.replay import steady

TASK = "generation"
INPUT = "frames"
SOURCE = "Dumoulin et al. 2017, arXiv 1606.00704"
TRAINING = {
    "*": {"epochs": 100, "batch_size": 100, "learning_rate": 1e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 24, "batch_size": 32, "learning_rate": 4e-4},
    "tiny": {"epochs": 2},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: 64, in the layers for CelebA, or 32, in those for SVHN.
        latent: numbers in a latent.
        width: times the published maps and features.
        encoder: `gaussian`, which draws latents, or `deterministic`.
        dropout: before every layer of the discriminator.
        beta1: of both players' Adam.
        discriminator_rate: times the encoder's and decoder's learning rate.
        spectral_norm: in the discriminator, in place of batch norm.
        gradient_penalty: weight of R1.
        averaging: decay of a moving average of the weights, from which samples then come; 0 keeps none.
    """

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


class ALI(nn.Module):
    """See the module.

    Args:
        config: hyper-parameters.
        shape: of the clips, (1, C, H, W).
        told: numbers about each frame that encoder, decoder and discriminator are given.
    """

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int], told: int = 0) -> None:
        super().__init__()
        table, channels = table_for(shape, config.width), shape[1]
        self.config, self.averaging = config, config.averaging
        self.encoder = Encoder(channels, table, config.latent, gaussian=config.encoder == "gaussian", told=told)
        self.decoder = Decoder(shape[1:], table, config.latent + told)
        self.discriminator = Discriminator(
            channels, table, config.latent, told=told, dropout=config.dropout, spectral_norm=config.spectral_norm
        )

    def players(self) -> dict[str, Player]:
        """The discriminator; encoder and decoder together."""
        made_by = [*self.encoder.parameters(), *self.decoder.parameters()]
        return {
            "discriminator": Player(
                parameters=list(self.discriminator.parameters()),
                rate=self.config.discriminator_rate,
                beta1=self.config.beta1,
            ),
            "generator": Player(parameters=made_by, beta1=self.config.beta1),
        }

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', and which share of real and made pairs the discriminator holds to be real."""
        return self.game(batch.clips[:, :, 0])

    def game(self, frames: Frames, told: Float[Tensor, "batch told"] | None = None) -> dict[str, Tensor]:
        """The losses of frames, and of what is told of them; the discriminator has no say in what that is."""
        self.decoder.start_from(frames)
        latents = self.prior(len(frames))
        inferred = self.encoder(frames, told).draw()
        made = self.decoder(latents if told is None else torch.cat([latents, told], dim=1))
        penalised = self.config.gradient_penalty > 0
        seen = frames.detach().requires_grad_() if penalised else frames
        heard = None if told is None else told.detach().repeat(2, 1)
        judged = self.discriminator(torch.cat([seen, made]), torch.cat([inferred, latents]), heard)
        real, false = judged.chunk(2)
        found = {"discriminator": telling_loss(real, false), "generator": swapping_loss(real, false)}
        if penalised:
            steep = squared_slope(real, (seen, inferred))
            found["discriminator"] = found["discriminator"] + self.config.gradient_penalty * steep
        return found | judgements(real, false)

    def prior(self, count: int) -> Latents:
        """Latents from N(0, I)."""
        return torch.randn(count, self.config.latent, device=self.decoder.bias.device)

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Frames of latents from the prior, as clips of one."""
        return self.decode(self.prior(count))

    def encode(self, clips: Clips, attributes: Attributes | None = None) -> Latents:
        """The mean of each frame's latents."""
        return self.encoder(clips[:, :, 0]).mean

    def decode(self, latents: Latents, attributes: Attributes | None = None) -> Clips:
        """The frames of latents, as clips of one."""
        return self.decoder(latents)[:, :, None]

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """Logits of frames with latents that the encoder draws for them, also where a decoder made the frames."""
        frames = clips[:, :, 0]
        return self.discriminator(frames, self.encoder(frames).draw())

    def represent(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """What the layers of the encoder make of each frame, and the mean of its latents."""
        frames = clips[:, :, 0]
        return torch.cat([represented(self.encoder.body, frames), self.encoder(frames).mean], dim=1)


def build(config: Config, shape: tuple[int, int, int, int]) -> ALI:
    """The network for clips of `shape` (1, channels, height, width)."""
    return channels_last(ALI(config, shape))

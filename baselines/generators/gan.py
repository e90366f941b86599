"""GAN: a deep convolutional generator makes frames that a discriminator cannot tell from real ones.

Source: Goodfellow et al. 2014, arXiv 1406.2661 (Mastropietro 2017, section 3.3), with the loss that does not saturate;
layers, start and recipe of DCGAN (Radford et al. 2016, arXiv 1511.06434, and the code that its authors released): real
and made frames go through the discriminator one after the other. Feature matching (Salimans et al. 2016, arXiv
1606.03498, section 3.1) can be chosen.
Deviations: both players move at once, from one forward pass; the recipe's schedule of the learning rate; a 32×32 frame
has one layer less; all settings against an unstable game, which are off. The thesis's equation 3.9 has both players
raise the same value, which would reward the discriminator for taking made frames for real: only the generator does so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from baselines.adversarial import (
    deceiving_loss,
    judgements,
    normalise_spectra,
    squared_slope,
    telling_loss,
)
from baselines.autoencoder import represented, single_frame
from baselines.dcgan import maps_for, start
from baselines.layers import channels_last
from baselines.settings import check
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player
from benchmark.replay import steady

TASK = "generation"
INPUT = "frames"
SOURCE = "Goodfellow et al. 2014, arXiv 1406.2661; Radford et al. 2016, arXiv 1511.06434"
TRAINING = {
    "*": {"epochs": 25, "batch_size": 64, "learning_rate": 2e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 24, "batch_size": 32},
    "tiny": {"epochs": 2},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: a power of two from 8 on.
        latent: numbers in a latent.
        width: times the published maps.
        beta1: of both players' Adam.
        feature_matching: the generator brings the mean of the discriminator's last features to that of real frames.
        discriminator_rate: times the generator's learning rate.
        spectral_norm: in the discriminator, in place of batch norm.
        gradient_penalty: weight of R1.
        averaging: decay of a moving average of the weights, from which samples then come; 0 keeps none.
    """

    image_size: int = 64
    latent: int = 100
    width: float = 1.0
    beta1: float = 0.5
    feature_matching: bool = False
    discriminator_rate: float = 1.0
    spectral_norm: bool = False
    gradient_penalty: float = 0.0
    averaging: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)


class GAN(nn.Module):
    """See the module; `features` and `readout` are the discriminator's."""

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, self.averaging = config, config.averaging
        channels, height, across = single_frame(shape)
        maps = maps_for(height, across, config.width)
        made: list[nn.Module] = [nn.ConvTranspose2d(config.latent, maps[-1], 4, bias=False)]
        for wide, narrow in zip(maps[::-1], [*maps[-2::-1], channels], strict=True):
            made += [nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
            made.append(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False))
        self.generator = nn.Sequential(*made, nn.Tanh())
        told: list[nn.Module] = []
        for place, (narrow, wide) in enumerate(zip([channels, *maps], maps, strict=False)):
            told.append(nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=config.spectral_norm))
            told += [nn.BatchNorm2d(wide)] if place and not config.spectral_norm else []
            told.append(nn.LeakyReLU(0.2, inplace=True))
        self.features = nn.Sequential(*told)
        self.readout = nn.Conv2d(maps[-1], 1, 4, bias=config.spectral_norm)
        self.apply(start)
        if config.spectral_norm:
            normalise_spectra(self.features)
            normalise_spectra(self.readout)

    def players(self) -> dict[str, Player]:
        """Discriminator and generator."""
        return {
            "discriminator": Player(
                parameters=[*self.features.parameters(), *self.readout.parameters()],
                rate=self.config.discriminator_rate,
                beta1=self.config.beta1,
            ),
            "generator": Player(parameters=list(self.generator.parameters()), beta1=self.config.beta1),
        }

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', and which share of real and made frames the discriminator holds to be real."""
        frames, penalised = batch.clips[:, :, 0], self.config.gradient_penalty > 0
        seen = frames.detach().requires_grad_() if penalised else frames
        features = self.features(seen)
        imitated = self.features(self.generator(self.prior(len(frames))[:, :, None, None]))
        real, made = self.logits(features), self.logits(imitated)
        found = {"discriminator": telling_loss(real, made), "generator": deceiving_loss(made)}
        if penalised:
            steep = squared_slope(real, (seen,))
            found["discriminator"] = found["discriminator"] + self.config.gradient_penalty * steep
        if self.config.feature_matching:
            found["generator"] = mse_loss(imitated.float().mean(0), features.detach().float().mean(0))
        return found | judgements(real, made)

    def logits(self, features: Float[Tensor, "batch maps 4 4"]) -> Float[Tensor, " batch"]:
        """Of the discriminator's last features, in single precision."""
        return self.readout(features).float().flatten()

    def prior(self, count: int) -> Latents:
        """Latents from N(0, I)."""
        return torch.randn(count, self.config.latent, device=self.readout.weight.device)

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Frames of latents from the prior, as clips of one."""
        return self.generator(self.prior(count)[:, :, None, None]).float()[:, :, None]

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """The discriminator's logits."""
        return self.logits(self.features(clips[:, :, 0]))

    def represent(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """What the layers of the discriminator make of each frame."""
        return represented(self.features, clips[:, :, 0])


def build(config: Config, shape: tuple[int, int, int, int]) -> GAN:
    """The network for clips of `shape` (1, channels, height, width)."""
    return channels_last(GAN(config, shape))

"""VAE: an encoder and a decoder raise a bound of the frames' likelihood; the decoder's pixels are Gaussian.

Source: Kingma, Welling 2014, arXiv 1312.6114 (Mastropietro 2017, section 3.2): a prior N(0, I), a diagonal Gaussian for
each frame's latents, and half the squared error plus the divergence from the prior; the thesis prints that divergence
with its sign reversed and a norm that is not squared. Layers of ALI (Dumoulin et al. 2017, arXiv 1606.00704).
Deviations: the deviation of the pixels is not one but what fits each batch best (Rybkin et al. 2021, arXiv 2006.13202,
the optimal σ), unless it is set; the recipe is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.special import log_ndtr

from baselines.autoencoder import Decoder, Encoder, Frames, Posterior, represented, table_for
from baselines.layers import channels_last
from baselines.settings import check
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player
from benchmark.replay import steady

TASK = "generation"
INPUT = "frames"
SOURCE = "Kingma, Welling 2014, arXiv 1312.6114"
TRAINING = {
    "*": {"batch_size": 100, "learning_rate": 1e-3, "weight_decay": 0.0},
    "mini": {"epochs": 24, "batch_size": 32},
}

GREY_LEVELS = 256
"""Of the frames, evenly spread over [-1, 1]."""

LEAST_DEVIATION = 1e-3
"""Of the pixels: an eighth of a grey level."""

NEW_WEIGHT = 0.05
"""Of a batch in the deviation that is remembered, as in the decoder's batch norm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: 64, in the layers for CelebA, or 32, in those for SVHN.
        latent: numbers in a latent.
        width: times the published maps.
        sigma: the pixels' deviation, where black and white are two apart; 0 takes what fits each batch best.
        beta1: of Adam.
        averaging: decay of a moving average of the weights, from which samples then come; 0 keeps none.
    """

    image_size: int = 64
    latent: int = 256
    width: float = 1.0
    sigma: float = 0.0
    beta1: float = 0.9
    averaging: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)


def divergence(posterior: Posterior) -> Float[Tensor, " batch"]:
    """Kullback and Leibler's of each Gaussian from N(0, I), in nats."""
    mean, log_deviation = posterior
    assert log_deviation is not None
    return (mean.square() + (2 * log_deviation).exp() - 1 - 2 * log_deviation).sum(1) / 2


def log_density(frames: Tensor, mean: Tensor, variance: Tensor) -> Float[Tensor, " batch"]:
    """Logarithm of the frames' density where all pixels have one variance."""
    squares = (frames - mean).square().flatten(1)
    return -(squares / variance + variance.log() + math.log(2 * math.pi)).sum(1) / 2


def log_probability(frames: Tensor, mean: Tensor, variance: Tensor) -> Float[Tensor, " batch"]:
    """Logarithm of the probability that Gaussian pixels, rounded to grey levels, are those of the frames.

    What lies beyond black or white is rounded to it. Each level's share is the difference of two distribution
    functions, taken where both are small, so that it stays exact far out.
    """
    deviation, half = variance.sqrt(), 1 / (GREY_LEVELS - 1)
    low, high = ((frames - mean + side) / deviation for side in (-half, half))
    low = low.masked_fill(frames < -1 + half, -torch.inf)
    high = high.masked_fill(frames > 1 - half, torch.inf)
    swapped = low + high > 0
    near, far = torch.where(swapped, -low, high), torch.where(swapped, -high, low)
    larger = log_ndtr(near)
    return (larger + torch.log(-torch.expm1(log_ndtr(far) - larger))).flatten(1).sum(1)


class VAE(nn.Module):
    """See the module.

    Args:
        encoder: from frames to a Gaussian `Posterior`.
        decoder: from latents to frames.
        config: hyper-parameters.
    """

    variance: Float[Tensor, ""]
    """Of the pixels in evaluation."""

    phase = steady

    def __init__(self, encoder: nn.Module, decoder: nn.Module, config: Config) -> None:
        super().__init__()
        self.config, self.averaging = config, config.averaging
        self.encoder, self.decoder = encoder, decoder
        self.register_buffer("variance", torch.tensor(config.sigma**2 or 1.0))

    def players(self) -> dict[str, Player]:
        """One."""
        return {"autoencoder": Player(parameters=list(self.parameters()), beta1=self.config.beta1)}

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Minus the bound of the density's logarithm, by pixel; what it is made of; and the deviation of pixels."""
        frames = batch.clips[:, :, 0]
        if isinstance(self.decoder, Decoder):
            self.decoder.start_from(frames)
        found = self.bound(frames)
        values = frames[0].numel()
        return {
            "autoencoder": -(found["log_density"] - found["divergence"]).mean() / values,
            "divergence": found["divergence"].mean().detach(),
            "squared_error": found["squared_error"],
            "sigma": found["variance"].sqrt(),
        }

    def bound(self, frames: Frames) -> dict[str, Tensor]:
        """`log_density` and `divergence` of each frame; `squared_error` and `variance` of pixels."""
        posterior = self.encoder(frames)
        mean = self.decoder(posterior.draw())
        error = (frames - mean).detach().square().mean()
        variance = self._variance(error)
        density = log_density(frames, mean, variance)
        return {
            "log_density": density,
            "divergence": divergence(posterior),
            "squared_error": error,
            "variance": variance,
        }

    @torch.no_grad()
    def _variance(self, error: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """The mean squared error of a batch in training, which is remembered; what is remembered or set otherwise."""
        if self.config.sigma or not self.training:
            return self.variance.clone()
        best = error.clamp(min=LEAST_DEVIATION**2)
        self.variance.lerp_(best, NEW_WEIGHT)
        return best

    def nats(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The bound for frames of grey levels, from one draw of latents: its mean over draws is at least the truth."""
        frames = batch.clips[:, :, 0]
        posterior = self.encoder(frames)
        found = log_probability(frames.float(), self.decoder(posterior.draw()), self.variance)
        return divergence(posterior) - found

    def prior(self, count: int) -> Latents:
        """Latents from N(0, I)."""
        return torch.randn(count, self.config.latent, device=self.variance.device)

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Mean frames of latents from the prior, as clips of one."""
        return self.decode(self.prior(count))

    def encode(self, clips: Clips, attributes: Attributes | None = None) -> Latents:
        """The mean of each frame's latents."""
        return self.encoder(clips[:, :, 0]).mean

    def decode(self, latents: Latents, attributes: Attributes | None = None) -> Clips:
        """Mean frames of latents, as clips of one."""
        return self.decoder(latents)[:, :, None]

    def represent(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """What the layers of the encoder make of each frame, and the mean of its latents."""
        assert isinstance(self.encoder, Encoder)
        frames = clips[:, :, 0]
        return torch.cat([represented(self.encoder.body, frames), self.encoder(frames).mean], dim=1)


def build(config: Config, shape: tuple[int, int, int, int]) -> VAE:
    """The network for clips of `shape` (1, channels, height, width)."""
    table = table_for(shape, config.width)
    encoder = Encoder(shape[1], table, config.latent, gaussian=True)
    decoder = Decoder(shape[1:], table, config.latent)
    return channels_last(VAE(encoder, decoder, config))

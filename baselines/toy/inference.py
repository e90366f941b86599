"""What ALI's inference is held against: an encoder fitted to a GAN's decoder, and a variational autoencoder.

Source: Dumoulin et al. 2017, arXiv 1606.00704, section 2.6, for the inverse mapping that is learnt from the prior's
samples; Kingma and Welling 2014, arXiv 1312.6114, equations 3 and 10, for the autoencoder.
Deviations: the inverse's encoder sees no noise, which a square error would only teach it to ignore. The autoencoder's
encoder has a Gaussian head, as one on noise has no density; the deviation of its points, which the paper leaves open,
is learnt (one number a run, 1 at the start) or stays 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.toy.adam import EnsembleAdam
from baselines.toy.adversarial import DECODER_LAYERS, ENCODER_LAYERS
from baselines.toy.draws import Rates, Start
from baselines.toy.layers import Perceptron
from baselines.toy.learner import LATENT, Decode, Learner, Noise, Points


class LearnedInverse(Learner):
    """An encoder that learns which z a decoder, left as it is, made a point of."""

    def __init__(self, rates: Sequence[Rates], start: Start, *, hidden: int, decode: Decode) -> None:
        super().__init__()
        self.encoder = Perceptron(2, hidden, ENCODER_LAYERS, LATENT, start)
        self._decode = decode
        self.adam = EnsembleAdam(self.encoder.parameters(), rates)

    def step(self, points: Points, noise: Noise) -> dict[str, Float[Tensor, " run"]]:
        """The squared distance of z that was and z that is found; the points of the data are not used."""
        z = noise[:, :, :LATENT]
        error = (self.encoder(self.decode(z)) - z).square().sum(2).mean(1)
        self.adam.step(torch.autograd.grad(error.sum(), self.adam.parameters))
        return {"latent_loss": error.detach()}

    def decode(self, z: Float[Tensor, "run point 2"]) -> Points:
        """The decoder that does not learn."""
        return self._decode(z)

    def generate(self, noise: Noise) -> Points:
        """Its points for z of the prior."""
        return self.decode(noise[:, :, :LATENT])

    def infer(self, points: Points, noise: Noise) -> Float[Tensor, "run point 2"]:
        """The one z that the encoder finds for each point."""
        return self.encoder(points)


class VariationalAutoencoder(Learner):
    """Decoder and encoder of the same widths, trained to the evidence lower bound."""

    def __init__(self, rates: Sequence[Rates], start: Start, *, hidden: int, learns_deviation: bool) -> None:
        super().__init__()
        self.decoder = Perceptron(LATENT, hidden, DECODER_LAYERS, 2, start)
        self.encoder = Perceptron(2, hidden, ENCODER_LAYERS, 2 * LATENT, start)
        zero = torch.zeros(start.runs, 1, 1, device=start.device)
        self.log_deviation = nn.Parameter(zero, requires_grad=learns_deviation)
        self.adam = EnsembleAdam([one for one in self.parameters() if one.requires_grad], rates)

    def step(self, points: Points, noise: Noise) -> dict[str, Float[Tensor, " run"]]:
        """Minus the bound, a point, without the constant ln 2 pi; and the divergence that it contains."""
        mean, log_deviation = self.encoder(points).chunk(2, 2)
        again = self.decoder(mean + log_deviation.exp() * noise[:, :, LATENT:])
        divergence = kl_divergence(mean, log_deviation).mean(1)
        loss = misfit(points, again, self.log_deviation).mean(1) + divergence
        self.adam.step(torch.autograd.grad(loss.sum(), self.adam.parameters))
        return {"loss": loss.detach(), "divergence": divergence.detach()}

    def decode(self, z: Float[Tensor, "run point 2"]) -> Points:
        """The means of p(x|z)."""
        return self.decoder(z)

    def generate(self, noise: Noise) -> Points:
        """Samples of p(x|z), with its noise, for z of the prior."""
        return self.decoder(noise[:, :, :LATENT]) + self.log_deviation.exp() * noise[:, :, LATENT:]

    def infer(self, points: Points, noise: Noise) -> Float[Tensor, "run point 2"]:
        """Samples of the encoder's Gaussians."""
        mean, log_deviation = self.encoder(points).chunk(2, 2)
        return mean + log_deviation.exp() * noise[:, :, LATENT:]


def misfit(points: Points, means: Points, log_deviation: Float[Tensor, "run 1 1"]) -> Float[Tensor, "run point"]:
    """Minus the logarithm of a round Gaussian's density, without the constant ln 2 pi."""
    squares = ((points - means) * (-log_deviation).exp()).square().sum(2)
    return 0.5 * squares + points.shape[2] * log_deviation[:, :, 0]


def kl_divergence(
    mean: Float[Tensor, "*batch latent"], log_deviation: Float[Tensor, "*batch latent"]
) -> Float[Tensor, "*batch"]:
    """Of a diagonal Gaussian from the standard one."""
    return 0.5 * (mean.square() + (2 * log_deviation).exp() - 1 - 2 * log_deviation).sum(-1)

"""ALI and GAN on points: both players step at once, from one pass through the networks.

Source: Dumoulin et al. 2017, arXiv 1606.00704, and IshmaelBelghazi/ALI, ali/bricks.py, ali/algorithms.py and
experiments/{ali,gan}_mixture.py: networks, losses, real and fake as one batch of the discriminator, both updates from
the weights before them. The encoder makes z of a point beside normal noise, and has no density.
Deviations: none but rounding; the discriminator's slopes are worked out by hand (`baselines.toy.discriminator`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from baselines.toy.adam import EnsembleAdam
from baselines.toy.discriminator import Discriminator
from baselines.toy.draws import Rates, Start
from baselines.toy.layers import Perceptron
from baselines.toy.learner import LATENT, Decode, Learner, Noise, Points

DECODER_LAYERS, ENCODER_LAYERS = 4, 2


class Adversarial(Learner):
    """A decoder against a discriminator, with an encoder (ALI) or without one (GAN).

    Where a `decode` is given there is no decoder to learn, and the encoder plays alone: ALI's inference after the
    fact.
    """

    def __init__(
        self,
        rates: Sequence[Rates],
        start: Start,
        *,
        hidden: int,
        discriminator_hidden: int,
        infers: bool,
        decode: Decode | None = None,
    ) -> None:
        super().__init__()
        self.decoder = Perceptron(LATENT, hidden, DECODER_LAYERS, 2, start) if decode is None else None
        self.encoder = Perceptron(2 + LATENT, hidden, ENCODER_LAYERS, LATENT, start) if infers else None
        self.discriminator = Discriminator(2 + LATENT if infers else 2, discriminator_hidden, start)
        self._decode = self.decoder.forward if self.decoder is not None else decode
        players = [part for part in (self.decoder, self.encoder) if part is not None]
        self._learnt = [parameter for part in players for parameter in part.parameters()]
        self.adam = EnsembleAdam([*self.discriminator.parameters(), *self._learnt], rates)

    def step(self, points: Points, noise: Noise) -> dict[str, Float[Tensor, " run"]]:
        """Losses of both players (each 2 ln 2 where every logit is zero) by the weights before the step."""
        z = noise[:, :, :LATENT]
        made = self.decode(z)
        real, fake, outputs = [points], [made], [made] if self.decoder is not None else []
        if self.encoder is not None:
            told = self.infer(points, noise)
            real.append(told)
            fake.append(z)
            outputs.append(told)
        with torch.no_grad():
            logits = self.discriminator(torch.cat([torch.cat(real, 2), torch.cat(fake, 2)], 1))
            of_discriminator, of_players = slopes_by_logits(logits)
            slopes, gradients = self.discriminator.backward(of_discriminator)
            by_real, by_fake = slopes.mul_(of_players).chunk(2, 1)
        by_outputs = [by_fake[:, :, :2]] if self.decoder is not None else []
        if self.encoder is not None:
            by_outputs.append(by_real[:, :, 2:])
        gradients += torch.autograd.grad(outputs, self._learnt, by_outputs)
        self.adam.step(gradients)
        return losses(logits)

    def decode(self, z: Float[Tensor, "run point 2"]) -> Points:
        """The decoder, whether it learns or not."""
        assert self._decode is not None
        return self._decode(z)

    def generate(self, noise: Noise) -> Points:
        """The decoder's points for z of the prior."""
        return self.decode(noise[:, :, :LATENT])

    def infer(self, points: Points, noise: Noise) -> Float[Tensor, "run point 2"]:
        """The encoder's z for points and noise; a GAN has none."""
        assert self.encoder is not None
        return self.encoder(torch.cat([points, noise[:, :, LATENT:]], 2))


def losses(logits: Float[Tensor, "run batch 1"]) -> dict[str, Float[Tensor, " run"]]:
    """Of both players, from the logits of a batch whose first half is real: means over each half, summed."""
    real, fake = logits.chunk(2, 1)
    return {
        "discriminator_loss": (softplus(-real) + softplus(fake)).mean((1, 2)),
        "generator_loss": (softplus(real) + softplus(-fake)).mean((1, 2)),
    }


def slopes_by_logits(logits: Float[Tensor, "run batch 1"]) -> tuple[Tensor, Tensor]:
    """Slopes of the two `losses` by each logit; none is lost, however sure the discriminator is."""
    real, fake = logits.chunk(2, 1)
    count = real.shape[1]
    of_discriminator = torch.cat([-torch.sigmoid(-real), torch.sigmoid(fake)], 1) / count
    of_generator = torch.cat([torch.sigmoid(real), -torch.sigmoid(-fake)], 1) / count
    return of_discriminator, of_generator

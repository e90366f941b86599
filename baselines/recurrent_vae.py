"""Recurrent ALI's encoder and decoder without an adversary: a VAE of clips, by the bound of their likelihood.

Source: Kingma, Welling 2014, arXiv 1312.6114, with the networks of Mastropietro 2017, section 6.2. The pixels' variance
is what fits each batch best (Rybkin et al. 2021, arXiv 2006.13202), as in `baselines.generators.vae`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from baselines.autoencoder import Posterior
from baselines.generators.vae import LEAST_DEVIATION, divergence, log_density
from baselines.recurrent_options import Options
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player
from benchmark.replay import steady


class RecurrentVAE(nn.Module):
    """Encoder and decoder of whole clips, which descend one loss.

    It offers no nats: its epoch is chosen by its samples, as that of a recurrent ALI is.

    Args:
        config: sizes, Adam's decay and the weights' average; what is of the discriminator moves nothing.
        latents: how many numbers a clip has, of all its steps together.
        decoder: from latents to clips.
        encoder: from clips to means and logarithms of deviations, of latents that are independent given the clip.
    """

    phase = steady

    def __init__(self, config: Options, latents: int, decoder: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.config, self.latents, self.averaging = config, latents, config.averaging
        self.encoder, self.decoder = encoder, decoder

    def players(self) -> Mapping[str, Player]:
        """One."""
        return {"generator": Player(parameters=list(self.parameters()), beta1=self.config.beta1)}

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Minus the bound of the density's logarithm, by pixel; what it is made of; and the deviation of pixels."""
        clips = batch.clips.float()
        mean, log_deviation = self.encoder(batch.clips)
        posterior = Posterior(mean.float(), log_deviation.float())
        again = self.decoder(posterior.draw(), clips.shape[2]).float()
        error = (clips - again).detach().square().mean()
        variance = error.clamp(min=LEAST_DEVIATION**2)
        apart = divergence(posterior)
        return {
            "generator": -(log_density(clips, again, variance) - apart).mean() / clips[0].numel(),
            "divergence": apart.mean().detach(),
            "squared_error": error,
            "sigma": variance.sqrt(),
        }

    def prior(self, count: int) -> Latents:
        """Latents from N(0, I)."""
        return torch.randn(count, self.latents, device=next(self.parameters()).device)

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Mean clips of latents from the prior."""
        return self.decoder(self.prior(count))

    def encode(self, clips: Clips, attributes: Attributes | None = None) -> Latents:
        """Means."""
        return self.encoder(clips)[0]

    def decode(self, latents: Latents, attributes: Attributes | None = None, frames: int | None = None) -> Clips:
        """Mean clips of as many frames, or of as many as the network was built for.

        Raises:
            ConfigError: the network is bound to another number.
        """
        return self.decoder(latents, frames)

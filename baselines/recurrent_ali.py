"""Recurrent ALI as a game: encoder and decoder of whole clips against a discriminator, all moving at once.

A part of it can be left out: the encoder, which leaves a recurrent GAN, or the discriminator, which leaves a VAE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.adversarial import (
    deceiving_loss,
    judgements,
    normalise_spectra,
    squared_slope,
    swapping_loss,
    telling_loss,
)
from baselines.recurrent_blocks import Decoder, Discriminator, Shape, initialise
from baselines.recurrent_options import Options
from baselines.recurrent_vae import RecurrentVAE
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player


class RecurrentGAN(nn.Module):
    """Decoder against discriminator; and an encoder, where there is one, beside the decoder.

    Args:
        config: what steadies the game.
        latents: how many numbers a clip has, of all its steps together.
        decoder: from latents to clips.
        discriminator: of clips and latents.
        encoder: from clips to means and logarithms of deviations, of latents that are independent given the clip.
    """

    def __init__(
        self,
        config: Options,
        latents: int,
        decoder: nn.Module,
        discriminator: nn.Module,
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config, self.latents, self.averaging = config, latents, config.averaging
        self.encoder, self.decoder, self.discriminator = encoder, decoder, discriminator

    def players(self) -> Mapping[str, Player]:
        """The discriminator, and encoder and decoder together."""
        theirs = [*self.decoder.parameters(), *([] if self.encoder is None else self.encoder.parameters())]
        beta1 = self.config.beta1
        return {
            "discriminator": Player(
                parameters=list(self.discriminator.parameters()), rate=self.config.discriminator_rate, beta1=beta1
            ),
            "generator": Player(parameters=theirs, beta1=beta1),
        }

    def phase(self, batch: Batch, progress: float) -> float:
        """The progress, where the noise sinks with it."""
        return progress if self.config.noise else 0.0

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', and which share of real and made pairs the discriminator holds to be real.

        All pairs go through the discriminator at once, so that its batch norms see both kinds together.
        """
        clips = batch.clips
        prior = self.prior(len(clips))
        inferred = self.inferred(clips)
        made = self.decoder(prior, clips.shape[2])
        penalised = self.config.gradient_penalty > 0
        seen = clips.detach().requires_grad_() if penalised else clips  # apart from what the encoder saw
        pairs = torch.cat([seen, made.to(seen.dtype)])
        if self.config.noise:
            pairs = pairs + self.config.noise * (1 - progress) * torch.randn_like(pairs)
        real, false = self.discriminator(pairs, None if inferred is None else torch.cat([inferred, prior])).chunk(2)
        found = {
            "discriminator": telling_loss(real, false),
            "generator": deceiving_loss(false) if inferred is None else swapping_loss(real, false),
        }
        if penalised:
            penalty = squared_slope(real, [seen] if inferred is None else [seen, inferred])
            found["discriminator"] = found["discriminator"] + self.config.gradient_penalty * penalty
            found["penalty"] = penalty.detach()
        return found | judgements(real, false)

    def prior(self, count: int) -> Latents:
        """Latents from N(0, I)."""
        return torch.randn(count, self.latents, device=next(self.parameters()).device)

    def inferred(self, clips: Clips) -> Latents | None:
        """Latents drawn by the encoder; none without one."""
        if self.encoder is None:
            return None
        mean, log_deviation = self.encoder(clips)
        mean, log_deviation = mean.float(), log_deviation.float()
        return mean + log_deviation.exp() * torch.randn_like(mean)

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Clips of latents from the prior."""
        return self.decoder(self.prior(count))

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """Logits of clips with latents that the encoder draws for them, also where a decoder made the clips."""
        return self.discriminator(clips, self.inferred(clips))


class RecurrentALI(RecurrentGAN):
    """With an encoder."""

    def encode(self, clips: Clips, attributes: Attributes | None = None) -> Latents:
        """Means."""
        assert self.encoder is not None
        return self.encoder(clips)[0]

    def decode(self, latents: Latents, attributes: Attributes | None = None, frames: int | None = None) -> Clips:
        """Clips of as many frames, or of as many as the network was built for.

        Raises:
            ConfigError: the network is bound to another number.
        """
        return self.decoder(latents, frames)


def assemble(
    config: Options,
    latents: int,
    shape: Shape,
    inputs: nn.Module,
    encoder: Callable[[], nn.Module],
) -> RecurrentGAN | RecurrentVAE:
    """The network of a form: its decoder fed by `inputs`; with `inference`, its encoder; against an `adversary`."""
    decoder = Decoder(shape, config, inputs)
    if not config.adversary:
        alone = RecurrentVAE(config, latents, decoder, encoder())
        initialise(alone)
        return alone
    discriminator = Discriminator(shape, config, latents if config.inference else 0)
    network = RecurrentGAN(config, latents, decoder, discriminator)
    if config.inference:
        network = RecurrentALI(config, latents, decoder, discriminator, encoder())
    initialise(network)
    if config.spectral_norm:
        normalise_spectra(discriminator)
    return network

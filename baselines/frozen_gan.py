"""A GAN in ALI's layers that learns first and is frozen then, for encoders that are learnt after it.

Source: Dumoulin et al. 2017, arXiv 1606.00704, section 4.4 (Mastropietro 2017, section 4.4.5): ALI compared with GANs
of the same generator, and of the same discriminator but for the latents.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.adversarial import Discriminator, deceiving_loss, judgements, telling_loss
from baselines.autoencoder import Decoder, Frames, Table
from benchmark.generation.contract import Latents
from benchmark.players import Player


class FrozenGAN(nn.Module):
    """Decoder and discriminator of frames.

    Args:
        frame: (C, H, W).
        table: its layers.
        latent: numbers in a latent.
        dropout: in the discriminator.
        beta1: of both players' Adam.
    """

    def __init__(self, frame: tuple[int, int, int], table: Table, latent: int, *, dropout: float, beta1: float) -> None:
        super().__init__()
        self.latent, self.beta1 = latent, beta1
        self.decoder = Decoder(frame, table, latent)
        self.discriminator = Discriminator(frame[0], table, 0, dropout=dropout, spectral_norm=False)

    def players(self) -> dict[str, Player]:
        """Discriminator and generator, which rest once it is frozen."""
        return {
            "discriminator": Player(parameters=list(self.discriminator.parameters()), beta1=self.beta1),
            "generator": Player(parameters=list(self.decoder.parameters()), beta1=self.beta1),
        }

    def losses(self, frames: Frames) -> dict[str, Tensor]:
        """Both players', and which share of real and made frames the discriminator holds to be real."""
        self.decoder.start_from(frames)
        made = self.decoder(self.prior(len(frames)))
        real, false = self.discriminator(torch.cat([frames, made])).chunk(2)
        return {
            "discriminator": telling_loss(real, false),
            "generator": deceiving_loss(false),
            **judgements(real, false),
        }

    def prior(self, count: int) -> Latents:
        """Latents from N(0, I)."""
        return torch.randn(count, self.latent, device=self.decoder.bias.device)

    @torch.no_grad()
    def pairs(self, count: int) -> tuple[Latents, Frames]:
        """Latents and their frames, to learn an encoder from; the decoder is left as it is, its statistics too."""
        assert not self.training
        latents = self.prior(count)
        return latents, self.decoder(latents)

    def judge(self, frames: Frames) -> Float[Tensor, " batch"]:
        """The discriminator's logits."""
        return self.discriminator(frames)

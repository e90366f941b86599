"""Semi-supervised ALI: the discriminator of pairs also tells what the object is, from few labels.

Source: Dumoulin et al. 2017, arXiv 1606.00704, section 4.3 (Mastropietro 2017, section 4.4.3): K + 1 classes as in
Salimans et al. 2016, arXiv 1606.03498, section 5, on pairs of a frame and its latents, without feature matching;
encoder and decoder descend the unlabelled half with the answers swapped. Its code was never released.
Deviations: how the losses are weighed is Salimans's; the moving average of the weights is of all networks and decays
by 0.999, where Salimans's code averages the discriminator's alone by 0.9999; everything else is `ali`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.adversarial import Discriminator
from baselines.autoencoder import Decoder, Encoder, table_for
from baselines.few_labels import ClassLogits, few_label_losses, labelled_clips, realness
from baselines.layers import channels_last
from baselines.settings import check
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player
from benchmark.replay import steady

TASK = "generation"
INPUT = "frames"
LABELS = "shape"
SOURCE = "Dumoulin et al. 2017, arXiv 1606.00704; Salimans et al. 2016, arXiv 1606.03498"
TRAINING = {
    "*": {"epochs": 100, "batch_size": 100, "learning_rate": 3e-4, "weight_decay": 0.0, "warmup": 0.0},
    "tiny": {"epochs": 2},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        target: what is told of these frames, and learnt: `shape`, `path` or `speed`, though a frame tells no motion.
        labels: frames of train whose label is given.
        image_size: 64, in the layers for CelebA, or 32, in those for SVHN.
        latent: numbers in a latent.
        width: times the published maps and features.
        dropout: before every layer of the discriminator.
        beta1: of both players' Adam.
        averaging: decay of a moving average of the weights, which then classifies and samples; 0 keeps none.
    """

    target: str = "shape"
    labels: int = 1000
    image_size: int = 64
    latent: int = 256
    width: float = 1.0
    dropout: float = 0.2
    beta1: float = 0.5
    averaging: float = 0.999

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)


class SemiSupervisedALI(nn.Module):
    """See the module; the discriminator has a logit for each of `values`."""

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int], values: int) -> None:
        super().__init__()
        table, channels = table_for(shape, config.width), shape[1]
        self.config, self.averaging, self.labels = config, config.averaging, config.labels
        self.encoder = Encoder(channels, table, config.latent, gaussian=True)
        self.decoder = Decoder(shape[1:], table, config.latent)
        self.discriminator = Discriminator(
            channels, table, config.latent, dropout=config.dropout, spectral_norm=False, logits=values
        )

    def players(self) -> dict[str, Player]:
        """The discriminator; encoder and decoder together."""
        made_by = [*self.encoder.parameters(), *self.decoder.parameters()]
        beta1 = self.config.beta1
        return {
            "discriminator": Player(parameters=list(self.discriminator.parameters()), beta1=beta1),
            "generator": Player(parameters=made_by, beta1=beta1),
        }

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', the error on the labelled frames, and what the discriminator holds to be real."""
        labelled, values = labelled_clips(batch)
        frames, known = batch.clips[:, :, 0], labelled[:, :, 0]
        self.decoder.start_from(frames)
        latents = self.prior(len(frames))
        inferred = self.encoder(torch.cat([frames, known])).draw()
        pairs = torch.cat([frames, known, self.decoder(latents)]), torch.cat([inferred, latents])
        real, told, made = self.discriminator(*pairs).split([len(frames), len(known), len(latents)])
        return few_label_losses(real, made, told, values)

    def classify(self, clips: Clips) -> ClassLogits:
        """Logits of the values, given each frame and the mean of its latents."""
        frames = clips[:, :, 0]
        return self.discriminator(frames, self.encoder(frames).mean)

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """Logits of being real, of frames with latents that the encoder draws for them."""
        frames = clips[:, :, 0]
        return realness(self.discriminator(frames, self.encoder(frames).draw()))

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


def build(config: Config, shape: tuple[int, int, int, int], values: int) -> SemiSupervisedALI:
    """The network for clips of `shape` (1, channels, height, width) and an attribute of so many values."""
    return channels_last(SemiSupervisedALI(config, shape, values))

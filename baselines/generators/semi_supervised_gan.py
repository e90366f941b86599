"""Semi-supervised GAN: the discriminator also tells what the object is, from few labels; feature matching.

Source: Salimans et al. 2016, arXiv 1606.03498, sections 3.1 and 5: K + 1 classes; the generator brings the mean of the
discriminator's features to that of real frames.
Deviations: the layers are those of `semi_supervised_ali` without latents, so that the two differ in the game alone, and
not weight norm and noise; the moving average of the weights is of both networks and decays by 0.999, where the released
code averages the discriminator's alone by 0.9999; one step of both players at once; the recipe's schedule of the
learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.adversarial import Discriminator
from baselines.autoencoder import Decoder, table_for
from baselines.few_labels import ClassLogits, feature_matching_losses, labelled_clips, realness
from baselines.layers import channels_last
from baselines.settings import check
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips, Latents
from benchmark.players import Player
from benchmark.replay import steady

TASK = "generation"
INPUT = "frames"
LABELS = "shape"
SOURCE = "Salimans et al. 2016, arXiv 1606.03498"
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


class SemiSupervisedGAN(nn.Module):
    """See the module; the discriminator has a logit for each of `values`."""

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int], values: int) -> None:
        super().__init__()
        table, channels = table_for(shape, config.width), shape[1]
        self.config, self.averaging, self.labels = config, config.averaging, config.labels
        self.decoder = Decoder(shape[1:], table, config.latent)
        self.discriminator = Discriminator(
            channels, table, 0, dropout=config.dropout, spectral_norm=False, logits=values
        )

    def players(self) -> dict[str, Player]:
        """Discriminator and generator."""
        beta1 = self.config.beta1
        return {
            "discriminator": Player(parameters=list(self.discriminator.parameters()), beta1=beta1),
            "generator": Player(parameters=list(self.decoder.parameters()), beta1=beta1),
        }

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', the error on the labelled frames, and what the discriminator holds to be real."""
        labelled, values = labelled_clips(batch)
        frames, known = batch.clips[:, :, 0], labelled[:, :, 0]
        self.decoder.start_from(frames)
        made = self.decoder(self.prior(len(frames)))
        features = self.discriminator.of_frames(torch.cat([frames, known, made]))
        sizes = [len(frames), len(known), len(made)]
        return feature_matching_losses(features, self.discriminator.of_features(features), sizes, values)

    def classify(self, clips: Clips) -> ClassLogits:
        """Logits of the values."""
        return self.discriminator(clips[:, :, 0])

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """Logits of being real."""
        return realness(self.classify(clips))

    def prior(self, count: int) -> Latents:
        """Latents from N(0, I)."""
        return torch.randn(count, self.config.latent, device=self.decoder.bias.device)

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Frames of latents from the prior, as clips of one."""
        return self.decoder(self.prior(count))[:, :, None]


def build(config: Config, shape: tuple[int, int, int, int], values: int) -> SemiSupervisedGAN:
    """The network for clips of `shape` (1, channels, height, width) and an attribute of so many values."""
    return channels_last(SemiSupervisedGAN(config, shape, values))

"""Semi-supervised recurrent GAN: the discriminator of clips also tells the path, from few labels; feature matching.

Source: Salimans et al. 2016, arXiv 1606.03498, sections 3.1 and 5: K + 1 classes; the generator brings the mean of the
discriminator's features to that of real clips.
Deviations: clips in place of photographs, by the networks of `semi_supervised_rali` without latents, so that the two
differ in the game alone; the features are what the discriminator's ConvLSTM knows of a clip at its end; not weight norm
and noise; what is learnt without labels weighs less; the moving average of the weights is that of
`semi_supervised_gan`; one step of both players at once; the recipe's schedule of the learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.few_labels import feature_matching_losses, labelled_clips
from baselines.recurrent_blocks import Shape
from baselines.recurrent_few_labels import FewLabelOptions, FewLabels
from benchmark.data import Batch

TASK = "generation"
INPUT = "clips"
LABELS = "path"
SOURCE = "Salimans et al. 2016, arXiv 1606.03498; Mastropietro 2017, sections 4.4.3 and 6.2"
TRAINING = {
    "*": {"epochs": 40, "batch_size": 32, "learning_rate": 5e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 12},
    "tiny": {"epochs": 2, "batch_size": 10},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(FewLabelOptions):
    """Hyper-parameters; see `FewLabelOptions`."""


class SemiSupervisedRecurrentGAN(FewLabels):
    """See the module."""

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', the error on the labelled clips, and what the discriminator holds to be real."""
        labelled, values = labelled_clips(batch)
        made = self.decoder(self.prior(len(batch)), batch.clips.shape[2]).to(batch.clips.dtype)
        features = self.discriminator.features(torch.cat([batch.clips, labelled, made]))
        sizes = [len(batch), len(labelled), len(made)]
        logits = self.discriminator.of_features(features, None)
        return feature_matching_losses(features, logits, sizes, values, self.unlabelled)


def build(config: Config, shape: Shape, values: int) -> SemiSupervisedRecurrentGAN:
    """The network for clips of `shape` (time, channels, height, width) and an attribute of so many values."""
    return SemiSupervisedRecurrentGAN(config, shape, values, inference=False)

"""Semi-supervised recurrent ALI: the discriminator of clips and latents also tells the path, from few labels.

Source: Mastropietro 2017, sections 6.2, second form, and 4.4.3: K + 1 classes as in Salimans et al. 2016, arXiv
1606.03498, section 5, on pairs of a clip and its latent, without feature matching; encoder and decoder descend the
unlabelled half with the answers swapped.
Deviations: the thesis has the two apart, recurrent ALI without labels and K + 1 classes of photographs; the networks
are those of `rali_single` with an MLP; the discriminator is shown each frame's change beside the frame, for without it
the path was not learnt from 4,000 labels in four epochs; what is learnt without labels weighs less; hyper-parameters
are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.few_labels import few_label_losses, labelled_clips
from baselines.recurrent_ali import RecurrentALI
from baselines.recurrent_blocks import Shape
from baselines.recurrent_few_labels import FewLabelOptions, FewLabels
from benchmark.data import Batch

TASK = "generation"
INPUT = "clips"
LABELS = "path"
SOURCE = "Mastropietro 2017, sections 4.4.3 and 6.2; Salimans et al. 2016, arXiv 1606.03498"
TRAINING = {
    "*": {"epochs": 40, "batch_size": 32, "learning_rate": 5e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 9},
    "tiny": {"epochs": 2, "batch_size": 10},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(FewLabelOptions):
    """Hyper-parameters; see `FewLabelOptions`."""


class SemiSupervisedRALI(FewLabels, RecurrentALI):
    """See the module."""

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', the error on the labelled clips, and what the discriminator holds to be real."""
        labelled, values = labelled_clips(batch)
        clips = torch.cat([batch.clips, labelled])
        latents = self.prior(len(batch))
        inferred = self.inferred(clips)
        assert inferred is not None
        made = self.decoder(latents, clips.shape[2]).to(clips.dtype)
        logits = self.discriminator(torch.cat([clips, made]), torch.cat([inferred, latents]))
        real, told, imitated = logits.split([len(batch), len(labelled), len(latents)])
        return few_label_losses(real, imitated, told, values, self.unlabelled)


def build(config: Config, shape: Shape, values: int) -> SemiSupervisedRALI:
    """The network for clips of `shape` (time, channels, height, width) and an attribute of so many values."""
    return SemiSupervisedRALI(config, shape, values, inference=True)

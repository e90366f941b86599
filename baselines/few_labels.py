"""Discriminators of K + 1 classes: K logits, and an implicit one of zero for what was made.

Source: Salimans et al. 2016, arXiv 1606.03498, section 5, and the code that its authors released.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from baselines.adversarial import Logits, judgements, swapping_loss, telling_loss
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips

ClassLogits = Float[Tensor, "batch value"]


def labelled_clips(batch: Batch) -> tuple[Clips, Attributes]:
    """The clips whose labels are given, and their values, one-hot; a batch without others is its own."""
    labelled = batch.labelled or batch
    assert labelled.attributes is not None
    return labelled.clips, labelled.attributes


def realness(logits: ClassLogits) -> Logits:
    """The logit of being real at all: the logarithm of the sum of exponentials, for zero stands for what was made."""
    return logits.logsumexp(1)


def few_label_losses(
    real: ClassLogits,
    made: ClassLogits,
    labelled: ClassLogits,
    values: Float[Tensor, "batch value"],
    unlabelled: float = 1.0,
) -> dict[str, Tensor]:
    """What both players descend, and what is noted.

    The discriminator's is the cross-entropy of labelled ones among K values, and half the loss of telling real from
    made; the generator's is half that loss with the answers swapped.

    Args:
        real: of clips without labels.
        made: of what was made.
        labelled: of clips with labels.
        values: of these, one-hot.
        unlabelled: weight of what the discriminator learns without labels.
    """
    one, other = realness(real), realness(made)
    told = values.argmax(1)
    wrong = labelled.detach().argmax(1) != told
    return {
        "discriminator": cross_entropy(labelled, told) + unlabelled * telling_loss(one, other) / 2,
        "generator": swapping_loss(one, other) / 2,
        "labelled_error": wrong.float().mean(),
        **judgements(one, other),
    }


def feature_matching_losses(
    features: Float[Tensor, "batch feature"],
    logits: ClassLogits,
    sizes: Sequence[int],
    values: Float[Tensor, "labelled value"],
    unlabelled: float = 1.0,
) -> dict[str, Tensor]:
    """The same, but that the generator brings the mean of the features to that of real ones (section 3.1).

    Args:
        features: the discriminator's, of clips without labels, with labels, and of what was made, one after the other.
        logits: of the same.
        sizes: how many each are.
        values: of the clips with labels, one-hot.
        unlabelled: weight of what the discriminator learns without labels.
    """
    real, labelled, made = logits.split(list(sizes))
    seen, _, matched = features.float().split(list(sizes))
    found = few_label_losses(real, made, labelled, values, unlabelled)
    return found | {"generator": mse_loss(matched.mean(0), seen.detach().mean(0))}

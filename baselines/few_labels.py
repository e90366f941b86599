"""Discriminators of K + 1 classes: K logits, and an implicit one of zero for what was made.

Source: Salimans et al. 2016, arXiv 1606.03498, section 5, and the code that its authors released.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from baselines.adversarial import Logits, judgements, swapping_loss, telling_loss

ClassLogits = Float[Tensor, "batch value"]


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

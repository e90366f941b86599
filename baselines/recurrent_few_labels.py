"""What discriminators of K + 1 classes of clips share: the networks of recurrent ALI's second form, and settings."""

from __future__ import annotations

from dataclasses import dataclass, fields

from jaxtyping import Float
from torch import Tensor

from baselines.few_labels import ClassLogits, realness
from baselines.generators.rali_single import LastEncoder, Spread
from baselines.recurrent_ali import RecurrentGAN
from baselines.recurrent_blocks import Decoder, Discriminator, Shape, initialise
from baselines.recurrent_options import Options
from baselines.settings import COUNT, NOT_NEGATIVE, check
from benchmark.generation.contract import Attributes, Clips

OF_FEW_LABELS = ("target", "labels", "unlabelled")
"""Settings that recurrent ALI does not have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FewLabelOptions:
    """Hyper-parameters.

    Attributes:
        target: what is told of these clips, and learnt: `path`, `speed` or `shape`.
        labels: clips of train whose label is given.
        unlabelled: weight of what the discriminator learns from clips without labels; 1 as published, at which it did
            not learn the path of 4,000 clips in ten epochs of `mini`; at 0 it learns from labels alone.
        frames: of a clip, spread evenly over the 32.
        image_size: 8, 16, 32, 64, …
        width: channels of the first convolution; the others have two and four times as many.
        latent: numbers in a clip's latent.
        changes: whether the discriminator is also shown each frame's change from the one before.
        batch_norm: in the discriminator.
        dropout: before the discriminator's layers on pairs.
        beta1: of both players' Adam.
        discriminator_rate: times the learning rate of the others.
        averaging: decay of a moving average of the weights, which then classifies and samples; 0 keeps none.
    """

    target: str = "path"
    labels: int = 1000
    unlabelled: float = 0.1
    frames: int = 16
    image_size: int = 32
    width: int = 32
    latent: int = 64
    changes: bool = True
    batch_norm: bool = True
    dropout: float = 0.2
    beta1: float = 0.5
    discriminator_rate: float = 1.0
    averaging: float = 0.999

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self, {"width": COUNT, "frames": COUNT, "unlabelled": NOT_NEGATIVE})

    def of_recurrent_ali(self, *, inference: bool) -> Options:
        """As settings of its networks: all but those that are of few labels."""
        shared = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in OF_FEW_LABELS}
        return Options(**shared, inference=inference)


class FewLabels(RecurrentGAN):
    """A decoder, an encoder if there is `inference`, and a discriminator with a logit for each of `values`."""

    discriminator: Discriminator

    def __init__(self, config: FewLabelOptions, shape: Shape, values: int, *, inference: bool) -> None:
        options = config.of_recurrent_ali(inference=inference)
        super().__init__(
            options,
            config.latent,
            Decoder(shape, options, Spread(shape, options)),
            Discriminator(shape, options, config.latent if inference else 0, logits=values),
            LastEncoder(shape, options) if inference else None,
        )
        self.labels, self.unlabelled = config.labels, config.unlabelled
        initialise(self)

    def classify(self, clips: Clips) -> ClassLogits:
        """Logits of the values, given each clip and the mean of its latents where there are any."""
        return self.discriminator(clips, None if self.encoder is None else self.encoder(clips)[0])

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """Logits of being real, with latents that the encoder draws for the clips."""
        return realness(self.discriminator(clips, self.inferred(clips)))

"""Mixtures of logistics, rounded to levels: the distribution of a pixel whose colours depend on one another.

Source: Salimans et al. 2017, arXiv 1701.05517, sections 2.1 and 2.2: all colours of a pixel come from one component of
the mixture; each colour's mean is shifted by the colours before it, in proportion; what lies beyond the first or last
level is rounded to it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot

LEAST_LOG_SCALE = -7.0


class Mixtures(NamedTuple):
    """One mixture for each pixel.

    Attributes:
        logits: of the components.
        means: before they are shifted.
        log_scales: logarithms of the logistics' scales.
        shifts: of each colour by each one before it, in [-1, 1], in the order (1, 0), (2, 0), (2, 1), ….
    """

    logits: Float[Tensor, "batch mixture height width"]
    means: Float[Tensor, "batch mixture channel height width"]
    log_scales: Float[Tensor, "batch mixture channel height width"]
    shifts: Float[Tensor, "batch mixture pair height width"]


def numbers(mixtures: int, channels: int) -> int:
    """How many numbers describe a pixel's mixture."""
    return mixtures * (1 + 2 * channels + channels * (channels - 1) // 2)


def unpack(maps: Float[Tensor, "batch number height width"], channels: int) -> Mixtures:
    """The mixtures that maps describe, one pixel at each place."""
    per_component = numbers(1, channels)
    parts = maps.float().unflatten(1, (-1, per_component))
    logits, means, log_scales, shifts = parts.split([1, channels, channels, per_component - 1 - 2 * channels], dim=2)
    return Mixtures(logits[:, :, 0], means, log_scales.clamp(min=LEAST_LOG_SCALE), shifts.tanh())


def log_probability(
    pixels: Float[Tensor, "batch channel height width"], mixtures: Mixtures, levels: int
) -> Float[Tensor, "batch height width"]:
    """Logarithm of each pixel's probability, exact.

    Args:
        pixels: in [-1, 1], each one of the levels.
        mixtures: as many.
        levels: how many there are, evenly spread from -1 to 1.
    """
    given = pixels[:, None]  # [B, 1, C, H, W]
    means = torch.stack([_shifted(mixtures, given, channel) for channel in range(pixels.shape[1])], dim=2)
    half = 1 / (levels - 1)
    sharpness = (-mixtures.log_scales).exp()
    low, high = ((given - means + side) * sharpness for side in (-half, half))
    first, last = given < -1 + half, given > 1 - half
    # σ(high) - σ(low) = σ(high) · σ(-low) · (1 - exp(low - high)), of which nothing cancels
    below = logsigmoid(high).masked_fill(last, 0)
    above = logsigmoid(-low).masked_fill(first, 0)
    between = torch.log(-torch.expm1(-2 * half * sharpness)).masked_fill(first | last, 0)
    colours = (below + above + between).sum(2)  # [B, K, H, W]
    return (mixtures.logits.log_softmax(1) + colours).logsumexp(1)


def draw(mixtures: Mixtures, levels: int) -> Float[Tensor, "batch channel height width"]:
    """A pixel from each mixture, its colours one after the other."""
    count = mixtures.logits.shape[1]
    waits = torch.empty_like(mixtures.logits).exponential_()  # whose logit less the logarithm of its wait is largest
    chosen = one_hot((mixtures.logits - waits.log()).argmax(1), count).movedim(-1, 1)[:, :, None]  # [B, K, 1, H, W]
    logits, means, log_scales, shifts = mixtures
    one = Mixtures(logits[:, :1], *((chosen * part).sum(1, keepdim=True) for part in (means, log_scales, shifts)))
    pixels = torch.zeros_like(one.means)  # [B, 1, C, H, W]
    for channel in range(pixels.shape[2]):
        uniform = torch.rand_like(pixels[:, :, 0]).clamp(1e-7, 1 - 1e-7)
        colour = _shifted(one, pixels, channel) + one.log_scales[:, :, channel].exp() * torch.logit(uniform)
        pixels[:, :, channel] = rounded(colour, levels)
    return pixels[:, 0]


def rounded(values: Float[Tensor, "*shape"], levels: int) -> Float[Tensor, "*shape"]:
    """The nearest of the levels."""
    steps = (levels - 1) / 2
    return ((values.clamp(-1, 1) + 1) * steps).round() / steps - 1


def _shifted(
    mixtures: Mixtures, pixels: Float[Tensor, "batch #mixture channel height width"], channel: int
) -> Float[Tensor, "batch mixture height width"]:
    """The means of one colour, given those before it."""
    first = channel * (channel - 1) // 2
    shifts = mixtures.shifts[:, :, first : first + channel]
    return mixtures.means[:, :, channel] + (shifts * pixels[:, :, :channel]).sum(2)

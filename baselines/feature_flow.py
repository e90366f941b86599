"""Feature flow: every place of a feature map says where in a κ×κ window its features go, or where they come from.

Source: Mastropietro 2017, section 6.3, equations 6.2 and 6.3: κ² logits a place become shares by a softmax; channel
(k + ξ)·κ + l + ξ, with ξ = ⌊κ/2⌋, is the share that moves by k rows and l columns; all features of a place move alike.
Deviations: the sums run over the closed range from -ξ to ξ. Shares may be those of what arrives in place of what
leaves; shares that would cross the border may be nothing; several groups of features may have a flow each.

What leaves a place keeps its sum but not its level: where flows meet, features grow. What arrives keeps its level but
not its sum: a constant map stays one.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import fold, unfold

from baselines.feature_flow_sums import displaced_sum
from baselines.layers import at_least_single
from dynamics_gen.errors import ConfigError

NORMALISATIONS = ("outgoing", "incoming")
"""Whether the shares at a place are of what leaves it, as in the thesis, or of what arrives there."""


def require_normalisation(normalisation: str) -> None:
    """Refuses other names.

    Raises:
        ConfigError: it is none of `NORMALISATIONS`.
    """
    if normalisation not in NORMALISATIONS:
        raise ConfigError(f"got normalisation {normalisation!r}, expected {' or '.join(NORMALISATIONS)}")


def beyond_border(kappa: int, height: int, width: int, device: torch.device) -> Bool[Tensor, "displacements h w"]:
    """Which displacements, by row, lead from which places to none."""
    window = torch.arange(kappa**2, device=device)[:, None]  # a recorded step may not wait for numbers from elsewhere
    rows, columns = (places - kappa // 2 for places in (window // kappa, window % kappa))
    lower, right = (torch.arange(size, device=device) for size in (height, width))
    return _outside(rows + lower, height)[:, :, None] | _outside(columns + right, width)[:, None]


def _outside(places: Tensor, size: int) -> Tensor:
    return (places < 0) | (places >= size)


def shares(
    logits: Float[Tensor, "batch displacements height width"], *, bounded: bool
) -> Float[Tensor, "batch displacements height width"]:
    """Of each displacement at every place, in single precision or better; they sum to one.

    Args:
        logits: κ² at each place.
        bounded: no share at all leads over the border.
    """
    logits = logits.to(at_least_single(logits.dtype))
    if bounded:
        kappa = round(logits.shape[1] ** 0.5)
        outside = beyond_border(kappa, *logits.shape[-2:], device=logits.device)
        logits = logits.masked_fill(outside, -torch.inf)
    return logits.softmax(dim=1)


def scatter(
    features: Float[Tensor, "batch channels height width"], flow: Float[Tensor, "batch displacements height width"]
) -> Float[Tensor, "batch channels height width"]:
    """Moves shares of the features of every place to the places around it, where they are added up (equation 6.3).

    Args:
        features: of any sign.
        flow: at [(k + ξ)·κ + l + ξ, i, j] the share that goes from (i, j) to (i + k, j + l); it is lost where there is
            no such place.
    """
    if features.device.type == "cpu":
        return displaced_sum(features.to(flow.dtype), flow, outgoing=True)
    return folded(features, flow)


def folded(
    features: Float[Tensor, "batch channels height width"], flow: Float[Tensor, "batch displacements height width"]
) -> Float[Tensor, "batch channels height width"]:
    """What `scatter` is, in few kernels, of which one makes κ² times the features."""
    kappa, size = round(flow.shape[1] ** 0.5), features.shape[-2:]
    moving = features.flatten(2).unsqueeze(2) * flow.flatten(2).unsqueeze(1)  # [B, C, κ², H·W]
    return fold(moving.flatten(1, 2), size, kappa, padding=kappa // 2)


def gather(
    features: Float[Tensor, "batch channels height width"], flow: Float[Tensor, "batch displacements height width"]
) -> Float[Tensor, "batch channels height width"]:
    """The mean at every place of the features around it, weighted by shares; the adjoint of `scatter`.

    Args:
        features: of any sign, zero beyond the border.
        flow: at [(k + ξ)·κ + l + ξ, i, j] the share of what (i + k, j + l) gives to (i, j).
    """
    if features.device.type == "cpu":
        return displaced_sum(features.to(flow.dtype), flow, outgoing=False)
    return unfolded(features, flow)


def unfolded(
    features: Float[Tensor, "batch channels height width"], flow: Float[Tensor, "batch displacements height width"]
) -> Float[Tensor, "batch channels height width"]:
    """What `gather` is, in few kernels, of which one makes κ² times the features."""
    kappa, size = round(flow.shape[1] ** 0.5), features.shape[-2:]
    around = unfold(features.to(flow.dtype), kappa, padding=kappa // 2)
    around = around.unflatten(1, (features.shape[1], -1))  # [B, C, κ², H·W]
    return (around * flow.flatten(2).unsqueeze(1)).sum(2).unflatten(2, size)


def flowed(
    features: Float[Tensor, "batch channels height width"],
    logits: Float[Tensor, "batch grouped_displacements height width"],
    *,
    groups: int = 1,
    normalisation: str = "outgoing",
    bounded: bool = True,
) -> Float[Tensor, "batch channels height width"]:
    """The features after one step of the flow.

    Args:
        features: their channels are `groups` equal parts, one after the other.
        logits: κ² for each group, one group after the other.
        groups: how many parts move independently of each other.
        normalisation: one of `NORMALISATIONS`.
        bounded: nothing leaves, or comes from, beyond the border.
    """
    require_normalisation(normalisation)
    batch, channels = features.shape[:2]
    parts = features.reshape(batch * groups, channels // groups, *features.shape[2:])
    flow = shares(logits.reshape(batch * groups, -1, *logits.shape[2:]), bounded=bounded)
    move = scatter if normalisation == "outgoing" else gather
    return move(parts, flow).reshape(features.shape)

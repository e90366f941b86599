"""Moving images and maps by kernels that a network made for each of them.

Source: Finn et al. 2016, arXiv 1605.07157 (Mastropietro 2017, eq. 6.1); Xue et al. 2016, arXiv 1607.02586, whose cross
convolution is `crossed`. Everywhere a kernel's entry [ξ + k, ξ + l], of a side 2ξ + 1, is how much of what it is given
moves k rows down and l columns to the right, as eq. 6.1 is written; torch's own convolution would move it up and to the
left. What lies beyond a border is zero. All is computed in single precision: the products become the pixels of later
frames.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, relu

from baselines.feature_flow import gather

LEAST = 1e-12
"""Of a kernel's entries before they are divided by their sum."""


def softly_normalised(raw: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Weights above zero whose sum over `dim` is one: what is negative counts as next to nothing, no exponential."""
    weights = relu(raw.float() - LEAST) + LEAST
    return weights / weights.sum(dim, keepdim=True)


def moved(
    images: Float[Tensor, "batch channels height width"], kernels: Float[Tensor, "batch kernels rows columns"]
) -> Float[Tensor, "batch kernels channels height width"]:
    """Each image moved by each of its own kernels, all channels alike: one grouped convolution."""
    batch, count, size = kernels.shape[:3]
    with torch.autocast(images.device.type, enabled=False):
        found = conv2d(
            images.float().transpose(0, 1),  # [C, B, H, W]
            kernels.float().flip(2, 3).reshape(batch * count, 1, size, size),
            padding=size // 2,
            groups=batch,
        )
    return found.unflatten(1, (batch, count)).permute(1, 2, 0, 3, 4)


def moved_by_place(
    images: Float[Tensor, "batch channels height width"], kernels: Float[Tensor, "batch entries height width"]
) -> Float[Tensor, "batch channels height width"]:
    """Each place gathers what comes to it by a kernel of its own, whose entries stand row by row."""
    return gather(images.float(), kernels.float().flip(1))


def crossed(
    maps: Float[Tensor, "batch maps height width"], kernels: Float[Tensor, "batch maps rows columns"]
) -> Float[Tensor, "batch maps height width"]:
    """Each map of each sample moved by its own kernel: one grouped convolution."""
    batch, count, size = kernels.shape[:3]
    with torch.autocast(maps.device.type, enabled=False):
        found = conv2d(
            maps.float().flatten(0, 1)[None],  # [1, B·M, H, W]
            kernels.float().flip(2, 3).reshape(batch * count, 1, size, size),
            padding=size // 2,
            groups=batch * count,
        )
    return found[0].unflatten(0, (batch, count))

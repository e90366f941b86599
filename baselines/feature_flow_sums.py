"""The sums of feature flow on a CPU, one displacement after the other, on maps whose channels lie side by side.

Nothing of κ² times the features' size is made, forward or backward: a step of the model's reads and writes the maps
themselves, and keeps for its gradient no more than it was given. `fold`, which makes it, took 6 to 10 times as long on
one core (`benchmarks/feature_flow.py`); on a GPU, where each sum is a kernel of its own, it has not been compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from baselines.layers import offsets

Maps: TypeAlias = Float[Tensor, "batch channels height width"]
Flow: TypeAlias = Float[Tensor, "batch displacements height width"]
Places: TypeAlias = tuple[Any, slice, slice]


def displaced_sum(features: Maps, flow: Flow, *, outgoing: bool) -> Maps:
    """Features times the shares of each displacement, added up where they arrive.

    Args:
        features: of the same type as the flow.
        flow: κ² shares at each place: of what leaves it, or of what comes to it.
        outgoing: which of the two.
    """
    return _DisplacedSum.apply(features.contiguous(memory_format=torch.channels_last), flow, outgoing)


class _DisplacedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Maps, flow: Flow, outgoing: bool) -> Maps:
        ctx.save_for_backward(features, flow)
        ctx.outgoing = outgoing
        return _moved(features, flow, outgoing=outgoing)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Maps) -> tuple[Maps, Flow, None]:
        features, flow = ctx.saved_tensors
        slope = grad_outputs[0].contiguous(memory_format=torch.channels_last)
        before, after = (features, slope) if ctx.outgoing else (slope, features)
        return _moved(slope, flow, outgoing=not ctx.outgoing), _products(before, after, flow), None


def _moved(features: Maps, flow: Flow, *, outgoing: bool) -> Maps:
    moved = torch.zeros_like(features)
    for channel, here, there in _displacements(flow):
        source, target = (here, there) if outgoing else (there, here)
        moved[target].addcmul_(features[source], flow[:, channel, None][here])
    return moved


def _products(before: Maps, after: Maps, flow: Flow) -> Flow:
    """The sum over channels of the maps here times those there, for each displacement."""
    products = torch.zeros_like(flow)
    for channel, here, there in _displacements(flow):
        products[:, channel][here] = (before[here] * after[there]).sum(1)
    return products


def _displacements(flow: Flow) -> Iterator[tuple[int, Places, Places]]:
    """The number of each displacement, the places from which it leads to some place, and those places."""
    height, width = flow.shape[-2:]
    for channel, (rows, columns) in enumerate(offsets(round(flow.shape[1] ** 0.5))):
        if abs(rows) < height and abs(columns) < width:
            yield (
                channel,
                (..., _span(-rows, height), _span(-columns, width)),
                (..., _span(rows, height), _span(columns, width)),
            )


def _span(shift: int, size: int) -> slice:
    """Of the places along a side, those that stay on it when they are moved back by `shift`."""
    return slice(max(0, shift), size + min(0, shift))

"""Pooled features: those of whole clips, as a linear machine sees them, from frozen weights or weights that learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool3d, avg_pool3d
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.data import Clips, sequential

SETTLING = 10
"""Batches of train from which the batch norms of untrained weights take their statistics."""

CLIPS_A_BATCH = 25


@dataclass(frozen=True, slots=True)
class Pooled:
    """Means of a network's features (`benchmark.prediction.contract.Represents`) over stretches of time and places.

    Attributes:
        moments: stretches of time, in order; as many as a network has moments, where it has fewer.
        grid: places a side, likewise.
    """

    moments: int
    grid: int

    def __call__(
        self, network: nn.Module, clips: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch moments features"]:
        """Of some clips; gradients flow back to the network."""
        maps = network.represent(clips).float()  # type: ignore[operator]
        moments, rows, columns = maps.shape[2:]
        size = (min(self.moments, moments), min(self.grid, rows), min(self.grid, columns))
        return adaptive_avg_pool3d(maps, size).transpose(1, 2).flatten(2)


class Colours(nn.Module):
    """Features that nobody learnt: colours of half the resolution, at so many moments."""

    def __init__(self, moments: int) -> None:
        super().__init__()
        self.moments = moments

    def represent(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch feature moments 1 1"]:
        """Each pixel's colours as features without a place."""
        frames = clips[:, :, :: max(clips.shape[2] // self.moments, 1)][:, :, : self.moments]
        return avg_pool3d(frames, (1, 2, 2)).transpose(1, 2).flatten(2).transpose(1, 2)[..., None, None]


@torch.no_grad()
def features(network: nn.Module, pooled: Pooled, clips: Clips) -> Float[np.ndarray, "clips moments features"]:
    """Of all clips of a split, by frozen weights."""
    batches = clips.batches(sequential(len(clips), CLIPS_A_BATCH))
    return np.concatenate([pooled(network.eval(), batch.clips).cpu().numpy() for batch in batches])


@torch.no_grad()
def settled(network: nn.Module, train: Clips) -> nn.Module:
    """The network, whose batch norms, if it has any, now have the statistics of some clips of train."""
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    network.train()
    for batch in train.batches(sequential(len(train), CLIPS_A_BATCH)[:SETTLING]) if norms else ():
        network.represent(batch.clips)  # type: ignore[operator]
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()

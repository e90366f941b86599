"""A step of a game, written out: every player follows the gradient of its own loss, from one forward pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from benchmark.data import Batch


def frames_batch(count: int = 6, side: int = 32, attributes: int = 0) -> Batch:
    """Single frames of noise in [-1, 1], the same ones every time, and attributes of noise where some are asked for."""
    draws = torch.Generator().manual_seed(1)
    clips = torch.rand(count, 3, 1, side, side, generator=draws) * 2 - 1
    told = torch.randn(count, attributes, generator=draws) if attributes else None
    return Batch(clips=clips, labels=torch.zeros(count, dtype=torch.long), attributes=told)


class Players:
    """The players of a network, each with its Adam."""

    def __init__(self, network: Any, learning_rate: float = 1e-3) -> None:
        self.network, self.players = network, network.players()
        self.optimisers = {
            name: Adam(player.parameters, lr=learning_rate * player.rate, betas=(player.beta1, player.beta2))
            for name, player in self.players.items()
        }

    def step(self, batch: Batch, progress: float = 0.0, only: Iterable[str] = ()) -> dict[str, Tensor]:
        """One step of all who have a loss, or of some; what the network returned."""
        found = dict(self.network.losses(batch, progress))
        moving = [name for name in only or self.players if name in found]
        gradients = {}
        for name in moving:
            weights = self.players[name].parameters
            gradients[name] = torch.autograd.grad(found[name], weights, retain_graph=True, allow_unused=True)
        for name in moving:
            for weight, gradient in zip(self.players[name].parameters, gradients[name], strict=True):
                weight.grad = gradient
            self.optimisers[name].step()
            self.optimisers[name].zero_grad()
        return {name: value.detach() for name, value in found.items()}


def moved(before: dict[str, Tensor], network: torch.nn.Module) -> set[str]:
    """Names of all weights and buffers that are not, bit for bit, what they were."""
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


def snapshot(network: torch.nn.Module) -> dict[str, Tensor]:
    """A copy of all weights and buffers."""
    return {name: value.clone() for name, value in network.state_dict().items()}

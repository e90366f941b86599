"""Learning by players: each follows its own loss, all at once; a model without a game has one."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from benchmark.data import Batch
from benchmark.errors import ModelError
from benchmark.machine import optimiser_settings
from benchmark.recipe import Training
from benchmark.replay import Phased, Replay
from benchmark.train import Learner


@dataclass(frozen=True, kw_only=True, slots=True)
class Player:
    """One side of a game: the weights it moves, and its Adam. A model without a game has one player.

    Attributes:
        parameters: its own; no two players share any.
        rate: times the recipe's learning rate (Heusel et al. 2017, arXiv 1706.08500: two time scales).
        beta1: decay of the gradient's mean.
        beta2: decay of its square's mean.
    """

    parameters: Sequence[nn.Parameter]
    rate: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.999


@runtime_checkable
class Game(Protocol):
    """A network of one player or more.

    One that is `replay.Phased` as well trains faster on a GPU. It may also have an attribute `averaging`, a decay in
    (0, 1): then a moving average of its weights is kept beside them, and serves in their place once it has learnt.
    """

    def players(self) -> Mapping[str, Player]:
        """Who plays, by name."""
        ...

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Scalars of a batch: for each player who moves now, under its name, what it descends; any others are noted.

        All players move at once, from this one forward pass: each follows the gradient with respect to its own weights.
        A player whose name is missing stays as it is, bit for bit.

        Args:
            batch: clips, and whatever else a task gives with them.
            progress: the share of the run's steps that lie behind, in [0, 1); phases depend on nothing else.
        """
        ...


class Players(Learner):
    """A network with one Adam for each player, and perhaps the moving average of its weights.

    Args:
        network: a `Game`.
        recipe: learning rate, decay, clipping of the gradient of each player.
        fabric: puts the network on its device, in its precision.

    Raises:
        ModelError: the players' weights are none, or shared.

    Attributes:
        progress: the share of the run's steps that lay behind at the last step.
    """

    progress = 0.0

    def __init__(self, network: nn.Module, recipe: Training, fabric: Fabric) -> None:
        self.network, self.recipe, self.fabric = network, recipe, fabric
        self._decay = float(getattr(network, "averaging", 0.0))
        fabric.setup_module(network)
        players = network.players()  # type: ignore[operator]
        self._players = {name: list(player.parameters) for name, player in players.items()}
        _check_players(self._players)
        self._optimisers = {
            name: AdamW(
                self._players[name],
                lr=recipe.learning_rate * player.rate,
                betas=(player.beta1, player.beta2),
                weight_decay=recipe.weight_decay,
                **optimiser_settings(fabric.device),
            )
            for name, player in players.items()
        }
        self.averaged = copy.deepcopy(network).requires_grad_(False) if self._decay else None
        if fabric.device.type == "cuda" and isinstance(network, Phased):
            self.replay = Replay(self._step, self.modules(), self._optimisers, network.phase)

    @property
    def learnt(self) -> Any:
        """The network that serves: the average where there is one; in evaluation mode."""
        return (self.network if self.averaged is None else self.averaged).eval()

    def modules(self) -> Mapping[str, nn.Module]:
        """The network, and the average of its weights."""
        return {"network": self.network} | ({} if self.averaged is None else {"averaged": self.averaged})

    def optimisers(self) -> Mapping[str, Optimizer]:
        """One for each player."""
        return self._optimisers

    def training_step(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """One step of every player who has a loss; returns these, whatever else was noted, and their sum as `loss`."""
        self.progress = progress
        return (self.replay or self._step)(self.lesson(batch), progress)

    def _step(self, lesson: Batch, progress: float) -> Mapping[str, Tensor]:
        with self.fabric.autocast():
            found = dict(self.network.losses(lesson, progress))  # type: ignore[operator]
        moving = [name for name in self._players if name in found]
        gradients = {
            name: torch.autograd.grad(
                found[name], self._players[name], retain_graph=name != moving[-1], allow_unused=True
            )
            for name in moving
        }
        for name, gradient in gradients.items():
            for weight, value in zip(self._players[name], gradient, strict=True):
                weight.grad = value if value is None else _laid_out_as(weight, value)
            if self.recipe.gradient_clip:
                nn.utils.clip_grad_norm_(self._players[name], self.recipe.gradient_clip)
            self._optimisers[name].step()
            self._optimisers[name].zero_grad(set_to_none=True)
        self._average()
        noted = {name: value.detach().float() for name, value in found.items()}
        return {"loss": torch.stack([noted[name] for name in moving]).sum(), **noted}

    def lesson(self, batch: Batch) -> Batch:
        """What the network learns from, given a batch of clips."""
        return batch

    @torch.no_grad()
    def _average(self) -> None:
        """Moves the averaged weights; buffers, such as running statistics, are copied."""
        if self.averaged is None:
            return
        mean, new = self.averaged, self.network
        for old, weight in zip(mean.parameters(), new.parameters(), strict=True):
            old.lerp_(weight, 1 - self._decay)
        for old, buffer in zip(mean.buffers(), new.buffers(), strict=True):
            old.copy_(buffer)


def _check_players(players: Mapping[str, list[nn.Parameter]]) -> None:
    owned = [id(weight) for weights in players.values() for weight in weights]
    if not players or not all(players.values()) or len(set(owned)) < len(owned):
        raise ModelError(
            f"the players {', '.join(players) or '(none)'} have {len(owned)} weights, {len(set(owned))} of them "
            "different: expected one player or more, each with weights of its own"
        )
    if "loss" in players:
        raise ModelError('a player is called "loss": expected another name')


def _laid_out_as(weight: Tensor, gradient: Tensor) -> Tensor:
    """A gradient in its weight's order of memory, which the fused Adam of a GPU insists on."""
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)

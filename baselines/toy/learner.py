"""What trains as an ensemble of runs, and how its state is used without training."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.toy.adam import EnsembleAdam
from baselines.toy.layers import Perceptron

LATENT = 2
"""Numbers in z."""

ROWS_AT_ONCE = 1_000
"""Points that an ensemble takes in at a time when it does not learn: what they become then fits a cache."""

Points: TypeAlias = Float[Tensor, "run point 2"]
Noise: TypeAlias = Float[Tensor, "run point 4"]
"""Standard normal numbers: the first two are a z of the prior, the others the noise of whatever else is random."""

Decode: TypeAlias = Callable[[Tensor], Tensor]
"""From z [run, point, 2] to points."""


class Learner(nn.Module, ABC):
    """An ensemble of runs with its optimiser."""

    adam: EnsembleAdam

    @abstractmethod
    def step(self, points: Points, noise: Noise) -> dict[str, Float[Tensor, " run"]]:
        """One iteration of every run; its losses, the names of which end in `loss`, and what else is worth a mean."""

    @abstractmethod
    def generate(self, noise: Noise) -> Points:
        """Samples of the model."""

    @abstractmethod
    def infer(self, points: Points, noise: Noise) -> Float[Tensor, "run point 2"]:
        """Samples of q(z|x)."""

    @abstractmethod
    def decode(self, z: Float[Tensor, "run point 2"]) -> Points:
        """The points, without noise, that z stands for."""


@torch.no_grad()
def generated(learner: Learner, noise: Noise) -> Points:
    """Samples of a model that does not learn now: normalised by its running averages."""
    return _evaluated(learner, learner.generate, noise)


@torch.no_grad()
def reconstructed(learner: Learner, points: Points, noise: Noise) -> tuple[Float[Tensor, "run point 2"], Points]:
    """Samples of q(z|x), and the points that they stand for, likewise."""

    def both(points: Tensor, noise: Tensor) -> Tensor:
        z = learner.infer(points, noise)
        return torch.cat([z, learner.decode(z)], 2)

    z, again = _evaluated(learner, both, points, noise).split(2, 2)
    return z, again


def frozen(network: Perceptron, run: int, copies: int) -> Decode:
    """What one run of the network does, for `copies` runs: a copy that neither learns nor averages."""
    found = copy.deepcopy(network).eval().requires_grad_(False)
    for tensor in (*found.parameters(), *found.buffers()):
        tensor.data = tensor.data[run].expand(copies, *tensor.shape[1:]).clone()
    return found.forward  # no module: a learner that holds it does not make it learn, nor store it


def _evaluated(learner: Learner, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    learner.eval()
    chunks = zip(*(whole.split(ROWS_AT_ONCE, 1) for whole in inputs), strict=True)
    found = torch.cat([function(*chunk) for chunk in chunks], 1)
    learner.train()
    return found

"""Every random number of the toy, as a function of the seed and of what it is for; nothing of it needs to be stored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

PURPOSES = ("train", "valid", "rates", "weights", "order", "noise", "samples", "choice", "reconstruction")
"""What a generator is for."""

LEARNING_RATES, BETA1S, DEVIATIONS = (1e-5, 1e-3), (0.0, 0.9), (0.005, 0.1)
"""Ranges of the random search. Ours: those of the paper and of the thesis were never published."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What one run is trained with: Adam's learning rate and beta1, and the deviation of its first weights."""

    learning_rate: float
    beta1: float
    deviation: float


def generator(seed: int, purpose: str, *path: int) -> torch.Generator:
    """The generator, on the CPU, for one purpose and one `path` of whole numbers."""
    key = (PURPOSES.index(purpose), *path)
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def random_rates(seed: int, stage: int, runs: int) -> list[Rates]:
    """Rates of a random search: learning rate and deviation log-uniform in their ranges, beta1 uniform."""
    found = []
    for run in range(runs):
        rate, beta1, deviation = torch.rand(3, generator=generator(seed, "rates", stage, run)).tolist()
        found.append(
            Rates(
                learning_rate=_between(*LEARNING_RATES, rate),
                beta1=BETA1S[0] + beta1 * (BETA1S[1] - BETA1S[0]),
                deviation=_between(*DEVIATIONS, deviation),
            )
        )
    return found


def normal(seed: int, purpose: str, stage: int, runs: int, count: int) -> Float[Tensor, "run point 4"]:
    """Standard normal numbers, each run's from a generator of its own: two for z, two for the encoder's noise."""
    return torch.stack([torch.randn(count, 4, generator=generator(seed, purpose, stage, run)) for run in range(runs)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Draws first weights: each run's from a generator of its own, so that it begins as it would alone."""

    generators: Sequence[torch.Generator]
    deviations: Sequence[float]
    device: torch.device

    @classmethod
    def of(cls, seed: int, stage: int, rates: Sequence[Rates], device: torch.device) -> Start:
        """That of a stage's runs."""
        generators = [generator(seed, "weights", stage, run) for run in range(len(rates))]
        return cls(generators=generators, deviations=[one.deviation for one in rates], device=device)

    @property
    def runs(self) -> int:
        """How many there are."""
        return len(self.generators)

    def normal(self, *shape: int) -> Tensor:
        """Normal numbers of each run's deviation, [run, *shape]."""
        drawn = [
            deviation * torch.randn(shape, generator=one)
            for one, deviation in zip(self.generators, self.deviations, strict=True)
        ]
        return torch.stack(drawn).to(self.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batches:
    """Batches of the training points with noise, for every run its own: a pure function of the iteration.

    A run sees all points once an epoch, in a new order; what does not fill a batch is left out.
    """

    points: Float[Tensor, "point 2"]
    seed: int
    stage: int
    runs: int
    size: int

    def after(self, iteration: int) -> Iterator[tuple[Float[Tensor, "run batch 2"], Float[Tensor, "run batch 4"]]]:
        """Points and noise of every iteration that follows `iteration`, without end."""
        steps = len(self.points) // self.size
        epoch, first = divmod(iteration, steps)
        while True:
            order, noise = self._epoch(epoch, steps)
            for step in range(first, steps):
                yield self.points[order[:, step]], noise[:, step]
            epoch, first = epoch + 1, 0

    def _epoch(self, epoch: int, steps: int) -> tuple[Tensor, Tensor]:
        orders, noises = [], []
        for run in range(self.runs):
            order = torch.randperm(len(self.points), generator=generator(self.seed, "order", self.stage, run, epoch))
            orders.append(order[: steps * self.size].view(steps, self.size))
            noise = generator(self.seed, "noise", self.stage, run, epoch)
            noises.append(torch.randn(steps, self.size, 4, generator=noise))
        device = self.points.device
        return torch.stack(orders).to(device), torch.stack(noises).to(device)


def _between(low: float, high: float, share: float) -> float:
    """The number at `share` of the way from low to high, on a logarithmic scale."""
    return math.exp(math.log(low) + share * math.log(high / low))

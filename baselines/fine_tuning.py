"""Fine-tuning: a network's features and a linear layer on them learn a few labels, all weights at once.

Features are standardised by their batch before the linear layer, as He et al. 2022, arXiv 2111.06377, appendix A.1 do
for linear probes, so that one rate serves networks whose features differ in scale.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import TypedDict

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW

from benchmark.data import Clips, sequential, shuffled

GRADIENT_CLIP = 1.0
"""The norm of all weights' gradient, at most."""

CLIPS_A_BATCH = 50

Represent = Callable[[nn.Module, Tensor], Float[Tensor, "batch moments features"]]
"""What features a network has of clips."""


class Measured(TypedDict):
    """What came of it."""

    rate: float
    errors: list[float]
    """On test, one for each choice of labels."""
    clips_per_s: float
    """Learnt from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """AdamW for a number of steps, at a rate that falls to zero in a straight line.

    Attributes:
        steps: how many batches.
        batch_size: clips in each, 2 or more.
        rates: of which one is chosen.
    """

    steps: int
    batch_size: int
    rates: tuple[float, ...]


class Tuned(nn.Module):
    """A copy of a network with a linear layer, which starts at zero, on its standardised features."""

    def __init__(self, network: nn.Module, represent: Represent, features: int, classes: int) -> None:
        super().__init__()
        self.network, self.represent = copy.deepcopy(network).requires_grad_(True), represent
        self.norm = nn.BatchNorm1d(features, affine=False)
        self.linear = nn.Linear(features, classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, clips: Tensor) -> Float[Tensor, "batch class"]:
        """Logits."""
        return self.linear(self.norm(self.represent(self.network, clips).flatten(1)))


def tune(
    network: nn.Module,
    represent: Represent,
    train: Clips,
    rows: Int64[np.ndarray, " labels"],
    rate: float,
    recipe: Recipe,
    seed: int,
) -> tuple[Tuned, float]:
    """Learns the labels of some clips of train; the network itself stays as it is.

    Args:
        network: from whose weights it starts.
        represent: which of its features are seen.
        train: the split.
        rows: which of its clips have labels.
        rate: AdamW's, of the first step.
        recipe: how it learns.
        seed: of the order of clips, and of what the network draws.

    Returns:
        what has learnt, and how many clips a second it learnt from.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        with torch.no_grad():
            one = next(train.batches([rows[:1]])).clips
            features = represent(network.eval(), one)[0].numel()
        tuned = Tuned(network, represent, features, int(train.labels.max()) + 1).to(train.device).train()
        optimiser = AdamW(tuned.parameters(), lr=rate)
        start = time.monotonic()
        order = list(islice(_order(rows, recipe.batch_size, seed), recipe.steps))
        for step, batch in enumerate(train.batches(order)):
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 - step / recipe.steps)
            cross_entropy(tuned(batch.clips), batch.labels).backward()
            nn.utils.clip_grad_norm_(tuned.parameters(), GRADIENT_CLIP)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    return tuned.eval(), sum(map(len, order)) / (time.monotonic() - start)


def measure(
    network: nn.Module,
    represent: Represent,
    clips: Mapping[str, Clips],
    choices: list[Int64[np.ndarray, " labels"]],
    recipe: Recipe,
    seed: int,
) -> Measured:
    """Errors on test of networks fine-tuned on the labels of each choice of clips of train.

    The rate is that with the fewest errors on valid, for the first choice.
    """
    first = []
    for rate in recipe.rates:
        tuned, pace = tune(network, represent, clips["train"], choices[0], rate, recipe, seed)
        first.append((error(tuned, clips["valid"]), rate, pace, tuned))
    _, rate, pace, tuned = min(first, key=lambda one: one[0])
    errors = [error(tuned, clips["test"])]
    for rows in choices[1:]:
        tuned, pace = tune(network, represent, clips["train"], rows, rate, recipe, seed)
        errors.append(error(tuned, clips["test"]))
    return {"rate": rate, "errors": errors, "clips_per_s": round(pace, 1)}


@torch.no_grad()
def error(tuned: Tuned, clips: Clips) -> float:
    """The share of a split's clips that it takes for another class."""
    wrong = [
        tuned(batch.clips).argmax(1) != batch.labels for batch in clips.batches(sequential(len(clips), CLIPS_A_BATCH))
    ]
    return torch.cat(wrong).float().mean().item()


def _order(rows: np.ndarray, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Batches without an end: every clip once, then all of them in another order."""
    return (rows[part] for epoch in count() for part in shuffled(len(rows), batch_size, seed, epoch))

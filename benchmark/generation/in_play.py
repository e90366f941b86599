"""What a discriminator holds of train, of valid and of samples while it plays: all three by one function, in one mode.

Source: figure 6.10 of Mastropietro 2017, whose purpose is to show whether a discriminator overfits. The released code
of Dumoulin et al. 2017 (arXiv 1606.00704) watches train with dropout and the statistics of batches, and valid without
dropout and with running statistics, so that its two curves differ where nothing is overfitted.

The mode is that of training. The losses themselves are asked, on clips of either split: whether real and made clips
share the statistics of a batch, which latents stand beside a sample, dropout and noise are then those under which
discriminator and generator learn from each other. A function of clips alone cannot ask so: given batches of one kind,
networks that learn from both kinds together normalise away what tells these apart. Evaluation answers another question,
what a network holds afterwards, and its running statistics lag behind a game. After six epochs of a `rali_single` of
width 8 on 160 clips of `mini`, 99 % of valid and none of the samples were held to be real in play; in batches of one
kind 81 % and all of them; in evaluation, none of either nor of train, and such curves lie upon each other whether a
discriminator overfits or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data import Batch, places_of

REAL, SAMPLES = "judged_real", "samples_judged_real"
"""Among what losses note: the share of real clips that are held to be real, and of made ones."""

MOST = 1000
"""Clips of a split: the deviation of a share of so many is 0.016 or less."""


def places(clips: int, others: int, batch_size: int) -> list[np.ndarray]:
    """The clips of a split of so many that play, evenly spread over it, cut into whole batches.

    They are as many as those of the other split. A rest would have other statistics, and sits out, as in training.

    Args:
        clips: of the split.
        others: clips of the other one.
        batch_size: as in training; where either split is smaller, a batch is that split's size.
    """
    most = min(clips, others)
    size = min(batch_size, most)
    count = max(min(most, MOST) // size, 1) * size
    return list(places_of(clips, count).reshape(-1, size))


def shares(
    network: nn.Module, losses: Callable[[Batch], Mapping[str, Tensor]], batches: Iterable[Batch]
) -> dict[str, float]:
    """Means of `REAL` and `SAMPLES` over a game on batches of one size, from which nobody learns.

    What is not noted is missing: in phases without a game, both. Weights and statistics are put back as they were; the
    network is left in training mode. It draws from torch's global generator.

    Args:
        network: what plays.
        losses: its own, of a batch.
        batches: of one split.
    """
    network.train()
    state = [*network.parameters(), *network.buffers()]
    before = [value.detach().clone() for value in state]
    noted: dict[str, list[Tensor]] = {REAL: [], SAMPLES: []}
    try:
        with torch.enable_grad():  # penalties need slopes
            for batch in batches:
                found = losses(batch)
                for name, values in noted.items():
                    if name in found:
                        values.append(found[name].detach().double())
    finally:
        with torch.no_grad():
            for value, old in zip(state, before, strict=True):
                value.copy_(old)
    return {name: torch.stack(values).mean().item() for name, values in noted.items() if values}

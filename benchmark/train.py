"""The one training loop: epochs of steps, a validation and a checkpoint after each, the best epoch kept."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from benchmark.data import Batch, Clips, rank_seed, sequential, shuffled, symmetries
from benchmark.errors import StoppedError
from benchmark.machine import flushed_denormals, hardware, peak_memory, reset_peak_memory
from benchmark.nonfinite import not_finite
from benchmark.recipe import Training
from benchmark.replay import Replay
from benchmark.world import ALONE, World

STEPS_A_CHECK = 25
"""On a GPU, how often losses are looked at: each look waits for the device."""


class Learner(ABC):
    """What is trained, and how one step of it goes; the loop knows nothing else.

    A step does its own backward passes and optimiser steps, so a learner may have several networks and optimisers.
    """

    metric: ClassVar[str]
    """Name of the metric of `validate` that chooses the epoch."""
    lower_is_better: ClassVar[bool] = True
    decays: ClassVar[bool] = True
    """Whether the learning rate falls to zero, by half a cosine; after the warm-up, in either case."""
    replay: Replay | None = None
    """What stands in for its steps on a GPU; None where each is launched kernel by kernel."""

    @abstractmethod
    def modules(self) -> Mapping[str, nn.Module]:
        """Everything with weights, by name."""

    @abstractmethod
    def optimisers(self) -> Mapping[str, Optimizer]:
        """Every optimiser, by name."""

    @abstractmethod
    def training_step(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Learns from a batch; returns its losses and rates as detached scalars, `loss` among them.

        `progress` is the share of the run's steps that lie behind, in [0, 1): a function of the step alone. Where
        several processes learn together the batch is this one's share, and what is returned that of all.
        """

    @abstractmethod
    def validate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        """Metrics on held-out batches, of all processes, `metric` among them; changes nothing and draws nothing."""

    def compare(self, train: Clips, valid: Clips) -> Mapping[str, float]:
        """What is found alike of both splits after an epoch, by its name in the row; changes and draws nothing.

        Nothing, unless a learner says otherwise.
        """
        return {}

    @staticmethod
    @abstractmethod
    def said(row: Mapping[str, float]) -> str:
        """What an epoch's row says of train and valid, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What the loop reports: a finished step, or (`row` given) a finished epoch.

    Attributes:
        clips: trained on since the last report.
        loss: the newest known.
    """

    epoch: int
    clips: int = 0
    loss: float = math.nan
    row: Mapping[str, float] | None = None


@flushed_denormals()
def fit(
    learner: Learner,
    train: Clips,
    valid: Clips,
    recipe: Training,
    seed: int,
    checkpoint: Path,
    configuration: Mapping[str, object],
    report: Callable[[Event], None],
    world: World = ALONE,
) -> Checkpoint:
    """Trains to the last epoch, from `checkpoint` if there is one, and leaves the finished state there.

    On a CPU a run that was killed and resumed ends in the same weights, bit for bit, as one that was not (with as many
    threads and processes). Draws from torch's global generator, which it does not seed but in processes that are not
    the first, at every epoch.

    Args:
        learner: freshly made; its state is replaced by the checkpoint's.
        train: what is learnt from.
        valid: what the epoch is chosen on.
        recipe: how; its precision is the learner's business.
        seed: of the order of clips and their symmetries.
        checkpoint: the file written after every epoch.
        configuration: all that determines the run; a checkpoint of another one is refused.
        report: told of every step and epoch.
        world: the processes that train together; all call this, and the first writes.

    Returns:
        the finished state: history, chosen epoch, chosen weights.

    Raises:
        NotFiniteError: a loss is not finite; the clips of that step are written down beside the checkpoint.
        TrainingError: the checkpoint is damaged or of another configuration.
        StoppedError: the user pressed Ctrl-C.
        OSError: the checkpoint cannot be written.
    """
    state = load_checkpoint(checkpoint, configuration)
    if state is None:
        state = Checkpoint(configuration=dict(configuration))
    else:
        state.restore(learner.modules(), learner.optimisers())
    rates = [group for optimiser in learner.optimisers().values() for group in optimiser.param_groups]
    for group in rates:
        group.setdefault("initial_lr", group["lr"])
    reset_peak_memory(train.device)
    kept, where = state.epoch, hardware(train.device, world.size)
    try:
        for epoch in range(state.epoch + 1, recipe.epochs + 1):
            start = time.monotonic()
            if not world.is_first:
                torch.manual_seed(rank_seed(seed, epoch, world.rank))
            means = _train_epoch(learner, train, recipe, seed, epoch, rates, report, world, checkpoint.parent)
            trained = time.monotonic()
            metrics = learner.validate(valid.batches(world.share(sequential(len(valid), recipe.batch_size))))
            row = {
                "epoch": epoch,
                **{f"train_{name}": value for name, value in means.items()},
                **{f"valid_{name}": value for name, value in metrics.items()},
                **learner.compare(train, valid),
                "learning_rate": rates[0]["lr"],
                "train_clips": len(train) - len(train) % min(recipe.batch_size, len(train)),
                "train_seconds": trained - start,
                "seconds": time.monotonic() - start,
            }
            value = float(metrics[learner.metric])
            if state.is_better(value, learner.lower_is_better):
                state.choose(epoch, value, learner.modules())
            state.advance(row, peak_memory(train.device), where, learner.modules(), learner.optimisers())
            if world.is_first:
                save_checkpoint(state, checkpoint)
            kept = epoch
            report(Event(epoch=epoch, row=row))
    except KeyboardInterrupt:
        safe = f"the checkpoint of epoch {kept} is kept" if kept else "no epoch was finished yet"
        raise StoppedError(
            f"stopped in epoch {min(kept + 1, recipe.epochs)} of {recipe.epochs}: {safe}; "
            "the same command with --resume goes on from there"
        ) from None
    return state


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Share of the highest learning rate at a step: a line up over `warmup` steps, then half a cosine to zero.

    Args:
        step: 0 for the first.
        steps: how many there are.
        warmup: how many rise; may be 0, and more than there are.
    """
    if step < warmup:
        return min((step + 1) / warmup, 1.0)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def _train_epoch(
    learner: Learner,
    train: Clips,
    recipe: Training,
    seed: int,
    epoch: int,
    rates: list[dict],
    report: Callable[[Event], None],
    world: World,
    folder: Path,
) -> dict[str, float]:
    """One pass over train; returns the mean of each loss and rate over the clips of the steps that gave it."""
    order = shuffled(len(train), recipe.batch_size, seed, epoch)
    turns = symmetries(order, seed, epoch) if recipe.augment else None
    first, steps = (epoch - 1) * len(order), recipe.epochs * len(order)
    for module in learner.modules().values():
        module.train()
    losses: list[Mapping[str, Tensor]] = []
    pending = checked = 0
    shares = [world.share(rows) for rows in order]
    for step, batch in enumerate(train.batches(shares, turns and [world.share(codes) for codes in turns])):
        warmup = recipe.warmup * len(order)
        factor = warmup_cosine(first + step, steps, warmup)
        if not learner.decays and first + step >= warmup:
            factor = 1.0
        for group in rates:
            group["lr"] = group["initial_lr"] * factor
        losses.append(learner.training_step(batch, (first + step) / steps))
        pending += len(order[step])
        if train.device.type == "cpu" or len(losses) % STEPS_A_CHECK == 0 or len(losses) == len(order):
            if (bad := _first_nonfinite(losses[checked:])) is not None:
                place = checked + bad
                raise not_finite(
                    losses[place], train, order[place], first + place + 1, epoch, folder, write=world.is_first
                )
            checked = len(losses)
            report(Event(epoch=epoch, clips=pending, loss=float(losses[-1]["loss"])))
            pending = 0
    names = dict.fromkeys(name for loss in losses for name in loss)
    return {name: torch.stack([loss[name].double() for loss in losses if name in loss]).mean().item() for name in names}


def _first_nonfinite(losses: list[Mapping[str, Tensor]]) -> int | None:
    """The place of the first step with a loss that is not finite."""
    finite = torch.stack([torch.stack([value.float() for value in loss.values()]).isfinite().all() for loss in losses])
    return None if bool(finite.all()) else int(finite.logical_not().nonzero()[0])

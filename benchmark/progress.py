"""A training as its user sees it: a meter of clips, a line an epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from benchmark.recipe import Training
from benchmark.train import Event, Learner
from dynamics_gen.console import Meter


@contextlib.contextmanager
def shown(title: str, recipe: Training, clips: int, learner: Learner) -> Iterator[Callable[[Event], None]]:
    """Gives what `fit` reports to.

    Args:
        title: what stands before every line.
        recipe: its epochs and batches are counted.
        clips: of train.
        learner: says what its metrics of an epoch mean.
    """
    an_epoch = clips - clips % min(recipe.batch_size, clips)
    problem = ""
    with Meter(title, recipe.epochs * an_epoch, {"clips": 1}) as meter:

        def report(event: Event) -> None:
            nonlocal problem
            if meter.done == 0:
                meter.skip((event.epoch - 1) * an_epoch)
            if event.row is None:
                meter.advance(event.clips, f"epoch {event.epoch}/{recipe.epochs} · loss {event.loss:.3f}")
            else:
                meter.say(_epoch_line(title, recipe.epochs, event.row, learner.said(event.row)))
                if learner.replay is not None and learner.replay.problem != problem:
                    problem = learner.replay.problem
                    meter.say(f"{title}: steps are launched kernel by kernel, not replayed: {problem}")

        yield report


@contextlib.contextmanager
def hidden() -> Iterator[Callable[[Event], None]]:
    """The same for a process that says nothing."""
    yield lambda event: None


def _epoch_line(title: str, epochs: int, row: Mapping[str, float], said: str) -> str:
    return (
        f"{title} epoch {row['epoch']:.0f}/{epochs}: loss {row['train_loss']:.3f}, {said}, "
        f"{row['train_clips'] / row['train_seconds']:,.0f} clips/s"
    )

"""The loop that trains an ensemble: it tells how far it is, measures now and then, and goes on after it was stopped."""

from __future__ import annotations

import io
import json
import math
import pickle
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.toy.draws import Batches
from baselines.toy.learner import Learner
from benchmark.checkpoint import refuse_change
from benchmark.errors import StoppedError, TrainingError
from dynamics_gen.console import duration
from dynamics_gen.files import write_whole

FORMAT_VERSION = 1
CHECKPOINT_INTERVAL_S = 120.0
LINE_INTERVAL_S = 30.0
GLANCE = 20
"""Iterations between two looks at the clock."""

Row = dict[str, Any]
"""`iteration`, and for each metric and loss a number for every run (None where it is not finite)."""


def fit(
    learner: Learner,
    batches: Batches,
    iterations: int,
    milestones: Sequence[int],
    measure: Callable[[], Mapping[str, Tensor]],
    checkpoint: Path,
    configuration: Mapping[str, object],
    say: Callable[[str], None],
) -> list[Row]:
    """Trains to the last iteration, from `checkpoint` if there is one, and leaves the finished state there.

    On a CPU, with as many threads, a training that was stopped and goes on ends in the same bits as one that was not.
    A run whose numbers are no longer finite stays so to the end, and touches no other run.

    Args:
        learner: freshly made; its state is replaced by the checkpoint's.
        batches: of as many runs as it has.
        iterations: how many there are.
        milestones: iterations after which `measure` is asked; the last of all is among them.
        measure: gives one number a run for each metric.
        checkpoint: the file written at every milestone and every `CHECKPOINT_INTERVAL_S`; at the end without the
            optimiser's state.
        configuration: all that determines the training.
        say: told a line at every milestone and every `LINE_INTERVAL_S`.

    Returns:
        a row for each milestone: what was measured, and the means of the losses since the milestone before.

    Raises:
        TrainingError: the checkpoint is damaged, of another configuration, or of another version of the code.
        StoppedError: the user pressed Ctrl-C.
        OSError: the checkpoint cannot be written.
    """
    assert milestones[-1] == iterations
    name = checkpoint.stem
    done, history, sums = _restore(learner, checkpoint, configuration)
    if done:
        say(f"{name}: goes on after {done:,} of {iterations:,} iterations" if done < iterations else f"{name}: done")
    kept, first, start = done, done, time.monotonic()
    saved = said = start
    learner.train()
    try:
        for points, noise in batches.after(done):
            if done == iterations:
                break
            for key, value in learner.step(points, noise).items():
                sums[key] = sums[key] + value if key in sums else value
            done += 1
            is_milestone = done in milestones
            if not (is_milestone or done % GLANCE == 0):
                continue
            if is_milestone:
                since = done - max((row["iteration"] for row in history), default=0)
                means = {key: value / since for key, value in sums.items()}
                history.append({"iteration": done, **_plain({**measure(), **means})})
                sums = {}
            now = time.monotonic()
            if is_milestone or now - saved >= CHECKPOINT_INTERVAL_S:
                _save(learner, checkpoint, configuration, done, history, sums, finished=done == iterations)
                kept, saved = done, now
            if is_milestone or now - said >= LINE_INTERVAL_S:
                rate = (done - first) / max(now - start, 1e-9)
                left = f"{duration((iterations - done) / rate)} left" if done < iterations else "done"
                found = f" · {_summary(history[-1])}" if is_milestone else ""
                say(f"{name} {done:,}/{iterations:,} iterations · {rate:.1f} iterations/s · {left}{found}")
                said = now
    except KeyboardInterrupt:
        safe = f"{kept:,} iterations of it are kept" if kept else "nothing of it is kept yet"
        raise StoppedError(f"stopped in {name}: {safe}; the same command with --resume goes on") from None
    return history


def diverged_at(history: Sequence[Row], run: int) -> int | None:
    """The first milestone before which a loss of the run was not finite, or None."""
    for row in history:
        if any(values[run] is None for key, values in row.items() if key.endswith("loss")):
            return row["iteration"]
    return None


def _plain(found: Mapping[str, Tensor]) -> Row:
    return {key: [x if math.isfinite(x) else None for x in value.tolist()] for key, value in found.items()}


def _summary(row: Row) -> str:
    """Means over the runs that have a number."""
    means = []
    for key, values in row.items():
        if key != "iteration":
            there = [value for value in values if value is not None]
            means.append(f"{key} {sum(there) / len(there):.3g}" if there else f"{key} not finite")
    return ", ".join(means)


def _save(
    learner: Learner,
    path: Path,
    configuration: Mapping[str, object],
    done: int,
    history: list[Row],
    sums: Mapping[str, Tensor],
    *,
    finished: bool,
) -> None:
    content = {
        "format_version": FORMAT_VERSION,
        "configuration": json.dumps(configuration),
        "done": done,
        "history": json.dumps(history),
        "sums": dict(sums),
        "networks": learner.state_dict(),
        "optimiser": {} if finished else learner.adam.state(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue())


def _restore(
    learner: Learner, path: Path, configuration: Mapping[str, object]
) -> tuple[int, list[Row], dict[str, Tensor]]:
    """Iterations done, history and sums of losses; and the learner as it was then."""
    if not path.exists():
        return 0, [], {}
    device = next(learner.parameters()).device
    data = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a strange file it says that it is strange; so shall we
            content = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError("another version of the benchmark wrote it")
        old, history = json.loads(content["configuration"]), json.loads(content["history"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise TrainingError(f"{path} is damaged ({reason}): start again with --overwrite") from None
    refuse_change(path.parent, old, configuration)
    try:
        learner.load_state_dict(content["networks"])
        if content["optimiser"]:
            learner.adam.restore(content["optimiser"])
    except (RuntimeError, KeyError, ValueError) as error:
        reason = str(error).strip().replace("\n", " ")[:200]
        raise TrainingError(
            f"{path} does not fit the model any more ({reason}): undo the change of its code, "
            "or start again with --overwrite"
        ) from None
    return content["done"], history, content["sums"]

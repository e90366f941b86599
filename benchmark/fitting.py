"""Models that are fitted at one go: candidates are scored on valid as they come, the best is tested.

The candidates of a model (more trees, a weaker penalty) are to it what epochs are to a network, and stand in the
record's history in their place. Nothing that was fitted is saved: what would be needed to read it again could run code.
Kept are the chosen candidate's predictions for valid, which its choice names by their hash; a run that goes on after a
stop fits anew, with the same seed, and so does whoever puts a finished run to other clips.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from benchmark import predictions, record
from benchmark.calibration import log_loss
from benchmark.checkpoint import refuse_change
from benchmark.choice import Choice, write_choice
from benchmark.data import ClipDataset
from benchmark.errors import ModelError, TrainingError
from benchmark.lessons import Fitted, Lesson, Shown
from benchmark.machine import peak_memory, reset_peak_memory
from benchmark.plan import Plan
from benchmark.predictions import Predictions

PRECISION = "its own"
"""What a record says of the number format of a model that is fitted."""

LEAST_PROBABILITY = 1e-12
"""For the logarithm alone."""

SAME = 1e-3
"""Largest difference of a probability between a model and the same one fitted anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A seed's best candidate on valid.

    Attributes:
        number: which candidate, from 1.
        history: one row a candidate.
        said: what it says of train and valid, by split.
        fit_s: what all candidates took to fit, without their scoring.
    """

    number: int
    fitted: Fitted
    history: tuple[record.Epoch, ...]
    said: Mapping[str, Predictions]
    fit_s: float


def choose(
    planned: Plan,
    seed: int,
    shown: Mapping[str, Shown],
    opened: Mapping[str, ClipDataset],
    say: Callable[[str], None],
) -> Chosen:
    """Fits every candidate to train, keeps the one with the fewest errors on valid (the first of equals), writes that.

    Args:
        planned: the model and its settings.
        seed: of whatever the model draws.
        shown: train and valid.
        opened: the same, with labels.
        say: told of every candidate.

    Raises:
        ModelError: the model offers no candidate, or one whose probabilities are none.
        TrainingError: the folder holds a choice of another configuration.
        OSError: the choice cannot be written.
    """
    folder, configuration = planned.folder, planned.configuration(seed, opened)
    if folder.choice(seed).exists():
        refuse_change(folder.choice(seed).parent, json.loads(folder.configuration(seed).read_text()), configuration)
    folder.write_configuration(seed, configuration)
    reset_peak_memory(torch.device("cpu"))
    history: list[record.Epoch] = []
    best: tuple[int, Fitted, Mapping[str, Predictions]] | None = None
    fit_s, start = 0.0, time.monotonic()
    for number, fitted in enumerate(_candidates(planned, seed, shown, opened), start=1):
        ready = time.monotonic()
        fit_s += ready - start
        said = {name: predict(planned, fitted, shown[name], opened[name]) for name in ("train", "valid")}
        now = time.monotonic()
        history.append(_row(number, said, now - start))
        say(_line(seed, history[-1]))
        if best is None or history[-1].valid_error < min(row.valid_error for row in history[:-1]):
            best = number, fitted, said
        start = time.monotonic()
    if best is None:
        raise ModelError(f"fit of {planned.model.description.name} offers nothing: expected one candidate or more")
    number, fitted, said = best
    path = folder.valid_predictions(seed)
    choice = Choice(
        seed=seed,
        epoch=number,
        metric="error",
        value=history[number - 1].valid_error,
        weights=path.name,
        weights_sha256=predictions.write(said["valid"], path),
    )
    write_choice(choice, folder.choice(seed))
    say(f"seed {seed}: candidate {number} chosen, {100 * choice.value:.1f} % wrong on valid")
    return Chosen(number=number, fitted=fitted, history=tuple(history), said=said, fit_s=fit_s)


def fit_again(planned: Plan, choice: Choice, shown: Mapping[str, Shown], opened: Mapping[str, ClipDataset]) -> Fitted:
    """Fits a seed of a finished run anew, up to the candidate that was chosen, and holds it against what was kept.

    Args:
        planned: the run, with its settings.
        choice: the seed's, as `choice.read_choice` gives it.
        shown: train and valid.
        opened: the same, with labels.

    Raises:
        TrainingError: it says of a clip of valid another class than before, or one with a probability that is more
            than `SAME` off.
        ModelError: see `predict`.
    """
    path, name = planned.folder.valid_predictions(choice.seed), planned.model.description.name
    kept = predictions.read(path, choice.weights_sha256)
    fitted = next(islice(_candidates(planned, choice.seed, shown, opened), choice.epoch - 1, None), None)
    if fitted is None:
        raise TrainingError(f"fit of {name} offers fewer candidates than the {choice.epoch} up to the chosen one")
    said = predict(planned, fitted, shown["valid"], opened["valid"])
    if not (np.array_equal(said.clip_id, kept.clip_id) and said.probabilities.shape == kept.probabilities.shape):
        raise TrainingError(f"{path} holds other clips or classes than {opened['valid'].directory}: expected the same")
    changed = int((said.probabilities.argmax(axis=1) != kept.probabilities.argmax(axis=1)).sum())
    off = float(np.abs(said.probabilities - kept.probabilities).max())
    if changed or off > SAME:
        raise TrainingError(
            f"seed {choice.seed} of {name}, fitted anew, gives {changed} of {len(kept.label)} clips of valid other "
            f"classes than {path} does, with probabilities up to {off:.2g} off: expected the same classes and at most "
            f"{SAME:g} off; use the machine and the versions that the record names, or run it again with --overwrite"
        )
    return fitted


def test(planned: Plan, seed: int, chosen: Chosen, clips: Shown, dataset: ClipDataset) -> record.Seed:
    """Scores a seed's chosen candidate on test and keeps its predictions."""
    start, classes = time.monotonic(), dataset.manifest.classes
    said = {**chosen.said, "test": predict(planned, chosen.fitted, clips, dataset)}
    path = planned.folder.predictions(seed)
    sha256 = predictions.write(said["test"], path)
    return record.Seed(
        seed=seed,
        chosen_epoch=chosen.number,
        history=chosen.history,
        scores=record.SplitScores(**{name: one.scores(classes) for name, one in said.items()}),
        predictions=path.name,
        predictions_sha256=sha256,
        wall_time_s=sum(row.seconds for row in chosen.history) + time.monotonic() - start,
        training_clips_per_s=chosen.said["train"].label.size / max(chosen.fit_s, 1e-9),
        peak_memory_bytes=peak_memory(torch.device("cpu")),
    )


def predict(planned: Plan, fitted: Fitted, clips: Shown, dataset: ClipDataset) -> Predictions:
    """What a candidate says of all clips of a split.

    Raises:
        ModelError: its probabilities are not of every class for every clip.
        RecordError: they do not sum to 1, or are not finite.
    """
    name = f"{planned.model.description.name} on {clips.name}"
    probabilities = np.asarray(fitted.probabilities(clips))
    expected = (len(clips), len(dataset.manifest.classes))
    if probabilities.shape != expected:
        raise ModelError(f"{name} gives probabilities of shape {probabilities.shape}: expected {expected}")
    return predictions.make(dataset.clip_ids, dataset.labels, probabilities, name)


def _candidates(
    planned: Plan, seed: int, shown: Mapping[str, Shown], opened: Mapping[str, ClipDataset]
) -> Iterable[Fitted]:
    """What the model offers, given train and valid with their labels."""
    classes = len(opened["train"].manifest.classes)
    lessons = {
        name: Lesson(clips=clips, labels=np.asarray(opened[name].labels, np.int64), classes=classes)
        for name, clips in shown.items()
    }
    offered = planned.model.module.fit(planned.config, lessons["train"], lessons["valid"], seed)
    if not isinstance(offered, Iterable):
        name = planned.model.description.name
        raise ModelError(f"fit of {name} gives {type(offered).__name__}: expected it to yield candidates")
    return offered


def _row(number: int, said: Mapping[str, Predictions], seconds: float) -> record.Epoch:
    """The record's row of a candidate; nothing falls or rises with a learning rate here, so it is 0."""
    return record.Epoch(
        epoch=number,
        train_loss=log_loss(said["train"], LEAST_PROBABILITY),
        train_error=float(said["train"].wrong.mean()),
        valid_error=float(said["valid"].wrong.mean()),
        learning_rate=0.0,
        seconds=seconds,
    )


def _line(seed: int, row: record.Epoch) -> str:
    return (
        f"seed {seed} candidate {row.epoch}: error {100 * row.train_error:.1f} % on train, "
        f"{100 * row.valid_error:.1f} % on valid, {row.seconds:.1f} s"
    )

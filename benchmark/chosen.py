"""What the chosen weights of a finished run say of any clips: nothing is trained, and nothing chosen.

Of a model that is fitted nothing is kept but what it said of valid: it is fitted anew, and goes on only if it says that
again.

Clips longer than those of train are seen through windows of train's length, spread evenly over the clip, and the
probabilities of the windows are averaged: one rule for every model, also for those that could take longer clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import dynamics_gen
from benchmark import evaluate, fitting, inputs, predictions, record
from benchmark.choice import Choice, read_choice
from benchmark.data import ClipDataset
from benchmark.errors import TrainingError
from benchmark.lessons import Shown
from benchmark.parts import PartOfSplit
from benchmark.plan import Plan
from benchmark.predictions import Predictions
from benchmark.recorded_data import recorded_splits
from dynamics_gen.errors import ConfigError
from dynamics_gen.pool import available_cores

Judge = Callable[[ClipDataset], Sequence[Predictions]]
"""What every seed says of a split, in the record's order."""


def read_choices(read: record.Record, planned: Plan) -> list[Choice]:
    """Every seed's choice, if it is the one that the record speaks of and names what a run of this model keeps.

    Raises:
        TrainingError: one is missing, damaged, or another.
    """
    found = []
    for seed in read.seeds:
        path = planned.folder.choice(seed.seed)
        choice = read_choice(path)
        if choice.epoch != seed.chosen_epoch:
            raise TrainingError(
                f"{path} chose epoch {choice.epoch}: expected {seed.chosen_epoch}, "
                "as the record says; finish the run with --resume"
            )
        kept = planned.folder.valid_predictions if planned.model.is_fitted else planned.folder.weights
        if choice.weights != kept(seed.seed).name:
            raise TrainingError(
                f"{path} names {choice.weights}: expected {kept(seed.seed).name}, which a run of {read.model} keeps; "
                "run it again with --overwrite"
            )
        found.append(choice)
    return found


def judge_of(
    read: record.Record,
    planned: Plan,
    choices: Sequence[Choice],
    data: Path,
    workers: int | None,
    say: Callable[[str], None],
) -> Judge:
    """The chosen weights of every seed, as they are; or every seed's chosen candidate, fitted anew.

    Args:
        read: the run's record.
        planned: the run.
        choices: as `read_choices` gives them.
        data: holds the datasets' folders, for train and valid of a model that is fitted.
        workers: processes that build a missing split or its flow, or read clips for a model that is fitted; as many as
            there are cores unless given.
        say: told what is made.

    Raises:
        DynamicsError: a model that is fitted finds other clips than it learnt from, or says something else of valid.
    """
    if planned.model.is_fitted:
        return _fitted_anew(read, planned, choices, data, workers, say)
    return _with_weights(read, planned, choices, workers, say)


def window_starts(frames: int, window: int) -> list[int]:
    """First frames of as few windows as cover `frames` frames, the first at the start and the last at the end.

    Raises:
        ConfigError: there are fewer frames than a window has.
    """
    if frames < window:
        raise ConfigError(f"clips of {frames} frames: expected at least the {window} that the run was trained on")
    count = -(-frames // window)
    return [round(start) for start in np.linspace(0, frames - window, count)]


def _windows(split: ClipDataset, window: int) -> list[PartOfSplit]:
    """A split as often as its clips have windows of `window` frames, each time cut to one of them."""
    starts = window_starts(split.video_shape[0], window)
    return [PartOfSplit(split, frames=(start, start + window)) for start in starts]


def _mean_over_windows(split: ClipDataset, said: Sequence[Predictions]) -> Predictions:
    """What is said of a split's clips, on average over what is said of each of their windows."""
    mean = np.mean([one.probabilities for one in said], axis=0, dtype=np.float64)
    return predictions.make(split.clip_ids, split.labels, mean)


def _with_weights(
    read: record.Record, planned: Plan, choices: Sequence[Choice], workers: int | None, say: Callable[[str], None]
) -> Judge:
    """A network with every seed's chosen weights in turn."""

    def judge(split: ClipDataset) -> list[Predictions]:
        shape = inputs.shape_of(read.input, (read.dataset.frames, *split.video_shape[1:]))
        said = []
        for choice in choices:
            learner = planned.learner(choice.seed, shape, len(read.dataset.classes))
            evaluate.load_weights(dict(learner.modules()), planned.folder.weights(choice.seed))
            of_parts = [
                evaluate.predict(learner, planned.clips(part, workers, say), planned.training.batch_size)
                for part in _windows(split, read.dataset.frames)
            ]
            said.append(_mean_over_windows(split, of_parts))
        return said

    return judge


def _fitted_anew(
    read: record.Record,
    planned: Plan,
    choices: Sequence[Choice],
    data: Path,
    workers: int | None,
    say: Callable[[str], None],
) -> Judge:
    """Every seed's chosen candidate, fitted anew; what seeds have in common is worked out once for each split."""

    def show(name: str, split: ClipDataset) -> Shown:
        return Shown(split, read.input, name, planned.device.type, workers or available_cores())

    folders = recorded_splits(read.dataset, data, ("train", "valid"), workers, say)
    opened = {name: dynamics_gen.open(folder) for name, folder in folders.items()}
    shown = {name: show(name, split) for name, split in opened.items()}
    fitted = []
    for choice in choices:
        fitted.append(fitting.fit_again(planned, choice, shown, opened))
        say(f"seed {choice.seed}: candidate {choice.epoch} fitted anew, and says of valid what it said before")

    def judge(split: ClipDataset) -> list[Predictions]:
        said: list[list[Predictions]] = [[] for _ in fitted]
        for part in _windows(split, read.dataset.frames):
            clips = show(f"{split.manifest.release} test", part)
            for one, mine in zip(fitted, said, strict=True):
                mine.append(fitting.predict(planned, one, clips, part))
        return [_mean_over_windows(split, mine) for mine in said]

    return judge

"""Finished runs put to other test sets: every seed's chosen weights, as they are, on the test splits of other releases.

Clips longer than those of train are seen through windows of train's length, spread evenly over the clip, and the
probabilities of the windows are averaged: one rule for every model, also for those that could take longer clips.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import dynamics_gen
from benchmark import evaluate, inputs, machine, plots, predictions, record
from benchmark.choice import read_choice
from benchmark.classification import Classification
from benchmark.data import ClipDataset, Clips
from benchmark.errors import TrainingError
from benchmark.folder import RunFolder
from benchmark.parts import PartOfSplit
from benchmark.plan import Plan, build_if_missing
from benchmark.predictions import Predictions
from benchmark.recorded import plan_of
from dynamics_gen.config import RELEASES, SIZES, directory_name, release_named
from dynamics_gen.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What the user asked for.

    Attributes:
        releases: names of the releases, whose test splits are `data/dynamics-RELEASE-SIZE/test`.
        data: holds the datasets' folders.
        device: where the network computes.
        workers: processes that build a missing split; as many as there are cores unless given.
        model: the model's file, where no model of the package has its name.
    """

    releases: tuple[str, ...]
    data: Path = Path("data")
    device: str = "auto"
    workers: int | None = None
    model: Path | None = None


def shifted_releases(trained: str) -> tuple[str, ...]:
    """Every release but `standard` and the one that was trained on."""
    return tuple(name for name in RELEASES if name not in ("standard", trained))


def evaluate_run(run: Path, wishes: Wishes, say: Callable[[str], None]) -> record.Record:
    """Scores a finished run on other test sets and adds the scores to its record, in the place of earlier ones.

    Args:
        run: the run's folder.
        wishes: what the user asked for.
        say: told, a line at a time, what happens.

    Raises:
        DynamicsError: whatever a user can cause; see the text.
        OSError: a file cannot be read or written.
    """
    folder = RunFolder(run)
    read = record.read(folder.record)
    _check(read, wishes.releases)
    with folder.locked():
        planned = plan_of(read, folder, machine.choose_device(wishes.device), wishes.model, read.input)

        def clips_of(split: ClipDataset) -> Clips:
            return planned.clips(split, wishes.workers, say)

        for name in wishes.releases:
            path = wishes.data / directory_name(name, read.dataset.size) / "test"
            build_if_missing(path, name, "test", read.dataset.size, wishes.workers, say)
            scored = _score(read, planned, name, dynamics_gen.open(path), clips_of)
            kept = [one for one in read.shifted if one.release != name]
            order = sorted([*kept, scored], key=lambda one: list(RELEASES).index(one.release))
            read = record.write(dataclasses.replace(read, shifted=tuple(order)), folder.record)
            errors = ", ".join(f"{100 * one.scores.error:.1f}" for one in scored.seeds)
            say(f"{name}: {errors} % wrong, by seed")
        plots.pictures(read, folder.path)
    return read


def window_starts(frames: int, window: int) -> list[int]:
    """First frames of as few windows as cover `frames` frames, the first at the start and the last at the end.

    Raises:
        ConfigError: there are fewer frames than a window has.
    """
    if frames < window:
        raise ConfigError(f"clips of {frames} frames: expected at least the {window} that the run was trained on")
    count = -(-frames // window)
    return [round(start) for start in np.linspace(0, frames - window, count)]


def predict_in_windows(
    learner: Classification,
    split: ClipDataset,
    window: int,
    batch_size: int,
    clips_of: Callable[[ClipDataset], Clips],
) -> Predictions:
    """What the learner says of each clip, on average over windows of `window` frames.

    Args:
        learner: with the weights that are asked.
        split: the clips.
        window: frames of a window.
        batch_size: clips at a time.
        clips_of: brings a window of the split into the form that the learner sees, by itself.
    """
    said = []
    for start in window_starts(split.video_shape[0], window):
        part = PartOfSplit(split, frames=(start, start + window))
        said.append(evaluate.predict(learner, clips_of(part), batch_size))
    mean = np.mean([one.probabilities for one in said], axis=0, dtype=np.float64)
    return predictions.make(split.clip_ids, split.labels, mean)


def _check(read: record.Record, releases: tuple[str, ...]) -> None:
    if read.dataset.size not in SIZES:
        raise ConfigError(
            f"the run was trained on {read.dataset.release}, data of your own: expected a release of Dynamics, "
            "whose classes the shifted test sets have"
        )
    for name in releases:
        release_named(name)
        if name == read.dataset.release:
            raise ConfigError(f"the run was trained on {name} and has its test scores: expected another release")


def _score(
    read: record.Record, planned: Plan, name: str, split: ClipDataset, clips_of: Callable[[ClipDataset], Clips]
) -> record.Shifted:
    """Every seed's chosen weights on one split; the predictions are written."""
    trained, frames = read.dataset, split.video_shape[0]
    found = (split.manifest.release, split.manifest.classes, split.video_shape[1])
    if found != (name, trained.classes, trained.image_size):
        raise ConfigError(
            f"{split.directory} holds {found[0]} with frames of {found[2]} pixels: expected {name} with frames of "
            f"{trained.image_size}, and the classes that the run was trained on; choose another --data folder"
        )
    shape = inputs.shape_of(read.input, (trained.frames, *split.video_shape[1:]))
    seeds = []
    for seed in read.seeds:
        choice = read_choice(planned.folder.choice(seed.seed))
        if choice.epoch != seed.chosen_epoch:
            raise TrainingError(
                f"{planned.folder.choice(seed.seed)} chose epoch {choice.epoch}: expected {seed.chosen_epoch}, "
                "as the record says; finish the run with --resume"
            )
        if choice.weights != planned.folder.weights(seed.seed).name:
            raise TrainingError(
                f"{planned.folder.choice(seed.seed)} names no weights but {choice.weights}: expected a run of a "
                "network, whose weights are kept"
            )
        learner = planned.learner(seed.seed, shape, len(trained.classes))
        evaluate.load_weights(dict(learner.modules()), planned.folder.weights(seed.seed))
        said = predict_in_windows(learner, split, trained.frames, planned.training.batch_size, clips_of)
        file = planned.folder.predictions(seed.seed, name)
        seeds.append(
            record.ShiftedSeed(
                seed=seed.seed,
                scores=said.scores(trained.classes),
                predictions=file.name,
                predictions_sha256=predictions.write(said, file),
            )
        )
    return record.Shifted(
        release=name,
        split=record.Split(clips=len(split), fingerprint=split.manifest.fingerprint),
        frames=frames,
        windows=len(window_starts(frames, trained.frames)),
        seeds=tuple(seeds),
        environment=machine.environment(machine.device_name(planned.device), planned.training.precision),
    )

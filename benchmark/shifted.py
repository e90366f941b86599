"""Finished runs put to other test sets: every seed's chosen weights, as they are, on the test splits of other releases.

Of a model that is fitted nothing is kept but what it said of valid: it is fitted anew, and goes on only if it says that
again.

Clips longer than those of train are seen through windows of train's length, spread evenly over the clip, and the
probabilities of the windows are averaged: one rule for every model, also for those that could take longer clips.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import dynamics_gen
from benchmark import evaluate, fitting, inputs, machine, plots, predictions, record
from benchmark.choice import Choice, read_choice
from benchmark.classification import Classification
from benchmark.data import ClipDataset
from benchmark.errors import TrainingError
from benchmark.folder import RunFolder
from benchmark.lessons import Shown
from benchmark.parts import PartOfSplit
from benchmark.plan import Plan, build_if_missing
from benchmark.predictions import Predictions
from benchmark.recorded import plan_of
from benchmark.recorded_data import recorded_splits
from dynamics_gen.config import RELEASES, SIZES, directory_name, release_named
from dynamics_gen.errors import ConfigError
from dynamics_gen.pool import available_cores

Judge = Callable[[ClipDataset], Sequence[Predictions]]
"""What every seed says of a split, in the record's order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What the user asked for.

    Attributes:
        releases: names of the releases, whose test splits are `data/dynamics-RELEASE-SIZE/test`.
        data: holds the datasets' folders; for a model that is fitted, also those of its train and valid.
        device: where the network computes.
        workers: processes that build a missing split, or read clips for a model that is fitted; as many as there are
            cores unless given.
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
        choices = _choices(read, planned)
        splits = {name: _test_split(read, name, wishes, say) for name in wishes.releases}
        judge = (_fitted_anew if planned.model.is_fitted else _with_weights)(read, planned, choices, wishes, say)
        for name, split in splits.items():
            scored = _score(read, planned, split, judge)
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


def windows(split: ClipDataset, window: int) -> list[PartOfSplit]:
    """A split as often as its clips have windows of `window` frames, each time cut to one of them."""
    starts = window_starts(split.video_shape[0], window)
    return [PartOfSplit(split, frames=(start, start + window)) for start in starts]


def mean_over_windows(split: ClipDataset, said: Sequence[Predictions]) -> Predictions:
    """What is said of a split's clips, on average over what is said of each of their windows."""
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


def _choices(read: record.Record, planned: Plan) -> list[Choice]:
    """Every seed's choice, if it is the one that the record speaks of and names what a run of this model keeps."""
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


def _test_split(read: record.Record, name: str, wishes: Wishes, say: Callable[[str], None]) -> ClipDataset:
    """The test split of a release, built if it is missing, whose frames and classes are those of the run."""
    path, trained = wishes.data / directory_name(name, read.dataset.size) / "test", read.dataset
    build_if_missing(path, name, "test", trained.size, wishes.workers, say)
    split = dynamics_gen.open(path)
    found = (split.manifest.release, split.manifest.classes, split.video_shape[1])
    if found != (name, trained.classes, trained.image_size):
        raise ConfigError(
            f"{split.directory} holds {found[0]} with frames of {found[2]} pixels: expected {name} with frames of "
            f"{trained.image_size}, and the classes that the run was trained on; choose another --data folder"
        )
    window_starts(split.video_shape[0], trained.frames)
    return split


def _with_weights(
    read: record.Record, planned: Plan, choices: Sequence[Choice], wishes: Wishes, say: Callable[[str], None]
) -> Judge:
    """A network with every seed's chosen weights in turn."""

    def judge(split: ClipDataset) -> list[Predictions]:
        shape = inputs.shape_of(read.input, (read.dataset.frames, *split.video_shape[1:]))
        said = []
        for choice in choices:
            learner = planned.learner(choice.seed, shape, len(read.dataset.classes))
            evaluate.load_weights(dict(learner.modules()), planned.folder.weights(choice.seed))
            said.append(mean_over_windows(split, [predict(learner, part) for part in parts(split)]))
        return said

    def parts(split: ClipDataset) -> list[PartOfSplit]:
        return windows(split, read.dataset.frames)

    def predict(learner: Classification, part: PartOfSplit) -> Predictions:
        return evaluate.predict(learner, planned.clips(part, wishes.workers, say), planned.training.batch_size)

    return judge


def _fitted_anew(
    read: record.Record, planned: Plan, choices: Sequence[Choice], wishes: Wishes, say: Callable[[str], None]
) -> Judge:
    """Every seed's chosen candidate, fitted anew; what seeds have in common is worked out once for each split."""
    workers = wishes.workers or available_cores()

    def show(name: str, split: ClipDataset) -> Shown:
        return Shown(split, read.input, name, planned.device.type, workers)

    folders = recorded_splits(read.dataset, wishes.data, ("train", "valid"), wishes.workers, say)
    opened = {name: dynamics_gen.open(folder) for name, folder in folders.items()}
    shown = {name: show(name, split) for name, split in opened.items()}
    fitted = []
    for choice in choices:
        fitted.append(fitting.fit_again(planned, choice, shown, opened))
        say(f"seed {choice.seed}: candidate {choice.epoch} fitted anew, and says of valid what it said before")

    def judge(split: ClipDataset) -> list[Predictions]:
        said: list[list[Predictions]] = [[] for _ in fitted]
        for part in windows(split, read.dataset.frames):
            clips = show(f"{split.manifest.release} test", part)
            for one, mine in zip(fitted, said, strict=True):
                mine.append(fitting.predict(planned, one, clips, part))
        return [mean_over_windows(split, mine) for mine in said]

    return judge


def _score(read: record.Record, planned: Plan, split: ClipDataset, judge: Judge) -> record.Shifted:
    """Every seed on one split; the predictions are written."""
    trained, frames, release = read.dataset, split.video_shape[0], split.manifest.release
    seeds = []
    for seed, said in zip(read.seeds, judge(split), strict=True):
        file = planned.folder.predictions(seed.seed, release)
        seeds.append(
            record.ShiftedSeed(
                seed=seed.seed,
                scores=said.scores(trained.classes),
                predictions=file.name,
                predictions_sha256=predictions.write(said, file),
            )
        )
    precision = fitting.PRECISION if planned.model.is_fitted else planned.training.precision
    return record.Shifted(
        release=release,
        split=record.Split(clips=len(split), fingerprint=split.manifest.fingerprint),
        frames=frames,
        windows=len(window_starts(frames, trained.frames)),
        seeds=tuple(seeds),
        environment=machine.environment(machine.device_name(planned.device), precision),
    )

"""Finished runs put to other test sets: every seed's chosen weights on the test splits of other releases."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dynamics_gen
from benchmark import fitting, machine, plots, predictions, record, record_file
from benchmark.chosen import Judge, judge_of, read_choices, window_starts
from benchmark.data import ClipDataset
from benchmark.folder import RunFolder
from benchmark.plan import Plan, build_if_missing
from benchmark.recorded import plan_of
from dynamics_gen.config import RELEASES, SIZES, directory_name, release_named
from dynamics_gen.errors import ConfigError


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
    record_file.require_classifier(folder.record)
    read = record.read(folder.record)
    _check(read, wishes.releases)
    with folder.locked():
        planned = plan_of(read, folder, machine.choose_device(wishes.device), wishes.model, read.input)
        choices = read_choices(read, planned)
        splits = {name: _test_split(read, name, wishes, say) for name in wishes.releases}
        judge = judge_of(read, planned, choices, wishes.data, wishes.workers, say)
        for name, split in splits.items():
            scored = _score(read, planned, split, judge)
            kept = [one for one in read.shifted if one.release != name]
            order = sorted([*kept, scored], key=lambda one: list(RELEASES).index(one.release))
            read = record.write(dataclasses.replace(read, shifted=tuple(order)), folder.record)
            errors = ", ".join(f"{100 * one.scores.error:.1f}" for one in scored.seeds)
            say(f"{name}: {errors} % wrong, by seed")
        plots.pictures(read, folder.path)
    return read


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

"""A record's run, once more: its model and settings, its clips, its seeds, on whatever machine this is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmark import machine, predictions, record, record_file, spec
from benchmark.folder import RunFolder
from benchmark.plan import Options, Plan
from benchmark.predictions import Predictions
from benchmark.recipe import PRECISIONS
from benchmark.recorded import plan_of
from benchmark.recorded_data import recorded_splits, refuse_own_data
from benchmark.reproduction import result
from benchmark.reproduction.result import Reproduction
from benchmark.run import run_model
from dynamics_gen.config import SPLITS
from dynamics_gen.console import duration
from dynamics_gen.errors import ConfigError, UnknownNameError
from dynamics_gen.files import file_sha256


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What the user asked for.

    Attributes:
        seeds: how many of the record's seeds, its first; all of them unless given.
        device: where it is trained.
        precision: one of `recipe.PRECISIONS`, in place of the record's own; "" leaves it.
        data: holds the datasets' folders; a missing split is built there.
        runs: gets the new run's folder.
        resume: go on with what lies there.
        overwrite: remove what lies there and start again.
        workers: processes that build a missing split; as many as there are cores unless given.
        model: the model's file, where no model of the package has its name.
    """

    seeds: int | None = None
    device: str = "auto"
    precision: str = ""
    data: Path = Path("data")
    runs: Path = Path("runs/reproduced")
    resume: bool = False
    overwrite: bool = False
    workers: int | None = None
    model: Path | None = None


def reproduce(path: Path, wishes: Wishes, say: Callable[[str], None]) -> tuple[Reproduction, Path]:
    """Trains and tests anew what a record describes, and compares; the new run is a run like any other.

    Args:
        path: the record, or the folder that holds it; the predictions that it names lie beside it.
        wishes: what the user asked for.
        say: told, a line at a time, what happens.

    Returns:
        what came of it, and the file that it was written to, in the new run's folder.

    Raises:
        DynamicsError: whatever a user can cause; see the text.
        OSError: a file cannot be read or written.
    """
    path = path / "record.json" if path.is_dir() else path
    if (task := record_file.task_of(path)) != "classification":
        raise ConfigError(f"{path} is a record of {task}: expected one of classification, whose errors have intervals")
    old, sha256 = record.read(path), file_sha256(path)
    refuse_own_data(old.dataset)
    before = _said(path.parent, old.seeds)
    count = _count(old, wishes.seeds, path)
    planned, options = _planned(old, path, count, wishes)
    recorded_splits(old.dataset, wishes.data, SPLITS, wishes.workers, say)
    say(_announced(old, count))
    target = planned.folder.path / result.FILE
    if wishes.overwrite:
        target.unlink(missing_ok=True)
    new = run_model(planned, options, say)
    assert new is not None  # one process is the first
    known = {seed.seed for seed in old.seeds}
    new = dataclasses.replace(new, seeds=tuple(seed for seed in new.seeds if seed.seed in known))
    made = result.compare(old, new, before, _said(planned.folder.path, new.seeds), sha256)
    return result.write(made, target), target


def _count(old: record.Record, wished: int | None, path: Path) -> int:
    """How many seeds to train; they must be those that a run starts with."""
    there = len(old.seeds)
    count = there if wished is None else wished
    if not 1 <= count <= there:
        raise ConfigError(f"{count} seeds were asked for, and {path} has {there}: expected 1 to {there}")
    first = [seed.seed for seed in old.seeds[:count]]
    if first != list(range(count)):
        raise ConfigError(f"{path} begins with the seeds {first}: expected 0, 1, …, as `bench run` trains them")
    return count


def _planned(old: record.Record, path: Path, count: int, wishes: Wishes) -> tuple[Plan, Options]:
    """The record's plan in a folder of its own; nothing is written."""
    device = machine.choose_device(wishes.device)
    planned = plan_of(old, RunFolder(path.parent), device, wishes.model, old.input)
    options = Options(
        size=old.dataset.size,
        release=old.dataset.release,
        seeds=count,
        device=wishes.device,
        data=wishes.data,
        runs=wishes.runs,
        resume=wishes.resume,
        overwrite=wishes.overwrite,
        workers=wishes.workers,
        training={"train_per_class": planned.training.train_per_class},
    )
    usual = spec.find(str(wishes.model or old.model)).input
    name = options.run_name if old.input == usual else f"{options.run_name}-{old.input}"
    folder = RunFolder(wishes.runs / old.model / name)
    if folder.path.resolve() == path.parent.resolve():
        raise ConfigError(f"{folder.path} is the record's own folder: choose another one for the new run with --runs")
    return dataclasses.replace(_in_precision(planned, wishes.precision), folder=folder), options


def _in_precision(planned: Plan, wished: str) -> Plan:
    """The plan in the number format that was asked for, or else the record's."""
    if wished not in ("", *PRECISIONS):
        raise UnknownNameError("precision", wished, PRECISIONS)
    if wished and not planned.model.is_trained:
        raise ConfigError(
            f"{planned.model.description.name} is not trained step by step, so --precision would have no effect: "
            "leave it out"
        )
    precision = wished or planned.training.precision
    training = dataclasses.replace(planned.training, precision=machine.choose_precision(precision, planned.device))
    return dataclasses.replace(planned, training=training, precision_is_asked_for=wished not in ("", "auto"))


def _said(folder: Path, seeds: Sequence[record.Seed]) -> list[Predictions]:
    return [predictions.read(folder / seed.predictions, seed.predictions_sha256) for seed in seeds]


def _announced(old: record.Record, count: int) -> str:
    data, where = old.dataset, old.environment
    took = duration(fmean(seed.wall_time_s for seed in old.seeds))
    return (
        f"{old.model} on {data.release} {data.size}: {count} of the record's {len(old.seeds)} seeds, "
        f"each of which took {took} on {where.device} ({where.precision}, commit {where.commit[:12]})"
    )

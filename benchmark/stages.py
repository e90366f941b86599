"""The stages that runs of every task go through: splits checked, seeds trained and chosen, finished runs left alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import dynamics_gen
from benchmark import evaluate, machine, progress, record
from benchmark.checkpoint import Checkpoint, first_difference
from benchmark.choice import Choice, Splits, write_choice
from benchmark.data import ClipDataset, Clips
from benchmark.errors import StoppedError, TrainingError
from benchmark.plan import Options, Plan, build_missing
from benchmark.record import Environment
from benchmark.train import Event, Learner, fit
from dynamics_gen.errors import ConfigError
from dynamics_gen.manifest import read_manifest

Result = TypeVar("Result", bound=Any)

LEAST_CLIPS: Mapping[str, Mapping[str, int]] = {
    "generation": {"train": 6, "valid": 2, "test": 6},
    "prediction": {"valid": 2, "test": 6},
}
"""By task, of each split: a covariance needs two, and `metrics.density_coverage` five neighbours of each."""


@contextlib.contextmanager
def started(planned: Plan, options: Options, say: Callable[[str], None]) -> Iterator[Splits]:
    """Holds the run's folder, in order and by this process alone, and gives the splits, built where they are missing.

    Of several processes that train together, all call this, and the first holds the folder.

    Raises:
        TrainingError: the folder is in use, or holds an earlier run that nobody said what to do with; or the GPU has
            too little memory.
        StoppedError: the user pressed Ctrl-C.
    """
    folder, world = planned.folder, planned.world
    world.fabric(planned.device, "32-true")  # the processes meet

    def prepare() -> None:
        task = planned.model.description.task
        if options.overwrite:
            folder.clear()
        elif folder.is_used() and not options.resume:
            raise TrainingError(
                f"{folder.path} holds an earlier run: use --resume to go on with it (or to add seeds), "
                "--overwrite to start again, or --runs for another folder"
            )
        if task != "study":
            build_missing(options, say)
        if task in LEAST_CLIPS and options.on is not None:
            _refuse_few(options.on, LEAST_CLIPS[task])

    with folder.locked() if world.is_first else contextlib.nullcontext():
        try:
            world.agreed(prepare)
            if planned.device.type == "cpu":
                machine.keep_freed_memory()
            with machine.enough_memory(
                "what was finished is kept; leave the GPU to this run and go on with --resume, or start again with a "
                "smaller --batch-size"
            ):
                yield Splits(options.dataset, dynamics_gen.open)
        except KeyboardInterrupt:
            raise StoppedError("stopped: what was finished is kept; the same command with --resume goes on") from None


def _refuse_few(folder: Path, least: Mapping[str, int]) -> None:
    """Refuses data of the user's own, before anything is learnt from them, that are too few to be scored at the end.

    Raises:
        ConfigError: a split has fewer clips than `least` says.
    """
    for name, expected in least.items():
        if (clips := read_manifest(folder / name).clips) < expected:
            raise ConfigError(
                f"{folder / name} has {clips} clips: expected {expected} or more, since fewer have no Fréchet distance "
                "or nearest neighbours to be judged by; import more, or cut long videos with --windows all"
            )


def opened_to_learn(splits: Splits, options: Options) -> dict[str, ClipDataset]:
    """Train and valid, of the release that was asked for.

    Raises:
        ConfigError: a folder holds another one.
    """
    found = {"train": splits.train(), "valid": splits.valid()}
    for name, split in found.items():
        check_split(split, found["train"], options, splits.folder / name)
    return found


def check_split(split: ClipDataset, train: ClipDataset, options: Options, path: Path) -> None:
    """Refuses a folder that holds another release than the one asked for, or clips unlike those of train.

    Raises:
        ConfigError: it does.
    """
    if options.on is not None:
        here, there = ((one.manifest.release, one.manifest.classes, one.video_shape) for one in (split, train))
        if here != there:
            raise ConfigError(f"{path} holds {here[0]} of shape {here[2]}: expected {there[0]} of {there[2]}, as train")
    elif split.manifest.release != options.release:
        raise ConfigError(
            f"{path} holds the release {split.manifest.release}, and {options.release} was asked for: "
            "choose another --data folder, or --release"
        )


def train_seed(
    planned: Plan,
    seed: int,
    learner: Learner,
    clips: Mapping[str, Clips],
    configuration: Mapping[str, Any],
    after_epoch: Callable[[Event], None] | None = None,
) -> Checkpoint:
    """Trains a seed to the end; the first process writes its chosen weights and its choice.

    Args:
        planned: the run.
        seed: of everything that is drawn.
        learner: freshly made.
        clips: train and valid.
        configuration: all that determines the seed's weights, apart from the code.
        after_epoch: told of every epoch, after its line is printed.
    """
    folder, world = planned.folder, planned.world
    checkpoint = folder.checkpoint(seed)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if world.is_first and not checkpoint.exists():
        folder.write_configuration(seed, configuration)
    title, train = f"seed {seed}", clips["train"]
    meter = progress.shown(title, planned.training, len(train), learner) if world.is_first else progress.hidden()
    with meter as shown:

        def report(event: Event) -> None:
            shown(event)
            if after_epoch is not None and event.row is not None:
                after_epoch(event)

        state = fit(
            learner, train, clips["valid"], planned.training, seed, checkpoint, configuration, report, planned.world
        )
    if world.is_first:
        content = evaluate.save_weights(state, folder.weights(seed))
        choice = Choice(
            seed=seed,
            epoch=state.chosen_epoch,
            metric=learner.metric,
            value=state.chosen_value,
            weights=folder.weights(seed).name,
            weights_sha256=hashlib.sha256(content).hexdigest(),
        )
        write_choice(choice, folder.choice(seed))
    return state


def environment(planned: Plan, states: Iterable[Checkpoint], precision: str) -> Environment:
    """Where a run was made: its device is whatever its seeds were trained on, also where it was tested elsewhere.

    Args:
        planned: the run.
        states: its seeds', as training left them.
        precision: the number format.
    """
    used = dict.fromkeys(name for state in states for name in state.hardware)
    return machine.environment(" and ".join(used) or planned.hardware, precision)


def finished(
    planned: Plan, options: Options, configuration: Callable[[int], Mapping[str, Any]], read: Callable[[Path], Result]
) -> Result | None:
    """The record that is there already, if it holds all that is asked for and nothing else was asked for.

    Args:
        planned: the run.
        options: how many seeds are asked for.
        configuration: of a seed, as it would be now.
        read: reads a record of the run's task.
    """
    if not planned.folder.record.exists():
        return None
    there = read(planned.folder.record)
    if len(there.seeds) < options.seeds:
        return None
    for seed in range(options.seeds):
        path = planned.folder.configuration(seed)
        if not path.exists() or first_difference(json.loads(path.read_text("utf-8")), plain(configuration(seed))):
            return None  # training says which field differs
    return there


def dataset(options: Options, splits: Mapping[str, ClipDataset]) -> record.Dataset:
    """What a record says of the data."""
    manifest = splits["train"].manifest
    return record.Dataset(
        release=manifest.release,
        size=options.size if options.on is None else "own",
        seed=manifest.seed,
        frames=manifest.content["frames"],
        fps=manifest.content["fps"],
        image_size=manifest.content["image_size"],
        classes=manifest.classes,
        splits=record.Splits(
            **{
                name: record.Split(clips=len(split), fingerprint=split.manifest.fingerprint)
                for name, split in splits.items()
            }
        ),
    )


def settings(planned: Plan) -> record.Settings:
    """What a record says of the configuration."""
    return record.Settings(model=plain(planned.settings), training=plain(planned.recipe))


def plain(configuration: Any) -> Any:
    """As JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(configuration))

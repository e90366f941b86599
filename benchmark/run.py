"""A whole `bench run`: data, training, choice, test, record, for every seed of one model."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dynamics_gen
from benchmark import evaluate, fitting, inputs, machine, plots, predictions, progress, record
from benchmark.checkpoint import Checkpoint, first_difference
from benchmark.choice import Choice, Splits, write_choice
from benchmark.data import ClipDataset, Clips
from benchmark.errors import StoppedError, TrainingError
from benchmark.lessons import Shown
from benchmark.parts import first_of_each_class
from benchmark.plan import Options, Plan, build_missing
from benchmark.train import fit
from benchmark.world import ALONE
from dynamics_gen.errors import ConfigError
from dynamics_gen.pool import available_cores


def run_model(planned: Plan, options: Options, say: Callable[[str], None]) -> record.Record | None:
    """Trains, chooses, tests and records a model; what it writes is in `folder.RunFolder`.

    Of several processes that train together, all call this; the first writes, says, tests and returns the record.

    Args:
        planned: the model and everything resolved for it.
        options: what the user asked for.
        say: told, a line at a time, what happens.

    Raises:
        DynamicsError: whatever a user can cause; see the text.
        OSError: a folder is missing, unwritable or full.
    """
    folder, world = planned.folder, planned.world
    world.fabric(planned.device, "32-true")  # the processes meet

    def prepare() -> None:
        if options.overwrite:
            folder.clear()
        elif folder.is_used() and not options.resume:
            raise TrainingError(
                f"{folder.path} holds an earlier run: use --resume to go on with it (or to add seeds), "
                "--overwrite to start again, or --runs for another folder"
            )
        build_missing(options, say)

    if not world.is_first:
        say = _nothing
    with folder.locked() if world.is_first else contextlib.nullcontext():
        try:
            world.agreed(prepare)
            if planned.device.type == "cpu":
                machine.keep_freed_memory()
            made = _run(planned, options, Splits(options.dataset, dynamics_gen.open), say)
            return made if world.is_first else None
        except KeyboardInterrupt:
            raise StoppedError("stopped: what was finished is kept; the same command with --resume goes on") from None


def _nothing(line: str) -> None:
    pass


def _run(planned: Plan, options: Options, splits: Splits, say: Callable[[str], None]) -> record.Record | None:
    description, folder = planned.model.description, planned.folder
    opened: dict[str, ClipDataset] = {"train": splits.train(), "valid": splits.valid()}
    for name, split in opened.items():
        _check_split(split, opened["train"], options, splits.folder / name)
    if planned.model.is_fitted:
        return _run_fitted(planned, options, splits, opened, say)
    if per_class := planned.training.train_per_class:
        opened["train"] = first_of_each_class(opened["train"], per_class)
    classes, shape = opened["train"].manifest.classes, inputs.shape_of(description.input, opened["train"].video_shape)
    planned.check_shares(len(opened["train"]))
    wished = planned
    training = planned.world.agreed(
        lambda: wished.with_sound_precision(shape, len(classes), len(opened["train"]), say).training
    )
    planned = dataclasses.replace(planned, training=training)
    if options.resume and (finished := _finished(planned, options, opened)):
        say(f"{folder.record} is finished: nothing to do")
        return finished
    network = planned.model.module.build(planned.config, shape, len(classes))
    flops = evaluate.flops_per_clip(network, shape, len(classes))
    clips = {name: planned.clips(split, options.workers, say) for name, split in opened.items()}
    say(
        f"{description.name} on {splits.folder}: {len(clips['train']):,} clips, {training.epochs} epochs of batches of "
        f"{training.batch_size}, {planned.hardware}, {training.precision}, "
        f"clips {'kept in memory' if clips['train'].resident else 'read as they are needed'}"
    )
    states = {seed: _train(planned, seed, clips, opened, say) for seed in range(options.seeds)}
    if not planned.world.is_first:
        return None
    test = splits.test([folder.choice(seed) for seed in states])
    _check_split(test, opened["train"], options, splits.folder / "test")
    clips["test"] = planned.clips(test, options.workers, say, by_all=False)
    seeds = tuple(_test(planned, seed, state, clips) for seed, state in states.items())
    return _write(
        planned, options, {**opened, "test": test}, seeds, evaluate.parameters(network), flops, training.precision
    )


def _run_fitted(
    planned: Plan, options: Options, splits: Splits, opened: Mapping[str, ClipDataset], say: Callable[[str], None]
) -> record.Record:
    """The same for a model that is fitted: candidates in place of epochs, the same order of train, choice and test."""
    description, folder = planned.model.description, planned.folder
    if options.resume and (finished := _finished(planned, options, opened)):
        say(f"{folder.record} is finished: nothing to do")
        return finished
    workers = options.workers or available_cores()
    say(f"{description.name} on {splits.folder}: {len(opened['train']):,} clips, fitted by {workers} processes")

    def show(name: str, split: ClipDataset) -> Shown:
        return Shown(split, description.input, name, planned.device.type, workers)

    shown = {name: show(name, split) for name, split in opened.items()}
    chosen = {seed: fitting.choose(planned, seed, shown, opened, say) for seed in range(options.seeds)}
    test = splits.test([folder.choice(seed) for seed in chosen])
    _check_split(test, opened["train"], options, splits.folder / "test")
    clips = show("test", test)
    seeds = tuple(fitting.test(planned, seed, one, clips, test) for seed, one in chosen.items())
    fitted = chosen[0].fitted
    return _write(
        planned, options, {**opened, "test": test}, seeds, fitted.parameters, fitted.flops_per_clip, fitting.PRECISION
    )


def _write(
    planned: Plan,
    options: Options,
    splits: Mapping[str, ClipDataset],
    seeds: tuple[record.Seed, ...],
    parameters: int,
    flops: int | None,
    precision: str,
) -> record.Record:
    """Writes the record and its pictures."""
    description, folder = planned.model.description, planned.folder
    result = record.Record(
        record_version=record.RECORD_VERSION,
        metric_version=record.METRIC_VERSION,
        model=description.name,
        task=description.task,
        input=description.input,
        source=description.source,
        dataset=_dataset(options, splits),
        config=record.Settings(model=_plain(dataclasses.asdict(planned.config)), training=_plain(planned.recipe)),
        seeds=seeds,
        shifted=(),
        parameters=parameters,
        flops_per_clip=flops,
        environment=machine.environment(planned.hardware, precision),
        tags=record.Tags(verified=False, extra_data=False, note=""),
    )
    result = record.write(result, folder.record)
    folder.clear_shifted()
    plots.pictures(result, folder.path)
    return result


def _train(
    planned: Plan,
    seed: int,
    clips: Mapping[str, Clips],
    opened: Mapping[str, ClipDataset],
    say: Callable[[str], None],
) -> Checkpoint:
    """Trains a seed to the end and writes its choice."""
    folder, recipe_ = planned.folder, planned.training
    configuration = planned.configuration(seed, opened)
    checkpoint = folder.checkpoint(seed)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    world = planned.world
    learner = planned.learner(seed, clips["train"].shape, len(opened["train"].manifest.classes))
    if world.is_first and not checkpoint.exists():
        folder.write_configuration(seed, configuration)
    with (
        progress.shown(f"seed {seed}", recipe_, len(clips["train"])) if world.is_first else progress.hidden() as report
    ):
        state = fit(learner, clips["train"], clips["valid"], recipe_, seed, checkpoint, configuration, report, world)
    if not world.is_first:
        return state
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
    say(f"seed {seed}: epoch {choice.epoch} chosen, {100 * choice.value:.1f} % wrong on valid")
    return state


def _test(planned: Plan, seed: int, state: Checkpoint, clips: Mapping[str, Clips]) -> record.Seed:
    """Scores a seed's chosen weights on every split and keeps its predictions for test."""
    start = time.monotonic()
    classes = clips["train"].dataset.manifest.classes
    learner = planned.learner(seed, clips["train"].shape, len(classes), ALONE)
    evaluate.load_weights(dict(learner.modules()), planned.folder.weights(seed))
    size = planned.training.batch_size
    said = {
        name: evaluate.predict(learner, split, size, evaluate.SCORED_TRAIN_CLIPS if name == "train" else None)
        for name, split in clips.items()
    }
    path = planned.folder.predictions(seed)
    sha256 = predictions.write(said["test"], path)
    scoring = time.monotonic() - start
    trained_s = sum(row["train_seconds"] for row in state.history)
    columns = [f.name for f in dataclasses.fields(record.Epoch)]
    return record.Seed(
        seed=seed,
        chosen_epoch=state.chosen_epoch,
        history=tuple(record.Epoch(**{name: row[name] for name in columns}) for row in state.history),  # type: ignore[arg-type]
        scores=record.SplitScores(**{name: one.scores(classes) for name, one in said.items()}),
        predictions=path.name,
        predictions_sha256=sha256,
        wall_time_s=sum(row["seconds"] for row in state.history) + scoring,
        training_clips_per_s=sum(row["train_clips"] for row in state.history) / trained_s,
        peak_memory_bytes=state.peak_memory,
    )


def _finished(planned: Plan, options: Options, opened: Mapping[str, ClipDataset]) -> record.Record | None:
    """The record that is there already, if it holds all that is asked for and nothing else was asked for."""
    if not planned.folder.record.exists():
        return None
    there = record.read(planned.folder.record)
    if len(there.seeds) < options.seeds:
        return None
    for seed in range(options.seeds):
        path = planned.folder.configuration(seed)
        now = _plain(planned.configuration(seed, opened))
        if not path.exists() or first_difference(json.loads(path.read_text("utf-8")), now):
            return None  # training says which field differs
    return there


def _check_split(split: ClipDataset, train: ClipDataset, options: Options, path: Path) -> None:
    """Refuses a folder that holds another release than the one asked for, or clips unlike those of train."""
    if options.on is not None:
        here, there = ((one.manifest.release, one.manifest.classes, one.video_shape) for one in (split, train))
        if here != there:
            raise ConfigError(f"{path} holds {here[0]} of shape {here[2]}: expected {there[0]} of {there[2]}, as train")
    elif split.manifest.release != options.release:
        raise ConfigError(
            f"{path} holds the release {split.manifest.release}, and {options.release} was asked for: "
            "choose another --data folder, or --release"
        )


def _dataset(options: Options, splits: Mapping[str, ClipDataset]) -> record.Dataset:
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


def _plain(configuration: Any) -> Any:
    """As JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(configuration))

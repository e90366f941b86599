"""A whole `bench run` of a classifier: data, training, choice, test, record, for every seed."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping

from benchmark import evaluate, fitting, inputs, machine, plots, predictions, record, stages
from benchmark.checkpoint import Checkpoint
from benchmark.choice import Splits
from benchmark.data import ClipDataset, Clips
from benchmark.lessons import Shown
from benchmark.parts import first_of_each_class
from benchmark.plan import Options, Plan
from benchmark.world import ALONE
from dynamics_gen.errors import ConfigError
from dynamics_gen.pool import available_cores


def run_model(planned: Plan, options: Options, say: Callable[[str], None]) -> record.Record | None:
    """Trains, chooses, tests and records a classifier; what it writes is in `folder.RunFolder`.

    Of several processes that train together, all call this; the first writes, says, tests and returns the record.

    Args:
        planned: the model and everything resolved for it.
        options: what the user asked for.
        say: told, a line at a time, what happens.

    Raises:
        DynamicsError: whatever a user can cause; see the text.
        OSError: a folder is missing, unwritable or full.
    """
    if not planned.world.is_first:
        say = _nothing
    with stages.started(planned, options, say) as splits:
        made = _run(planned, options, splits, say)
    return made if planned.world.is_first else None


def _nothing(line: str) -> None:
    pass


def _run(planned: Plan, options: Options, splits: Splits, say: Callable[[str], None]) -> record.Record | None:
    description, folder = planned.model.description, planned.folder
    opened = stages.opened_to_learn(splits, options)
    if len(opened["train"].manifest.classes) < 2:
        raise ConfigError(
            f"{splits.folder / 'train'} has clips of one class, {opened['train'].manifest.classes[0]}: expected two or "
            "more to tell apart; import them with a table of --labels"
        )
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
    if options.resume and (
        finished := stages.finished(
            planned, options, functools.partial(planned.configuration, splits=opened), record.read
        )
    ):
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
    stages.check_split(test, opened["train"], options, splits.folder / "test")
    clips["test"] = planned.clips(test, options.workers, say, by_all=False)
    seeds = tuple(_test(planned, seed, state, clips) for seed, state in states.items())
    where = stages.environment(planned, states.values(), training.precision)
    return _write(planned, options, {**opened, "test": test}, seeds, evaluate.parameters(network), flops, where)


def _run_fitted(
    planned: Plan, options: Options, splits: Splits, opened: Mapping[str, ClipDataset], say: Callable[[str], None]
) -> record.Record:
    """The same for a model that is fitted: candidates in place of epochs, the same order of train, choice and test."""
    description, folder = planned.model.description, planned.folder
    if options.resume and (
        finished := stages.finished(
            planned, options, functools.partial(planned.configuration, splits=opened), record.read
        )
    ):
        say(f"{folder.record} is finished: nothing to do")
        return finished
    workers = options.workers or available_cores()
    say(f"{description.name} on {splits.folder}: {len(opened['train']):,} clips, fitted by {workers} processes")

    def show(name: str, split: ClipDataset) -> Shown:
        return Shown(split, description.input, name, planned.device.type, workers)

    shown = {name: show(name, split) for name, split in opened.items()}
    chosen = {seed: fitting.choose(planned, seed, shown, opened, say) for seed in range(options.seeds)}
    test = splits.test([folder.choice(seed) for seed in chosen])
    stages.check_split(test, opened["train"], options, splits.folder / "test")
    clips = show("test", test)
    seeds = tuple(fitting.test(planned, seed, one, clips, test) for seed, one in chosen.items())
    fitted = chosen[0].fitted
    where = machine.environment(planned.hardware, fitting.PRECISION)
    return _write(planned, options, {**opened, "test": test}, seeds, fitted.parameters, fitted.flops_per_clip, where)


def _write(
    planned: Plan,
    options: Options,
    splits: Mapping[str, ClipDataset],
    seeds: tuple[record.Seed, ...],
    parameters: int,
    flops: int | None,
    environment: record.Environment,
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
        dataset=stages.dataset(options, splits),
        config=stages.settings(planned),
        seeds=seeds,
        shifted=(),
        parameters=parameters,
        flops_per_clip=flops,
        environment=environment,
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
    learner = planned.learner(seed, clips["train"].shape, len(opened["train"].manifest.classes))
    state = stages.train_seed(planned, seed, learner, clips, planned.configuration(seed, opened))
    say(f"seed {seed}: epoch {state.chosen_epoch} chosen, {100 * state.chosen_value:.1f} % wrong on valid")
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

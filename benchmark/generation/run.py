"""A `bench run` of a generator: data, training, choice on valid, scores on test, pictures, record, for every seed."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmark import evaluate, stages
from benchmark.checkpoint import Checkpoint
from benchmark.choice import Splits, read_choice
from benchmark.data import ClipDataset, Clips
from benchmark.generation import attributes, frozen, pictures, record, scores
from benchmark.generation.contract import Classifies
from benchmark.generation.learner import Generation
from benchmark.generation.views import View
from benchmark.parts import PartOfSplit, first_of_each_class
from benchmark.plan import Options, Plan
from benchmark.spec import Model
from benchmark.train import Event
from dynamics_gen.errors import ConfigError

FORM = "pixels"
"""How a view's clips are handed to generators: as numbers in [-1, 1]."""


def run_generator(planned: Plan, options: Options, say: Callable[[str], None]) -> record.Record:
    """Trains, chooses, scores and records a generator; what it writes is in `folder.RunFolder`.

    Args:
        planned: the model and everything resolved for it.
        options: what the user asked for.
        say: told, a line at a time, what happens.

    Raises:
        DynamicsError: whatever a user can cause; see the text.
        OSError: a folder is missing, unwritable or full.
    """
    with stages.started(planned, options, say) as splits:
        return _run(planned, options, splits, say)


def _run(planned: Plan, options: Options, splits: Splits, say: Callable[[str], None]) -> record.Record:
    folder = planned.folder
    opened = stages.opened_to_learn(splits, options)
    features = frozen.features_of(planned.model.description.input, planned.device)
    configured = functools.partial(configuration, planned, opened, features.sha256)
    if options.resume and (there := stages.finished(planned, options, configured, record.read)):
        say(f"{folder.record} is finished: nothing to do")
        return there
    if per_class := planned.training.train_per_class:
        opened["train"] = first_of_each_class(opened["train"], per_class)
    clips = {name: clips_of(planned, split) for name, split in opened.items()}
    description, shape, recipe = planned.model.description, clips["train"].shape, planned.training
    say(
        f"{description.name} on {splits.folder}: {len(clips['train']):,} {description.input} of {shape[2]}×{shape[3]} "
        f"pixels, {recipe.epochs} epochs of batches of {recipe.batch_size}, {planned.hardware}, {recipe.precision}"
    )
    states, network = {}, build(planned.model, planned.config, shape)
    for seed in range(options.seeds):
        state = states[seed] = train_seed(planned, seed, clips, configured(seed))
        metric = read_choice(folder.choice(seed)).metric
        say(f"seed {seed}: epoch {state.chosen_epoch} chosen, {metric} {state.chosen_value:.4g} on valid")
    test = splits.test([folder.choice(seed) for seed in states])
    stages.check_split(test, opened["train"], options, splits.folder / "test")
    clips["test"] = clips_of(planned, test)
    seeds = tuple(test_seed(planned, seed, state, clips) for seed, state in states.items())
    made = record.write(
        record.Record(
            record_version=record.RECORD_VERSION,
            metric_version=record.METRIC_VERSION,
            model=description.name,
            task=description.task,
            view=record.View(form=description.input, frames=shape[0], image_size=shape[2]),
            attributes=description.attributes,
            labels=description.labels,
            source=description.source,
            dataset=stages.dataset(options, {**opened, "test": test}),
            config=stages.settings(planned),
            features=record.Network(name=features.name, sha256=features.sha256),
            seeds=seeds,
            parameters=evaluate.parameters(network),
            flops_per_sample=scores.flops_per_sample(network, attributes.width(description.attributes)),
            environment=stages.environment(planned, states.values(), planned.training.precision),
            tags=record.Tags(verified=False, extra_data=False, note=""),
        ),
        folder.record,
    )
    pictures.curves(made, folder.path / "curves.png")
    return made


def configuration(planned: Plan, opened: Mapping[str, ClipDataset], features_sha256: str, seed: int) -> dict[str, Any]:
    """All that determines a seed's chosen weights, apart from the code."""
    return planned.configuration(seed, opened) | {"features": features_sha256}


def build(model: Model, config: Any, shape: tuple[int, int, int, int]) -> nn.Module:
    """A generator's network, which is given how many numbers go with a clip, if any do."""
    width = attributes.width(model.description.known)
    return model.module.build(config, shape, *([width] if width else []))


def clips_of(planned: Plan, split: ClipDataset) -> Clips:
    """A split as its model sees it: a generator perhaps fewer frames, and attributes; a predictor all frames."""
    description, config = planned.model.description, planned.config
    time_, height = split.video_shape[:2]
    frames = time_ if description.task == "prediction" else getattr(config, "frames", time_)
    view = View(split, description.input, frames, getattr(config, "image_size", height))
    told = None
    if names := description.known:
        told = view.of_clips(attributes.attributes_of(split, names))
    return Clips(view, planned.device, FORM, attributes=told)


def labelled_part(clips: Clips, count: int, seed: int) -> Clips:
    """`count` clips, drawn from the seed, whose labels may be learnt from.

    Raises:
        ConfigError: there are fewer.
    """
    if not 1 <= count <= len(clips):
        raise ConfigError(f"got labels={count}, expected from 1 to the {len(clips):,} of train: try --set labels=1000")
    rows = np.sort(np.random.default_rng(seed).permutation(len(clips))[:count])
    assert clips.attributes is not None
    told = clips.attributes[torch.from_numpy(rows)].cpu().numpy()
    return Clips(PartOfSplit(clips.dataset, rows), clips.device, FORM, attributes=told)


def make_learner(planned: Plan, seed: int, shape: tuple[int, int, int, int], train: Clips | None = None) -> Generation:
    """A fresh learner; torch's generator is seeded first, so its weights are a function of the seed.

    Args:
        planned: the run.
        seed: of the weights, and of which clips of train are labelled.
        shape: (T, C, H, W) of a clip.
        train: where labels come from, for a learner that will be trained.

    Raises:
        ModelError: the network does not keep the contract.
    """
    fabric = planned.world.fabric(planned.device, planned.training.precision)
    features = frozen.features_of(planned.model.description.input, planned.device)
    torch.manual_seed(seed)
    network = build(planned.model, planned.config, shape)
    labelled = None
    if train is not None and isinstance(network, Classifies):
        labelled = labelled_part(train, network.labels, seed)
    conditional = bool(planned.model.description.attributes)
    return Generation(network, planned.training, fabric, features, conditional, labelled)


def load_learner(planned: Plan, seed: int, shape: tuple[int, int, int, int]) -> Generation:
    """A learner with a seed's chosen weights.

    Raises:
        TrainingError: the choice or the weights are missing, or not each other's.
    """
    learner = make_learner(planned, seed, shape)
    evaluate.load_chosen(learner.modules(), planned.folder, seed)
    return learner


def train_seed(planned: Plan, seed: int, clips: Mapping[str, Clips], configuration: Mapping[str, Any]) -> Checkpoint:
    """Trains a seed to the end, or on from where it stopped, with a sheet of samples of every epoch.

    Args:
        planned: the run.
        seed: of everything that is drawn.
        clips: train and valid.
        configuration: all that determines the seed's weights, apart from the code.

    Raises:
        CollapseError: the samples have become all but one.
    """
    learner = make_learner(planned, seed, clips["train"].shape, clips["train"])
    conditional = bool(planned.model.description.attributes)
    sheets = _sheets(learner, clips["valid"], conditional, planned.folder.samples(seed))
    return stages.train_seed(planned, seed, learner, clips, configuration, sheets)


def _sheets(learner: Generation, valid: Clips, conditional: bool, folder: Path) -> Callable[[Event], None]:
    """Draws a sheet of samples after every epoch, always from the same draws."""
    told, count = None, pictures.SHEET
    if conditional and valid.attributes is not None:
        told = valid.attributes[pictures.spread_over(len(valid))]
        count = len(told)

    def draw(event: Event) -> None:
        samples = torch.cat([clips for clips, _ in learner.samples(count, told)])
        pictures.sheet(samples, folder / f"epoch-{event.epoch:04d}.png")

    return draw


def test_seed(planned: Plan, seed: int, state: Checkpoint, clips: Mapping[str, Clips]) -> record.Seed:
    """Scores a seed's chosen weights on test, and draws what they make."""
    start = time.monotonic()
    learner = load_learner(planned, seed, clips["train"].shape)
    found, samples_per_s = scores.score(learner, clips["test"], clips["train"], planned.model.description.attributes)
    pictures.all_of(learner, clips["test"], planned.model.description.attributes, planned.folder.path, seed)
    if sheets := sorted(planned.folder.samples(seed).glob("epoch-*.png")):
        pictures.by_epoch(sheets, clips["test"].shape[-1], planned.folder.path / f"epochs-seed{seed}.png")
    choice = read_choice(planned.folder.choice(seed))
    trained_s = sum(row["train_seconds"] for row in state.history)
    return record.Seed(
        seed=seed,
        chosen_epoch=state.chosen_epoch,
        chosen_by=learner.metric,
        history=tuple(dict(row) for row in state.history),
        test=found,
        weights_sha256=choice.weights_sha256,
        wall_time_s=sum(row["seconds"] for row in state.history) + time.monotonic() - start,
        training_clips_per_s=sum(row["train_clips"] for row in state.history) / trained_s,
        samples_per_s=samples_per_s,
        peak_memory_bytes=state.peak_memory,
    )

"""A `bench run` of a predictor: data, training, choice on valid, scores on test, filmstrips, record, for every seed."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from benchmark import evaluate, flops, stages
from benchmark.checkpoint import Checkpoint
from benchmark.choice import Choice, Splits, read_choice, write_choice
from benchmark.data import ClipDataset, Clips, sequential
from benchmark.errors import ModelError
from benchmark.generation import frozen
from benchmark.generation.record import Network, View
from benchmark.generation.run import clips_of, configuration
from benchmark.parts import first_of_each_class
from benchmark.plan import Options, Plan
from benchmark.prediction import pictures, record, scores
from benchmark.prediction.contract import CONTEXT, HORIZON
from benchmark.prediction.learner import Prediction, squared_error
from dynamics_gen.errors import ConfigError


def run_predictor(planned: Plan, options: Options, say: Callable[[str], None]) -> record.Record:
    """Trains, chooses, scores and records a predictor; what it writes is in `folder.RunFolder`.

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
    folder, description = planned.folder, planned.model.description
    opened = stages.opened_to_learn(splits, options)
    features = frozen.features_of(description.input, planned.device)
    configured = functools.partial(configuration, planned, opened, features.sha256)
    if options.resume and (there := stages.finished(planned, options, configured, record.read)):
        say(f"{folder.record} is finished: nothing to do")
        return there
    if per_class := planned.training.train_per_class:
        opened["train"] = first_of_each_class(opened["train"], per_class)
    clips = {name: clips_of(planned, split) for name, split in opened.items()}
    shape = clips["train"].shape
    if shape[0] < CONTEXT + HORIZON:
        advice = "try a release with longer ones" if options.on is None else "import them anew with --frames 32"
        raise ConfigError(
            f"{splits.folder} has clips of {shape[0]} frames, expected {CONTEXT + HORIZON} or more: {advice}"
        )
    network = build(planned, shape) if planned.model.is_trained else None
    recipe = planned.training
    told = f"{recipe.epochs} epochs of batches of {recipe.batch_size}" if network else "a rule, which learns nothing"
    say(
        f"{description.name} on {splits.folder}: {len(clips['train']):,} clips of {shape[2]}×{shape[3]} pixels, "
        f"{told}, {planned.hardware}"
    )
    states = {}
    for seed in range(options.seeds if network else 1):
        if network:
            learner = make_learner(planned, seed, shape)
            states[seed] = stages.train_seed(planned, seed, learner, clips, configured(seed))
        else:
            states[seed] = _judge_rule(planned, seed, clips["valid"], configured(seed))
        choice = read_choice(folder.choice(seed))
        say(f"seed {seed}: epoch {choice.epoch} chosen, {choice.metric} {choice.value:.4g} on valid")
    test = splits.test([folder.choice(seed) for seed in states])
    stages.check_split(test, opened["train"], options, splits.folder / "test")
    clips["test"] = clips_of(planned, test)
    stochastic = network is not None and bool(network.stochastic)
    seeds = tuple(_test(planned, seed, state, stochastic, clips, test) for seed, state in states.items())
    return record.write(
        record.Record(
            record_version=record.RECORD_VERSION,
            metric_version=record.METRIC_VERSION,
            model=description.name,
            task=description.task,
            view=View(form=description.input, frames=shape[0], image_size=shape[2]),
            context=CONTEXT,
            horizon=HORIZON,
            stochastic=stochastic,
            source=description.source,
            dataset=stages.dataset(options, {**opened, "test": test}),
            config=stages.settings(planned),
            features=Network(name=features.name, sha256=features.sha256),
            seeds=seeds,
            parameters=0 if network is None else evaluate.parameters(network),
            flops_per_frame=0 if network is None else flops_per_frame(network, shape),
            environment=stages.environment(planned, states.values(), planned.training.precision),
            tags=record.Tags(verified=False, extra_data=False, note=""),
        ),
        folder.record,
    )


def build(planned: Plan, shape: tuple[int, int, int, int]) -> nn.Module:
    """A predictor's network, for clips of `shape` (T, C, H, W)."""
    return planned.model.module.build(planned.config, shape)


def make_learner(planned: Plan, seed: int, shape: tuple[int, int, int, int]) -> Prediction:
    """A fresh learner; torch's generator is seeded first, so its weights are a function of the seed.

    Raises:
        ModelError: the network does not keep the contract.
    """
    fabric = planned.world.fabric(planned.device, planned.training.precision)
    features = frozen.features_of(planned.model.description.input, planned.device)
    torch.manual_seed(seed)
    return Prediction(build(planned, shape), planned.training, fabric, features)


def load_learner(planned: Plan, seed: int, shape: tuple[int, int, int, int]) -> Prediction:
    """A learner with the chosen weights of a seed.

    Raises:
        TrainingError: the choice or the weights are missing, or not each other's.
    """
    learner = make_learner(planned, seed, shape)
    evaluate.load_chosen(learner.modules(), planned.folder, seed)
    return learner


def continuation(planned: Plan, seed: int, shape: tuple[int, int, int, int]) -> scores.Continue:
    """What continues clips: the chosen weights of a seed, or the rule.

    Raises:
        TrainingError: the choice or the weights are missing, or not each other's.
    """
    if planned.model.is_trained:
        return load_learner(planned, seed, shape).continued

    def go_on(clips: torch.Tensor, frames: int) -> torch.Tensor:
        context = clips[:, :, :CONTEXT]
        said = planned.model.module.predict(planned.config, context, frames - CONTEXT)
        if said.shape[2] != frames - CONTEXT:
            raise ModelError(f"predict gave {said.shape[2]} frames: expected {frames - CONTEXT}")
        return torch.cat([context, said.clamp(-1, 1)], dim=2)

    return go_on


@torch.no_grad()
def flops_per_frame(network: nn.Module, shape: tuple[int, int, int, int]) -> int:
    """Floating-point operations of `HORIZON` predicted frames of one clip, over their number."""
    device = next(network.parameters()).device
    context = torch.zeros(1, shape[1], CONTEXT, *shape[2:], device=device)
    with flops.counted(network) as counter, torch.random.fork_rng():
        network.predict(context, HORIZON)  # type: ignore[operator]
    return counter.get_total_flops() // HORIZON


def _judge_rule(planned: Plan, seed: int, valid: Clips, configuration: Mapping[str, Any]) -> Checkpoint:
    """The state of a rule, which is nothing but its error on valid; its settings stand where weights would."""
    folder = planned.folder
    folder.choice(seed).parent.mkdir(parents=True, exist_ok=True)
    folder.write_configuration(seed, configuration)
    go_on = continuation(planned, seed, valid.shape)
    start = time.monotonic()
    batches = valid.batches(sequential(len(valid), scores.CLIPS_A_BATCH))
    errors = torch.cat([squared_error(go_on(batch.clips, CONTEXT + HORIZON), batch.clips) for batch in batches])
    row = {"epoch": 0, "valid_mse": errors.mean().item(), "seconds": time.monotonic() - start}
    settings = folder.configuration(seed)
    choice = Choice(
        seed=seed,
        epoch=0,
        metric="mse",
        value=row["valid_mse"],
        weights=settings.name,
        weights_sha256=hashlib.sha256(settings.read_bytes()).hexdigest(),
    )
    write_choice(choice, folder.choice(seed))
    return Checkpoint(configuration=dict(configuration), history=[row])


def _test(
    planned: Plan, seed: int, state: Checkpoint, stochastic: bool, clips: Mapping[str, Clips], test: ClipDataset
) -> record.Seed:
    """Scores a seed's chosen weights, or the rule, and draws what they make."""
    start = time.monotonic()
    go_on = continuation(planned, seed, clips["train"].shape)
    features = frozen.features_of(planned.model.description.input, planned.device)
    found, pace = scores.score(go_on, stochastic, features, clips["test"], test, clips["train"])
    pictures.all_of(go_on, clips["test"], planned.folder.path, seed)
    choice = read_choice(planned.folder.choice(seed))
    trained = sum(row.get("train_seconds", 0.0) for row in state.history)
    learnt = sum(row.get("train_clips", 0.0) for row in state.history)
    return record.Seed(
        seed=seed,
        chosen_epoch=choice.epoch,
        chosen_by=choice.metric,
        history=tuple(dict(row) for row in state.history),
        test=found,
        weights_sha256=choice.weights_sha256,
        wall_time_s=sum(row["seconds"] for row in state.history) + time.monotonic() - start,
        training_clips_per_s=learnt / trained if trained else 0.0,
        predicted_frames_per_s=pace,
        peak_memory_bytes=state.peak_memory,
    )

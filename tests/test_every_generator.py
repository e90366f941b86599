"""Every file in baselines/generators keeps the contract of a generator."""

import ast
import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

import baselines.generators
from benchmark.data import Batch
from benchmark.generation import attributes
from benchmark.generation.contract import Classifies, Generator, Infers, Judges, Likelihood, Represents
from benchmark.generation.frozen import features_of
from benchmark.generation.learner import Generation
from benchmark.recipe import Training
from benchmark.replay import STEPS_BEFORE
from benchmark.world import ALONE

FOLDER = Path(baselines.generators.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
CPU = torch.device("cpu")
SMALL = {"image_size": 32, "frames": 4, "width": 0.25}
"""Settings that make any of them quick, where it has them."""


@pytest.fixture(params=NAMES)
def module(request):
    """One generator's module after the other."""
    return importlib.import_module(f"baselines.generators.{request.param}")


def small(module):
    """A small configuration of a model."""
    known = {field.name: field.default for field in dataclasses.fields(module.Config)}
    settings = {name: value for name, value in SMALL.items() if name in known}
    if isinstance(known.get("width"), int):
        settings["width"] = 8
    return module.Config(**settings)


def width_of(module):
    """How many numbers a model is told of a clip, or learns to tell."""
    names = getattr(module, "ATTRIBUTES", ()) or tuple(getattr(module, "LABELS", "").split())
    return attributes.width(names) if names else 0


def told_of(module, batch):
    """What samples are told."""
    return batch.attributes if hasattr(module, "ATTRIBUTES") else None


def offers(network, protocol) -> bool:
    """Whether a network has what a part of the contract asks for."""
    return isinstance(network, protocol)


def built(module, seed=0) -> tuple[Any, Batch]:
    """A small network, and a batch that it may learn from."""
    config, told = small(module), width_of(module)
    shape = (getattr(config, "frames", 4) if module.INPUT == "clips" else 1, 3, 32, 32)
    torch.manual_seed(seed)
    network = module.build(config, shape, *([told] if told else []))
    clips = (torch.rand(4, 3, shape[0], 32, 32) * 2 - 1).contiguous()
    rows = torch.eye(told)[torch.arange(4) % told] if told else None
    return network, Batch(clips=clips, labels=torch.arange(4), attributes=rows)


def lesson(module, batch) -> Batch:
    """The batch, with labels where a model learns from some."""
    learns = module.__name__.rpartition(".")[2].startswith("semi_supervised")
    return dataclasses.replace(batch, labelled=batch) if learns else batch


def test_there_are_the_models_of_chapter_4():
    """A folder that lost its files would pass every other test here."""
    wanted = {"vae", "gan", "ali", "conditional_ali", "learned_inverse", "post_hoc_inference", "pixelcnn"}
    assert wanted | {"rali_sequence", "rali_single", "vgan", "clip_flow_matching"} <= set(NAMES)


def test_its_docstring_has_a_summary_a_source_and_its_deviations(module):
    """A reader learns where the model comes from and what is ours, without reading code."""
    summary, rest = module.__doc__.split("\n", 1)
    assert summary.endswith(".")
    assert "\nSource: " in rest
    assert "\nDeviations: " in rest


def test_its_facts_are_literals_that_need_no_import(module):
    """`bench list` reads task, view, source, recipe and attributes from the syntax tree alone."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    literals = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in {"TASK", "INPUT", "SOURCE", "TRAINING", "ATTRIBUTES"}
    }
    assert literals["TASK"] == "generation"
    assert literals["INPUT"] in ("frames", "clips")
    assert literals["TRAINING"]["*"]["weight_decay"] == 0.0
    attributes.parts(literals.get("ATTRIBUTES", attributes.NAMES))


def test_it_keeps_the_contract(module):
    """Players that share no weights and own all of them; samples, and what it infers and judges, of the right shape."""
    network, batch = built(module)
    assert offers(network, Generator)
    owned = [id(weight) for player in network.players().values() for weight in player.parameters]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(weight) for weight in network.parameters() if weight.requires_grad}
    network.eval()
    with torch.no_grad():
        told = told_of(module, batch)
        samples = network.sample(2, None if told is None else told[:2])
        assert samples.shape == (2, *batch.clips.shape[1:])
        assert torch.isfinite(samples).all()
        assert samples.abs().max() <= 1.0
        if offers(network, Infers):
            latents = network.encode(batch.clips, told)
            assert latents.ndim == 2
            assert network.decode(latents, told).shape == batch.clips.shape
        if offers(network, Judges):
            assert network.judge(batch.clips, told).shape == (4,)
        if offers(network, Classifies):
            assert network.classify(batch.clips).shape == (4, width_of(module))
        if offers(network, Represents):
            assert network.represent(batch.clips).shape == (4, network.represent(batch.clips[:1]).shape[1])
        if offers(network, Likelihood):
            assert network.nats(batch).shape == (4,)


def test_its_losses_are_finite_and_move_every_weight(module):
    """Over all its phases, every player moves, and every weight of it."""
    network, batch = built(module)
    network.train()
    players, idle = network.players(), {id(weight) for weight in network.parameters() if weight.requires_grad}
    moved = set()
    for progress in (0.0, 0.999):
        losses = network.losses(batch, progress)
        assert all(torch.isfinite(value).all() and value.ndim == 0 for value in losses.values())
        for name in players.keys() & losses.keys():
            moved.add(name)
            weights = list(players[name].parameters)
            found = torch.autograd.grad(losses[name], weights, retain_graph=True, allow_unused=True)
            idle -= {id(weight) for weight, value in zip(weights, found, strict=True) if value is not None}
    assert moved == players.keys()
    assert not idle


def test_the_global_generator_alone_decides_what_it_does(module):
    """Same seed, same weights after three steps and same samples; another seed, others."""

    def trained(seed):
        network, batch = built(module, seed)
        recipe = Training(learning_rate=1e-3, weight_decay=0.0)
        learner = Generation(network, recipe, ALONE.fabric(CPU, "32-true"), features_of(module.INPUT, CPU))
        network.train()
        for step in range(3):
            learner.training_step(batch, step / 3)
        told = told_of(module, batch)
        return learner.samples(2, None if told is None else told[:2])[0][0]

    first, again, other = trained(0), trained(0), trained(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_in_evaluation_its_statistics_stand_still(module):
    """Sampling, inferring and judging change no buffer."""
    network, batch = built(module)
    network.train()
    network.losses(batch, 0.0)
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        told = told_of(module, batch)
        network.sample(2, None if told is None else told[:2])
        if offers(network, Infers):
            network.decode(network.encode(batch.clips, told), told)
        if offers(network, Judges):
            network.judge(batch.clips, told)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_gradients_lie_in_memory_as_their_weights(module):
    """The fused Adam of a GPU takes no others."""
    network, batch = built(module)
    batch = lesson(module, batch)
    recipe = Training(precision="32-true")
    learner = Generation(network, recipe, ALONE.fabric(CPU, "32-true"), features_of(module.INPUT, CPU))
    seen = []

    def look(optimiser, *_):
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        seen.extend((one.grad.stride(), one.stride()) for one in weights if one.grad is not None)

    for optimiser in learner.optimisers().values():
        optimiser.register_step_pre_hook(look)
    learner.training_step(batch, 0.999)
    assert seen
    assert all(one == other for one, other in seen)


def test_steps_of_a_phase_are_alike(module):
    """What a network calls the same phase gives the same losses, whatever the progress."""
    found = {}
    for progress in (0.0, 0.3, 0.6, 0.999):
        network, batch = built(module)
        batch = lesson(module, batch)
        torch.manual_seed(1)
        losses = {name: float(value.detach()) for name, value in network.losses(batch, progress).items()}
        assert found.setdefault(network.phase(batch, progress), losses) == losses


@pytest.mark.gpu
def test_its_steps_are_replayed_on_a_gpu(module):
    """Nothing in a step waits for the device or draws from the processor."""
    network, batch = built(module)
    batch = lesson(module, batch)
    cuda = torch.device("cuda")
    features = features_of(module.INPUT, cuda)
    learner = Generation(network, Training(precision="32-true"), ALONE.fabric(cuda, "32-true"), features)
    batch = batch.mapped(lambda values: values.to(cuda))
    stages, steps = (0.0, 0.999), 6
    for progress in stages:
        for _ in range(steps):
            learner.training_step(batch, progress)
    phases = {network.phase(batch, progress) for progress in stages}
    assert learner.replay is not None
    assert (learner.replay.problem, learner.replay.steps) == ("", 2 * steps - STEPS_BEFORE * len(phases))

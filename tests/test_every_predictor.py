"""Every file in baselines/predictors keeps the contract of a predictor."""

from __future__ import annotations

import ast
import dataclasses
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import baselines.predictors
from benchmark.data import Batch
from benchmark.generation.frozen import features_of
from benchmark.prediction.contract import CONTEXT, HORIZON, Predictor, Represents
from benchmark.prediction.learner import Prediction
from benchmark.recipe import Training
from benchmark.world import ALONE

FOLDER = Path(baselines.predictors.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
CPU = torch.device("cpu")
SHAPE = (32, 3, 32, 32)


@pytest.fixture(params=NAMES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    """One predictor's module after the other."""
    return importlib.import_module(f"baselines.predictors.{request.param}")


@pytest.fixture(params=[name for name in NAMES if "\ndef build(" in (FOLDER / f"{name}.py").read_text("utf-8")])
def trained(request: pytest.FixtureRequest) -> ModuleType:
    """The same, but rules, which have no weights."""
    return importlib.import_module(f"baselines.predictors.{request.param}")


def built(module: ModuleType, seed: int = 0) -> tuple[Any, Batch]:
    """A small network, and a batch that it may learn from."""
    known = {field.name: field.default for field in dataclasses.fields(module.Config)}
    settings: dict[str, Any] = {"image_size": 32}
    if "width" in known:
        settings["width"] = 0.25 if isinstance(known["width"], float) else 4
    torch.manual_seed(seed)
    network = module.build(module.Config(**settings), SHAPE)
    clips = torch.rand(3, 3, CONTEXT + HORIZON, 32, 32) * 2 - 1
    return network, Batch(clips=clips.contiguous(), labels=torch.arange(3))


def offers(network: Any, protocol: type) -> bool:
    """Whether a network has what a contract asks for."""
    return isinstance(network, protocol)


def test_its_docstring_has_a_summary_and_a_source(module: ModuleType) -> None:
    """A reader learns where the model comes from, and what is ours, without reading code."""
    summary, rest = (module.__doc__ or "").split("\n", 1)
    assert summary.endswith(".")
    if module.SOURCE != "control":
        assert "\nSource: " in rest
    if hasattr(module, "build"):
        assert "Deviations: " in rest
        assert "\nFeatures: " in rest


def test_it_sees_clips_at_a_size_that_can_be_chosen(module: ModuleType) -> None:
    """Every predictor takes `image_size`; its width, if it has one, is called so."""
    assert module.TASK == "prediction"
    assert module.INPUT == "clips"
    assert isinstance(module.Config().image_size, int)


def test_it_keeps_the_contract(trained: ModuleType) -> None:
    """Players, losses under their names, predictions of any number of frames, in [-1, 1] or near it."""
    network, batch = built(trained)
    assert offers(network, Predictor)
    found = network.losses(batch, 0.0)
    assert set(network.players()) & set(found)
    assert all(value.ndim == 0 and value.isfinite() for value in found.values())
    network.eval()
    with torch.no_grad():
        for count in (1, HORIZON, 22):
            said = network.predict(batch.clips[:, :, :CONTEXT], count)
            assert said.shape == (3, 3, count, 32, 32)
            assert said.isfinite().all()


def test_a_clip_is_continued_by_itself(trained: ModuleType) -> None:
    """What else is in the batch changes nothing; a model that does not draw says the same again."""
    network, batch = built(trained)
    network.eval()
    context = batch.clips[:, :, :CONTEXT]
    if network.stochastic:
        torch.manual_seed(1)
        one = network.predict(context, 3)
        torch.manual_seed(2)
        assert not torch.equal(one, network.predict(context, 3))
        return
    with torch.no_grad():
        torch.testing.assert_close(
            network.predict(context, 3)[:1], network.predict(context[:1], 3), atol=1e-4, rtol=1e-3
        )


def test_features_of_a_clip_are_its_own(trained: ModuleType) -> None:
    """Maps of each clip, whatever else is in the batch and whatever was drawn, that every frame has a part in.

    Gradients reach the layers that see the frames, also where clips are longer than those learnt from.
    """
    network, batch = built(trained)
    assert offers(network, Represents)
    network.eval()
    clips = torch.cat([batch.clips, batch.clips.flip(2)[:, :, :12]], dim=2).requires_grad_()
    maps = network.represent(clips)
    assert maps.ndim == 5
    assert maps.shape[0] == 3
    assert maps.shape[1] > 1
    assert 1 < maps.shape[2] <= clips.shape[2]
    with torch.no_grad():
        torch.manual_seed(1)
        torch.testing.assert_close(maps[1:2], network.represent(clips[1:2]), atol=1e-4, rtol=1e-3)
        last = network.represent(torch.cat([clips[:, :, :-1], clips[:, :, :1]], dim=2))
        assert not torch.equal(maps, last)
    maps.float().square().sum().backward()
    assert clips.grad is not None
    assert clips.grad.flatten(3).abs().sum((0, 1, 3)).gt(0).all()
    reached = [weight.grad for weight in network.parameters() if weight.grad is not None]
    assert any(gradient.abs().sum() > 0 for gradient in reached)
    assert all(gradient.isfinite().all() for gradient in reached)


def test_it_learns_reproducibly(trained: ModuleType) -> None:
    """Two steps from the same seed end in the same weights, and all players' weights have moved."""
    ends = []
    for _ in range(2):
        network, batch = built(trained)
        start = {id(weight): weight.detach().clone() for weight in network.parameters()}
        recipe = Training(epochs=1, batch_size=3, learning_rate=1e-3, warmup=0.0)
        learner = Prediction(network, recipe, ALONE.fabric(CPU, "32-true"), features_of("clips", CPU))
        rows = []
        for step in range(2):
            torch.manual_seed(step)
            rows.append(learner.training_step(batch, step / 2))
            assert rows[-1]["loss"].isfinite()
        for name, player in network.players().items():
            moved = any(not torch.equal(weight, start[id(weight)]) for weight in player.parameters)
            assert moved == any(name in row for row in rows), name
            assert all(weight.grad is None for weight in player.parameters)
        ends.append([weight.detach().clone() for weight in network.parameters()])
    for one, other in zip(*ends, strict=True):
        assert torch.equal(one, other)


def test_it_imports_no_other_predictor(module: ModuleType) -> None:
    """What two share lies beside the folder."""
    tree = ast.parse(Path(module.__file__ or "").read_text())
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name for name in names if name.startswith("baselines.predictors")]


def test_steps_of_a_phase_are_alike(trained: ModuleType) -> None:
    """What a network calls the same phase gives the same losses, whatever the progress."""
    found: dict[Any, dict[str, float]] = {}
    for progress in (0.0, 0.3, 0.6, 0.999):
        network, batch = built(trained)
        torch.manual_seed(1)
        losses = {name: float(value.detach()) for name, value in network.losses(batch, progress).items()}
        assert found.setdefault(network.phase(batch, progress), losses) == losses


@pytest.mark.gpu
def test_its_steps_are_replayed_on_a_gpu(trained: ModuleType) -> None:
    """Nothing in a step waits for the device or draws from the processor."""
    network, batch = built(trained)
    cuda = torch.device("cuda")
    features = features_of("clips", cuda)
    learner = Prediction(network, Training(precision="32-true"), ALONE.fabric(cuda, "32-true"), features)
    batch = batch.mapped(lambda values: values.to(cuda))
    for _ in range(6):
        learner.training_step(batch, 0.999)
    assert learner.replay is not None
    assert (learner.replay.problem, learner.replay.steps) == ("", 3)

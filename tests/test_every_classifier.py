"""Every file in baselines/classifiers keeps the contract of a classifier."""

import ast
import dataclasses
import importlib
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

import baselines.classifiers
from benchmark import inputs

FOLDER = Path(baselines.classifiers.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
FITTED = {name for name in NAMES if "\ndef fit(" in (FOLDER / f"{name}.py").read_text(encoding="utf-8")}
"""Those that are fitted at one go; the others are networks."""
VIDEOS = [(32, 64, 64, 3), (16, 32, 32, 3), (8, 16, 16, 3)]


@pytest.fixture(params=NAMES)
def any_module(request):
    """One classifier's module after the other."""
    return importlib.import_module(f"baselines.classifiers.{request.param}")


@pytest.fixture(params=[name for name in NAMES if name not in FITTED])
def module(request):
    """One network's module after the other."""
    torch.manual_seed(0)
    return importlib.import_module(f"baselines.classifiers.{request.param}")


def shape_for(module, video=VIDEOS[-1]):
    """The (T, C, H, W) of what the model asks to see of videos (T, H, W, 3)."""
    return inputs.shape_of(module.INPUT, video)


def clips_of(shape, count):
    """`count` random standardised clips [B, C, T, H, W]."""
    time, channels, height, width = shape
    clips = torch.randn(count, channels, time, height, width)
    return (clips - clips.mean((2, 3, 4), keepdim=True)) / clips.std((2, 3, 4), keepdim=True)


def test_there_are_the_models_of_the_thesis():
    """A folder that lost its files would pass every other test here."""
    table = {"two_streams", "relation_network", "convlstm", "conv3d", "conv3d_convlstm", "cross_correlation"}
    reviewed = {"c3d", "ltc", "tsn", "gru_rcn", "composite_lstm", "two_streams_lstm", "kvmf"}
    newer = {"r2plus1d", "slowfast", "video_transformer", "tsm", "soft_tracks"}
    assert table | reviewed | newer | {"single_frame", "shuffled_frames"} <= set(NAMES)


def test_its_docstring_has_a_summary_a_source_and_its_deviations(any_module):
    """A reader learns where the model comes from and what is ours, without reading code."""
    summary, rest = any_module.__doc__.split("\n", 1)
    assert summary.endswith(".")
    assert "\nSource: " in rest
    assert "\nDeviations: " in rest


def test_its_facts_are_literals_that_need_no_import(any_module):
    """`bench list` reads task, input, source and recipe from the syntax tree alone."""
    tree = ast.parse(Path(any_module.__file__).read_text(encoding="utf-8"))
    literals = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in {"TASK", "INPUT", "SOURCE", "TRAINING"}
    }
    assert literals["TASK"] == "classification"
    assert literals["INPUT"]
    assert literals["SOURCE"]
    assert all(isinstance(recipe, dict) for recipe in literals.get("TRAINING", {}).values())


def test_its_configuration_is_frozen_keyword_only_and_has_defaults(any_module):
    """Defaults build the model; nothing changes them afterwards."""
    config = any_module.Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, dataclasses.fields(config)[0].name, 1)
    assert all(field.kw_only for field in dataclasses.fields(config))


@pytest.mark.parametrize("video", VIDEOS, ids=str)
@pytest.mark.parametrize("classes", [10, 3])
def test_it_builds_for_several_shapes_and_gives_logits(module, video, classes):
    """[B, C, T, H, W] in, [B, classes] out, finite."""
    shape = shape_for(module, video)
    model = module.build(module.Config(), shape, classes).eval()
    with torch.no_grad():
        logits = model(clips_of(shape, 2))
    assert logits.shape == (2, classes)
    assert torch.isfinite(logits).all()


def test_the_global_generator_alone_decides_its_weights(module):
    """Same seed, same weights; another seed, other weights."""

    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat(
            [p.detach().flatten() for p in module.build(module.Config(), shape_for(module), 10).parameters()]
        )

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_the_gradient_reaches_every_parameter(module):
    """No layer is built and left out of the loss."""
    shape = shape_for(module, VIDEOS[1])
    model = module.build(module.Config(), shape, 10)
    clips, labels = clips_of(shape, 4), torch.arange(4)
    if hasattr(model, "losses"):
        for progress in (0.0, 0.999):
            model.losses(clips, labels, progress, cross_entropy)["loss"].backward()
    else:
        cross_entropy(model(clips), labels).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_in_evaluation_a_clips_logits_do_not_depend_on_its_batch(module):
    """Order and company of the clips change nothing but rounding."""
    shape = shape_for(module)
    model = module.build(module.Config(), shape, 10)
    clips = clips_of(shape, 6)
    model(clips)  # moves the norms' running statistics away from the identity
    model.eval()
    with torch.no_grad():
        together = model(clips)
        order = torch.tensor([3, 0, 5, 1, 4, 2])
        spread = together.std(0).max().item()  # between clips: what a mix-up would change
        assert spread > 1e-5
        torch.testing.assert_close(model(clips[order]), together[order], atol=0.05 * spread, rtol=0)
        for i in range(6):
            torch.testing.assert_close(model(clips[i : i + 1]), together[i : i + 1], atol=0.05 * spread, rtol=0)


def test_the_memory_format_of_the_clips_does_not_matter(module):
    """Channels-last clips give the logits of contiguous ones."""
    shape = shape_for(module)
    model = module.build(module.Config(), shape, 10).eval()
    clips = clips_of(shape, 3)
    with torch.no_grad():
        expected = model(clips)
        got = model(clips.to(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_it_learns_one_batch_by_heart(module):
    """Forty steps on eight random clips bring the loss from chance to well below half of it."""
    shape = shape_for(module)
    model = module.build(module.Config(), shape, 10)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    clips, labels = clips_of(shape, 8), torch.arange(8)
    losses = []
    for _ in range(40):
        loss = cross_entropy(model(clips), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 1.5
    assert losses[-1] < 0.5

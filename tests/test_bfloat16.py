"""A number format that gives wrong gradients is found out before a run is staked on it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from moving_squares import MODEL, build_squares
from torch import Tensor, nn

from benchmark import bfloat16, cli, plan, record, spec
from benchmark.machine import choose_precision

CPU = torch.device("cpu")


class Spoilt(torch.autograd.Function):
    """The identity, with a gradient that a factor spoils where autocast is on."""

    @staticmethod
    def forward(ctx, values: Tensor, factor: float) -> Tensor:
        """Remembers whether autocast is on."""
        ctx.factor = factor if torch.is_autocast_enabled("cpu") else 1.0
        return values.clone()

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:
        """Spoils it."""
        return gradients[0] * ctx.factor, None


class Net(nn.Module):
    """Two layers, between them a spoilt gradient."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.first, self.last = nn.Conv3d(3, 4, 3), nn.Linear(4, 10)
        self.dropout = nn.Dropout(0.5)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits."""
        features = Spoilt.apply(self.first(clips), self.factor)
        assert isinstance(features, Tensor)
        return self.last(self.dropout(features.mean((2, 3, 4))))


class Glance(Net):
    """The same, on one frame drawn at random for the batch."""

    def forward(self, clips: Tensor) -> Tensor:
        """Logits."""
        frame = int(torch.randint(0, 30, (1,)))
        return super().forward(clips[:, :, frame : frame + 3])


def test_random_draws_are_not_taken_for_rounding() -> None:
    """A network that looks at a random part of the clip looks at the same one in both formats."""
    assert bfloat16.gradient_problem(Glance(1.0), (32, 3, 8, 8), 10, 6, CPU) == ""


@pytest.mark.parametrize(
    ("factor", "problem"),
    [(1.0, ""), (float("nan"), "the gradient of first.weight is not finite"), (-9.0, "the gradient's cosine with")],
)
def test_gradients_are_compared(factor: float, problem: str) -> None:
    """What is not finite, or points elsewhere, is named; the network and torch's generator are left alone."""
    net = Net(factor)
    before, state = {name: weight.clone() for name, weight in net.state_dict().items()}, torch.get_rng_state()
    found = bfloat16.gradient_problem(net, (4, 3, 8, 8), 10, 6, CPU)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, before[name])
    assert all(weight.grad is None for weight in net.parameters())


@pytest.mark.skipif(choose_precision("auto", CPU) == "32-true", reason="runs on this CPU use no bfloat16")
@pytest.mark.parametrize("model", ["conv3d", "convlstm", "conv3d_convlstm", "c3d", "kvmf"])
def test_committed_models_are_sound_at_the_size_of_the_benchmark(model: str) -> None:
    """At 32 frames of 64×64."""
    loaded = spec.load(spec.find(model))
    network = loaded.module.build(loaded.config({}), (32, 3, 64, 64), 10)
    assert bfloat16.gradient_problem(network, (32, 3, 64, 64), 10, 8, CPU) == ""


@pytest.mark.parametrize(
    ("layer", "size", "small"),
    [
        (nn.Conv3d(3, 4, 3, padding=1), (2, 9, 9), True),
        (nn.Conv3d(3, 4, 3, padding=1), (9, 9, 3), True),
        (nn.Conv3d(3, 4, (5, 1, 1), stride=(1, 2, 2), padding=(2, 0, 0)), (6, 2, 5), True),
        (nn.Conv3d(3, 4, (5, 1, 1), padding=(2, 0, 0)), (6, 1, 1), False),
        (nn.Conv3d(3, 4, 3, padding=1), (4, 4, 4), False),
        (nn.Conv2d(3, 4, 3, padding=1), (2, 2), True),
        (nn.Conv2d(3, 4, 3, padding=1), (4, 4), False),
    ],
)
def test_small_maps_stay_in_32_bits(layer: nn.Module, size: tuple[int, ...], small: bool) -> None:
    """Under autocast, where the kernel or the stride spans the map; values, weights and their names stay the same."""
    net = nn.Sequential(layer)
    values, before = torch.randn(2, 3, *size), {name: weight.clone() for name, weight in net.state_dict().items()}
    plain = net(values)
    bfloat16.keep_small_maps_in_32_bits(net, CPU)
    assert torch.equal(net(values), plain)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    with torch.autocast("cpu", torch.bfloat16):
        made = copy.deepcopy(net)(values.bfloat16())
    assert made.dtype == (torch.float32 if small else torch.bfloat16)
    if small:
        torch.testing.assert_close(made, net(values.bfloat16().float()))


@pytest.mark.parametrize("size", [(2, 4, 4), (4, 4, 4), (3, 1, 8), (8, 8, 8)])
def test_weight_gradients_of_bfloat16_are_those_of_32_bits(size: tuple[int, int, int]) -> None:
    """On any CPU; where bfloat16 is native, its own are noise for the first of these."""
    torch.manual_seed(0)
    layer, values = nn.Conv3d(16, 16, 3, padding=1), torch.randn(8, 16, *size)
    net = nn.Sequential(layer)
    wanted = torch.randn_like(net(values))
    bfloat16.keep_small_maps_in_32_bits(net, CPU)
    gradients = []
    for enabled in (False, True):
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            made = net(values)
        (made.float() * wanted).sum().backward()
        assert layer.weight.grad is not None
        gradients.append(layer.weight.grad.flatten().clone())
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.999


def test_run_falls_back_to_32_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so and records it; who asked for bfloat16 gets an error; a finished run is still finished."""
    monkeypatch.setattr(plan.machine, "choose_precision", lambda name, device: "bf16-mixed")
    monkeypatch.setattr(plan.bfloat16, "gradient_problem", lambda *of: "the gradient of it is not finite")
    (tmp_path / "tiny_net.py").write_text(MODEL.replace('"precision": "32-true"', '"precision": "auto"'))
    build_squares(tmp_path / "data")
    words = ["run", str(tmp_path / "tiny_net.py"), "--size", "tiny", "--data", str(tmp_path / "data")]
    words += ["--runs", str(tmp_path / "runs")]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 0, done.output
    assert "bf16-mixed is wrong for tiny_net here, the gradient of it is not finite: training in 32-true" in done.output
    assert (
        record.read(tmp_path / "runs" / "tiny_net" / "standard-tiny" / "record.json").environment.precision == "32-true"
    )
    done = CliRunner().invoke(cli.main, [*words, "--resume"])
    assert "is finished: nothing to do" in done.output
    done = CliRunner().invoke(cli.main, [*words, "--overwrite", "--precision", "bf16-mixed"])
    assert done.exit_code == 1
    assert "the gradient of it is not finite: use 32-true" in done.output

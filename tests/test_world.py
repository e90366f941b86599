"""Processes that train together: their shares, and that their run is the run of one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import MemorySplit
from torch import nn

from benchmark.batch_norm import SharedBatchNorm, synchronised
from benchmark.classification import Classification
from benchmark.data import Clips, rank_seed, sequential
from benchmark.errors import NotFiniteError
from benchmark.launch import launch
from benchmark.plan import Options, Plan, make_plan
from benchmark.recipe import Training
from benchmark.spec import find
from benchmark.train import fit
from benchmark.world import ALONE, World
from dynamics_gen.errors import ConfigError

CPU = torch.device("cpu")
VARIABLES = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "head",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As on the second of two machines with four processes each."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_place_is_what_torchrun_says(torchrun: pytest.MonkeyPatch) -> None:
    """Alone without it, and without a part of it."""
    assert World.from_environment() == World(rank=5, size=8, local_rank=1, local_size=4)
    assert not World.from_environment().is_first
    torchrun.delenv("MASTER_ADDR")
    assert World.from_environment() == ALONE
    assert ALONE.is_first


def test_machines_are_of_one_kind(torchrun: pytest.MonkeyPatch) -> None:
    """Fabric counts devices by machine."""
    torchrun.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="3 of 8 processes are on this machine: expected as many on every one"):
        World.from_environment()


def test_number_of_devices_is_not_said_twice(torchrun: pytest.MonkeyPatch) -> None:
    """The number of torchrun holds; another one is refused."""
    assert make_plan(find("mean_frame"), Options(size="tiny", device="cpu")).world.size == 8
    with pytest.raises(ConfigError, match="devices is 2, and 8 processes were started"):
        make_plan(find("mean_frame"), Options(size="tiny", device="cpu", devices=2))


def planned(batch_size: int, devices: int) -> Plan:
    """A plan for some processes, of which this is the first."""
    made = make_plan(find("mean_frame"), Options(size="tiny", device="cpu", training={"batch_size": batch_size}))
    return Plan(
        model=made.model,
        config=made.config,
        training=made.training,
        device=made.device,
        folder=made.folder,
        world=World(size=devices, local_size=devices),
    )


def test_batch_that_cannot_be_shared_equally_is_refused() -> None:
    """The sentence names one that can; fewer clips than a batch are one batch."""
    planned(12, 4).check_shares(100)
    with pytest.raises(ConfigError, match=r"a batch of 10 clips .* among 4 devices: try --batch-size 8"):
        planned(10, 4).check_shares(100)
    with pytest.raises(ConfigError, match="a batch of 7 clips"):
        planned(12, 4).check_shares(7)
    with pytest.raises(ConfigError, match="try --batch-size 4"):
        planned(3, 4).check_shares(100)


def test_devices_are_part_of_what_a_record_says() -> None:
    """Their number stands before their name; one is not counted."""
    alone = planned(12, 1).hardware
    assert planned(12, 4).hardware == f"4 × {alone}"


@pytest.mark.parametrize("rows", [[1, 2, 3, 4, 5], np.arange(7), torch.arange(8)])
def test_shares_make_up_the_whole(rows: list | np.ndarray | torch.Tensor) -> None:
    """Each row is somebody's, and nobody else's."""
    shares = [list(World(rank=rank, size=3, local_rank=rank, local_size=3).share(rows)) for rank in range(3)]
    assert sorted(int(row) for share in shares for row in share) == sorted(map(int, rows))


def test_processes_draw_from_generators_of_their_own() -> None:
    """By rank, epoch and seed."""
    assert len({rank_seed(seed, epoch, rank) for seed in (0, 1) for epoch in (1, 2) for rank in (1, 2, 3)}) == 12
    assert rank_seed(0, 1, 1) == rank_seed(0, 1, 1)


def network() -> nn.Sequential:
    """Two convolutions with batch norms."""
    return nn.Sequential(
        nn.Conv3d(3, 4, 3, stride=2, padding=1, bias=False),  # before a norm its gradient is rounding alone
        nn.BatchNorm3d(4),
        nn.ReLU(),
        nn.Conv3d(4, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm3d(8, momentum=None),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 2 * 4 * 4, 10),
    )


def trained(folder: Path, precision: str, bad_clip: int = -1) -> None:
    """Three epochs of batches of 6, turned at random, validated on 10 clips; history and weights are left behind."""
    world = World.from_environment()
    settings = Training(epochs=3, batch_size=6, augment=True, gradient_clip=0.5, precision=precision)
    fabric = world.fabric(CPU, precision)
    torch.manual_seed(0)
    learner = Classification(network(), settings, fabric, world)
    train, valid = (Clips(MemorySplit(clips, seed=clips), CPU, "rgb") for clips in (24, 10))
    if bad_clip >= 0:
        assert len(list(train.batches(sequential(24, 6)))) == 4  # every clip's mean is known from here on
        train._mean[bad_clip] = float("nan")
    state = fit(learner, train, valid, settings, 0, folder / "checkpoint.pt", {}, lambda event: None, world)
    rows = [{key: row[key] for key in ("train_loss", "train_error", "valid_error")} for row in state.history]
    (folder / f"{world.rank}-of-{world.size}.json").write_text(json.dumps(rows))
    torch.save(learner.network.state_dict(), folder / f"{world.rank}-of-{world.size}.pt")


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Losses, errors, weights and running statistics of three epochs are the same, to rounding; both agree exactly."""
    trained(tmp_path, "32-true")
    (tmp_path / "checkpoint.pt").unlink()
    launch(trained, tmp_path, "32-true", devices=2)
    alone, first, second = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("0-of-1", "0-of-2", "1-of-2")
    )
    assert first == second
    assert first[0]["train_loss"] != first[2]["train_loss"]
    for row, expected in zip(first, alone, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    states = [torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("0-of-1", "0-of-2", "1-of-2")]
    for key, expected in states[0].items():
        torch.testing.assert_close(states[1][key], expected, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(states[2][key], states[1][key], rtol=0, atol=0)


def not_finite_in_both(folder: Path) -> None:
    """A clip of one share is spoilt; every process must find out, at the same step."""
    rank = World.from_environment().rank
    with pytest.raises(NotFiniteError) as caught:
        trained(folder, "32-true", bad_clip=7)
    (folder / f"said-{rank}").write_text(str(caught.value))


@pytest.mark.slow
def test_loss_of_one_share_stops_all(tmp_path: Path) -> None:
    """Both say the same sentence; the report names the clips of both shares."""
    launch(not_finite_in_both, tmp_path, devices=2)
    sentences = {(tmp_path / f"said-{rank}").read_text() for rank in range(2)}
    assert len(sentences) == 1
    report = json.loads((tmp_path / "not-finite.json").read_text())
    assert f"at step {report['step']}, in epoch 1" in sentences.pop()
    assert len(report["clips"]) == 6
    assert "clip-0007" in report["clips"]


def normalised(folder: Path, axes: int, double: bool) -> None:
    """The shared batch norm on this process's share: values, gradients and statistics are left behind."""
    world = World.from_environment()
    world.fabric(CPU, "32-true")
    values, wanted, norm = example(axes, double)
    shared = synchronised(norm, CPU)
    assert isinstance(shared, SharedBatchNorm)
    share = world.share(values).clone().requires_grad_()
    result = shared(share)
    (result * world.share(wanted)).sum().backward()
    gradients = {"weight": shared.weight.grad, "bias": shared.bias.grad, "values": share.grad}
    torch.save([result.detach(), gradients, shared.state_dict()], folder / f"{world.rank}.pt")


def example(axes: int, double: bool) -> tuple[torch.Tensor, torch.Tensor, nn.Module]:
    """Values far from zero [6, 3, …], weights of a loss, a norm."""
    generator = torch.Generator().manual_seed(1)
    kind = torch.float64 if double else torch.float32
    shape = (6, 3, *[4, 5, 2][: axes - 2])
    values, wanted = (torch.randn(shape, generator=generator, dtype=kind) for _ in range(2))
    norm = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 5: nn.BatchNorm3d}[axes](3, dtype=kind)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        norm.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    return 100 + 3 * values, wanted, norm


@pytest.mark.parametrize("axes", [2, 5])
def test_batch_norm_is_that_of_the_whole_batch(tmp_path: Path, axes: int) -> None:
    """Values, gradients (those of weights add up over the shares), running statistics."""
    launch(normalised, tmp_path, axes, True, devices=2)
    values, wanted, norm = example(axes, True)
    values.requires_grad_()
    expected = norm(values)
    (expected * wanted).sum().backward()
    shares = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for rank, (result, gradients, state) in enumerate(shares):
        world = World(rank=rank, size=2, local_rank=rank, local_size=2)
        torch.testing.assert_close(result, world.share(expected).detach())
        assert values.grad is not None
        torch.testing.assert_close(gradients["values"], world.share(values.grad))
        torch.testing.assert_close(state, dict(norm.state_dict()))
    for name in ("weight", "bias"):
        total = sum(gradients[name] for _, gradients, _ in shares)
        torch.testing.assert_close(total, getattr(norm, name).grad)

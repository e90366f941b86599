"""Steps recorded on a GPU are the steps themselves; what cannot be recorded is launched one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.classification import Classification
from benchmark.data import Batch
from benchmark.recipe import Training
from benchmark.replay import STEPS_BEFORE, Replay
from benchmark.world import ALONE

DEVICES = ["pretended", pytest.param("cuda", marks=pytest.mark.gpu)]
"""Pretended: the processor, where recording takes a step and takes it back, and a replay takes it again."""

RECIPE = Training(learning_rate=0.01, weight_decay=0.1, label_smoothing=0.1, gradient_clip=1.0, precision="32-true")


class Net(nn.Module):
    """A convolution, batch norm, whatever `between` does, and a linear layer."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv3d(3, 8, 3, bias=False), nn.BatchNorm3d(8), nn.Linear(8, 10)
        self.between = between

    def forward(self, clips: Tensor) -> Tensor:
        return self.linear(self.between(self.norm(self.conv(clips)).relu().mean((2, 3, 4))))


class PretendedGraph:
    """In place of `torch.cuda.CUDAGraph`."""

    owner: Replay

    def replay(self) -> None:
        """Takes the step that was recorded, on the batch that it was recorded with."""
        found = self.owner._step(self.owner._batch, 0.0)
        for name, value in self.owner._found.items():
            value.copy_(found[name])


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Where the learner is."""
    torch.backends.cudnn.deterministic = True
    if request.param == "cuda":
        return torch.device("cuda")

    @contextlib.contextmanager
    def recording(graph: PretendedGraph, capture_error_mode: str) -> Iterator[None]:
        replay = graph.owner
        weights = [value for module in replay._modules.values() for value in module.state_dict().values()]
        state = weights + [value for one in replay._states() for value in one.values()]
        before = [value.clone() for value in state]
        yield
        with torch.no_grad():
            for value, old in zip(state, before, strict=True):
                value.copy_(old)

    monkeypatch.setattr(torch.cuda, "CUDAGraph", PretendedGraph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "get_rng_state", torch.get_rng_state)
    monkeypatch.setattr(torch.cuda, "set_rng_state", torch.set_rng_state)
    return torch.device("cpu")


def learner(
    device: torch.device, between: Callable[[Tensor], Tensor] = torch.Tensor.clone, replays: bool = True
) -> Classification:
    """In training mode, with the same weights each time."""
    torch.manual_seed(0)
    made = Classification(Net(between), RECIPE, ALONE.fabric(device, "32-true"))
    made.network.train()
    assert (made.replay is not None) == (device.type == "cuda")
    if device.type == "cpu":
        made.replay = PretendedGraph.owner = Replay(made._step, made.modules(), made.optimisers())
    if not replays:
        made.replay = None
    return made


def batches(count: int) -> list[Batch]:
    """Noise, the same each time."""
    draw = np.random.default_rng(0)
    return [
        Batch(
            clips=torch.from_numpy(draw.normal(size=(8, 3, 6, 9, 9)).astype(np.float32)),
            labels=torch.from_numpy(draw.integers(0, 10, 8)),
        )
        for _ in range(count)
    ]


def on(device: torch.device, batch: Batch, clips: int = 8) -> Batch:
    """The first clips of a batch on a device."""
    return batch.mapped(lambda values: values[:clips].to(device))


def trained(made: Classification, count: int = 12) -> list[float]:
    """Losses of some steps, each with a learning rate of its own."""
    losses = []
    for step, batch in enumerate(batches(count)):
        for group in made.optimisers()["adamw"].param_groups:
            group["lr"] = 0.01 / (step + 1)
        losses.append(made.training_step(on(made.fabric.device, batch), 0.0)["loss"])
    return [loss.item() for loss in losses]


def test_a_replayed_run_is_the_run_itself(device: torch.device) -> None:
    """Losses, weights and running statistics, with a learning rate that changes from step to step."""
    replayed = learner(device)
    losses = trained(replayed)
    plain = learner(device, replays=False)
    assert losses == pytest.approx(trained(plain), rel=1e-4)
    assert replayed.replay is not None
    assert replayed.replay.problem == ""
    assert replayed.replay.steps == 12 - STEPS_BEFORE
    for name, value in replayed.network.state_dict().items():
        torch.testing.assert_close(value, plain.network.state_dict()[name], rtol=1e-3, atol=1e-4)
    assert all(isinstance(group["lr"], float) for group in replayed.optimisers()["adamw"].param_groups)


@pytest.mark.gpu
def test_dropout_draws_anew_in_every_replay() -> None:
    """The same batch without learning: another mask, another loss."""
    made = learner(torch.device("cuda"), nn.Dropout(0.5))
    batch = on(made.fabric.device, batches(1)[0])
    for group in made.optimisers()["adamw"].param_groups:
        group["lr"] = 0.0
    losses = [made.training_step(batch, 0.0)["loss"].item() for _ in range(STEPS_BEFORE + 4)]
    assert made.replay is not None
    assert made.replay.problem == ""
    assert len(set(losses)) == len(losses)


@pytest.mark.gpu
@pytest.mark.parametrize("between", [lambda x: x * x.sum().sign().item(), lambda x: x + torch.ones(8).to(x.device)])
def test_what_torch_cannot_record_is_launched_one_by_one(between: Callable[[Tensor], Tensor]) -> None:
    """Waiting for the device, and copying to it."""
    replayed, plain = (learner(torch.device("cuda"), between, replays) for replays in (True, False))
    assert trained(replayed) == pytest.approx(trained(plain), rel=1e-4)
    assert replayed.replay is not None
    assert replayed.replay.problem


def test_a_step_that_draws_from_the_processor_is_launched_one_by_one(device: torch.device) -> None:
    """A number drawn once would be the same for ever; no draw is lost by finding out."""

    def drawn(values: Tensor) -> Tensor:
        return values * torch.rand(1).item()

    replayed = learner(device, drawn)
    torch.manual_seed(1)
    losses = trained(replayed)
    assert replayed.replay is not None
    assert replayed.replay.problem == "it draws from the processor's generator"
    plain = learner(device, drawn, replays=False)
    torch.manual_seed(1)
    assert losses == pytest.approx(trained(plain), rel=1e-4)


def test_a_step_that_is_another_each_time_is_not_replayed(device: torch.device) -> None:
    """Here a list that grows: the replay's loss is not the step's."""
    seen: list[int] = []

    def counted(values: Tensor) -> Tensor:
        seen.append(0)
        return values * len(seen) ** 2

    made = learner(device, counted)
    trained(made)
    assert made.replay is not None
    assert "a replay" in made.replay.problem


def test_batches_of_another_shape_are_stepped_through(device: torch.device) -> None:
    """The recorded step is for one shape."""
    made = learner(device)
    trained(made)
    assert made.replay is not None
    replayed = made.replay.steps
    assert np.isfinite(made.training_step(on(device, batches(1)[0], clips=4), 0.0)["loss"].item())
    assert made.replay.steps == replayed

"""Steps recorded on a GPU are the steps themselves; what cannot be recorded is launched one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.classification import Classification
from benchmark.data import Batch
from benchmark.recipe import Training
from benchmark.replay import STEPS_BEFORE
from benchmark.world import ALONE

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

CUDA = torch.device("cuda")
RECIPE = Training(
    epochs=1,
    batch_size=8,
    learning_rate=0.01,
    weight_decay=0.1,
    warmup=0.0,
    label_smoothing=0.1,
    gradient_clip=1.0,
    augment=False,
    train_per_class=0,
    precision="32-true",
)


class Net(nn.Module):
    """A convolution, batch norm, whatever `between` does, and a linear layer."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv3d(3, 8, 3, bias=False), nn.BatchNorm3d(8), nn.Linear(8, 10)
        self.between = between

    def forward(self, clips: Tensor) -> Tensor:
        return self.linear(self.between(self.norm(self.conv(clips)).relu().mean((2, 3, 4))))


def learner(between: Callable[[Tensor], Tensor] = torch.Tensor.clone, replays: bool = True) -> Classification:
    """On the GPU, in training mode, with the same weights each time."""
    torch.manual_seed(0)
    torch.backends.cudnn.deterministic = True
    made = Classification(Net(between), RECIPE, ALONE.fabric(CUDA, "32-true"))
    made.network.train()
    if not replays:
        made.replay = None
    return made


def batches(count: int) -> list[Batch]:
    """Noise, the same each time."""
    draw = np.random.default_rng(0)
    return [
        Batch(
            clips=torch.from_numpy(draw.normal(size=(8, 3, 6, 9, 9)).astype(np.float32)).to(CUDA),
            labels=torch.from_numpy(draw.integers(0, 10, 8)).to(CUDA),
        )
        for _ in range(count)
    ]


def trained(made: Classification, count: int = 12) -> list[float]:
    """Losses of some steps, each with a learning rate of its own."""
    losses = []
    for step, batch in enumerate(batches(count)):
        for group in made.optimisers()["adamw"].param_groups:
            group["lr"] = 0.01 / (step + 1)
        losses.append(made.training_step(batch, 0.0)["loss"])
    return [loss.item() for loss in losses]


def test_a_replayed_run_is_the_run_itself() -> None:
    """Losses, weights and running statistics, with a learning rate that changes from step to step."""
    replayed, plain = learner(), learner(replays=False)
    assert trained(replayed) == pytest.approx(trained(plain), rel=1e-4)
    assert replayed.replay is not None
    assert replayed.replay.problem == ""
    assert replayed.replay.steps == 12 - STEPS_BEFORE
    for name, value in replayed.network.state_dict().items():
        torch.testing.assert_close(value, plain.network.state_dict()[name], rtol=1e-3, atol=1e-4)
    assert all(isinstance(group["lr"], float) for group in replayed.optimisers()["adamw"].param_groups)


def test_dropout_draws_anew_in_every_replay() -> None:
    """The same batch without learning: another mask, another loss."""
    made = learner(nn.Dropout(0.5))
    batch = batches(1)[0]
    for group in made.optimisers()["adamw"].param_groups:
        group["lr"] = 0.0
    losses = [made.training_step(batch, 0.0)["loss"].item() for _ in range(STEPS_BEFORE + 4)]
    assert made.replay is not None
    assert made.replay.problem == ""
    assert len(set(losses)) == len(losses)


@pytest.mark.parametrize(
    ("between", "problem"),
    [
        (lambda x: x * torch.rand(1).item(), "it draws from the processor's generator"),
        (lambda x: x * x.sum().sign().item(), ""),
        (lambda x: x + torch.ones(8).to(x.device), ""),
    ],
)
def test_what_cannot_be_recorded_is_launched_one_by_one(between: Callable[[Tensor], Tensor], problem: str) -> None:
    """A drawn number would be the same for ever; waiting for the device, and copying to it, torch refuses itself."""
    replayed, plain = learner(between), learner(between, replays=False)
    torch.manual_seed(1)
    losses = trained(replayed)
    torch.manual_seed(1)
    assert losses == pytest.approx(trained(plain), rel=1e-4)
    assert replayed.replay is not None
    assert replayed.replay.problem
    assert problem in replayed.replay.problem


def test_a_step_that_is_another_each_time_is_not_replayed() -> None:
    """Here a list that grows: the replay's loss is not the step's."""
    seen: list[int] = []

    def counted(values: Tensor) -> Tensor:
        seen.append(0)
        return values * len(seen) ** 2

    made = learner(counted)
    trained(made)
    assert made.replay is not None
    assert "a replay" in made.replay.problem


def test_batches_of_another_shape_are_stepped_through() -> None:
    """The recorded step is for one shape."""
    made = learner()
    trained(made)
    short = batches(1)[0]
    assert np.isfinite(made.training_step(Batch(clips=short.clips[:4], labels=short.labels[:4]), 0.0)["loss"].item())

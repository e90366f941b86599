"""The loop: which epoch is kept, what stops it, and that a resumed run is an undisturbed one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from lightning_fabric import Fabric
from moving_squares import MemorySplit
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from benchmark.checkpoint import Checkpoint
from benchmark.classification import Classification
from benchmark.data import Batch, Clips, shuffled
from benchmark.errors import NotFiniteError, StoppedError
from benchmark.recipe import Training
from benchmark.train import Event, Learner, fit, warmup_cosine

CPU = torch.device("cpu")


class Scripted(Learner):
    """Two weights with an optimiser each, losses and metrics from a script: what the loop makes of a learner."""

    metric: ClassVar[str] = "error"

    def __init__(self, metrics: list[float], losses: dict[int, float] | None = None) -> None:
        self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)
        self.metrics, self.losses = iter(metrics), losses or {}
        self.adam, self.sgd = Adam(self.first.parameters(), lr=0.1), SGD(self.second.parameters(), lr=0.2)
        self.steps = 0
        self.rates: list[tuple[float, float]] = []
        self.progress: list[float] = []
        self.interrupt_at = -1

    def modules(self) -> Mapping[str, nn.Module]:
        """Two networks, as in an adversarial game."""
        return {"first": self.first, "second": self.second}

    def optimisers(self) -> Mapping[str, Optimizer]:
        """One each."""
        return {"adam": self.adam, "sgd": self.sgd}

    @staticmethod
    def said(row: Mapping[str, float]) -> str:
        """Nothing."""
        return ""

    def training_step(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Counts, and marks the weights with the step."""
        self.steps += 1
        if self.steps == self.interrupt_at:
            raise KeyboardInterrupt
        self.rates.append((self.adam.param_groups[0]["lr"], self.sgd.param_groups[0]["lr"]))
        self.progress.append(progress)
        with torch.no_grad():
            self.first.weight.fill_(self.steps)
        return {"loss": torch.tensor(self.losses.get(self.steps, 1.0)), "error": torch.tensor(0.5)}

    def validate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        """The next metric of the script."""
        assert sum(len(batch) for batch in batches) == 10
        return {self.metric: next(self.metrics)}


class ScriptedScore(Scripted):
    """The same, where more is better."""

    metric: ClassVar[str] = "score"
    lower_is_better: ClassVar[bool] = False


def run(learner: Learner, folder: Path, recipe: Training, events: list[Event] | None = None) -> Checkpoint:
    """Fits a learner to 20 clips, in 4 steps an epoch at batches of 5, validated on 10."""
    train, valid = Clips(MemorySplit(20), CPU, "rgb"), Clips(MemorySplit(10, seed=1), CPU, "rgb")
    folder.mkdir(exist_ok=True)
    report = events.append if events is not None else lambda event: None
    return fit(learner, train, valid, recipe, 0, folder / "checkpoint.pt", {"width": 1}, report)


def recipe(epochs: int, **settings: object) -> Training:
    """Batches of 5."""
    return Training(epochs=epochs, batch_size=5, precision="32-true", **settings)  # type: ignore[arg-type]


def test_earliest_best_epoch_is_chosen_with_its_weights(tmp_path: Path) -> None:
    """The lowest error on valid, the first of equals; the weights are those after that epoch."""
    state = run(Scripted([0.9, 0.4, 0.6, 0.4]), tmp_path, recipe(4))
    assert (state.chosen_epoch, state.chosen_value) == (2, 0.4)
    assert state.chosen["first"]["weight"].item() == 8  # 4 steps an epoch
    assert [row["valid_error"] for row in state.history] == [0.9, 0.4, 0.6, 0.4]
    assert [row["epoch"] for row in state.history] == [1, 2, 3, 4]


def test_metric_may_be_one_that_grows(tmp_path: Path) -> None:
    """The learner says which way is better."""
    assert run(ScriptedScore([0.1, 0.7, 0.3]), tmp_path, recipe(3)).chosen_epoch == 2


def test_history_holds_means_over_the_epoch(tmp_path: Path) -> None:
    """Losses of the four steps 1, 2, 3, 4."""
    learner = Scripted([0.5], losses={step: float(step) for step in range(1, 5)})
    state = run(learner, tmp_path, recipe(1))
    assert state.history[0]["train_loss"] == pytest.approx(2.5)
    assert state.history[0]["train_clips"] == 20


def test_every_step_is_reported(tmp_path: Path) -> None:
    """Clips add up to what was trained on; an epoch ends with its row."""
    events: list[Event] = []
    run(Scripted([0.5, 0.4]), tmp_path, recipe(2), events)
    assert sum(event.clips for event in events) == 40
    assert [event.row["valid_error"] for event in events if event.row] == [0.5, 0.4]


def test_all_optimisers_follow_the_schedule_from_their_own_rate(tmp_path: Path) -> None:
    """Warm-up over the first epoch, then the cosine; both scale with their own highest rate."""
    learner = Scripted([0.5] * 3)
    run(learner, tmp_path, recipe(3))
    expected = [warmup_cosine(step, 12, 4.0) for step in range(12)]
    assert [rate for rate, _ in learner.rates] == pytest.approx([0.1 * factor for factor in expected])
    assert [rate for _, rate in learner.rates] == pytest.approx([0.2 * factor for factor in expected])


def test_progress_is_the_share_of_steps_behind(tmp_path: Path) -> None:
    """From 0 on, in even steps over all epochs; a resumed run goes on where it was."""
    learner = Scripted([0.5, 0.5])
    learner.interrupt_at = 7
    with pytest.raises(StoppedError):
        run(learner, tmp_path, recipe(2))
    resumed = Scripted([0.5])
    run(resumed, tmp_path, recipe(2))
    assert learner.progress == pytest.approx([step / 8 for step in range(6)])
    assert resumed.progress == pytest.approx([step / 8 for step in range(4, 8)])


def test_numbers_that_slow_processors_down_are_zero_in_every_step(tmp_path: Path) -> None:
    """And in validation; no longer once training has ended or was stopped."""
    smallest = torch.tensor([torch.finfo(torch.float32).tiny])
    seen = []

    class Looking(Scripted):
        def training_step(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
            seen.append((smallest / 2).item())
            return super().training_step(batch, progress)

        def validate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
            seen.append((smallest / 2).item())
            return super().validate(batches)

    learner = Looking([0.5, 0.5])
    learner.interrupt_at = 7
    with pytest.raises(StoppedError):
        run(learner, tmp_path, recipe(2))
    assert seen == [0.0] * 8
    assert (smallest / 2).item() > 0


def test_schedule_has_its_closed_form() -> None:
    """A line to 1, half a cosine to 0; without a warm-up it starts at 1."""
    assert [warmup_cosine(step, 100, 10) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert warmup_cosine(10, 100, 10) == 1.0
    assert warmup_cosine(55, 100, 10) == pytest.approx(0.5)
    assert warmup_cosine(99, 100, 10) == pytest.approx(0.5 * (1 - math.cos(math.pi / 90)))
    assert warmup_cosine(0, 100, 0) == 1.0
    assert warmup_cosine(2, 3, 4.5) == pytest.approx(3 / 4.5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_loss_that_is_not_finite_stops_the_run(tmp_path: Path, value: float) -> None:
    """The sentence names the step, what to try and where its clips are; the epoch before it is kept."""
    learner = Scripted([0.5, 0.5, 0.5], losses={7: value})
    sentence = (
        "not finite at step 7, in epoch 2: try a lower --learning-rate, or --precision 32-true; to look into it, "
        ".*not-finite.json names the step's clips, `dynamics-gen view memory` shows them, and --resume repeats "
        "the steps from the checkpoint of epoch 1$"
    )
    with pytest.raises(NotFiniteError, match=sentence):
        run(learner, tmp_path, recipe(3))
    assert (tmp_path / "checkpoint.pt").exists()
    report = json.loads((tmp_path / "not-finite.json").read_text())
    assert (report["epoch"], report["step"], report["losses"]) == (2, 7, {"loss": str(value), "error": "0.5"})
    expected = shuffled(20, 5, 0, 2)[2]  # the third of four steps
    assert report["clips"] == [f"clip-{row:04d}" for row in expected]


def test_loss_that_was_never_finite_repeats_from_the_start(tmp_path: Path) -> None:
    """Before the first epoch there is no checkpoint to speak of."""
    with pytest.raises(NotFiniteError, match=r"repeats the steps from the start$"):
        run(Scripted([0.5], losses={1: math.nan}), tmp_path, recipe(1))


def test_interrupt_tells_what_is_kept(tmp_path: Path) -> None:
    """Ctrl-C in the third epoch keeps the second, and says how to go on; before the first there is nothing."""
    learner = Scripted([0.5] * 4)
    learner.interrupt_at = 10
    with pytest.raises(StoppedError, match=r"epoch 3 of 4: the checkpoint of epoch 2 is kept; .* --resume"):
        run(learner, tmp_path, recipe(4))
    state = run(Scripted([0.1, 0.2]), tmp_path, recipe(4))
    assert [row["valid_error"] for row in state.history] == [0.5, 0.5, 0.1, 0.2]
    learner.interrupt_at = learner.steps + 1
    with pytest.raises(StoppedError, match="epoch 1 of 4: no epoch was finished yet"):
        run(learner, tmp_path / "fresh", recipe(4))


def test_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    """Resuming what is over does nothing."""
    run(Scripted([0.5, 0.4]), tmp_path, recipe(2))
    learner = Scripted([])
    assert run(learner, tmp_path, recipe(2)).chosen_value == 0.4
    assert learner.steps == 0


def classifier(precision: str, settings: Training) -> Classification:
    """A small network with dropout and batch norm, from seed 0."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv3d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm3d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(4 * 4 * 8 * 8, 10),
    )
    return Classification(network, settings, Fabric(accelerator="cpu", devices=1, precision=precision))  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_resumed_run_ends_in_the_same_bits(tmp_path: Path, precision: str) -> None:
    """Stopped after every epoch in turn, with dropout, symmetries and AdamW, it is the undisturbed run, bit for bit."""
    settings = Training(epochs=4, batch_size=5, augment=True, precision=precision)
    whole = run(classifier(precision, settings), tmp_path / "whole", settings)
    for stop in (1, 2, 3):
        learner = classifier(precision, settings)

        def stop_after(batches: Iterator[Batch], learner: Classification = learner, epochs: int = stop) -> dict:
            stop_after.calls += 1  # type: ignore[attr-defined]
            if stop_after.calls > epochs:  # type: ignore[attr-defined]
                raise KeyboardInterrupt
            return Classification.validate(learner, batches)  # type: ignore[return-value]

        stop_after.calls = 0  # type: ignore[attr-defined]
        learner.validate = stop_after  # type: ignore[method-assign]
        with pytest.raises(StoppedError):
            run(learner, tmp_path / str(stop), settings)
        torch.rand(7)  # the process that resumes has drawn other numbers
        resumed = run(classifier(precision, settings), tmp_path / str(stop), settings)
        for key, weights in whole.modules["network"].items():
            assert torch.equal(weights, resumed.modules["network"][key]), key
        for key, weights in whole.chosen["network"].items():
            assert torch.equal(weights, resumed.chosen["network"][key]), key
        assert [row["train_loss"] for row in whole.history] == [row["train_loss"] for row in resumed.history]

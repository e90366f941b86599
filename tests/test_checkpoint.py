"""The state of a run on disk: whole, exact, harmless to read."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.checkpoint import Checkpoint, first_difference, load_checkpoint, save_checkpoint
from benchmark.errors import TrainingError

CONFIGURATION = {"model": {"width": 4}, "seed": 0, "training": {"epochs": 3, "learning_rate": 0.01}}


def trained(epochs: int = 1) -> tuple[Checkpoint, nn.Module, torch.optim.Optimizer]:
    """A state after some steps of a small network."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimiser = torch.optim.AdamW(module.parameters())
    state = Checkpoint(configuration=CONFIGURATION)
    for epoch in range(1, epochs + 1):
        module(torch.randn(8, 3)).sum().backward()
        optimiser.step()
        state.choose(epoch, 0.5 / epoch, {"net": module})
        row = {"epoch": epoch, "train_loss": 0.1 * epoch}
        state.advance(row, 1_000, "a device", {"net": module}, {"adam": optimiser})
    return state, module, optimiser


def test_state_reads_back_exactly(tmp_path: Path) -> None:
    """Weights, moments, generators, history and choice are those that were written."""
    state, module, optimiser = trained(2)
    save_checkpoint(state, tmp_path / "checkpoint.pt")
    expected = torch.rand(3)  # the next draws of the undisturbed run
    found = load_checkpoint(tmp_path / "checkpoint.pt", CONFIGURATION)
    assert found is not None
    assert (found.epoch, found.chosen_epoch, found.chosen_value) == (2, 2, 0.25)
    assert found.history == state.history
    _, other, fresh = trained(1)
    found.restore({"net": other}, {"adam": fresh})
    assert torch.equal(torch.rand(3), expected)
    for one, two in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    moments, restored = optimiser.state_dict()["state"], fresh.state_dict()["state"]
    assert all(torch.equal(moments[i]["exp_avg_sq"], restored[i]["exp_avg_sq"]) for i in moments)


def test_run_of_a_gpu_goes_on_on_a_processor(tmp_path: Path) -> None:
    """How the optimiser is computed is the device's, and not restored with its state."""
    state, _, _ = trained(1)
    for group in state.optimisers["adam"]["param_groups"]:
        group.update(fused=True, capturable=True)
    save_checkpoint(state, tmp_path / "checkpoint.pt")
    found = load_checkpoint(tmp_path / "checkpoint.pt", CONFIGURATION)
    assert found is not None
    _, module, fresh = trained(1)
    found.restore({"net": module}, {"adam": fresh})
    assert not any(group["fused"] or group["capturable"] for group in fresh.param_groups)
    fresh.step()  # which torch refuses on a processor to one that is capturable


def test_absent_state_is_a_fresh_start(tmp_path: Path) -> None:
    """No file, no state, no error."""
    assert load_checkpoint(tmp_path / "checkpoint.pt", CONFIGURATION) is None


def test_chosen_weights_do_not_follow_the_training() -> None:
    """The best epoch's weights are a copy."""
    state, module, _ = trained(1)
    before = state.chosen["net"]["0.weight"].clone()
    with torch.no_grad():
        module[0].weight.add_(1)  # type: ignore[index]
    assert torch.equal(state.chosen["net"]["0.weight"], before)


def test_earliest_of_equal_epochs_is_chosen() -> None:
    """An epoch must be better, not as good; a first one always is."""
    state = Checkpoint(configuration={})
    assert state.is_better(0.9, lower_is_better=True)
    state.chosen_epoch, state.chosen_value = 1, 0.5
    assert not state.is_better(0.5, lower_is_better=True)
    assert state.is_better(0.4, lower_is_better=True)
    assert state.is_better(0.6, lower_is_better=False)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_state_is_refused(tmp_path: Path, share: float) -> None:
    """A file that a crash of the machine cut short is named, with what to do."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(trained()[0], path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(TrainingError, match=r"is damaged .*: start again with --overwrite"):
        load_checkpoint(path, CONFIGURATION)


def test_reading_runs_nothing_of_the_file(tmp_path: Path) -> None:
    """A hostile checkpoint is refused before it acts."""

    class Hostile:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "owned"),)

    for number, content in enumerate((pickle.dumps(Hostile()), None)):
        path = tmp_path / f"{number}.pt"
        if content is None:
            torch.save({"format_version": 1, "epoch": Hostile()}, path)
        else:
            path.write_bytes(content)
        with pytest.raises(TrainingError, match="is damaged"):
            load_checkpoint(path, CONFIGURATION)
    assert not (tmp_path / "owned").exists()


def test_state_of_another_configuration_is_refused(tmp_path: Path) -> None:
    """The sentence names the field, what it was and what it is."""
    save_checkpoint(trained()[0], tmp_path / "checkpoint.pt")
    changed = {**CONFIGURATION, "training": {"epochs": 3, "learning_rate": 0.02}}
    with pytest.raises(TrainingError, match=r"with training.learning_rate = 0.01, and now .* is 0.02: resume with the"):
        load_checkpoint(tmp_path / "checkpoint.pt", changed)


def test_state_of_changed_code_is_refused() -> None:
    """Weights that have no place any more are not dropped in silence."""
    state, _, optimiser = trained()
    with pytest.raises(TrainingError, match="does not fit the model any more"):
        state.restore({"net": nn.Linear(3, 5)}, {"adam": optimiser})


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 2]}}, None),
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 3]}}, ("b.c", [1, 2], [1, 3])),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, ("a", 1, 2)),
        ({"a": 1}, {"a": 1, "b": 2}, ("b", "absent", 2)),
        ({"a": {"b": 1}}, {"a": 3}, ("a", {"b": 1}, 3)),
    ],
)
def test_first_difference_is_named(old: dict, new: dict, found: tuple | None) -> None:
    """Nested names are joined by dots; a field that one side lacks is absent."""
    assert first_difference(old, new) == found

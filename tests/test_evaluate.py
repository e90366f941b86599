"""The chosen weights and what they score, against scikit-learn and closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from moving_squares import MemorySplit
from sklearn.metrics import accuracy_score, confusion_matrix
from torch import nn

from benchmark import evaluate, flops
from benchmark.checkpoint import Checkpoint
from benchmark.classification import Classification
from benchmark.data import Clips
from benchmark.errors import ModelError, TrainingError
from benchmark.recipe import Training
from dynamics_gen.classes import factors


def learner() -> Classification:
    """A linear classifier of clips of 8 frames of 16×16."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 16 * 16, 10))
    return Classification(network, Training(), Fabric(accelerator="cpu", devices=1, precision="32-true"))


def test_scores_are_those_of_scikit_learn() -> None:
    """Error, error by factor and confusion matrix, from the predictions of a network."""
    clips = Clips(MemorySplit(37), torch.device("cpu"), "rgb")
    said = evaluate.predict(learner(), clips, batch_size=8)
    predicted = said.probabilities.argmax(1)
    scores = said.scores()
    assert np.array_equal(scores.confusion, confusion_matrix(said.label, predicted, labels=range(10)))
    assert scores.error == pytest.approx(1 - accuracy_score(said.label, predicted))
    for factor, error in enumerate((scores.error_path, scores.error_speed)):
        true, guessed = ([factors(int(one))[factor] for one in labels] for labels in (said.label, predicted))
        assert error == pytest.approx(1 - accuracy_score(true, guessed))
    assert 0.5 < scores.error < 1  # an untrained network: neither all right nor all wrong


def test_predictions_name_their_clips() -> None:
    """In the split's order, up to as many as asked for."""
    split = MemorySplit(37)
    said = evaluate.predict(learner(), Clips(split, torch.device("cpu"), "rgb"), batch_size=8, most=20)
    assert [name.decode() for name in said.clip_id] == split.clip_ids[:20]
    assert np.array_equal(said.label, split.labels[:20])
    np.testing.assert_allclose(said.probabilities.sum(1), 1, rtol=1e-5)


def test_batch_size_does_not_change_what_is_said() -> None:
    """Scores are of clips, not of batches."""
    clips = Clips(MemorySplit(37), torch.device("cpu"), "rgb")
    one, other = (evaluate.predict(learner(), clips, size) for size in (37, 5))
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_chosen_weights_read_back(tmp_path: Path) -> None:
    """Several modules in one file, exactly."""
    modules: dict[str, nn.Module] = {"encoder": nn.Linear(3, 4), "head": nn.BatchNorm1d(4)}
    state = Checkpoint(configuration={})
    state.choose(1, 0.5, modules)
    content = evaluate.save_weights(state, tmp_path / "chosen.safetensors")
    assert (tmp_path / "chosen.safetensors").read_bytes() == content
    others: dict[str, nn.Module] = {"encoder": nn.Linear(3, 4), "head": nn.BatchNorm1d(4)}
    evaluate.load_weights(others, tmp_path / "chosen.safetensors")
    for name in modules:
        for one, other in zip(modules[name].state_dict().values(), others[name].state_dict().values(), strict=True):
            assert torch.equal(one, other)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Another network, or a file cut short."""
    path = tmp_path / "chosen.safetensors"
    state = Checkpoint(configuration={})
    state.choose(1, 0.5, {"net": nn.Linear(3, 4)})
    content = evaluate.save_weights(state, path)
    with pytest.raises(TrainingError, match="does not hold the weights of this model"):
        evaluate.load_weights({"net": nn.Linear(3, 5)}, path)
    path.write_bytes(content[:-5])
    with pytest.raises(TrainingError, match="does not hold the weights of this model"):
        evaluate.load_weights({"net": nn.Linear(3, 4)}, path)


class Mean(nn.Module):
    """Over time and space; costs no multiplication."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """[B, C, T, H, W] to [B, C]."""
        return maps.mean((2, 3, 4))


def test_network_that_gives_no_logits_is_refused() -> None:
    """Before it is trained: another number of classes, another shape, no tensor at all."""
    for network in (nn.Sequential(nn.Conv3d(3, 7, 1), Mean()), nn.Conv3d(3, 10, 1)):
        with pytest.raises(ModelError, match=r"gives \(1, .* for one clip: expected logits of shape \(1, 10\)"):
            evaluate.flops_per_clip(network, (8, 3, 16, 16), 10)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_cost_of_recurrent_layers_has_its_closed_form(device: str) -> None:
    """Which torch's counter alone leaves out: four gates from what is below and from before."""
    batch, steps, inputs, hidden = 3, 7, 5, 8
    network = nn.LSTM(inputs, hidden, 2, batch_first=True).to(device)
    with torch.no_grad(), flops.counted(network) as counter:
        network(torch.zeros(batch, steps, inputs, device=device))
    assert counter.get_total_flops() == 2 * batch * steps * 4 * hidden * ((inputs + hidden) + (hidden + hidden))


def test_cost_of_a_convolution_has_its_closed_form() -> None:
    """Two operations a multiply-add: outputs × kernel × channels; the mode of the network is left alone."""
    network = nn.Sequential(nn.Conv3d(3, 10, (3, 1, 1), stride=(2, 1, 1), bias=False), nn.Dropout(), Mean())
    frames = (8 - 3) // 2 + 1
    assert evaluate.flops_per_clip(network, (8, 3, 16, 16), 10) == 2 * 10 * frames * 16 * 16 * 3 * 3
    assert evaluate.parameters(network) == 10 * 3 * 3
    assert network.training
    network[0].requires_grad_(False)
    assert evaluate.parameters(network) == 0

"""The classification learner, against formulas written out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmark.classification import Classification
from benchmark.data import Batch
from benchmark.recipe import Training


def learner(**settings: object) -> Classification:
    """A linear classifier of clips [B, 3, 2, 2, 2]."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(24), nn.Linear(24, 10))
    recipe = Training(precision="32-true", **settings)  # type: ignore[arg-type]
    return Classification(network, recipe, Fabric(accelerator="cpu", devices=1, precision="32-true"))


def batch(clips: int = 6, seed: int = 1) -> Batch:
    """Random clips and labels."""
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        clips=torch.randn(clips, 3, 2, 2, 2, generator=generator),
        labels=torch.randint(0, 10, (clips,), generator=generator),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_cross_entropy_with_a_smoothed_target(smoothing: float) -> None:
    """Mean of -sum q log p, with q = (1 - s) at the label plus s / 10 everywhere."""
    one, clips = learner(label_smoothing=smoothing), batch()
    with torch.no_grad():
        logp = one.network(clips.clips).log_softmax(1)
        target = torch.full_like(logp, smoothing / 10)
        target[range(6), clips.labels] += 1 - smoothing
        expected = -(target * logp).sum(1).mean()
        wrong = (logp.argmax(1) != clips.labels).float().mean()
    found = one.training_step(clips, 0.0)
    torch.testing.assert_close(found["loss"], expected)
    torch.testing.assert_close(found["error"], wrong)


class OfItsOwn(nn.Sequential):
    """Has losses of its own: the cross-entropy, and a pull on the bias that grows with the progress."""

    def losses(self, clips: Tensor, labels: Tensor, progress: float, cross_entropy: nn.Module) -> dict[str, Tensor]:
        """The sum, and its parts."""
        logits, pull = self(clips), progress * self[-1].bias.square().sum()  # type: ignore[operator]
        entropy = cross_entropy(logits, labels)
        return {"loss": entropy + pull, "error": torch.tensor(0.25), "entropy": entropy, "pull": pull}


def test_network_may_have_losses_of_its_own() -> None:
    """They are descended and noted as they are; the recipe's smoothing is in the cross-entropy that it is handed."""
    plain = learner(label_smoothing=0.2)
    torch.manual_seed(0)
    recipe = Training(precision="32-true", label_smoothing=0.2)
    network = OfItsOwn(nn.Flatten(), nn.BatchNorm1d(24), nn.Linear(24, 10))
    own = Classification(network, recipe, Fabric(accelerator="cpu", devices=1, precision="32-true"))
    bias = network[-1].bias.detach().clone()  # type: ignore[operator]
    expected, found = plain.training_step(batch(), 0.5), own.training_step(batch(), 0.5)
    torch.testing.assert_close(found["entropy"], expected["loss"])
    torch.testing.assert_close(found["loss"], expected["loss"] + 0.5 * bias.square().sum())
    assert found["error"] == 0.25
    assert not any(value.requires_grad for value in found.values())
    pulled = plain.network[-1].bias.grad + bias  # type: ignore[index]
    torch.testing.assert_close(network[-1].bias.grad, pulled)


def test_only_weights_of_two_axes_decay() -> None:
    """Biases and norms are spared."""
    groups = learner(weight_decay=0.3).optimisers()["adamw"].param_groups
    decays = {weight.shape: group["weight_decay"] for group in groups for weight in group["params"]}
    assert decays == {torch.Size([10, 24]): 0.3, torch.Size([24]): 0.0, torch.Size([10]): 0.0}


def test_first_step_of_adamw_has_its_closed_form() -> None:
    """Each weight moves by the learning rate against its gradient's sign, after decaying by rate × decay."""
    one = learner(learning_rate=0.01, weight_decay=0.5)
    before = one.network[2].weight.detach().clone()  # type: ignore[index]
    one.training_step(batch(), 0.0)
    weight = one.network[2].weight  # type: ignore[index]
    expected = before * (1 - 0.01 * 0.5) - 0.01 * weight.grad.sign()
    torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-5)


def test_sgd_steps_have_their_closed_form() -> None:
    """V ← 0.9 v + gradient + decay × weight, weight ← weight − rate × v, over two steps; resumed under its own name."""
    one = learner(optimiser="sgd", learning_rate=0.01, weight_decay=0.5)
    weight = one.network[2].weight  # type: ignore[index]
    expected, velocity = weight.detach().clone(), torch.zeros_like(weight)
    for step in range(2):
        before = expected.clone()
        one.training_step(batch(seed=step), 0.0)
        velocity = 0.9 * velocity + weight.grad + 0.5 * before
        expected -= 0.01 * velocity
        torch.testing.assert_close(weight.detach(), expected)
    assert list(one.optimisers()) == ["sgd"]


def test_gradient_is_clipped_to_the_norm_asked_for() -> None:
    """Its norm over all weights; 0 leaves it alone."""

    def norm(clip: float) -> float:
        one = learner(gradient_clip=clip)
        one.training_step(batch(), 0.0)
        return (
            torch.stack([weight.grad.norm() for weight in one.network.parameters() if weight.grad is not None])
            .norm()
            .item()
        )

    free = norm(0.0)
    assert free > 0.1
    assert norm(0.1) == pytest.approx(0.1, rel=1e-4)
    assert norm(10 * free) == pytest.approx(free, rel=1e-5)


def test_predictions_are_softmax_in_order_and_change_nothing() -> None:
    """Batch by batch, in eval mode; running statistics and generators stay as they were."""
    one = learner()
    one.training_step(batch(), 0.0)
    state = {key: value.clone() for key, value in one.network.state_dict().items()}
    random = torch.get_rng_state()

    def batches() -> Iterator[Batch]:
        yield batch(4, seed=2)
        yield batch(3, seed=3)

    labels, probabilities = one.predict(batches())
    clips = torch.cat([batch(4, seed=2).clips, batch(3, seed=3).clips])
    with torch.no_grad():
        torch.testing.assert_close(probabilities, one.network.eval()(clips).softmax(1))
    assert labels.tolist() == [*batch(4, seed=2).labels.tolist(), *batch(3, seed=3).labels.tolist()]
    assert all(torch.equal(value, state[key]) for key, value in one.network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert one.validate(batches())["error"] == (probabilities.argmax(1) != labels).double().mean().item()

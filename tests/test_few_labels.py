"""K + 1 classes from K logits, and what the players make of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from baselines.adversarial import swapping_loss, telling_loss
from baselines.few_labels import few_label_losses, realness
from baselines.generators import (
    semi_supervised_ali,
    semi_supervised_gan,
    semi_supervised_rali,
    semi_supervised_rgan,
)
from baselines.recurrent_blocks import with_changes
from benchmark.data import Batch


def test_made_has_the_probability_of_a_zero_logit() -> None:
    """sigmoid(-LSE) is the softmax's share of an extra logit of 0."""
    logits = torch.randn(50, 9, dtype=torch.float64) * 4
    whole = torch.cat([logits, torch.zeros(50, 1, dtype=torch.float64)], dim=1).softmax(1)
    torch.testing.assert_close(torch.sigmoid(-realness(logits)), whole[:, -1], atol=1e-15, rtol=1e-12)


def test_losses_are_those_of_salimans() -> None:
    """-l_y + LSE of labelled ones; -LSE/2 + softplus(LSE)/2 of real ones, softplus(LSE)/2 of made ones."""
    real, made, labelled = torch.randn(3, 20, 5, dtype=torch.float64).unbind(0)
    values = torch.eye(5, dtype=torch.float64)[torch.arange(20) % 5]
    found = few_label_losses(real, made, labelled, values)
    one, other = real.logsumexp(1), made.logsumexp(1)
    softplus = torch.nn.functional.softplus
    known = (labelled.logsumexp(1) - (labelled * values).sum(1)).mean()
    unknown = (-one + softplus(one) + softplus(other)).mean() / 2
    torch.testing.assert_close(found["discriminator"], known + unknown)
    torch.testing.assert_close(found["generator"], swapping_loss(one, other) / 2)
    assert found["labelled_error"] == (labelled.argmax(1) != values.argmax(1)).double().mean().float()


def test_one_value_is_the_plain_game() -> None:
    """With K = 1 a logit is the logit of being real, and labels tell nothing."""
    real, made = torch.randn(2, 30, 1).unbind(0)
    found = few_label_losses(real, made, real, torch.ones(30, 1))
    torch.testing.assert_close(found["discriminator"], telling_loss(real[:, 0], made[:, 0]) / 2)


def test_unlabelled_clips_weigh_as_much_as_they_are_told_to() -> None:
    """Of the discriminator's loss alone, linearly; without them only labels are left."""
    real, made, labelled = torch.randn(3, 20, 5, dtype=torch.float64).unbind(0)
    values = torch.eye(5, dtype=torch.float64)[torch.arange(20) % 5]
    none, half, whole = (few_label_losses(real, made, labelled, values, weight) for weight in (0.0, 0.5, 1.0))
    torch.testing.assert_close(none["discriminator"], torch.nn.functional.cross_entropy(labelled, values.argmax(1)))
    torch.testing.assert_close(2 * half["discriminator"], none["discriminator"] + whole["discriminator"])
    assert none["generator"] == whole["generator"]


SMALL = {
    semi_supervised_ali: {"image_size": 32, "width": 0.25, "dropout": 0.0},
    semi_supervised_gan: {"image_size": 32, "width": 0.25, "dropout": 0.0},
    semi_supervised_rali: {"frames": 4, "width": 8, "dropout": 0.0},
    semi_supervised_rgan: {"frames": 4, "width": 8, "dropout": 0.0},
}
"""Settings of narrow networks that draw nothing in the discriminator."""

MODULES = pytest.mark.parametrize("module", SMALL, ids=lambda module: module.__name__.rpartition(".")[2])


def network_of(module: Any) -> tuple[Any, int]:
    """A narrow network of nine values, and the frames of a clip."""
    torch.manual_seed(0)
    config = module.Config(**SMALL[module])
    frames = getattr(config, "frames", 1)
    return module.build(config, (frames, 3, 32, 32), 9), frames


def batch_of(count: int, frames: int = 1) -> Batch:
    """Noise with labels."""
    clips = torch.rand(count, 3, frames, 32, 32) * 2 - 1
    return Batch(clips=clips, labels=torch.zeros(count), attributes=torch.eye(9)[torch.arange(count) % 9])


@MODULES
def test_it_learns_few_labels_by_heart(module: Any) -> None:
    """Sixty steps bring the cross-entropy of nine labelled ones from that of chance to nearly none."""
    network, frames = network_of(module)
    known, unknown = batch_of(9, frames), batch_of(12, frames)
    optimiser = torch.optim.Adam(network.discriminator.parameters(), lr=1e-3)
    errors = []
    for _ in range(60):
        found = network.losses(Batch(clips=unknown.clips, labels=unknown.labels, labelled=known), 0.0)
        optimiser.zero_grad()
        found["discriminator"].backward()
        optimiser.step()
        errors.append(found["labelled_error"].item())
    assert errors[0] > 0.5
    assert errors[-1] == 0.0


@pytest.mark.parametrize("module", [semi_supervised_gan, semi_supervised_rgan])
def test_feature_matching_is_nothing_where_means_agree(module: Any) -> None:
    """A generator that gives the real clips has no loss, and no gradient."""
    network, frames = network_of(module)
    batch = batch_of(8, frames)
    network.decoder.forward = lambda *_: batch.clips if frames > 1 else batch.clips[:, :, 0]
    assert network.losses(batch, 0.0)["generator"].item() == pytest.approx(0.0, abs=1e-10)
    assert not math.isnan(network.losses(batch, 0.0)["discriminator"].item())


@pytest.mark.parametrize("module", [semi_supervised_ali, semi_supervised_rali])
def test_ali_answers_the_discriminator_with_the_opposite(module: Any) -> None:
    """Where all logits are zero, a logit of being real is ln K: each player's loss in closed form.

    Of clips, what is learnt without labels weighs a tenth.
    """
    network, frames = network_of(module)
    last = (network.discriminator.readout if frames > 1 else network.discriminator.of_pairs)[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    batch = batch_of(9, frames)
    found = network.losses(batch, 0.0)
    real, made = math.log(1 + 1 / 9), math.log(1 + 9)
    weight = 0.1 if frames > 1 else 1.0
    assert found["discriminator"].item() == pytest.approx(math.log(9) + weight * (real + made) / 2, rel=1e-5)
    assert found["generator"].item() == pytest.approx((made + real) / 2, rel=1e-5)


def test_changes_are_differences_of_neighbours() -> None:
    """Four times what a frame has more than the one before; nothing of the first, and of clips that stand still."""
    clips = torch.randn(2, 3, 5, 8, 8, dtype=torch.float64)
    seen = with_changes(clips)
    assert torch.equal(seen[:, :3], clips)
    assert not seen[:, 3:, 0].any()
    for moment in range(1, 5):
        torch.testing.assert_close(seen[:, 3:, moment], 4 * (clips[:, :, moment] - clips[:, :, moment - 1]))
    assert not with_changes(clips[:, :, :1].expand(-1, -1, 5, -1, -1))[:, 3:].any()


def test_changes_are_seen_where_asked_for() -> None:
    """The discriminator's first layer then has twice the channels; no other weight differs in size."""
    sizes = {}
    for changes in (False, True):
        config = semi_supervised_rgan.Config(frames=4, width=8, changes=changes)
        network = semi_supervised_rgan.build(config, (4, 3, 32, 32), 9)
        sizes[changes] = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    differing = {name for name, size in sizes[True].items() if size != sizes[False][name]}
    first = "discriminator.of_clip.steps.frames.0.weight"
    assert differing == {first}
    assert (sizes[False][first][1], sizes[True][first][1]) == (3, 6)

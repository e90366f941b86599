"""K + 1 classes from K logits, and what the players make of them."""

from __future__ import annotations

import math

import pytest
import torch

from baselines.adversarial import swapping_loss, telling_loss
from baselines.few_labels import few_label_losses, realness
from baselines.generators import semi_supervised_ali, semi_supervised_gan
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


def batch_of(count: int) -> Batch:
    """Frames with labels."""
    clips = torch.rand(count, 3, 1, 32, 32) * 2 - 1
    return Batch(clips=clips, labels=torch.zeros(count), attributes=torch.eye(9)[torch.arange(count) % 9])


@pytest.mark.parametrize("module", [semi_supervised_ali, semi_supervised_gan])
def test_it_learns_few_labels_by_heart(module) -> None:
    """Sixty steps bring the cross-entropy of nine labelled frames from that of chance to nearly none."""
    torch.manual_seed(0)
    network = module.build(module.Config(image_size=32, width=0.25, dropout=0.0), (1, 3, 32, 32), 9)
    known, unknown = batch_of(9), batch_of(12)
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


def test_feature_matching_is_nothing_where_means_agree() -> None:
    """A generator that gives the real frames has no loss, and no gradient."""
    torch.manual_seed(0)
    network = semi_supervised_gan.build(
        semi_supervised_gan.Config(image_size=32, width=0.25, dropout=0.0), (1, 3, 32, 32), 9
    )
    batch = batch_of(8)
    network.decoder.forward = lambda latents: batch.clips[:, :, 0]
    assert network.losses(batch, 0.0)["generator"].item() == pytest.approx(0.0, abs=1e-10)
    assert not math.isnan(network.losses(batch, 0.0)["discriminator"].item())

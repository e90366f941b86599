"""DCGAN: published counts, sizes, losses by hand, and who sees what."""

from __future__ import annotations

import math

import pytest
import torch
from one_step import Players, frames_batch, moved, snapshot
from torch import nn

from baselines.generators.gan import GAN, Config, build
from benchmark.generation.contract import Generator, Infers, Judges
from dynamics_gen.errors import ConfigError


def network(side: int = 16, **settings: object) -> GAN:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Config(**{"latent": 5, "width": 0.1, **settings}), (1, 3, side, side))  # type: ignore[arg-type]


def test_it_has_the_published_count_of_parameters() -> None:
    """3,576,704 in the generator and 2,765,568 in the discriminator, at 64×64 with 100 numbers in a latent."""
    net = build(Config(), (1, 3, 64, 64))
    counts = {name: sum(weight.numel() for weight in one.parameters) for name, one in net.players().items()}
    assert counts == {"discriminator": 2_765_568, "generator": 3_576_704}
    assert sum(counts.values()) == sum(weight.numel() for weight in net.parameters())


def test_weights_start_as_published() -> None:
    """From N(0, 0.02²), scales of norms from N(1, 0.02²)."""
    net = build(Config(), (1, 3, 64, 64))
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.5)


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_it_makes_and_judges_frames_of_several_sizes(side: int) -> None:
    """Down to 4×4 places and up again; it plays and judges, and infers nothing."""
    net = network(side).eval()
    assert isinstance(net, Generator)
    assert isinstance(net, Judges)
    assert not isinstance(net, Infers)
    clips = net.sample(2)
    assert clips.shape == (2, 3, 1, side, side)
    assert clips.abs().max() <= 1
    assert net.features(clips[:, :, 0]).shape[2:] == (4, 4)
    assert net.judge(clips).shape == (2,)


@pytest.mark.parametrize("size", [(48, 48), (4, 4), (16, 32)])
def test_other_frames_are_refused(size: tuple[int, int]) -> None:
    """The sentence says which sides there are."""
    with pytest.raises(ConfigError, match="expected a side of 8, 16, 32, 64, …: try --set image_size=32"):
        build(Config(), (1, 3, *size))


def test_losses_are_those_of_two_batches() -> None:
    """Real frames and made ones pass the discriminator apart, so that each batch has its own statistics."""
    net, seen, batch = network(), [], frames_batch(side=16)
    net.features.register_forward_hook(lambda _, inputs, features: seen.append((inputs[0], features)))
    found = net.losses(batch, 0.0)
    (frames, features), (made, imitated) = seen
    assert torch.equal(frames, batch.clips[:, :, 0])
    assert made.shape == frames.shape
    real, false = (net.readout(maps).flatten().sigmoid() for maps in (features, imitated))
    torch.testing.assert_close(found["discriminator"], -real.log().mean() - (1 - false).log().mean())
    torch.testing.assert_close(found["generator"], -false.log().mean())


def test_features_can_be_matched_instead() -> None:
    """The squared distance between means over either batch; it is nothing where both batches are the same."""
    net, seen, batch = network(feature_matching=True), [], frames_batch(side=16)
    handle = net.features.register_forward_hook(lambda _, __, features: seen.append(features))
    found = net.losses(batch, 0.0)
    handle.remove()
    torch.testing.assert_close(found["generator"], (seen[0].mean(0) - seen[1].mean(0)).square().mean())
    net.generator.register_forward_hook(lambda _, __, ___: batch.clips[:, :, 0])
    assert net.losses(batch, 0.0)["generator"].item() == 0


@pytest.mark.parametrize("matching", [True, False])
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_each_player_lowers_its_own_loss(player: str, matching: bool) -> None:
    """Fifteen steps alone, which move nothing of the other."""
    net = network(feature_matching=matching)
    players, before = Players(net, 3e-3), snapshot(net)
    losses = [players.step(frames_batch(side=16), only=[player])[player].item() for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]
    weights = {name for name, _ in net.named_parameters()}
    mine = {name for name in weights if name.startswith("generator") == (player == "generator")}
    assert moved(before, net) & weights == mine


def test_a_penalty_is_added_to_the_discriminators_loss_alone() -> None:
    """Half its weight times the squared slope of the real frames' logits."""
    batch = frames_batch(side=16)
    plain, punished = network().eval(), network(gradient_penalty=2.0).eval()
    found = []
    for net in (plain, punished):
        torch.manual_seed(5)
        found.append(net.losses(batch, 0.0))
    seen = batch.clips.clone().requires_grad_()
    slope = torch.autograd.grad(plain.judge(seen).sum(), seen)[0].flatten(1).square().sum(1).mean()
    assert slope > 1e-6
    torch.testing.assert_close(found[1]["discriminator"] - found[0]["discriminator"], slope, rtol=0.01, atol=1e-6)
    torch.testing.assert_close(found[1]["generator"], found[0]["generator"])


def test_with_all_settings_on_a_step_moves_both_players() -> None:
    """Spectral norm leaves no batch norm in the discriminator."""
    net = network(spectral_norm=True, gradient_penalty=1.0, discriminator_rate=4.0, averaging=0.9)
    assert (net.averaging, net.players()["discriminator"].rate) == (0.9, 4.0)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in net.features.modules())
    before = snapshot(net)
    found = Players(net).step(frames_batch(side=16))
    assert all(value.isfinite() for value in found.values())
    assert {name.partition(".")[0] for name in moved(before, net)} == {"generator", "features", "readout"}


def test_at_one_half_losses_are_logarithms_of_two() -> None:
    """A discriminator whose last layer says nothing."""
    net = network()
    nn.init.zeros_(net.readout.weight)
    found = net.losses(frames_batch(side=16), 0.0)
    assert found["discriminator"].item() == pytest.approx(2 * math.log(2))
    assert found["generator"].item() == pytest.approx(math.log(2))
    assert found["judged_real"].item() == found["samples_judged_real"].item() == 0

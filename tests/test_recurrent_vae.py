"""Recurrent ALI without an adversary: the bound by hand, the same encoder and decoder, and nothing that judges."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from one_step import Players
from static_rali import FORMS, batch_of, network
from torch.distributions import Independent, Normal, kl_divergence

from baselines.generators import rali_sequence, rali_single
from benchmark.generation.contract import Generator, Infers, Judges, Likelihood
from dynamics_gen.errors import ConfigError


@pytest.mark.parametrize(("module", "settings"), FORMS)
def test_its_loss_is_minus_the_bound_by_pixel(module: Any, settings: dict) -> None:
    """Independent Gaussians whose variance is the batch's mean squared error; the divergence from the prior."""
    net, batch = network(module, adversary=False, **settings), batch_of()
    torch.manual_seed(3)
    found = net.losses(batch, 0.0)
    torch.manual_seed(3)
    mean, log_deviation = net.encoder(batch.clips)
    again = net.decoder(mean + log_deviation.exp() * torch.randn_like(mean), 4)
    error = (again - batch.clips).square().mean().detach()
    density = Normal(again, error.sqrt()).log_prob(batch.clips).flatten(1).sum(1)
    posterior = Independent(Normal(mean, log_deviation.exp()), 1)
    apart = kl_divergence(posterior, Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1))
    torch.testing.assert_close(found["generator"], (apart - density).mean() / (4 * 3 * 16 * 16))
    torch.testing.assert_close(found["squared_error"], error)
    torch.testing.assert_close(found["sigma"], error.sqrt())
    torch.testing.assert_close(found["divergence"], apart.mean().detach())


@pytest.mark.parametrize(("module", "settings"), FORMS)
def test_it_has_the_encoder_and_the_decoder_of_the_game_and_no_more(module: Any, settings: dict) -> None:
    """Weights of the same names and sizes, one player who owns and moves all of them."""
    net, game = network(module, adversary=False, **settings), network(module, **settings)
    sizes = {name: tuple(weight.shape) for name, weight in net.named_parameters()}
    others = {name: tuple(weight.shape) for name, weight in game.named_parameters()}
    assert sizes == {name: size for name, size in others.items() if not name.startswith("discriminator.")}
    [(name, player)] = net.players().items()
    gradients = torch.autograd.grad(net.losses(batch_of(), 0.0)[name], list(player.parameters))
    assert {id(weight) for weight in player.parameters} == {id(weight) for weight in net.parameters()}
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)


@pytest.mark.parametrize("module", [rali_sequence, rali_single])
def test_it_samples_and_infers_and_judges_nothing(module: Any) -> None:
    """Nor has it nats, by which another epoch might be chosen than that of the best samples."""
    net, clips = network(module, adversary=False, averaging=0.9).eval(), batch_of().clips
    assert net.averaging == 0.9
    assert isinstance(net, Generator)
    assert isinstance(net, Infers)
    assert not isinstance(net, Judges)
    assert not isinstance(net, Likelihood)
    with torch.no_grad():
        assert net.sample(6).shape == net.decode(net.encode(clips)).shape == clips.shape


def test_it_learns_a_batch() -> None:
    """Forty steps on clips of one grey each lower the squared error."""
    clips = torch.linspace(-0.8, 0.8, 8)[:, None, None, None, None].expand(8, 3, 4, 16, 16).contiguous()
    batch = dataclasses.replace(batch_of(8), clips=clips)
    players = Players(network(rali_single, adversary=False), 5e-3)
    errors = [players.step(batch)["squared_error"].item() for _ in range(40)]
    assert sum(errors[-5:]) < 0.5 * sum(errors[:5])


@pytest.mark.parametrize("setting", [{"spectral_norm": True}, {"batch_norm": False}, {"noise": 0.1}, {"dropout": 0.2}])
def test_settings_of_a_discriminator_are_refused(setting: dict) -> None:
    """They would move nothing; and without encoder and discriminator nothing is learnt."""
    ((name, value),) = setting.items()
    with pytest.raises(ConfigError, match=f"got adversary=False with {name}={value}, expected {name}="):
        rali_single.Config(adversary=False, **setting)
    with pytest.raises(ConfigError, match="inference=False, expected inference=True: without either nothing is learnt"):
        rali_sequence.Config(adversary=False, inference=False)

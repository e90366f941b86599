"""ALI: what the two players see, what each moves, and the settings against an unstable game."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from one_step import Players, frames_batch, moved, snapshot
from torch import Tensor, nn

from baselines.generators.ali import ALI, Config, build
from benchmark.generation.contract import Generator, Infers, Judges
from dynamics_gen.errors import ConfigError

SHAPE = (1, 3, 32, 32)


def network(side: int = 32, **settings: object) -> ALI:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Config(**{"latent": 4, "width": 0.1, **settings}), (1, 3, side, side))  # type: ignore[arg-type]


def same_draws(net: ALI, progress: float = 0.0) -> dict[str, Tensor]:
    """Losses of the batch with the draws of one seed."""
    torch.manual_seed(5)
    return dict(net.losses(frames_batch(), progress))


@pytest.mark.parametrize("side", [32, 64])
def test_it_keeps_the_contract(side: int) -> None:
    """It plays, infers and judges, on both sizes of frames, and two players own every weight."""
    net = network(side).eval()
    assert isinstance(net, Generator)
    assert isinstance(net, Infers)
    assert isinstance(net, Judges)
    clips = frames_batch(2, side).clips
    assert net.encode(clips).shape == (2, 4)
    assert net.decode(torch.randn(2, 4)).shape == net.sample(2).shape == clips.shape
    assert net.judge(clips).shape == (2,)
    assert net.sample(2).abs().max() <= 1
    owned = [id(weight) for player in net.players().values() for weight in player.parameters]
    assert sorted(owned) == sorted(id(weight) for weight in net.parameters())


def test_at_the_start_the_discriminator_cannot_tell() -> None:
    """Small weights and no biases: both losses are 2·ln 2, but for a thousandth."""
    found = same_draws(network())
    assert found["discriminator"].item() == pytest.approx(2 * math.log(2), abs=1e-3)
    assert found["generator"].item() == pytest.approx(2 * math.log(2), abs=1e-3)


def test_real_and_made_pairs_are_one_batch() -> None:
    """The discriminator is called once: frames with what the encoder draws, then what the decoder makes of latents."""
    net, seen = network(dropout=0.0), []
    net.discriminator.register_forward_hook(lambda _, inputs, __: seen.append(inputs))
    same_draws(net)
    [(frames, latents, _)] = seen
    batch = frames_batch()
    assert torch.equal(frames[:6], batch.clips[:, :, 0])
    torch.manual_seed(5)
    torch.testing.assert_close(latents[6:], torch.randn(6, 4))
    torch.testing.assert_close(latents[:6], net.encoder(batch.clips[:, :, 0]).draw())
    torch.testing.assert_close(frames[6:], net.decoder(latents[6:]))


def test_a_deterministic_encoder_draws_nothing() -> None:
    """Then the latents of a frame are what `encode` says."""
    net = network(encoder="deterministic").eval()
    clips = frames_batch().clips
    torch.testing.assert_close(net.encoder(clips[:, :, 0]).draw(), net.encode(clips))
    torch.testing.assert_close(net.judge(clips), net.judge(clips), atol=0, rtol=0)


def test_each_player_lowers_its_own_loss() -> None:
    """First the discriminator alone, from 2·ln 2 on, then encoder and decoder alone; neither moves the other."""
    net = network(dropout=0.0)
    same_draws(net)  # the decoder starts at the data
    players, weights = Players(net, 1e-2), {name for name, _ in net.named_parameters()}
    for player, parts in (("discriminator", ["discriminator"]), ("generator", ["decoder", "encoder"])):
        before = snapshot(net)
        losses = [players.step(frames_batch(), only=[player])[player].item() for _ in range(12)]
        assert losses[-1] < 0.7 * losses[0]
        assert sorted({name.partition(".")[0] for name in moved(before, net) & weights}) == parts


def test_the_decoder_starts_at_the_data() -> None:
    """After the first losses in training, and not after those in evaluation."""
    net = network().eval()
    same_draws(net)
    assert not net.decoder.bias.any()
    same_draws(net.train())
    torch.testing.assert_close((net.decoder.bias / 2).tanh(), frames_batch().clips[:, :, 0].mean(0))


def test_a_penalty_is_added_to_the_discriminators_loss_alone() -> None:
    """Half its weight times the squared slope of the real pairs' logits, along frames and along latents."""
    plain, punished = network(dropout=0.0).eval(), network(dropout=0.0, gradient_penalty=3.0).eval()
    with torch.no_grad():
        for net in (plain, punished):
            for weight in net.discriminator.parameters():
                weight.mul_(8)
    expected, found = same_draws(plain), same_draws(punished)
    torch.manual_seed(5)
    plain.prior(6)
    frames = frames_batch().clips[:, :, 0].requires_grad_()
    latents = plain.encoder(frames.detach()).draw().detach().requires_grad_()
    slopes = torch.autograd.grad(plain.discriminator(frames, latents).sum(), (frames, latents))
    penalty = 1.5 * torch.stack([slope.flatten(1).square().sum(1).mean() for slope in slopes]).sum()
    assert penalty > 1e-3
    torch.testing.assert_close(found["discriminator"] - expected["discriminator"], penalty, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found["generator"], expected["generator"])


def test_with_all_settings_on_a_step_moves_both_players() -> None:
    """Also in a copy, which learns as the original does."""
    net = network(spectral_norm=True, gradient_penalty=1.0, discriminator_rate=4.0, averaging=0.9)
    assert net.averaging == 0.9
    assert net.players()["discriminator"].rate == 4.0
    twin = copy.deepcopy(net)
    for one in (net, twin):
        before = snapshot(one)
        torch.manual_seed(5)
        found = Players(one).step(frames_batch())
        assert all(value.isfinite() for value in found.values())
        names = moved(before, one)
        assert any(name.startswith("discriminator") for name in names)
        assert any(name.startswith("encoder") for name in names)
        assert any(name.startswith("decoder") for name in names)
    for name, value in net.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name


def test_defaults_are_the_published_ones() -> None:
    """At 64×64: 18.6 millions in encoder and decoder, a discriminator of 2,048 features, β₁ of ½."""
    with torch.device("meta"):
        net = ALI(Config(), (1, 3, 64, 64))
    players = net.players()
    assert round(sum(weight.numel() for weight in players["generator"].parameters) / 1e6, 1) == 18.6
    assert [layer.out_features for layer in net.discriminator.of_pairs.modules() if isinstance(layer, nn.Linear)] == [
        2048,
        2048,
        1,
    ]
    assert all((player.beta1, player.beta2, player.rate) == (0.5, 0.999, 1.0) for player in players.values())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"latent": 0}, "got latent 0, expected a whole number of 1 or more"),
        ({"width": 0.0}, "got width 0.0, expected a number above 0"),
        ({"encoder": "covariates"}, "got encoder 'covariates', expected gaussian or deterministic"),
        ({"dropout": 1.0}, r"got dropout 1.0, expected a number in \[0, 1\)"),
        ({"beta1": -0.1}, r"got beta1 -0.1, expected a number in \[0, 1\)"),
        ({"discriminator_rate": 0.0}, "got discriminator_rate 0.0, expected a number above 0"),
        ({"gradient_penalty": math.nan}, "got gradient_penalty nan, expected a number of 0 or more"),
        ({"averaging": 1.0}, r"got averaging 1.0, expected a number in \[0, 1\)"),
        ({"image_size": 0}, "got image_size 0, expected a whole number of 1 or more"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(ConfigError, match=sentence):
        Config(**settings)

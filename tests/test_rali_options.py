"""The game of recurrent ALI: who moves what, and each option does what it says and nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from static_rali import FORMS, batch_of, network
from torch import Tensor, nn

from baselines.generators import rali_sequence, rali_single
from benchmark.generation.contract import Generator, Infers, Judges
from dynamics_gen.errors import ConfigError


@pytest.mark.parametrize(("module", "settings"), FORMS)
@pytest.mark.parametrize("option", [{}, {"inference": False}, {"spectral_norm": True}, {"gradient_penalty": 1.0}])
def test_both_players_have_a_gradient_in_every_weight_of_theirs(module: Any, settings: dict, option: dict) -> None:
    """The weights are divided between the two; the notes have none."""
    net = network(module, **settings, **option)
    players, found = net.players(), net.losses(batch_of(), 0.0)
    owned = [weight for player in players.values() for weight in player.parameters]
    assert {id(weight) for weight in owned} == {id(weight) for weight in net.parameters()}
    assert len(owned) == len({id(weight) for weight in owned})
    for name, player in players.items():
        gradients = torch.autograd.grad(found[name], list(player.parameters), retain_graph=True)
        assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)
    assert not any(value.requires_grad for name, value in found.items() if name not in players)


@pytest.mark.parametrize("module", [rali_sequence, rali_single])
def test_where_nothing_is_told_apart_the_losses_are_known(module: Any) -> None:
    """Logits of zero: 2 ln 2 each; a recurrent GAN's generator has no part in the real clips: ln 2."""
    for inference, expected in ((True, 2 * math.log(2)), (False, math.log(2))):
        net = network(module, inference=inference)
        nn.init.zeros_(net.discriminator.readout[1].weight)
        found = net.losses(batch_of(), 0.0)
        assert found["discriminator"].item() == pytest.approx(2 * math.log(2))
        assert found["generator"].item() == pytest.approx(expected)
        assert found["judged_real"] == found["samples_judged_real"] == 0


@pytest.mark.parametrize("module", [rali_sequence, rali_single])
def test_without_inference_there_is_no_encoder(module: Any) -> None:
    """The discriminator then sees clips alone; otherwise the contract's protocols all hold."""
    net = network(module, inference=False)
    assert net.encoder is None
    assert net.discriminator.of_latents is None
    assert isinstance(net, Generator)
    assert isinstance(net, Judges)
    assert not isinstance(net, Infers)
    net = network(module)
    latents = net.encode(batch_of().clips)
    assert isinstance(net, Infers)
    assert latents.shape == (6, 20 if module is rali_sequence else 5)
    assert net.decode(latents).shape == batch_of().clips.shape


@torch.no_grad()
def test_what_is_drawn_comes_from_the_global_generator_and_encode_draws_nothing() -> None:
    """The same seed gives the same samples, in [-1, 1]; drawn latents have the encoder's mean and deviation."""
    net, clips = network(rali_single).eval(), batch_of(1).clips

    def seeded(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return net.sample(3)

    assert torch.equal(seeded(0), seeded(0))
    assert not torch.equal(seeded(0), seeded(1))
    assert seeded(0).abs().max() <= 1
    assert torch.equal(net.encode(clips), net.encode(clips))
    drawn = net.inferred(clips.expand(4000, -1, -1, -1, -1))
    mean, log_deviation = net.encoder(clips)
    torch.testing.assert_close(drawn.mean(0), mean[0], atol=0.1, rtol=0)
    torch.testing.assert_close(drawn.std(0), log_deviation[0].exp(), atol=0.1, rtol=0)


class Recorder(nn.Module):
    """A discriminator that is linear, and remembers what it was shown."""

    def __init__(self, pixels: int, latents: int) -> None:
        super().__init__()
        self.of_clip, self.of_latents = nn.Linear(pixels, 1), nn.Linear(latents, 1)
        self.shown: list[tuple[Tensor, Tensor | None]] = []

    def forward(self, clips: Tensor, latents: Tensor | None) -> Tensor:
        """Logits."""
        self.shown.append((clips.detach(), latents))
        logits = self.of_clip(clips.flatten(1))
        return (logits if latents is None else logits + self.of_latents(latents))[:, 0]


@pytest.mark.parametrize("inference", [True, False])
def test_the_penalty_of_a_linear_discriminator_is_half_its_squared_weights(inference: bool) -> None:
    """Those of the clip, and of latents where it sees them; times its weight it adds to the discriminator's loss."""
    made = [network(rali_single, inference=inference, gradient_penalty=weight) for weight in (0.0, 3.0)]
    found = []
    for net in made:
        torch.manual_seed(2)
        net.discriminator = Recorder(3 * 4 * 16 * 16, 5)
        found.append(net.losses(batch_of(), 0.0))
    weights = made[1].discriminator.of_clip.weight, made[1].discriminator.of_latents.weight
    expected = torch.stack([weight.square().sum() for weight in weights[: 2 if inference else 1]]).sum() / 2
    torch.testing.assert_close(found[1]["penalty"], expected.detach())
    torch.testing.assert_close(found[1]["discriminator"] - found[0]["discriminator"], 3 * expected)
    assert torch.equal(found[1]["generator"], found[0]["generator"])
    assert "penalty" not in found[0]


def test_real_and_made_pairs_are_judged_as_one_batch_with_noise_that_sinks() -> None:
    """Real ones first, with the latents inferred for them; noise of the deviation that was asked for, then of less."""
    clips = batch_of().clips
    for noise, progress in ((0.0, 0.0), (0.5, 0.0), (0.5, 0.8)):
        net = network(rali_single, noise=noise)
        net.discriminator = Recorder(3 * 4 * 16 * 16, 5)
        net.losses(batch_of(), progress)
        [(shown, latents)] = net.discriminator.shown
        assert latents is not None
        assert shown.shape[0] == latents.shape[0] == 12
        added = shown[:6] - clips
        assert added.std().item() == pytest.approx(noise * (1 - progress), rel=0.02)
        assert added.mean().item() == pytest.approx(0, abs=0.02)


def test_spectral_norm_bounds_every_matrix_of_the_discriminator() -> None:
    """By one, whatever its weights; batch norm, which would undo it, is gone, and stays elsewhere."""
    net = network(rali_single, spectral_norm=True)
    with torch.no_grad():
        for weight in net.discriminator.parameters():
            weight.mul_(30)
        for _ in range(60):
            net.discriminator(batch_of().clips, torch.randn(6, 5))
    layers = [part for part in net.discriminator.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(layers) == 2 + 2 + 2 + 2 + 1  # frames, ConvLSTM, latents, pairs, logit
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert norms_of(net.discriminator) == 0
    assert norms_of(net.decoder) == norms_of(network(rali_single).decoder) > 0


def norms_of(part: nn.Module) -> int:
    """How many batch norms it has."""
    return sum(isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d) for one in part.modules())


def test_the_other_options_do_what_they_say() -> None:
    """Rates, averaging, dropout and the discriminator's batch norms; all of them are off by default."""
    players = network(rali_single, discriminator_rate=4.0, beta1=0.3).players()
    assert [(player.rate, player.beta1) for player in players.values()] == [(4.0, 0.3), (1.0, 0.3)]
    assert network(rali_single, averaging=0.99).averaging == 0.99
    dropped = [part.p for part in network(rali_single, dropout=0.3).modules() if isinstance(part, nn.Dropout)]
    assert sorted(set(dropped)) == [0.0, 0.3]
    assert norms_of(network(rali_single).discriminator) == 1
    assert norms_of(network(rali_single, batch_norm=False).discriminator) == 0
    plain = network(rali_single)
    assert (plain.averaging, plain.players()["discriminator"].rate) == (0, 1)
    assert not any(part.p for part in plain.modules() if isinstance(part, nn.Dropout))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"frames": 0}, "got frames 0, expected a whole number of 1 or more"),
        ({"image_size": 0}, "got image_size 0, expected a whole number of 1 or more"),
        ({"latent": 0}, "got latent 0, expected a whole number of 1 or more"),
        ({"beta1": 1.0}, r"got beta1 1.0, expected a number in \[0, 1\)"),
        ({"discriminator_rate": 0.0}, "got discriminator_rate 0.0, expected a number above 0"),
        ({"gradient_penalty": -1.0}, "got gradient_penalty -1.0, expected a number of 0 or more"),
        ({"averaging": 1.0}, "got averaging 1.0, expected"),
        ({"dropout": -0.1}, "got dropout -0.1, expected"),
        ({"noise": float("nan")}, "got noise nan, expected a number of 0 or more"),
        ({"decoder": "last"}, "got decoder 'last', expected one of mlp, copy, first"),
        ({"decoder": "copy", "recurrent": False}, "got recurrent=False with decoder 'copy', .* expected decoder 'mlp'"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, sentence: str) -> None:
    """One sentence each, in both forms where both have the setting."""
    with pytest.raises(ConfigError, match=sentence):
        rali_single.Config(**settings)
    if "decoder" not in settings:
        with pytest.raises(ConfigError, match=sentence):
            rali_sequence.Config(**settings)


@pytest.mark.parametrize("size", [(4, 4), (24, 24), (16, 32), (36, 36)])
def test_frames_that_cannot_be_halved_down_to_the_maps_are_refused(size: tuple[int, int]) -> None:
    """The sentence names sizes that can."""
    with pytest.raises(ConfigError, match="expected a square of 8, 16, 32, 64, … a side: try --set image_size=32"):
        rali_single.build(rali_single.Config(), (4, 3, *size))


@torch.no_grad()
@pytest.mark.parametrize("size", [8, 64])
def test_frames_of_other_sizes_come_back_as_they_were(size: int) -> None:
    """As many doublings as halvings."""
    shape = (2, 3, size, size)
    for module in (rali_sequence, rali_single):
        net = network(module, shape)
        assert net.sample(2).shape == net.decode(net.encode(batch_of(2, shape).clips)).shape == (2, 3, 2, size, size)

"""VGAN: streams and their mask, published layers, losses by hand, and its conditional form."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from one_step import Players, moved, snapshot
from torch import Tensor, nn

from baselines.generators.vgan import VGAN, Config, build
from baselines.predictors import vgan_predictor
from baselines.two_stream_video import ClipJudge, Streams, TwoStreams, plan_for
from benchmark.data import Batch
from dynamics_gen.errors import ConfigError

SHAPE = (4, 3, 16, 16)


def network(**settings: Any) -> VGAN:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Config(**{"latent": 5, "width": 0.1, **settings}), SHAPE)


def clips_batch(count: int = 4) -> Batch:
    """Clips of noise in [-1, 1], the same ones every time."""
    clips = torch.rand(count, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(clips=clips, labels=torch.zeros(count, dtype=torch.long))


def streams() -> Streams:
    """Of noise, that gradients can be taken of."""
    torch.manual_seed(0)
    foreground, background = torch.rand(2, 3, 4, 16, 16) * 2 - 1, torch.rand(2, 3, 1, 16, 16) * 2 - 1
    return Streams(
        foreground.requires_grad_(), torch.rand(2, 1, 4, 16, 16).requires_grad_(), background.requires_grad_()
    )


def test_where_the_mask_is_nothing_every_frame_is_the_background() -> None:
    """And where it is one, the clip is the foreground."""
    found = streams()
    hidden, seen = (found._replace(mask=torch.full_like(found.mask, value)).clips() for value in (0.0, 1.0))
    for frame in hidden.unbind(2):
        assert torch.equal(frame, found.background[:, :, 0])
    assert torch.equal(seen, found.foreground)


def test_a_stream_has_no_gradient_where_the_other_is_seen() -> None:
    """None of the background where the mask is 1, none of the foreground where it is 0."""
    found = streams()
    mask = torch.zeros_like(found.mask)
    mask[..., :4] = 1
    made = found._replace(mask=mask).clips()
    of_foreground, of_background = torch.autograd.grad(made.sum(), (found.foreground, found.background))
    assert of_background[..., :4].eq(0).all()
    assert of_background[..., 4:].eq(4).all()  # it is seen in four frames
    assert of_foreground[..., 4:].eq(0).all()
    assert of_foreground[..., :4].eq(1).all()


def test_the_masks_gradient_is_its_weight_over_its_size() -> None:
    """Its share of the loss is a mean, so that each value is pulled down by weight / count, whatever the size."""
    net = network(mask_weight=0.3)
    made = streams()
    nn.init.zeros_(net.discriminator.readout.weight)
    net.generator.register_forward_hook(lambda _, __, ___: made)
    slope = torch.autograd.grad(net.losses(clips_batch(2), 0.0)["generator"], made.mask)[0]
    torch.testing.assert_close(slope, torch.full_like(slope, 0.3 / made.mask.numel()))


def test_it_makes_the_published_clips() -> None:
    """32 frames of 64×64 pixels from 2×4×4 places, through 512, 256, 128 and 64 maps, all of them doubling time."""
    net = TwoStreams(100, (32, 3, 64, 64), 1.0)
    kernels, maps = {3: 4**3, 2: 4**2}, (512, 256, 128, 64)
    assert plan_for((32, 3, 64, 64), 1.0) == ([64, 128, 256, 512], [True] * 4, 2)
    moving = 100 * 512 * 2 * 4 * 4 + kernels[3] * (sum(a * b for a, b in pairwise(maps)) + 64 * 4)
    still = kernels[2] * (100 * 512 + sum(a * b for a, b in pairwise((*maps, 3))))
    biases, norms = 2 * sum(maps) + 4 + 3, 2 * 2 * sum(maps)
    assert sum(weight.numel() for weight in net.parameters()) == moving + still + biases + norms
    judge = ClipJudge((32, 3, 64, 64), 1.0)
    wide = (3, 64, 128, 256, 512)
    counted = kernels[3] * sum(a * b for a, b in pairwise(wide)) + 512 * 2 * 2 * 4 * 4
    assert sum(weight.numel() for weight in judge.parameters()) == counted + sum(wide[1:]) + 2 + 2 * sum(wide[2:])
    thin = TwoStreams(5, (32, 3, 64, 64), 0.02)
    assert thin(torch.randn(2, 5)).clips().shape == (2, 3, 32, 64, 64)


def test_weights_start_as_published() -> None:
    """From N(0, 0.01²), scales of norms from N(1, 0.02²)."""
    for net in (TwoStreams(20, (8, 3, 16, 16), 1.0), ClipJudge((8, 3, 16, 16), 1.0)):
        for layer in net.modules():
            if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d | nn.ConvTranspose2d):
                assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
            if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("frames", "side", "left"), [(1, 8, 1), (4, 32, 1), (16, 32, 2), (10, 16, 5), (7, 16, 7), (32, 16, 8)]
)
def test_other_numbers_of_frames_and_pixels_fit(frames: int, side: int, left: int) -> None:
    """As many layers halve time as can, those next to the clip; the judge sees what the generator makes."""
    shape = (frames, 3, side, side)
    assert plan_for(shape, 0.1).frames == left
    net, judge = TwoStreams(5, shape, 0.1).eval(), ClipJudge(shape, 0.1).eval()
    made = net(torch.randn(2, 5))
    assert made.foreground.shape == (2, 3, frames, side, side)
    assert made.mask.shape == (2, 1, frames, side, side)
    assert made.background.shape == (2, 3, 1, side, side)
    assert 0 <= made.mask.min() <= made.mask.max() <= 1
    assert judge(made.clips()).shape == (2,)


@pytest.mark.parametrize("size", [(48, 48), (4, 4), (16, 32)])
def test_other_frames_are_refused(size: tuple[int, int]) -> None:
    """The sentence says which sides there are."""
    with pytest.raises(ConfigError, match="expected a side of 8, 16, 32, 64, …: try --set image_size=32"):
        build(Config(), (32, 3, *size))


def test_losses_are_cross_entropies_of_two_classes() -> None:
    """Of real clips and made ones, which pass the discriminator apart; the generator swaps the answer for its own."""
    net, seen, batch = network(), [], clips_batch()
    net.discriminator.readout.register_forward_hook(lambda _, __, logits: seen.append(logits.flatten(1)))
    found = net.losses(batch, 0.0)
    real, made = seen

    def crossed(logits: Tensor, answer: int) -> Tensor:
        return nn.functional.cross_entropy(logits, torch.full((len(logits),), answer))

    torch.testing.assert_close(found["discriminator"], crossed(real, 1) + crossed(made, 0))
    torch.testing.assert_close(found["generator"], crossed(made, 1) + 0.1 * found["foreground"])


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_each_player_lowers_its_own_loss(player: str) -> None:
    """Steps of its own, which move nothing of the other."""
    net = network()
    players, before = Players(net, 3e-3), snapshot(net)
    losses = [players.step(clips_batch(), only=[player])[player].item() for _ in range(20)]
    assert losses[-1] < 0.9 * losses[0]  # more than the mask's part of it
    weights = {name for name, _ in net.named_parameters()}
    assert moved(before, net) & weights == {name for name in weights if name.startswith(player)}


def test_at_one_half_losses_are_logarithms_of_two() -> None:
    """A discriminator whose last layer says nothing."""
    net = network(mask_weight=0.0)
    nn.init.zeros_(net.discriminator.readout.weight)
    found = net.losses(clips_batch(), 0.0)
    assert found["discriminator"].item() == pytest.approx(2 * math.log(2))
    assert found["generator"].item() == pytest.approx(math.log(2))


def test_settings_of_the_players_reach_them() -> None:
    """Rate, decay and average."""
    net = network(discriminator_rate=2.0, beta1=0.3, averaging=0.9)
    players = net.players()
    assert (players["discriminator"].rate, players["generator"].rate) == (2.0, 1.0)
    assert {player.beta1 for player in players.values()} == {0.3}
    assert net.averaging == 0.9


def test_settings_of_sizes_reach_the_layers() -> None:
    """Latents and maps."""
    assert network(latent=7).prior(3).shape == (3, 7)
    counts = [sum(weight.numel() for weight in network(width=width).parameters()) for width in (0.1, 0.2)]
    assert counts[0] < counts[1]


def test_features_are_those_of_every_layer() -> None:
    """Shrunk to two places on each axis, or one where there is one frame left."""
    net = network().eval()
    maps = plan_for(SHAPE, 0.1).maps
    assert net.represent(clips_batch().clips).shape == (4, maps[0] * 2 * 2 * 2 + maps[1] * 1 * 2 * 2)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"frames": 0}, "got frames 0, expected a whole number of 1 or more"),
        ({"mask_weight": -0.1}, "got mask_weight -0.1, expected a number of 0 or more"),
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, Any], message: str) -> None:
    """With what was expected."""
    with pytest.raises(ConfigError, match=message):
        Config(**setting)


def conditional(**settings: Any) -> vgan_predictor.ConditionalVGAN:
    """A narrow predictor of clips of four frames."""
    torch.manual_seed(0)
    small = {"latent": 5, "width": 0.1, "block": 4}
    return vgan_predictor.build(vgan_predictor.Config(**{**small, **settings}), (20, 3, 16, 16))


def numbered() -> Batch:
    """Clips each of whose frames is one number, told by its place."""
    clips = (torch.arange(20.0) / 20).view(1, 1, 20, 1, 1).expand(3, 3, 20, 16, 16)
    return Batch(clips=clips, labels=torch.zeros(3, dtype=torch.long))


def test_the_encoder_has_the_published_maps() -> None:
    """128, 256, 512 and 1024 at 64×64 pixels, and the colours of all frames given at its start."""
    config = vgan_predictor.Config(given=2, block=16)
    net = vgan_predictor.encoder((16, 3, 64, 64), config)
    sizes = [layer.weight.shape[:2] for layer in net if isinstance(layer, nn.Conv2d)]
    assert sizes == [(128, 6), (256, 128), (512, 256), (1024, 512), (512, 1024)]


@pytest.mark.parametrize("given", [1, 3])
def test_the_judge_sees_true_clips_from_the_last_frame_given_on(given: int) -> None:
    """They start where the made clips are to start; all moments of a clip occur."""
    net, batch, told, judged = conditional(given=given), numbered(), [], []
    net.encoder.register_forward_hook(lambda _, inputs, __: told.append(inputs[0][0, ::3, 0, 0]))
    net.discriminator.register_forward_hook(lambda _, inputs, __: judged.append(inputs[0][0, 0, :, 0, 0]))
    for _ in range(100):
        net.losses(batch, 0.0)
    for before, real in zip(told, judged[::2], strict=True):
        assert before.shape == (given,)
        expected = before[0] + torch.arange(given + 3) / 20
        torch.testing.assert_close(torch.cat([before, real[1:]]), expected)
        assert real[0] == before[-1]
    assert {round(20 * before[0].item()) for before in told} == set(range(18 - given))


def test_the_generators_loss_is_the_weighted_sum_of_its_parts() -> None:
    """Ten times the mean distance of the first frame from the one given, and the mask's mean where it weighs."""
    net, seen = conditional(mask_weight=0.5), []
    net.generator.register_forward_hook(lambda _, __, streams: seen.append(streams.clips()))
    nn.init.zeros_(net.discriminator.readout.weight)
    batch = numbered()
    still = Batch(clips=batch.clips[:, :, 5:6].expand(-1, -1, 20, -1, -1), labels=batch.labels)
    found = net.losses(still, 0.0)
    distance = (seen[0][:, :, 0] - still.clips[:, :, 0]).abs().mean()
    torch.testing.assert_close(found["first_frame"], distance)
    assert found["generator"].item() == pytest.approx(math.log(2) + (10 * distance + 0.5 * found["foreground"]).item())
    other = conditional(mask_weight=0.5, frame_weight=2.0)
    nn.init.zeros_(other.discriminator.readout.weight)
    less = other.losses(still, 0.0)
    torch.testing.assert_close(found["generator"] - less["generator"], 8 * distance)


@pytest.mark.parametrize("given", [1, 2])
def test_longer_futures_go_on_from_the_last_frames_made(given: int) -> None:
    """The first frame of each clip made is left out: it is there already."""
    net, told = conditional(given=given).eval(), []
    net.encoder.register_forward_hook(lambda _, inputs, __: told.append(inputs[0]))
    context = torch.rand(2, 3, 10, 16, 16) * 2 - 1
    with torch.no_grad():
        said = net.predict(context, 5)
        assert len(told) == 2
        first = net.streams(context[:, :, -given:]).clips()
        second = net.streams(torch.cat([context, first[:, :, 1:]], dim=2)[:, :, -given:]).clips()
    torch.testing.assert_close(said, torch.cat([first[:, :, 1:], second[:, :, 1:3]], dim=2))


def test_it_learns_to_repeat_the_frame_given() -> None:
    """Forty steps of the generator lower its loss."""
    players = Players(conditional(), 3e-3)
    losses = [players.step(numbered(), only=["generator"])["generator"].item() for _ in range(40)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_conditional_form_refuses_too_long_clips() -> None:
    """What is given and what is made fit into the clips learnt from."""
    for settings, message in (
        ({"block": 20, "given": 2}, "got given 2 and block 20, expected 1 to 10 given, and 21 or fewer in all"),
        ({"block": 1}, "got block 1, expected a whole number of 2 or more"),
        ({"frame_weight": -1.0}, "got frame_weight -1.0, expected a number of 0 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            conditional(**settings)
    assert {player.beta1 for player in conditional(beta1=0.2).players().values()} == {0.2}

"""Mathieu and others' pyramid: what each scale adds, which losses it follows, who sees what."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from one_step import Players, moved, snapshot
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from baselines.predictors.multiscale_gan import (
    Config,
    MultiScaleGAN,
    build,
    enlarged,
    gradient_difference,
    pyramid,
)
from baselines.windows import drawn_windows
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT, HORIZON
from dynamics_gen.errors import ConfigError


def network(side: int = 32, **settings: Any) -> MultiScaleGAN:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Config(image_size=side, **{"width": 0.1, "windows": 2, **settings}), (32, 3, side, side))


def noise(*size: int) -> Tensor:
    """Numbers in [-1, 1], the same ones every time."""
    return torch.rand(size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def a_batch(count: int = 3, side: int = 32) -> Batch:
    """Clips of a context and what follows."""
    return Batch(clips=noise(count, 3, CONTEXT + HORIZON, side, side), labels=torch.zeros(count).long())


def silence(networks: nn.ModuleList) -> None:
    """Lets the last layers give nothing."""
    for one in networks:
        assert isinstance(one, nn.Sequential)
        nn.init.zeros_(one[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(one[-1].bias)  # type: ignore[arg-type]


def test_it_has_the_released_layers() -> None:
    """At 32×32, where whole frames are as large as the released code's patches, weights are counted by hand."""
    net = build(Config(), (32, 3, 32, 32))

    def convolutions(*layers: tuple[int, int, int]) -> int:
        return sum((kernel**2 * before + 1) * maps for kernel, before, maps in layers)

    generators = convolutions(
        *((3, 12, 16), (3, 16, 32), (3, 32, 16), (3, 16, 3)),
        *((5, 15, 16), (3, 16, 32), (3, 32, 16), (5, 16, 3)),
        *((5, 15, 16), (3, 16, 32), (3, 32, 64), (3, 64, 32), (3, 32, 16), (5, 16, 3)),
        *((7, 15, 16), (5, 16, 32), (5, 32, 64), (5, 64, 32), (5, 32, 16), (7, 16, 3)),
    )
    discriminators = convolutions(
        *((3, 15, 32), (3, 15, 32), (3, 32, 32), (3, 32, 64), (5, 15, 32), (5, 32, 32), (5, 32, 64)),
        *((7, 15, 32), (7, 32, 32), (5, 32, 64), (5, 64, 128)),
        *((1, features, 256) for features in (2 * 2 * 32, 2 * 2 * 64, 4 * 4 * 64, 6 * 6 * 128)),
        *((1, 256, 128), (1, 128, 1)) * 4,
    )
    counts = {name: sum(weight.numel() for weight in one.parameters) for name, one in net.players().items()}
    assert counts == {"discriminator": discriminators, "generator": generators}


def test_pooling_undoes_enlarging() -> None:
    """Bit for bit: each pixel stands four times, and their mean is taken."""
    frames = noise(2, 3, 8, 8)
    assert torch.equal(avg_pool2d(enlarged(frames), 2), frames)
    assert torch.equal(pyramid(enlarged(frames))[2], frames)
    assert torch.equal(enlarged(torch.tensor([[[[1.0, 2.0]]]])), torch.tensor([[[[1.0, 1, 2, 2], [1, 1, 2, 2]]]]))


def test_a_pyramid_is_of_means() -> None:
    """An eighth, a quarter, half and all of the side; each pixel the mean of what it covers."""
    frames = noise(2, 3, 32, 32)
    levels = pyramid(frames)
    assert [level.shape[-1] for level in levels] == [4, 8, 16, 32]
    torch.testing.assert_close(levels[0][:, :, 1, 2], frames[:, :, 8:16, 16:24].mean((2, 3)))
    assert torch.equal(levels[3], frames)


def test_gradient_difference_in_closed_forms() -> None:
    """Nothing between equals, an offset or a negative; a ramp against a constant is as far off as it is steep."""
    frames = noise(2, 3, 8, 8)
    ramp = 0.25 * torch.arange(8.0).expand(1, 1, 8, 8)
    steep = ramp + 0.5 * torch.arange(8.0)[:, None]
    assert gradient_difference(frames, frames).item() == 0
    assert gradient_difference(frames + 0.5, frames).item() == pytest.approx(0, abs=1e-6)
    assert gradient_difference(-frames, frames).item() == 0
    assert gradient_difference(ramp, torch.ones(1, 1, 8, 8)).item() == pytest.approx(0.25)
    assert gradient_difference(steep, torch.ones(1, 1, 8, 8)).item() == pytest.approx(0.75)
    assert gradient_difference(2 * ramp, ramp).item() == pytest.approx(0.25)


def test_a_silent_scale_squashes_the_coarser_guess() -> None:
    """With nothing from the last layers, a scale says tanh of the enlarged guess; the coarsest says grey."""
    net, seen = network(), pyramid(noise(2, 12, 32, 32))
    silence(net.generators)
    last = net.generators[0][-1]  # type: ignore[index]
    last.bias.data.fill_(0.8)
    said = net(seen)
    torch.testing.assert_close(said[0], torch.full((2, 3, 4, 4), math.tanh(0.8)))
    for coarse, fine in itertools.pairwise(said):
        torch.testing.assert_close(fine, torch.tanh(enlarged(coarse)))
    last.bias.data.zero_()
    assert not net(seen)[3].any()


def test_a_scale_sees_its_frames_and_the_coarser_guess() -> None:
    """Stacked in this order, at the scale's own size."""
    net, seen, given = network(), pyramid(noise(2, 12, 32, 32)), []
    for generator in net.generators:
        generator.register_forward_hook(lambda _, inputs, __: given.append(inputs[0]))
    said = net(seen)
    assert torch.equal(given[0], seen[0])
    for scale in (1, 2, 3):
        assert torch.equal(given[scale], torch.cat([seen[scale], enlarged(said[scale - 1])], dim=1))


def test_the_window_slides_on_to_what_was_predicted() -> None:
    """Two frames are one frame, and one frame after three of the context and it; earlier frames change nothing."""
    net, context = network().eval(), a_batch().clips[:, :, :CONTEXT]
    with torch.no_grad():
        both, first = net.predict(context, 2), net.predict(context, 1)
        second = net.predict(torch.cat([context[:, :, -3:], first], dim=2), 1)
        changed = torch.cat([-context[:, :, :-4], context[:, :, -4:]], dim=2)
        assert torch.equal(net.predict(changed, 2), both)
        torch.testing.assert_close(both, torch.cat([first, second], dim=2))
        assert not torch.equal(net.predict(torch.cat([-context[:, :, :-3], context[:, :, -3:]], dim=2), 1), first)


def test_windows_are_runs_of_frames_of_one_clip() -> None:
    """No two alike, and neighbours in the batch come from different clips."""
    clips = (100 * torch.arange(3.0)[:, None] + torch.arange(20.0))[:, None, :, None, None].expand(3, 2, 20, 1, 1)
    torch.manual_seed(0)
    windows = drawn_windows(clips, 4, 5)
    assert windows.shape == (12, 5, 2, 1, 1)
    frames = windows[:, :, 0, 0, 0]
    assert torch.equal(frames - frames[:, :1], torch.arange(5.0).expand(12, 5))
    assert (frames[:, 0] // 100).tolist() == [0, 1, 2] * 4
    assert (frames[:, 0] % 100).max() <= 15
    assert len(frames[:, 0].unique()) == 12
    assert {float(start) for start in drawn_windows(clips[:1], 16, 5)[:, 0, 0, 0, 0]} == set(range(16))


def test_losses_are_sums_over_scales() -> None:
    """With silent networks: errors against tanh of nothing, and ln 2 from each discriminator."""
    net, batch = network(), a_batch()
    silence(net.generators)
    silence(net.discriminators)
    torch.manual_seed(3)
    found = net.losses(batch, 0.0)
    torch.manual_seed(3)
    true = pyramid(drawn_windows(batch.clips, 2, 5)[:, 4])
    errors = sum(level.square().mean() for level in true)
    steps = sum(level.diff(dim=axis).abs().mean() for level in true for axis in (2, 3))
    torch.testing.assert_close(found["generator"], errors + steps + 0.05 * 4 * math.log(2))
    torch.testing.assert_close(found["squared_error"], true[3].square().mean())
    assert found["discriminator"].item() == pytest.approx(8 * math.log(2))


@pytest.mark.parametrize("mismatched", [True, False])
def test_discriminators_tell_next_frames_from_made_ones_and_from_other_clips(mismatched: bool) -> None:
    """Pairs of true frames are right; made ones, and the next frame of another clip, are wrong, at equal weights."""
    net, batch, judged = network(mismatched=mismatched), a_batch(), []
    for one in net.discriminators:
        one.register_forward_hook(lambda _, inputs, logits: judged.append((inputs[0], logits.flatten().sigmoid())))
    torch.manual_seed(3)
    found = net.losses(batch, 0.0)
    torch.manual_seed(3)
    windows = drawn_windows(batch.clips, 2, 5)
    pairs, expected = judged[3][0].unflatten(0, (-1, 6)), torch.zeros(())
    assert len(pairs) == 2 + mismatched
    assert torch.equal(pairs[0], windows.flatten(1, 2))
    assert torch.equal(pairs[1][:, :12], pairs[0][:, :12])
    assert torch.equal(pairs[1][:, 12:], net(pyramid(windows[:, :4].flatten(1, 2)))[3])
    if mismatched:
        assert torch.equal(pairs[2], torch.cat([pairs[0][:, :12], pairs[0][[5, 0, 1, 2, 3, 4], 12:]], dim=1))
    for _, said in judged:
        real, *wrong = said.unflatten(0, (-1, 6))
        expected = expected - real.log().mean() - torch.stack([(1 - one).log().mean() for one in wrong]).mean()
    torch.testing.assert_close(found["discriminator"], expected)


def test_the_generator_also_learns_to_deceive() -> None:
    """Its loss has the weighted sum of minus logarithms of what is said of made frames."""
    found, made = [], []
    for weight in (1e-9, 2.0):
        net = network(adversarial=weight)
        made.clear()
        for one in net.discriminators:
            one.register_forward_hook(lambda _, __, logits: made.append(logits.flatten().chunk(3)[1]))
        torch.manual_seed(3)
        found.append(net.losses(a_batch(), 0.0)["generator"])
    deceit = torch.stack([-logits.sigmoid().log().mean() for logits in made]).sum()
    torch.testing.assert_close(found[1] - found[0], 2 * deceit, atol=1e-5, rtol=1e-4)


def test_each_weight_can_be_nothing() -> None:
    """Without adversaries there is one player; without the difference of gradients the squared error is left."""
    net = network(adversarial=0.0, gradient_difference=0.0)
    assert set(net.players()) == {"generator"}
    assert len(net.discriminators) == 0
    silence(net.generators)
    torch.manual_seed(3)
    found = net.losses(a_batch(), 0.0)
    torch.manual_seed(3)
    true = pyramid(drawn_windows(a_batch().clips, 2, 5)[:, 4])
    assert set(found) == {"generator", "squared_error"}
    torch.testing.assert_close(found["generator"], sum(level.square().mean() for level in true))


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_each_player_moves_its_own_weights_alone(player: str) -> None:
    """At all four scales."""
    net = network()
    before = snapshot(net)
    Players(net).step(a_batch(), only=[player])
    assert {".".join(name.split(".")[:2]) for name in moved(before, net)} == {f"{player}s.{i}" for i in range(4)}


def test_it_learns() -> None:
    """Twelve steps on a square on its way lower the finest scale's error."""
    clips = torch.full((2, 3, CONTEXT + HORIZON, 32, 32), -0.5)
    for time in range(CONTEXT + HORIZON):
        clips[:, :, time, 8:18, time // 2 : time // 2 + 10] = 0.8
    net, batch = network(width=0.25), Batch(clips=clips, labels=torch.zeros(2).long())
    players = Players(net, 5e-3)
    errors = [players.step(batch)["squared_error"].item() for _ in range(12)]
    assert errors[-1] < 0.5 * errors[0]


def test_each_setting_changes_the_network() -> None:
    """Width the maps, windows how many are judged, the rate the discriminator's Adam; larger frames no weight."""
    assert network(width=0.5).generators[3][0].out_channels == 8  # type: ignore[index,union-attr]
    assert network(discriminator_rate=3.0).players()["discriminator"].rate == 3
    counts = [sum(weight.numel() for weight in network(side).parameters()) for side in (32, 64)]
    assert counts[0] == counts[1]
    net, seen = network(windows=5), []
    net.generators[0].register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    net.losses(a_batch(), 0.0)
    assert seen == [15]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"adversarial": -1.0}, "got adversarial -1.0, expected a number of 0 or more"),
        ({"gradient_difference": math.inf}, "got gradient_difference inf, expected a number of 0 or more"),
        ({"windows": 17}, "got windows 17, expected a whole number from 1 to 16"),
        ({"width": 0.0}, "got width 0.0, expected a number above 0"),
        ({"side": 16}, "got frames of 16×16 pixels, expected multiples of 8, from 32 on"),
        ({"side": 36}, "got frames of 36×36 pixels, expected multiples of 8, from 32 on"),
    ],
)
def test_what_no_network_can_be_built_from_is_refused(settings: dict[str, Any], sentence: str) -> None:
    """In a sentence that says what would do."""
    with pytest.raises(ConfigError, match=sentence):
        network(**settings)

"""Cross convolution: kernels of each sample, the bound of the change, and where latents come from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from one_step import Players
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import conv2d

from baselines.layers import displaced
from baselines.pixel_motion import crossed
from baselines.predictors.cross_convolution import STORED, Config, CrossConvolution, build, divergence
from baselines.windows import drawn_windows
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT, HORIZON
from dynamics_gen.errors import ConfigError


def network(side: int = 32, **settings: Any) -> CrossConvolution:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Config(image_size=side, **{"width": 0.1, "windows": 2, **settings}), (32, 3, side, side))


def noise(*size: int) -> Tensor:
    """Numbers in [-1, 1], the same ones every time."""
    return torch.rand(size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def a_batch(count: int = 3, side: int = 32) -> Batch:
    """Clips of a context and what follows."""
    return Batch(clips=noise(count, 3, CONTEXT + HORIZON, side, side), labels=torch.zeros(count).long())


def fix(net: CrossConvolution, mean: float, log_deviation: float) -> None:
    """Lets the motion encoder say the same of every change."""
    layer = net.motion_encoder.to_latents
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    layer.bias.data.copy_(torch.tensor([mean, log_deviation]).repeat_interleave(len(layer.bias) // 2))


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 2), (-1, 0), (2, -1)])
def test_a_kernel_of_one_entry_shifts_its_map_exactly(rows: int, columns: int) -> None:
    """The middle one leaves it as it is; one below or to the right of it moves it there."""
    maps, kernels = noise(2, 3, 8, 7), torch.zeros(2, 3, 5, 5)
    kernels[:, :, 2 + rows, 2 + columns] = 1
    assert torch.equal(crossed(maps, kernels), displaced(maps, -rows, -columns))


def test_one_grouped_convolution_is_a_loop_over_samples_and_maps() -> None:
    """Each by its own kernel, which torch's correlation needs turned round."""
    maps, kernels = noise(3, 4, 8, 7), noise(3, 4, 5, 5)
    expected = torch.stack(
        [
            torch.cat(
                [
                    conv2d(one[None, None], kernel.flip(0, 1)[None, None], padding=2)[0]
                    for one, kernel in zip(of_maps, of_kernels, strict=True)
                ]
            )
            for of_maps, of_kernels in zip(maps, kernels, strict=True)
        ]
    )
    torch.testing.assert_close(crossed(maps, kernels), expected)


def test_maps_are_moved_by_their_own_scales_kernels() -> None:
    """The first quarter of what the kernel decoder says goes to the coarsest scale, and so on."""
    net, seen = network().eval(), []
    net.motion_decoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    frame, codes = noise(2, 3, 32, 32), noise(2, 12, 5, 5)
    net.change(frame, codes)
    kernels, maps = net.kernel_decoder(codes), net.maps(frame)
    assert [one.shape[-1] for one in maps] == [1, 2, 4, 8]
    for scale, one in enumerate(maps):
        found = crossed(one, kernels[:, 3 * scale : 3 * scale + 3])
        enlarged = nn.Upsample(size=(32, 32), mode="bilinear")(found)
        torch.testing.assert_close(seen[0][:, 3 * scale : 3 * scale + 3], enlarged)


def test_without_kernels_the_change_is_the_same_for_every_frame() -> None:
    """And it is not, with them."""
    net, codes = network().eval(), noise(2, 12, 5, 5)
    one, other = noise(2, 3, 32, 32), -noise(2, 3, 32, 32).flip(3)
    assert not torch.allclose(net.change(one, codes), net.change(other, codes))
    last = net.kernel_decoder[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    assert torch.equal(net.change(one, codes), net.change(other, codes))


def test_the_divergence_is_that_of_gaussians() -> None:
    """In nats, a sum over latents; nothing from N(0, I) itself."""
    mean, log_deviation = noise(3, 4, 5, 5), noise(3, 4, 5, 5).flip(0)
    expected = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(divergence(mean, log_deviation), expected)
    assert divergence(torch.zeros(1, 4, 5, 5), torch.zeros(1, 4, 5, 5)).item() == 0


@pytest.mark.parametrize(("scale", "weight"), [(100.0, 1.0), (10.0, 1.0), (10.0, 0.25), (10.0, 0.0)])
def test_the_loss_is_half_the_squares_and_the_divergence(
    scale: float, weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Summed over all values of a sample, a mean over pairs, of `scale` times the change of colours in [0, 1]."""
    net, batch = network(scale=scale, divergence=weight), a_batch()
    fix(net, 0.5, 0.0)
    monkeypatch.setattr(net, "change", lambda frame, codes: torch.zeros_like(frame) + 0 * codes.sum())
    torch.manual_seed(3)
    found = net.losses(batch, 0.0)
    torch.manual_seed(3)
    last, following = ((drawn_windows(batch.clips, 2, 2) + 1) / 2).unbind(1)
    expected = (scale * (following - last)).square().sum((1, 2, 3)).mean() / 2
    torch.testing.assert_close(found["error"], expected)
    torch.testing.assert_close(found["divergence"], torch.tensor(300 * 0.5**2 / 2))
    torch.testing.assert_close(found["predictor"], found["error"] + weight * found["divergence"])


def test_latents_are_drawn_about_their_mean() -> None:
    """With the deviation that the motion encoder says."""
    net, seen = network(), []
    net.kernel_decoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    for mean, log_deviation in ((3.0, -5.0), (-1.0, 0.7)):
        fix(net, mean, log_deviation)
        net.losses(a_batch(), 0.0)
        deviation = torch.tensor(log_deviation).exp().item()
        assert seen[-1].mean().item() == pytest.approx(mean, abs=0.1 * deviation + 1e-6)
        assert seen[-1].std().item() == pytest.approx(deviation, rel=0.1)


def test_changes_are_added_again_and_again_by_the_same_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two frames are one, and one from it; a frame is the last and twice the change by `scale`, kept in range."""
    net, context, codes = network().eval(), a_batch().clips[:, :, :CONTEXT], noise(3, 12, 5, 5)
    monkeypatch.setattr(net, "codes", lambda _: codes)
    with torch.no_grad():
        last = context[:, :, -1]
        first = (last + net.change(last, codes) / 50).clamp(-1, 1)
        second = (first + net.change(first, codes) / 50).clamp(-1, 1)
        said = net.predict(context, 2)
        torch.testing.assert_close(said, torch.stack([first, second], dim=2))
        assert not torch.equal(said[:, :, 0], last)
        net.motion_decoder[-1].bias.data.fill_(1000.0)  # type: ignore[union-attr]
        assert (net.predict(context, 1) == 1).all()


def test_latents_of_the_prior_are_normal_and_of_each_clip() -> None:
    """What came before the last frame changes nothing."""
    net, context = network().eval(), a_batch().clips[:, :, :CONTEXT]
    codes = net.codes(context.repeat(10, 1, 1, 1, 1))
    assert codes.shape == (30, 12, 5, 5)
    assert codes.mean().item() == pytest.approx(0, abs=0.05)
    assert codes.std().item() == pytest.approx(1, abs=0.05)
    assert len(codes[:, 0, 0, 0].unique()) == 30
    assert not dict(net.named_buffers()).keys() & {"stored", "place"}
    with torch.no_grad():
        said = []
        for one in (context, torch.cat([-context[:, :, :-1], context[:, :, -1:]], dim=2)):
            torch.manual_seed(4)
            said.append(net.predict(one, 2))
    assert torch.equal(*said)


def test_latents_can_be_inferred_from_the_last_change() -> None:
    """Drawn about what the motion encoder says of the last two frames."""
    net, context, seen = network(codes="inferred").eval(), a_batch().clips[:, :, :CONTEXT], []
    handle = net.motion_encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs))
    net.codes(context)
    handle.remove()
    assert torch.equal(seen[0][0], context[:, :, -2])
    assert torch.equal(seen[0][1], context[:, :, -1] - context[:, :, -2])
    fix(net, 3.0, -20.0)
    torch.testing.assert_close(net.codes(context), torch.full((3, 12, 5, 5), 3.0))


def test_latents_of_training_can_be_kept_and_drawn_from() -> None:
    """The newest take the place of the oldest ones, in training alone; until there are any, they are the prior's."""
    net, batch, seen = network(codes="stored"), a_batch(), []
    assert net.stored.std().item() == pytest.approx(1, abs=0.05)
    net.kernel_decoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    net.place.fill_(STORED - 2)
    net.losses(batch, 0.0)
    assert net.place.item() == 4
    assert torch.equal(torch.cat([net.stored[-2:], net.stored[:4]]), seen[0])
    before = net.stored.clone()
    net.eval().losses(batch, 0.0)
    assert torch.equal(net.stored, before)
    net.stored.copy_(torch.arange(STORED)[:, None, None, None].expand_as(net.stored))
    drawn = net.codes(batch.clips.repeat(20, 1, 1, 1, 1))
    assert torch.equal(drawn, drawn[:, :1, :1, :1].expand_as(drawn))
    assert len(drawn[:, 0, 0, 0].unique()) > 40


def test_it_has_the_published_layers() -> None:
    """Weights counted by hand; 3,200 latents, as many as there are numbers in kernels."""
    net = build(Config(), (32, 3, 64, 64))

    def normed(kernel: int, before: int, maps: int) -> int:
        return kernel**2 * before * maps + 2 * maps

    def plain(kernel: int, before: int, maps: int) -> int:
        return (kernel**2 * before + 1) * maps

    image = normed(5, 3, 64) + 2 * normed(5, 64, 64) + plain(5, 64, 32)
    motion = normed(5, 6, 96) + normed(5, 96, 96) + normed(5, 96, 128) + normed(5, 128, 128) + normed(3, 128, 256)
    decoders = normed(5, 128, 128) + plain(5, 128, 128) + normed(9, 128, 128) + normed(1, 128, 128) + plain(1, 128, 3)
    assert sum(weight.numel() for weight in net.parameters()) == 4 * image + motion + plain(3, 256, 256) + decoders
    assert net.codes(noise(1, 3, CONTEXT, 64, 64)).numel() == 3200
    assert sum(kernel.numel() for kernel in net.kernels(noise(1, 128, 5, 5))) == 3200


def test_each_setting_changes_the_network() -> None:
    """Width the maps, kernel the side of kernels, pools the size of what they move, windows how many pairs."""
    assert network(width=0.25).kernels(noise(1, 32, 5, 5))[0].shape == (1, 8, 5, 5)
    net = network(kernel=3)
    assert net.codes(a_batch().clips).shape[2:] == net.kernels(noise(1, 12, 3, 3))[0].shape[2:] == (3, 3)
    for pools, size in ((0, 32), (1, 16), (2, 8)):
        assert network(pools=pools).maps(noise(2, 3, 32, 32))[3].shape[-1] == size
    seen = []
    net = network(windows=5)
    net.motion_encoder.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    net.losses(a_batch(), 0.0)
    assert seen == [15]


def test_it_learns() -> None:
    """Fifteen steps on a square on its way lower the bound's both parts together."""
    clips = torch.full((2, 3, CONTEXT + HORIZON, 32, 32), -0.5)
    for time in range(CONTEXT + HORIZON):
        clips[:, :, time, 8:18, time // 2 : time // 2 + 10] = 0.8
    net, batch = network(scale=10.0), Batch(clips=clips, labels=torch.zeros(2).long())
    players, losses = Players(net, 5e-3), []
    for _ in range(15):
        torch.manual_seed(3)
        losses.append(players.step(batch)["predictor"].item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"codes": "mean"}, "got codes 'mean', expected prior, stored or inferred"),
        ({"pools": 3}, "got pools 3, expected 0, 1 or 2"),
        ({"scale": 0.0}, "got scale 0.0, expected a number above 0"),
        ({"divergence": -1.0}, "got divergence -1.0, expected a number of 0 or more"),
        ({"windows": 20}, "got windows 20, expected a whole number from 1 to 19"),
        ({"kernel": 4}, "got kernel 4, expected an odd number of 3 or more"),
        ({"side": 48}, "got frames of 48×48 pixels with pools=2, expected multiples of 32"),
    ],
)
def test_what_no_network_can_be_built_from_is_refused(settings: dict[str, Any], sentence: str) -> None:
    """In a sentence that says what would do."""
    with pytest.raises(ConfigError, match=sentence):
        network(**settings)

"""PixelCNN: what each pixel may depend on, a likelihood that sums to one, and samples that follow it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from one_step import Players, frames_batch
from torch import Tensor, nn

from baselines import logistics
from baselines.generators.pixelcnn import Config, PixelCNN, WindowConv, build
from benchmark.data import Batch
from benchmark.generation.contract import Generator, Infers, Likelihood
from dynamics_gen.errors import ConfigError

SMALL = {"width": 6, "layers": 2, "kernel": 3, "mixtures": 2}


def network(channels: int, height: int, width: int, **settings: object) -> PixelCNN:
    """A small one whose weights are large enough for pixels to depend on one another."""
    torch.manual_seed(0)
    net = build(Config(**{**SMALL, **settings}), (1, channels, height, width)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        last = net.head[-1].weight
        nn.init.normal_(last)  # type: ignore[arg-type]
        for weight in net.parameters():
            weight.mul_(1.5)
    return net


def batch_of(frames: Tensor) -> Batch:
    """Frames as clips of one."""
    return Batch(clips=frames[:, :, None], labels=torch.zeros(len(frames), dtype=torch.long))


def every_frame(channels: int, height: int, width: int) -> Tensor:
    """All there are of two levels."""
    return torch.tensor(list(itertools.product([-1.0, 1.0], repeat=channels * height * width))).reshape(
        -1, channels, height, width
    )


def test_it_keeps_the_contract() -> None:
    """It has a likelihood and infers nothing."""
    net, batch = network(3, 8, 8), frames_batch(2, 8)
    assert isinstance(net, Generator)
    assert isinstance(net, Likelihood)
    assert not isinstance(net, Infers)
    assert net.nats(batch).shape == (2,)
    assert net.sample(2).shape == batch.clips.shape
    assert net.sample(2).abs().max() <= 1


def test_a_pixel_depends_on_all_before_it_and_on_none_after() -> None:
    """Row by row, within reach of the layers, without a blind spot; itself is not among them."""
    side, row, column = 7, 3, 3
    net = network(3, side, side).double()
    frames = torch.randn(1, 3, side, side, dtype=torch.double, requires_grad=True)
    mixtures = net.mixtures(frames)
    values = torch.cat([part.flatten(1, -3) for part in mixtures], dim=1)[0, :, row, column].sum()
    depends = torch.autograd.grad(values, frames)[0].abs().sum((0, 1)) > 0
    before = torch.arange(side * side).reshape(side, side) < row * side + column
    reach = (torch.arange(side)[:, None] - row).abs() <= 3  # one row a layer, and one by which the first moves up
    assert torch.equal(depends, before & reach)


def test_a_changed_pixel_changes_no_distribution_before_it() -> None:
    """Bit for bit, and the next ones it does change."""
    net = network(3, 5, 5)
    frames = torch.randn(1, 3, 5, 5)
    other = frames.clone()
    other[:, :, 2, 2] += 1
    with torch.no_grad():
        one, two = (torch.cat([part.flatten(1, -3) for part in net.mixtures(each)], 1) for each in (frames, other))
    changed = (one != two).any(1).flatten()
    assert not changed[:13].any()
    assert changed[13:18].all()


@pytest.mark.parametrize("size", [(1, 2, 3), (2, 2, 2), (3, 1, 2)])
def test_the_likelihoods_of_all_frames_sum_to_one(size: tuple[int, int, int]) -> None:
    """Every frame of two levels, on a frame of several pixels and colours."""
    net, frames = network(*size, levels=2), every_frame(*size)
    with torch.no_grad():
        nats = net.nats(batch_of(frames)).double()
    assert (-nats).exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert (-nats).exp().max() > 2 / len(frames)  # not all alike


@torch.no_grad()
def test_samples_are_drawn_from_the_distributions_of_the_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept from row to row and from place to place gives what the network gives of the finished frame."""
    net, given = network(3, 5, 6, kernel=5), []
    draw = logistics.draw
    monkeypatch.setattr(logistics, "draw", lambda mixtures, levels: given.append(mixtures) or draw(mixtures, levels))
    frames = net.sample(4)[:, :, 0]
    expected = net.mixtures(frames)
    for place, found in enumerate(given):
        row, column = divmod(place, 6)
        for part, whole in zip(found, expected, strict=True):
            torch.testing.assert_close(part[..., 0, 0], whole[..., row, column], atol=1e-5, rtol=1e-4)
    assert len(given) == 30


def test_frames_are_sampled_as_often_as_they_are_likely() -> None:
    """All 64 frames of six pixels and two levels, within five standard errors."""
    size, count = (1, 2, 3), 8_000
    net, frames = network(*size, levels=2), every_frame(*size)
    torch.manual_seed(0)
    drawn = net.sample(count)[:, :, 0].flatten(1)
    found = torch.bincount(((drawn > 0).long() @ (2 ** torch.arange(5, -1, -1))), minlength=64) / count
    with torch.no_grad():
        expected = (-net.nats(batch_of(frames))).exp()
    error = (expected * (1 - expected) / count).sqrt()
    assert ((found - expected).abs() < 5 * error + 1e-4).all()


def test_the_loss_is_bits_a_colour() -> None:
    """Of noise, at the start, little more than the eight that no model can do without."""
    net, batch = network(3, 8, 8), frames_batch(4, 8)
    found = net.losses(batch, 0.0)["network"]
    torch.testing.assert_close(found, net.nats(batch).mean() / (192 * math.log(2)))
    fresh = build(Config(), (1, 3, 8, 8)).losses(batch, 0.0)["network"].item()
    assert 8 < fresh < 9.5


def test_fewer_levels_need_fewer_nats() -> None:
    """Frames are rounded to them first, so that a frame and its rounded self are equally likely."""
    net, batch = network(3, 4, 4, levels=4), frames_batch(2, 4)
    rounded = Batch(clips=logistics.rounded(batch.clips, 4), labels=batch.labels)
    torch.testing.assert_close(net.nats(batch), net.nats(rounded))
    assert not torch.equal(batch.clips, rounded.clips)


def test_it_learns_stripes() -> None:
    """Thirty steps take two bits off frames that repeat from row to row."""
    draws = torch.Generator().manual_seed(1)
    stripes = torch.rand(8, 3, 1, 8, generator=draws).round() * 2 - 1
    batch = batch_of(stripes.expand(8, 3, 8, 8).contiguous())
    torch.manual_seed(0)
    players = Players(build(Config(**SMALL), (1, 3, 8, 8)), 1e-2)
    bits = [players.step(batch)["network"].item() for _ in range(30)]
    assert bits[-1] < bits[0] - 2


def test_a_window_of_the_kernels_size_is_a_matrix_product_of_the_same_value() -> None:
    """The convolution is what it is elsewhere."""
    ours, theirs = WindowConv(4, 6, (2, 3)), nn.Conv2d(4, 6, (2, 3))
    theirs.load_state_dict(ours.state_dict())
    for size in ((2, 3), (4, 5)):
        maps = torch.randn(2, 4, *size)
        torch.testing.assert_close(ours(maps), theirs(maps))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kernel": 4}, "got kernel 4, expected an odd number of 3 or more"),
        ({"levels": 1}, "got levels 1, expected a whole number of 2 or more"),
        ({"width": 0}, "got width 0, expected a number above 0"),
        ({"layers": 0}, "got layers 0, expected a whole number of 1 or more"),
        ({"mixtures": 0}, "got mixtures 0, expected a whole number of 1 or more"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, sentence: str) -> None:
    """One sentence each; clips are no frames."""
    with pytest.raises(ConfigError, match=sentence):
        Config(**settings)
    with pytest.raises(ConfigError, match="got clips of 2 frames for a model of single frames, expected 1"):
        build(Config(), (2, 3, 8, 8))

"""Flow matching: velocities of Gaussian data, ends of known fields, and blocks that follow each other."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from one_step import Players
from torch import Tensor, nn

from baselines.predictors.flow_matching import Config, FlowMatching, build
from baselines.straight_flow import NEAREST, data_loss, flowed, matching_loss, on_the_way, velocity_to
from baselines.velocity_unet import AcrossTime, Attention, VelocityUNet, waves
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT
from dynamics_gen.errors import ConfigError

SMALL: dict[str, Any] = {"width": 4, "levels": 2, "blocks": 1, "steps": 2, "makes": "velocity", "sampler": "heun"}
MEAN, DEVIATION = 0.7, 0.5
"""Of Gaussian data."""


def network(**settings: Any) -> FlowMatching:
    """A narrow one, whose weights are all away from zero."""
    torch.manual_seed(0)
    net = build(Config(**SMALL | settings), (32, 3, 8, 8))
    for weight in net.parameters():
        if not weight.any():
            nn.init.normal_(weight, 0, 0.1)
    return net


def clips_batch(count: int = 3, frames: int = 20) -> Batch:
    """Clips of noise in [-1, 1], the same ones every time."""
    clips = torch.rand(count, 3, frames, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(clips=clips, labels=torch.zeros(count, dtype=torch.long))


def gaussian_velocity(points: Tensor, time: Tensor, sigma: float = 0.0) -> Tensor:
    """The mean velocity where the data are N(MEAN, DEVIATION²), from covariances of noise and data."""
    left = 1 - (1 - sigma) * time
    slope = (time * DEVIATION**2 - (1 - sigma) * left) / (left**2 + (time * DEVIATION) ** 2)
    slope, time = (each.view(-1, *[1] * (points.ndim - 1)) for each in (slope, time))
    return MEAN + slope * (points - time * MEAN)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_ways_are_straight_from_noise_to_data(sigma: float) -> None:
    """Their ends are the noise, and the data with what is left of it; the velocity is their slope at all times."""
    noise, data = torch.randn(4, 3, 2), torch.randn(4, 3, 2)
    ends = [on_the_way(noise, data, torch.full((4,), time), sigma) for time in (0.0, 0.25, 1.0)]
    torch.testing.assert_close(ends[0][0], noise)
    torch.testing.assert_close(ends[2][0], data + sigma * noise)
    for (points, target), time in zip(ends, (0.0, 0.25, 1.0), strict=True):
        torch.testing.assert_close(points, noise + time * target)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_the_data_tell_the_velocity_to_them(sigma: float) -> None:
    """The way's own, from anywhere on it; nearer to the end than `NEAREST`, what would lead there in that much time."""
    torch.manual_seed(0)
    noise, data, time = torch.randn(50, 3, 2), torch.randn(50, 3, 2), torch.linspace(0, 1 - NEAREST, 50)
    points, target = on_the_way(noise, data, time, sigma)
    torch.testing.assert_close(velocity_to(data, points, time, sigma), target, atol=1e-4, rtol=1e-4)
    last = torch.full((50,), 1 - NEAREST / 5)
    points, target = on_the_way(noise, data, last, 0.0)
    torch.testing.assert_close(velocity_to(data, points, last, 0.0), target / 5, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_the_mean_of_the_data_behind_a_point_tells_the_mean_velocity(sigma: float) -> None:
    """Of Gaussian data, by the line of regression of data on points."""
    time = torch.linspace(0.05, 0.9, 7)
    left = 1 - (1 - sigma) * time
    slope = time * DEVIATION**2 / (left**2 + (time * DEVIATION) ** 2)
    for points in (torch.zeros(7), torch.ones(7)):
        data = MEAN + slope * (points - time * MEAN)
        torch.testing.assert_close(velocity_to(data, points, time, sigma), gaussian_velocity(points, time, sigma))


@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_gaussian_data_teach_the_analytic_linear_velocity(sigma: float) -> None:
    """The line that fits velocities best, at one time, has the slope and height of the mean velocity there."""
    draws = torch.Generator().manual_seed(2)
    noise, made = torch.randn(2, 200_000, generator=draws)
    for time in (0.1, 0.5, 0.9):
        points, target = on_the_way(noise, MEAN + DEVIATION * made, torch.full_like(noise, time), sigma)
        design = torch.stack([points, torch.ones_like(points)], dim=1)
        slope, height = torch.linalg.lstsq(design, target[:, None]).solution.flatten()
        at = torch.tensor([0.0, 1.0])
        expected = gaussian_velocity(at, torch.full((2,), time), sigma)
        assert height.item() == pytest.approx(expected[0].item(), abs=0.015)
        assert slope.item() == pytest.approx((expected[1] - expected[0]).item(), abs=0.02)


def test_errors_of_the_data_count_alike_at_all_times() -> None:
    """The loss of what is off by a number is that number's square; it is told where the points are, and when."""
    data, seen = torch.randn(400, 2), []

    def made(points: Tensor, time: Tensor) -> Tensor:
        seen.append((points, time))
        return data + 0.3

    assert data_loss(made, data, 0.0).item() == pytest.approx(0.09, rel=1e-4)
    ((points, time),) = seen
    noise = (points - time[:, None] * data) / (1 - time[:, None])
    assert noise[time < 0.99].std().item() == pytest.approx(1, abs=0.1)
    assert time.mean().item() == pytest.approx(0.5, abs=0.08)


def test_the_loss_is_least_at_the_mean_velocity() -> None:
    """Learnt by descent, a line with weights for each power of the time comes near it; its slope at 0 is -1."""
    torch.manual_seed(0)
    powers, weights = torch.arange(7.0), torch.zeros(2, 7, requires_grad=True)

    def line(points: Tensor, time: Tensor) -> Tensor:
        slope, height = (weights @ (time[:, None] ** powers).T)[:, :, None]
        return slope * points + height

    data = MEAN + DEVIATION * torch.randn(20_000, 1)

    def closure() -> Tensor:
        torch.manual_seed(3)
        learner.zero_grad()
        loss = matching_loss(line, data, 0.0)
        loss.backward()
        return loss

    learner = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")
    learner.step(closure)
    time = torch.linspace(0.05, 0.95, 10)
    with torch.no_grad():
        for points in (torch.zeros(10, 1), torch.ones(10, 1)):
            assert (line(points, time) - gaussian_velocity(points, time)).abs().max() < 0.1
        torch.manual_seed(3)
        best = matching_loss(gaussian_velocity, data, 0.0)
        torch.manual_seed(3)
        shifted = matching_loss(lambda *at: gaussian_velocity(*at) + 0.1, data, 0.0)
    assert closure().item() == pytest.approx(best.item(), rel=0.01)
    assert (shifted - best).item() == pytest.approx(0.01, abs=0.003)


@pytest.mark.parametrize(("sampler", "terms"), [("euler", 2), ("heun", 3)])
@pytest.mark.parametrize("steps", [1, 4, 9])
def test_a_linear_field_ends_where_its_steps_lead(sampler: str, terms: int, steps: int) -> None:
    """Each step of x' = a·x multiplies by the first two terms of exp(a/n) for Euler, and by three for Heun."""
    slope = -1.7
    end = flowed(lambda points, time: slope * points, torch.tensor([[1.0], [-2.0]]), steps, sampler)
    factor = sum((slope / steps) ** i / math.factorial(i) for i in range(terms)) ** steps
    torch.testing.assert_close(end, factor * torch.tensor([[1.0], [-2.0]]))


def test_more_steps_come_nearer_and_heun_is_of_second_order() -> None:
    """Twice the steps halve Euler's error and quarter Heun's, where the field changes with time too."""

    def error(sampler: str, steps: int) -> float:
        field = flowed(lambda points, time: points * time[:, None] * 2, torch.ones(1, 1).double(), steps, sampler)
        return abs(field.item() - math.e)

    assert error("euler", 40) / error("euler", 80) == pytest.approx(2, rel=0.1)
    assert error("heun", 40) / error("heun", 80) == pytest.approx(4, rel=0.1)


def test_gaussian_noise_flows_into_gaussian_data() -> None:
    """Along the mean velocity each point of noise ends at the mean plus its multiple of the deviation."""
    noise = torch.randn(50, 2).double()
    end = flowed(gaussian_velocity, noise, 200, "heun")
    torch.testing.assert_close(end, MEAN + DEVIATION * noise, atol=1e-4, rtol=1e-4)


def test_times_run_from_zero_to_one() -> None:
    """Euler looks at the start of each step, Heun at its end too."""
    seen: list[float] = []

    def field(points: Tensor, time: Tensor) -> Tensor:
        seen.append(round(time[0].item(), 6))
        return points

    flowed(field, torch.ones(1, 1), 4, "euler")
    assert seen == [0.0, 0.25, 0.5, 0.75]
    seen.clear()
    flowed(field, torch.ones(1, 1), 2, "heun")
    assert seen == [0.0, 0.5, 0.5, 1.0]


def test_the_net_is_told_the_frames_before_a_block() -> None:
    """Each loss is of a block that follows, in the clip, what the net is told; all starts occur."""
    net, starts = network(given=4, block=3), set()
    clips = torch.arange(20.0).view(1, 1, 20, 1, 1).expand(2, 3, 20, 8, 8)
    batch = Batch(clips=clips, labels=torch.zeros(2, dtype=torch.long))

    def hook(_: nn.Module, inputs: tuple[Tensor, ...], velocity: Tensor) -> Tensor:
        told = inputs[2][:, :1, :, :1, :1]  # each clip's own
        assert torch.equal(told, told[:, :, :1] + torch.arange(4.0).view(1, 1, 4, 1, 1))
        assert velocity.shape == (2, 3, 3, 8, 8)
        starts.add(tuple(told[:, 0, 0, 0, 0].tolist()))
        # the velocity that is right if the block follows: data less the noise behind the point and its time
        after = told[:, :, :1] + 4 + torch.arange(3.0).view(1, 1, 3, 1, 1)
        time = inputs[1].view(-1, 1, 1, 1, 1)
        return (after - inputs[0]) / (1 - time)

    net.velocity.register_forward_hook(hook)
    for _ in range(80):
        assert net.losses(batch, 0.0)["velocity"].item() < 1e-2
    assert all({pair[clip] for pair in starts} == set(range(14)) for clip in range(2))
    assert any(one != other for one, other in starts)


def test_longer_futures_are_made_block_by_block() -> None:
    """Each block is told the last frames of what is there by then, kept within [-1, 1]."""
    net, told = network(given=4, block=3), []
    context = clips_batch().clips[:, :, :CONTEXT]
    net.velocity.register_forward_hook(lambda _, inputs, __: told.append(inputs[2]))
    with torch.no_grad():
        said = net.predict(context, 7)
    assert said.shape == (3, 3, 7, 8, 8)
    assert said.abs().max() <= 1
    steps = 2 * net.config.steps
    assert len(told) == 3 * steps
    frames = torch.cat([context, said], dim=2)
    for number, start in enumerate((6, 9, 12)):
        assert torch.equal(told[number * steps], frames[:, :, start : start + 4])


def test_a_prediction_is_where_its_noise_flows() -> None:
    """One step of Euler adds the velocity at time 0 to the noise; another seed, another future."""
    net, context = network(steps=1, sampler="euler"), clips_batch().clips[:, :, :CONTEXT]
    with torch.no_grad():
        torch.manual_seed(4)
        said = net.predict(context, 10)
        torch.manual_seed(4)
        noise = torch.randn(3, 3, 10, 8, 8)
        expected = noise + net.velocity(noise, torch.zeros(3), context)
        torch.testing.assert_close(said, expected.clamp(-1, 1))
        assert not torch.equal(said, net.predict(context, 10))


def test_a_fresh_network_that_makes_data_repeats_the_last_frame() -> None:
    """It makes their change from there, none at first, and any number of Euler's steps leads to what it makes."""
    torch.manual_seed(0)
    net = build(Config(width=4, levels=2, blocks=1, steps=7, given=4, block=3), (32, 3, 8, 8))
    context = clips_batch().clips[:, :, :CONTEXT]
    with torch.no_grad():
        said = net.predict(context, 7)
    torch.testing.assert_close(said, context[:, :, -1:].expand_as(said), atol=1e-5, rtol=0)
    points, time = torch.randn(3, 3, 3, 8, 8), torch.tensor([0.0, 0.5, 0.9])
    made = net.made(points, time, context[:, :, -4:])
    torch.testing.assert_close(made, context[:, :, -1:].expand_as(made))


def test_it_learns() -> None:
    """Forty steps on still clips take away a sixth of the loss, whose start is that of no velocity at all."""
    torch.manual_seed(0)
    net = build(Config(width=8, levels=2, blocks=1, given=2, block=3, makes="velocity"), (32, 3, 8, 8))
    still = clips_batch().clips[:, :, :1].expand(-1, -1, 20, -1, -1)
    batch, players = Batch(clips=still, labels=torch.zeros(3, dtype=torch.long)), Players(net, 1e-2)
    losses = [players.step(batch)["velocity"].item() for _ in range(40)]
    assert losses[0] == pytest.approx(1 + still.square().mean().item(), rel=0.1)
    assert sum(losses[-10:]) / 10 < 0.83 * losses[0]


def test_it_learns_how_data_change() -> None:
    """Clips that grow brighter all the time: sixty steps, and a block drawn goes on as they do."""
    torch.manual_seed(0)
    net = build(Config(width=8, levels=2, blocks=1, given=2, block=3), (32, 3, 8, 8))
    clips = (torch.arange(20.0) / 20).view(1, 1, 20, 1, 1).expand(3, 3, 20, 8, 8).contiguous()
    players = Players(net, 1e-2)
    for _ in range(60):
        players.step(Batch(clips=clips, labels=torch.zeros(3, dtype=torch.long)))
    with torch.no_grad():
        said = net.eval().predict(clips[:, :, :CONTEXT], 3)
    error = (said - clips[:, :, CONTEXT : CONTEXT + 3]).square().mean()
    assert error < 0.3 * (clips[:, :, CONTEXT - 1 : CONTEXT] - clips[:, :, CONTEXT : CONTEXT + 3]).square().mean()


def test_the_net_starts_at_no_velocity_and_knows_its_inputs() -> None:
    """Then each of block, time and given frames changes what it says, a clip by itself; so does each frame's place."""
    torch.manual_seed(0)
    fresh = build(Config(**SMALL), (32, 3, 8, 8))
    block, time, given = torch.randn(2, 3, 10, 8, 8), torch.tensor([0.2, 0.6]), clips_batch(2).clips[:, :, :10]
    assert fresh.velocity(block, time, given).eq(0).all()
    net = network().velocity
    said = net(block, time, given)
    assert said.shape == block.shape
    for number in range(3):
        changed = [block.clone(), time.clone(), given.clone()]
        changed[number][0] = changed[number][0] / 2
        other = net(*changed)
        assert (other[0] - said[0]).abs().max() > 1e-3
        torch.testing.assert_close(other[1], said[1])
    alike = net(block[:, :, :1].expand_as(block), time, given)
    assert (alike[:, :, 4] - alike[:, :, 5]).abs().max() > 1e-3


def test_every_frame_of_a_block_reaches_every_other() -> None:
    """Through the attention; a convolution alone reaches its neighbours and, when it starts, none."""
    net = network().velocity
    block = torch.randn(1, 3, 10, 8, 8, requires_grad=True)
    said = net(block, torch.tensor([0.5]), torch.zeros(1, 3, 10, 8, 8))
    slope = torch.autograd.grad(said[:, :, 0].sum(), block)[0]
    assert (slope.abs().amax((0, 1, 3, 4)) > 0).all()
    torch.manual_seed(0)
    mixed, maps = AcrossTime(2), torch.randn(2 * 5, 2, 3, 4)
    assert mixed(maps, 5).eq(0).all()
    nn.init.normal_(mixed.mix.weight)
    reference = nn.functional.conv3d(
        maps.unflatten(0, (2, 5)).transpose(1, 2), mixed.mix.weight[..., None], padding=(1, 0, 0)
    )
    torch.testing.assert_close(mixed(maps, 5), reference.transpose(1, 2).flatten(0, 1))


def test_attention_is_that_of_all_places_of_a_clip() -> None:
    """Head by head it equals the softmax written out; clips do not see each other."""
    torch.manual_seed(0)
    net, maps = Attention(8), torch.randn(2 * 3, 8, 2, 2)
    asked = net.asked(net.norm(maps)).view(2, 3, 3, 4, 2, 4).permute(2, 3, 0, 1, 5, 4).reshape(3, 4, 2, 12, 2)
    query, key, value = asked
    weights = (query @ key.transpose(-1, -2) / math.sqrt(2)).softmax(-1)
    found = (weights @ value).view(4, 2, 3, 4, 2).permute(1, 2, 0, 4, 3).reshape(6, 8, 2, 2)
    torch.testing.assert_close(net(maps, 3), maps + net.given(found))
    torch.testing.assert_close(net(maps[:3], 3), net(maps, 3)[:3])


def test_times_are_told_apart_by_waves() -> None:
    """The longest has a quarter of its period in [0, 1], so that no two times are alike."""
    found = waves(torch.tensor([0.0, 1.0]), 3)
    torch.testing.assert_close(found[0], torch.tensor([0.0, 0, 0, 1, 1, 1]))
    torch.testing.assert_close(found[1, [0, 3]], torch.tensor([1.0, 0.0]), atol=1e-6, rtol=0)
    assert waves(torch.rand(4), 1).shape == (4, 2)


@pytest.mark.parametrize(
    "setting", [{"width": 6}, {"levels": 3}, {"blocks": 2}, {"patch": 1}, {"given": 5}, {"block": 7}]
)
def test_settings_of_the_network_change_its_weights(setting: dict[str, Any]) -> None:
    """Their shapes, that is."""
    one, other = ([weight.shape for weight in network(**each).parameters()] for each in ({}, setting))
    assert one != other


@pytest.mark.parametrize("setting", [{"steps": 3}, {"sampler": "euler"}, {"sigma": 0.5}])
def test_settings_of_the_flow_change_what_is_learnt_or_said(setting: dict[str, Any]) -> None:
    """`sigma` the loss, the others the predictions."""
    found = []
    for net in (network(), network(**setting)):
        torch.manual_seed(1)
        with torch.no_grad():
            loss = net.losses(clips_batch(), 0.0)["velocity"]
            torch.manual_seed(1)
            found.append((loss.item(), net.predict(clips_batch().clips[:, :, :CONTEXT], 1)))
    assert (found[0][0] != found[1][0]) is ("sigma" in setting)
    assert torch.equal(found[0][1], found[1][1]) is ("sigma" in setting)


def test_the_average_of_weights_is_asked_for() -> None:
    """By the attribute that the benchmark reads."""
    assert network(averaging=0.9).averaging == 0.9


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 0}, "got steps 0, expected a whole number of 1 or more"),
        ({"makes": "noise"}, "got makes 'noise', expected data or velocity"),
        ({"sampler": "heun"}, "got the sampler heun of data, which tell no velocity at the end: expected euler"),
        ({"sampler": "midpoint"}, "got sampler 'midpoint', expected euler or heun"),
        ({"given": 11, "block": 4}, "got given 11 and block 4, expected 10 or fewer given, and 20 or fewer in all"),
        ({"given": 8, "block": 13}, "got given 8 and block 13"),
        ({"sigma": 1.0}, r"got sigma 1.0, expected a number in \[0, 1\)"),
        ({"levels": 1}, "got levels 1, expected a whole number of 2 or more"),
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, Any], message: str) -> None:
    """With what was expected."""
    with pytest.raises(ConfigError, match=message):
        Config(**setting)


def test_frames_that_cannot_be_halved_are_refused() -> None:
    """The sentence says by what their sides must be divided."""
    with pytest.raises(ConfigError, match="expected sides that 8 divides: try --set image_size=32"):
        VelocityUNet(4, (4, 3, 28, 28), width=4, levels=3, blocks=1, patch=2)

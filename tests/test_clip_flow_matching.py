"""Flow matching of whole clips: what is told, what is not, and guidance between the two."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from one_step import Players
from torch import Tensor, nn

from baselines.generators.clip_flow_matching import ClipFlowMatching, Config, build
from baselines.velocity_unet import VelocityUNet
from benchmark.data import Batch
from dynamics_gen.errors import ConfigError

SMALL: dict[str, Any] = {"frames": 4, "image_size": 8, "width": 4, "levels": 2, "blocks": 1, "steps": 3}
TOLD = 2


def network(**settings: Any) -> ClipFlowMatching:
    """A narrow one, whose weights are all away from zero."""
    torch.manual_seed(0)
    config = Config(**SMALL | settings)
    net = build(config, (config.frames, 3, 8, 8), TOLD)
    for weight in net.parameters():
        if not weight.any():
            nn.init.normal_(weight, 0, 0.1)
    return net


def batch_of(count: int) -> Batch:
    """Clips of two kinds, dark ones and bright ones, told apart."""
    labels = torch.arange(count) % TOLD
    clips = (labels.float() - 0.5).view(-1, 1, 1, 1, 1).expand(count, 3, 4, 8, 8).contiguous()
    return Batch(clips=clips, labels=labels, attributes=torch.eye(TOLD)[labels])


def sampled(net: ClipFlowMatching, told: Tensor | None) -> Tensor:
    """Always from the same noise."""
    torch.manual_seed(3)
    with torch.no_grad():
        return net.sample(6, told)


def test_of_some_clips_nothing_is_told() -> None:
    """The share that is asked for, drawn for each clip; the rest are told their own row."""
    net, seen, batch = network(untold=0.25), [], batch_of(40)
    net.velocity.register_forward_pre_hook(lambda _, __, named: seen.append(named["row"]), with_kwargs=True)
    for _ in range(50):
        net.losses(batch, 0.0)
    rows = torch.stack(seen)
    nothing = rows.eq(0).all(2)
    assert nothing.float().mean().item() == pytest.approx(0.25, abs=0.03)  # deviation 0.01
    assert nothing.float().mean(0).min() > 0
    assert nothing.float().mean(0).max() < 1
    assert batch.attributes is not None
    assert torch.equal(rows[~nothing], batch.attributes.expand_as(rows)[~nothing])


def test_told_nothing_is_a_row_of_zeros() -> None:
    """Samples of any class come from the same network."""
    net = network()
    assert torch.equal(sampled(net, None), sampled(net, torch.zeros(6, TOLD)))
    assert not torch.equal(sampled(net, None), sampled(net, torch.eye(TOLD).repeat(3, 1)))


def test_guidance_goes_on_beyond_what_is_told() -> None:
    """In one step of Euler a sample lies on the line through those of 0, told nothing, and of 1, told the class."""
    told = 0.1 * torch.eye(TOLD).repeat(3, 1)
    none, one, more = (sampled(network(guidance=guidance, steps=1), told) for guidance in (0.0, 1.0, 2.5))
    inside = (none.abs() < 1) & (one.abs() < 1) & (more.abs() < 1)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close((none + 2.5 * (one - none))[inside], more[inside], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(none, sampled(network(steps=1), None))


def test_what_is_told_is_followed() -> None:
    """Clips of the kind that is asked for, after few steps."""
    net = network(width=8, untold=0.0, steps=10)
    players, batch = Players(net, 1e-2), batch_of(16)
    torch.manual_seed(1)
    for _ in range(150):
        players.step(batch)
    net.eval()
    made = sampled(net, torch.eye(TOLD).repeat(3, 1)).mean((1, 2, 3, 4))
    assert made[0::2].max() < -0.2
    assert made[1::2].min() > 0.2


def test_a_fresh_network_makes_grey_clips_or_leaves_the_noise() -> None:
    """It says nothing: as data that is grey, where every way ends; as velocity it moves nothing."""
    torch.manual_seed(0)
    grey, noise = (build(Config(**SMALL, makes=makes), (4, 3, 8, 8), TOLD) for makes in ("data", "velocity"))
    torch.testing.assert_close(sampled(grey, None), torch.zeros(6, 3, 4, 8, 8), atol=1e-5, rtol=0)
    unmoved = sampled(noise, None)
    torch.manual_seed(3)
    assert torch.equal(unmoved, torch.randn(6, 3, 4, 8, 8).clamp(-1, 1))


def test_needs_attributes_to_learn() -> None:
    """A batch without is refused."""
    clips = batch_of(2).clips
    with pytest.raises(ConfigError, match="was given no attributes, expected a row of them for each clip"):
        network().losses(Batch(clips=clips, labels=torch.zeros(2, dtype=torch.long)), 0.0)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("frames", 0, "a whole number of 1 or more"),
        ("steps", 0, "a whole number of 1 or more"),
        ("untold", 1.5, "a number in [0, 1]"),
        ("guidance", -1.0, "a number of 0 or more"),
        ("sampler", "rk4", "euler or heun"),
        ("sigma", 1.0, "a number in [0, 1)"),
    ],
)
def test_settings_that_no_network_follows_from_are_refused(name: str, value: Any, expected: str) -> None:
    """In one sentence."""
    with pytest.raises(ConfigError, match=re.escape(f"got {name} {value!r}, expected {expected}")):
        Config(**{name: value})


def test_the_unet_is_told_numbers_beside_the_time() -> None:
    """Told frames or none, a row or none: only what it was built for has weights."""
    shape = (4, 3, 8, 8)
    plain, told = (VelocityUNet(0, shape, width=4, levels=2, blocks=1, patch=2, row=row) for row in (0, 5))
    names = {name for name, _ in told.named_parameters()} - {name for name, _ in plain.named_parameters()}
    assert names == {"of_row.weight"}
    assert not any(name.startswith("of_given") for name, _ in told.named_parameters())

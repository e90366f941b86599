"""Conditional ALI: where attributes go, and who moves the map that they go through."""

from __future__ import annotations

import pytest
import torch
from one_step import Players, frames_batch, moved, snapshot

from baselines.generators.conditional_ali import ATTRIBUTES, ConditionalALI, Config, build
from benchmark.generation.attributes import NAMES
from benchmark.generation.contract import Generator, Infers, Judges
from dynamics_gen.errors import ConfigError

WIDTH = 5


def network(**settings: object) -> ConditionalALI:
    """A narrow one, whose map of attributes is not small."""
    torch.manual_seed(0)
    config = Config(**{"latent": 4, "width": 0.1, "embedding": 3, "dropout": 0.0, **settings})  # type: ignore[arg-type]
    net = build(config, (1, 3, 32, 32), WIDTH)
    with torch.no_grad():
        net.embed.weight.normal_()
    return net


def test_it_keeps_the_contract() -> None:
    """With every attribute there is."""
    net, batch = network().eval(), frames_batch(2, attributes=WIDTH)
    assert ATTRIBUTES == NAMES
    assert isinstance(net, Generator)
    assert isinstance(net, Infers)
    assert isinstance(net, Judges)
    assert net.sample(2, batch.attributes).shape == batch.clips.shape
    owned = [id(weight) for player in net.players().values() for weight in player.parameters]
    assert sorted(owned) == sorted(id(weight) for weight in net.parameters())


@torch.no_grad()
def test_attributes_change_frames_latents_and_judgement() -> None:
    """The latents, frames and draws being the same."""
    net, batch = network().eval(), frames_batch(2, attributes=WIDTH)
    told, latents = batch.attributes, torch.randn(2, 4)
    assert told is not None

    def judged(attributes: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        return net.judge(batch.clips, attributes)

    assert not torch.equal(net.decode(latents, told), net.decode(latents, told + 1))
    assert not torch.equal(net.encode(batch.clips, told), net.encode(batch.clips, told + 1))
    assert torch.equal(judged(told), judged(told))
    for part in (net.ali.encoder.head.weight, net.ali.discriminator.of_pairs[0][1].weight):  # type: ignore[index]
        part[:, -3:] = 1  # type: ignore[index]
    assert not torch.equal(judged(told), judged(told + 1))


def test_a_frames_attributes_go_with_the_priors_latents_too() -> None:
    """The discriminator hears them twice, in the frames' order, and not the raw rows."""
    net, batch, seen = network(), frames_batch(attributes=WIDTH), []
    net.ali.discriminator.register_forward_hook(lambda _, inputs, __: seen.append(inputs[2]))
    net.losses(batch, 0.0)
    expected = net.told(batch.attributes)
    torch.testing.assert_close(seen[0], torch.cat([expected, expected]))


def test_the_discriminator_has_no_say_in_the_map_of_attributes() -> None:
    """Where encoder and decoder do not use it, it has no gradient, though the discriminator does use it."""
    net, batch = network(), frames_batch(attributes=WIDTH)
    gradient = torch.autograd.grad(net.losses(batch, 0.0)["generator"], [net.embed.weight])[0]
    assert gradient.any()
    with torch.no_grad():
        net.ali.encoder.head.weight[:, -3:] = 0
        net.ali.decoder.body[0].weight[-3:] = 0  # type: ignore[index, union-attr]
    found = net.losses(batch, 0.0)
    gradient, heard = torch.autograd.grad(
        found["generator"],
        [net.embed.weight, net.ali.discriminator.of_pairs[0][1].weight],  # type: ignore[index]
    )
    assert not gradient.any()
    assert heard[:, -3:].any()


@pytest.mark.parametrize("learns", [True, False])
def test_the_map_learns_unless_it_is_left_as_released(learns: bool) -> None:
    """Then it stays as it was drawn, bit for bit."""
    net = network(embedding_learns=learns)
    before = snapshot(net)
    Players(net).step(frames_batch(attributes=WIDTH))
    assert ("embed.weight" in moved(before, net)) == learns
    assert "ali.encoder.head.weight" in moved(before, net)


def test_it_asks_for_attributes() -> None:
    """One sentence where there are none, or where rows are empty."""
    with pytest.raises(ConfigError, match="conditional_ali was given no attributes, expected a row of them"):
        network().sample(2)
    with pytest.raises(ConfigError, match="got rows of no attributes, expected one number or more"):
        build(Config(), (1, 3, 32, 32), 0)
    with pytest.raises(ConfigError, match="got embedding 0, expected a whole number of 1 or more"):
        Config(embedding=0)

"""Encoders learnt after a GAN: the first phase is the GAN's, the second leaves every bit of it as it was."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from one_step import Players, frames_batch, moved, snapshot
from torch import nn

from baselines.generators import learned_inverse, post_hoc_inference
from benchmark.generation.contract import Generator, Infers, Judges
from dynamics_gen.errors import ConfigError

MODULES = (learned_inverse, post_hoc_inference)


def network(module: Any, **settings: object) -> Any:
    """A narrow one."""
    torch.manual_seed(0)
    return module.build(module.Config(latent=4, width=0.1, **settings), (1, 3, 32, 32))


@pytest.mark.parametrize("module", MODULES)
def test_they_keep_the_contract(module: Any) -> None:
    """They play, infer and judge; players own every weight, each its own."""
    net, clips = network(module).eval(), frames_batch(2).clips
    assert all(isinstance(net, part) for part in (Generator, Infers, Judges))
    assert net.sample(2).shape == net.decode(net.encode(clips)).shape == clips.shape
    assert net.judge(clips).shape == (2,)
    owned = [id(weight) for player in net.players().values() for weight in player.parameters]
    assert sorted(owned) == sorted(id(weight) for weight in net.parameters())


@pytest.mark.parametrize("module", MODULES)
def test_each_phase_moves_its_own_parts_and_no_bit_of_the_others(module: Any) -> None:
    """Weights, statistics of batch norms, and all; the share alone says when; a new epoch thaws nothing."""
    net = network(module, gan_share=0.25)
    players = Players(net)

    def parts(progress: float) -> set[str]:
        net.train()  # as at the start of every epoch
        before = snapshot(net)
        players.step(frames_batch(), progress)
        return {
            ".".join(name.split(".")[:2]) if name[:3] == "gan" else name.split(".")[0] for name in moved(before, net)
        }

    for progress in (0.0, 0.2, 0.249):
        assert parts(progress) == {"gan.decoder", "gan.discriminator"}
    later = {"last_phase", "encoder"} | (set() if module is learned_inverse else {"inspector"})
    for progress in (0.25, 0.9):
        assert parts(progress) == later


@pytest.mark.parametrize("module", MODULES)
def test_a_frozen_generator_makes_what_it_samples(module: Any) -> None:
    """In the second phase it is in evaluation, while what learns is not, and back in training in the first."""
    net = network(module, gan_share=0.5)
    for progress, learns in ((0.0, True), (0.5, False), (0.4, True)):
        net.losses(frames_batch(), progress)
        assert net.gan.decoder.training is net.gan.discriminator.training is learns
        assert net.encoder.training
    net.eval().losses(frames_batch(), 0.0)
    assert not net.gan.training


@pytest.mark.parametrize("module", MODULES)
def test_all_steps_may_be_of_either_phase(module: Any) -> None:
    """Shares of one and of zero."""
    assert "generator" in network(module, gan_share=1.0).losses(frames_batch(), 0.999)
    assert "encoder" in network(module, gan_share=0.0).losses(frames_batch(), 0.0)
    with pytest.raises(ConfigError, match=r"got gan_share 1.5, expected a share of the steps in \[0, 1\]"):
        module.Config(gan_share=1.5)


@pytest.mark.parametrize("module", MODULES)
def test_the_gans_discriminator_sees_frames_alone(module: Any) -> None:
    """Its losses are a GAN's: 2·ln 2 and ln 2 where it says nothing."""
    net, seen = network(module), []
    assert net.gan.discriminator.of_latents is None
    nn.init.zeros_(net.gan.discriminator.of_pairs[-1].weight)
    net.gan.discriminator.register_forward_hook(lambda _, inputs, __: seen.append(inputs))
    found = net.losses(frames_batch(), 0.0)
    assert found["discriminator"].item() == pytest.approx(2 * math.log(2))
    assert found["generator"].item() == pytest.approx(math.log(2))
    [(frames,)] = seen
    assert torch.equal(frames[:6], frames_batch().clips[:, :, 0])
    assert len(frames) == 12


def test_the_inverse_descends_the_squared_distance_of_latents() -> None:
    """Of those that made a frame from those inferred of it; of data it sees nothing."""
    net = network(learned_inverse, gan_share=0.0)
    torch.manual_seed(5)
    found = net.losses(frames_batch(), 0.5)["encoder"]
    torch.manual_seed(5)
    latents = torch.randn(6, 4)
    with torch.no_grad():
        expected = (latents - net.encoder(net.gan.decoder(latents)).mean).square().sum(1).mean()
    torch.testing.assert_close(found, expected)


def test_the_inverse_learns() -> None:
    """Of a generator whose frames differ, in forty steps, to well below the latents' own variance."""
    net = network(learned_inverse, gan_share=0.0)
    with torch.no_grad():
        for weight in net.gan.decoder.parameters():
            weight.mul_(12 if weight.ndim > 1 else 1)
    players = Players(net, 1e-2)
    losses = [players.step(frames_batch(16))["encoder"].item() for _ in range(40)]
    assert losses[0] == pytest.approx(4, abs=1.5)
    assert sum(losses[-5:]) / 5 < 2


def test_post_hoc_pairs_are_those_of_ali() -> None:
    """Real frames with the encoder's latents, then the frozen generator's frames with theirs, as one batch."""
    net, seen = network(post_hoc_inference, gan_share=0.0, dropout=0.0), []
    net.inspector.register_forward_hook(lambda _, inputs, logits: seen.append((*inputs, logits)))
    torch.manual_seed(5)
    found = net.losses(frames_batch(), 0.5)
    [(frames, latents, logits)] = seen
    torch.manual_seed(5)
    prior = torch.randn(6, 4)
    assert torch.equal(latents[6:], prior)
    assert torch.equal(frames[:6], frames_batch().clips[:, :, 0])
    torch.testing.assert_close(frames[6:], net.gan.decoder(prior))
    torch.testing.assert_close(latents[:6], net.encoder(frames[:6]).draw())
    real, made = logits.sigmoid().chunk(2)
    torch.testing.assert_close(found["inspector"], -real.log().mean() - (1 - made).log().mean())
    torch.testing.assert_close(found["encoder"], -(1 - real).log().mean() - made.log().mean())

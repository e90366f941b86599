"""Recurrent ALI: one frame of it is ALI, time goes forward, latents reach every step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from static_rali import FORMS, SHAPE, StaticDecoder, StaticDiscriminator, StaticEncoder, batch_of, network
from torch import Tensor, nn

from baselines.generators import ali, rali_sequence, rali_single
from baselines.layers import ConvLSTM, ConvLSTMCell
from baselines.recurrent_ali import RecurrentGAN
from baselines.recurrent_blocks import Convolved, Recurrent, Steps, fold, unfold
from dynamics_gen.errors import ConfigError


@pytest.mark.parametrize(("module", "settings"), FORMS)
def test_of_one_frame_its_losses_are_those_of_ali_by_hand(module: Any, settings: dict) -> None:
    """Networks without a time axis, with the same weights and draws: -log D(x, ẑ) - log(1 - D(x̃, z)), and swapped."""
    shape = (1, *SHAPE[1:])
    net, batch = network(module, shape, **settings), batch_of(shape=shape)
    encoder, decoder = StaticEncoder(net.encoder), StaticDecoder(net.decoder)
    discriminator = StaticDiscriminator(net.discriminator)
    torch.manual_seed(3)
    found = net.losses(batch, 0.0)
    torch.manual_seed(3)
    z, noise, x = torch.randn(6, 5), torch.randn(6, 5), batch.clips[:, :, 0]
    mean, log_deviation = encoder(x)
    judged = torch.sigmoid(
        discriminator(torch.cat([x, decoder(z)]), torch.cat([mean + torch.exp(log_deviation) * noise, z]))
    )
    real, made = judged[:6], judged[6:]
    torch.testing.assert_close(found["discriminator"], -real.log().mean() - (1 - made).log().mean())
    torch.testing.assert_close(found["generator"], -(1 - real).log().mean() - made.log().mean())


@pytest.mark.parametrize(("module", "settings"), FORMS)
def test_of_one_frame_it_plays_the_game_of_the_model_ali(module: Any, settings: dict) -> None:
    """ALI itself, its three networks exchanged for those: the same losses, from the same draws, R1 among them."""
    shape = (1, 3, 32, 32)  # frames for which ALI has layers
    net, batch = network(module, shape, gradient_penalty=2.0, **settings), batch_of(shape=shape)
    static: Any = ali.build(ali.Config(image_size=32, latent=5, width=0.05, gradient_penalty=2.0), shape)
    static.encoder, static.decoder = StaticEncoder(net.encoder), StaticDecoder(net.decoder)
    static.discriminator = StaticDiscriminator(net.discriminator)
    torch.manual_seed(3)
    found = net.losses(batch, 0.0)
    torch.manual_seed(3)
    expected = static.losses(batch, 0.0)
    assert set(found) == {*expected, "penalty"}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


@torch.no_grad()
def test_frames_are_folded_one_time_step_after_the_other() -> None:
    """And come back; a CNN sees each of them by itself, and the ConvLSTM is the classifiers'."""
    clips = batch_of().clips
    frames = fold(clips)
    assert torch.equal(frames[:6], clips[:, :, 0])
    assert torch.equal(unfold(frames, 4), clips)
    steps = Steps(SHAPE, rali_single.Config(width=6)).eval()
    assert isinstance(steps.time, Recurrent)
    reference = ConvLSTM(12, 6)
    reference.cell = steps.time.cell
    maps = torch.stack([steps.frames(frame) for frame in clips.unbind(2)], dim=2)
    expected = reference(maps).permute(2, 0, 1, 3, 4).flatten(2)
    torch.testing.assert_close(steps(clips), expected)


@torch.no_grad()
def test_without_recurrence_there_is_a_convolution_over_three_steps_of_as_many_weights() -> None:
    """That of PyTorch with zero beyond the ends, gated; of no ConvLSTM anything is left."""
    torch.manual_seed(0)
    layer, recurrent = Convolved(8, 4), Recurrent(8, 4)
    layer.bias.normal_()
    assert layer.taps.weight.numel() == sum(p.numel() for p in recurrent.parameters() if p.ndim == 4)
    clips = torch.randn(2, 8, 5, 4, 4)
    reference = nn.Conv3d(8, 8, 3, padding=1)
    reference.weight.copy_(torch.stack(layer.taps.weight.chunk(3), dim=2))
    assert reference.bias is not None
    reference.bias.copy_(layer.bias.flatten())
    candidate, gate = reference(clips).chunk(2, dim=1)
    torch.testing.assert_close(unfold(layer(fold(clips), 5), 5), candidate.tanh() * gate.sigmoid())
    for module in (rali_sequence, rali_single):
        net = network(module, recurrent=False)
        assert not any(isinstance(part, ConvLSTMCell) for part in net.modules())


def inputs_of(net: RecurrentGAN) -> list[Tensor]:
    """The maps that the decoder's ConvLSTM is given at each step."""
    seen: list[Tensor] = []
    handle = net.decoder.time.register_forward_hook(lambda _, given, __: seen.append(given[0]))  # type: ignore[union-attr]
    net.sample(3)
    handle.remove()
    return list(seen[0].unflatten(0, (SHAPE[0], -1)).unbind(0))


def test_a_copied_latent_is_the_same_input_at_every_step() -> None:
    """`first` gives it to the first step alone, zero to the others; the perceptron tells each step something else."""
    first, *others = inputs_of(network(rali_single, decoder="copy"))
    assert all(torch.equal(first, other) for other in others)
    first, *others = inputs_of(network(rali_single, decoder="first"))
    assert first.any()
    assert not any(other.any() for other in others)
    first, *others = inputs_of(network(rali_single, decoder="mlp"))
    assert not any(torch.equal(first, other) for other in others)


@torch.no_grad()
def test_only_copies_decode_clips_of_another_length() -> None:
    """A longer one goes on from a shorter one; a perceptron and a sequence of latents refuse, in training as well."""
    for decoder in ("copy", "first"):
        net = network(rali_single, decoder=decoder).eval()
        latents = torch.randn(3, 5)
        torch.testing.assert_close(net.decode(latents, frames=7)[:, :, :4], net.decode(latents))
    for module in (rali_single, rali_sequence):
        net = network(module)
        for refused in (
            lambda net=net: net.decode(torch.randn(3, net.latents), frames=7),
            lambda net=net: net.losses(batch_of(shape=(7, *SHAPE[1:])), 0.0),
        ):
            with pytest.raises(ConfigError, match="got clips of 7 frames, expected 4, for which the network was built"):
                refused()


def test_the_gradient_reaches_every_latent_of_a_sequence() -> None:
    """From the last frame, from the discriminator's logits, and from the losses to every step's mean."""
    net = network(rali_sequence).eval()
    latents = torch.randn(3, net.latents, requires_grad=True)
    for reached in (net.decode(latents)[:, :, -1].square().sum(), net.discriminator(batch_of(3).clips, latents).sum()):
        (gradient,) = torch.autograd.grad(reached, latents)
        assert gradient.unflatten(1, (4, 5)).abs().sum(2).all()
    seen: list[Tensor] = []
    net.encoder.register_forward_hook(lambda _, __, given: seen.extend(given))
    (gradient,) = torch.autograd.grad(net.losses(batch_of(), 0.0)["generator"], seen[0])
    assert gradient.all()


@torch.no_grad()
def test_a_sequence_is_inferred_and_decoded_in_the_order_of_time() -> None:
    """A change of frame, or of latent, number two changes what comes from there on, and nothing before."""
    net, clips = network(rali_sequence).eval(), batch_of().clips
    other = clips.clone()
    other[:, :, 2] *= -1
    changed = (net.encode(other) - net.encode(clips)).unflatten(1, (4, 5)).abs().amax((0, 2)) > 1e-6
    assert changed.tolist() == [False, False, True, True]
    latents = torch.randn(3, 20)
    changed = net.decode(latents + torch.eye(4)[2].repeat_interleave(5)) - net.decode(latents)
    assert (changed.abs().amax((0, 1, 3, 4)) > 1e-6).tolist() == [False, False, True, True]

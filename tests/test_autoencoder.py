"""Encoder and decoder of frames: the published sizes and counts, draws, and the start at the data's log-odds."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from baselines.autoencoder import (
    CELEBA,
    EXTREME,
    SVHN,
    Decoder,
    Encoder,
    Posterior,
    Table,
    initialise,
    table_for,
)
from dynamics_gen.errors import ConfigError

NARROW = SVHN.times(0.1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("table", "down", "up"),
    [
        (CELEBA, [64, 63, 29, 13, 4, 1], [1, 4, 13, 29, 63, 64]),
        (SVHN, [32, 28, 13, 10, 4, 1, 1], [1, 4, 10, 13, 28, 32, 32]),
    ],
)
@torch.no_grad()
def test_maps_have_the_published_sizes(table: Table, down: list[int], up: list[int]) -> None:
    """From the frame to one place, and from there to the frame."""
    narrow, side = table.times(0.1), down[0]
    sizes: dict[str, list[int]] = {"down": [], "up": []}

    def noting(found: list[int]) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _, __, maps: found.append(maps.shape[-1])

    encoder = Encoder(3, narrow, 4, gaussian=True).eval()
    decoder = Decoder((3, side, side), narrow, 4).eval()
    for name, network in (("down", encoder), ("up", decoder)):
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.register_forward_hook(noting(sizes[name]))
    assert encoder(torch.zeros(2, 3, side, side)).mean.shape == (2, 4)
    assert decoder(torch.zeros(2, 4)).shape == (2, 3, side, side)
    assert [side, *sizes["down"]] == down
    assert [1, *sizes["up"]] == up


def test_the_layers_for_celeba_have_the_published_count_of_weights() -> None:
    """18.6 millions: 6.8 in the encoder, 11.8 in the decoder, by hand, and norms and biases."""
    parts = Encoder(3, CELEBA, 256, gaussian=True), Decoder((3, 64, 64), CELEBA, 256)
    kernels = [
        2 * 2 * 3 * 64 + 7 * 7 * 64 * 128 + 5 * 5 * 128 * 256 + 7 * 7 * 256 * 256 + 4 * 4 * 256 * 512 + 512 * 512,
        4 * 4 * 256 * 512 + 7 * 7 * 512 * 256 + 5 * 5 * 256 * 256 + 7 * 7 * 256 * 128 + 2 * 2 * 128 * 64 + 64 * 3,
    ]
    rest = [2 * (64 + 128 + 256 + 256 + 512) + 512, 2 * (512 + 256 + 256 + 128 + 64) + 3 * 64 * 64]
    counts = [sum(weight.numel() for weight in part.parameters()) for part in parts]
    assert counts == [kernel + other for kernel, other in zip(kernels, rest, strict=True)]
    assert round(sum(counts) / 1e6, 1) == 18.6


def test_width_is_a_factor_of_maps_and_of_nothing_else() -> None:
    """Kernels and strides stay; at least one map is left."""
    half = CELEBA.times(0.5)
    assert [maps for _, _, maps in half.encoder] == [32, 64, 128, 128, 256]
    assert [layer[:2] for layer in half.decoder] == [layer[:2] for layer in CELEBA.decoder]
    assert (half.of_latents, half.of_pairs) == ((512, 512), (1024, 1024))
    assert CELEBA.times(1.0) == CELEBA
    assert {maps for _, _, maps in CELEBA.times(1e-6).encoder} == {1}


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((1, 3, 48, 48), "got frames of 48×48 pixels, expected 32×32 or 64×64: try --set image_size=32"),
        ((1, 3, 64, 32), "got frames of 64×32 pixels"),
        ((2, 3, 64, 64), "got clips of 2 frames for a model of single frames, expected 1"),
    ],
)
def test_other_frames_are_refused(shape: tuple[int, int, int, int], sentence: str) -> None:
    """One sentence says which there are layers for."""
    with pytest.raises(ConfigError, match=sentence):
        table_for(shape, 1.0)


def test_weights_start_small_and_biases_at_zero() -> None:
    """From N(0, 0.01²), as published."""
    network = nn.Sequential(nn.Conv2d(8, 64, 5), nn.ConvTranspose2d(64, 8, 5), nn.Linear(200, 50))
    initialise(network)
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            assert not weight.any()
        else:
            assert weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_gradients_flow_through_draws() -> None:
    """Of the mean of z², which is μ² + σ²: 2μ, and 2σ² by the logarithm of σ."""
    mean = torch.tensor([[0.7, -1.5]], dtype=torch.double, requires_grad=True)
    log_deviation = torch.tensor([[0.2, -0.4]], dtype=torch.double, requires_grad=True)
    many = Posterior(mean.expand(200_000, 2), log_deviation.expand(200_000, 2))
    many.draw().square().mean(0).sum().backward()
    torch.testing.assert_close(mean.grad, 2 * mean.detach(), atol=0.02, rtol=0)
    torch.testing.assert_close(log_deviation.grad, 2 * (2 * log_deviation.detach()).exp(), atol=0.03, rtol=0)


def test_without_a_deviation_the_mean_is_drawn() -> None:
    """A deterministic encoder has no noise, and half as many outputs."""
    encoder = Encoder(3, NARROW, 5, gaussian=False)
    posterior = encoder(torch.randn(4, 3, 32, 32))
    assert posterior.log_deviation is None
    assert posterior.draw() is posterior.mean
    assert encoder.head.out_features == 5


def some_frames(count: int = 5, seed: int = 2) -> Tensor:
    """Noise about a picture."""
    draws = torch.Generator().manual_seed(seed)
    return (torch.linspace(-0.9, 0.9, 32) + 0.1 * torch.randn(count, 3, 32, 32, generator=draws)).clamp(-1, 1)


@torch.no_grad()
def test_a_decoder_starts_at_the_mean_of_the_first_batch() -> None:
    """Where its weights say nothing it gives that mean, pixel by pixel, but for what no sigmoid reaches."""
    decoder = Decoder((3, 32, 32), NARROW, 4)
    nn.init.zeros_(decoder.head.weight)
    frames = some_frames()
    frames[:, 0] = 1
    decoder.start_from(frames)
    torch.testing.assert_close(decoder(torch.randn(2, 4))[1], frames.mean(0).clamp(-EXTREME, EXTREME))


@torch.no_grad()
def test_a_decoder_starts_once() -> None:
    """Not in evaluation, not at a second batch, and not anew when it is restored or copied."""
    decoder = Decoder((3, 32, 32), NARROW, 4).eval()
    decoder.start_from(some_frames())
    assert not decoder.bias.any()
    decoder.train().start_from(some_frames())
    expected = decoder.bias.clone()
    assert expected.any()
    restored = Decoder((3, 32, 32), NARROW, 4)
    restored.load_state_dict(decoder.state_dict())
    for one in (decoder, restored, copy.deepcopy(decoder)):
        one.start_from(some_frames(seed=3))
        assert torch.equal(one.bias, expected)


@torch.no_grad()
def test_what_is_told_reaches_the_encoders_last_layer() -> None:
    """It stands behind the features there."""
    encoder = Encoder(3, NARROW, 5, gaussian=True, told=2).eval()
    frames, told = torch.randn(3, 3, 32, 32), torch.randn(3, 2)
    nn.init.zeros_(encoder.head.weight[:, :-2])
    torch.testing.assert_close(torch.cat(list(encoder(frames, told)), 1), told @ encoder.head.weight[:, -2:].T)

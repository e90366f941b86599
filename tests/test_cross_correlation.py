"""Correlations measure displacements: true ones where they are known, the loops' values, bounds, the printed form."""

from typing import Any

import pytest
import torch

from baselines.classifiers import cross_correlation
from baselines.classifiers.cross_correlation import correlations
from baselines.layers import displaced, offsets
from dynamics_gen.errors import ConfigError

KAPPA, PATCH = 5, 3
MIDDLE = KAPPA**2 // 2


def textures(count=2, channels=4, side=16):
    """Random features in double precision."""
    torch.manual_seed(0)
    return torch.randn(count, channels, side, side, dtype=torch.float64)


def looped(before, after, indexing):
    """Equation 6.5 written out, with zero-mean unit-norm patches."""
    count, _, height, width = before.shape
    reach = PATCH // 2
    padded = [torch.nn.functional.pad(one, [reach + 2] * 4) for one in (before, after)]

    def patch(k, b, i, j):
        i, j = i + reach + 2, j + reach + 2
        part = padded[k][b, :, i - reach : i + reach + 1, j - reach : j + reach + 1].flatten()
        return (part - part.mean()) / (part - part.mean()).norm().clamp_min(1e-12)

    volume = torch.zeros(count, KAPPA**2, height, width, dtype=torch.float64)
    for channel, (k, el) in enumerate(offsets(KAPPA)):
        for b in range(count):
            for i in range(3, height - 3):
                for j in range(3, width - 3):
                    at = (i + k, j + el) if indexing == "printed" else (i, j)
                    volume[b, channel, i, j] = patch(0, b, *at) @ patch(1, b, i + k, j + el)
    return volume


@pytest.mark.parametrize("indexing", ["displaced", "printed"])
def test_volume_is_that_of_nested_loops(indexing):
    """Away from the border, to 1e-9."""
    before, after = textures(1, side=12), textures(1, side=12).flip(-1) + 0.5
    found = correlations(before, after, KAPPA, PATCH, indexing)
    expected = looped(before, after, indexing)
    torch.testing.assert_close(found[..., 3:-3, 3:-3], expected[..., 3:-3, 3:-3], atol=1e-9, rtol=1e-7)


def test_volume_is_that_of_fourier_transforms():
    """A patch's products with a region at every displacement, of both their spectra; windows' norms likewise."""
    before, after = textures(1, side=12), textures(1, side=12).flip(-1) + 0.5
    found = correlations(before, after, KAPPA, PATCH, "displaced")

    def valid(region, kernel):
        spectrum = torch.fft.rfft2(region) * torch.fft.rfft2(kernel, s=region.shape[-2:]).conj()
        return torch.fft.irfft2(spectrum, s=region.shape[-2:]).sum(0)[:KAPPA, :KAPPA]  # before it wraps around

    reach, ones = KAPPA // 2 + PATCH // 2, torch.ones(4, PATCH, PATCH, dtype=torch.float64)
    for i, j in ((3, 3), (5, 8), (8, 4)):
        patch = before[0, :, i - 1 : i + 2, j - 1 : j + 2] - before[0, :, i - 1 : i + 2, j - 1 : j + 2].mean()
        region = after[0, :, i - reach : i + reach + 1, j - reach : j + reach + 1]
        norms = (valid(region**2, ones) - valid(region, ones) ** 2 / ones.numel()).sqrt()
        expected = valid(region, patch / patch.norm()) / norms
        torch.testing.assert_close(found[0, :, i, j], expected.flatten(), atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, -2), (-2, 2), (0, 1)])
def test_the_true_shift_is_found_everywhere(rows, columns):
    """A texture moved by (rows, columns) correlates best, and fully, there; as printed, only by chance."""
    before = textures()
    after = torch.roll(before, (rows, columns), (2, 3))
    volume = correlations(before, after, KAPPA, PATCH, "displaced")[..., 4:-4, 4:-4]
    true = offsets(KAPPA).index((rows, columns))
    assert (volume.argmax(1) == true).all()
    torch.testing.assert_close(volume[:, true], torch.ones_like(volume[:, true]))
    if (rows, columns) != (0, 0):
        printed = correlations(before, after, KAPPA, PATCH, "printed")[..., 4:-4, 4:-4]
        assert (printed.argmax(1) == true).double().mean() < 0.2


def test_printed_channels_are_the_middle_one_moved():
    """So no displacement is ever measured."""
    before, after = textures(1), textures(1).flip(-1)
    volume = correlations(before, after, KAPPA, PATCH, "printed")
    for channel, (rows, columns) in enumerate(offsets(KAPPA)):
        moved = displaced(volume[:, MIDDLE], rows, columns)
        torch.testing.assert_close(volume[:, channel, 4:-4, 4:-4], moved[:, 4:-4, 4:-4])


def test_correlations_are_bounded():
    """In [-1, 1], also where features are flat, and of one sign of brightness or the other."""
    for before, after in ((textures(), textures() * -3), (torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8))):
        volume = correlations(before, after, KAPPA, PATCH, "displaced")
        assert torch.isfinite(volume).all()
        assert volume.abs().max() <= 1 + 1e-9


def test_features_may_be_pixels_or_left_at_random():
    """Pixels: the shift of a clip's own is measured, without weights before it; random: these learn nothing."""
    clips = torch.stack([torch.roll(textures(1, 3, 32)[0], (0, 2 * t), (1, 2)) for t in range(4)], 1)[None].float()
    seen = []
    net = cross_correlation.build(cross_correlation.Config(features="pixels"), (4, 3, 32, 32), 10).eval()
    net.head.register_forward_pre_hook(lambda head, given: seen.append(given[0]))
    net(clips)
    assert not list(net.encoder.parameters())
    assert (seen[0].argmax(1)[..., 4:-4, 4:-4] == offsets(KAPPA).index((0, 2))).all()
    for features, learns in (("learned", True), ("random", False)):
        net = cross_correlation.build(cross_correlation.Config(features=features), (4, 3, 32, 32), 10)
        net(clips.repeat(2, 1, 1, 1, 1)).square().sum().backward()
        assert all((weight.grad is not None) == learns for weight in net.encoder.parameters())


def test_settings_that_have_no_meaning_are_refused():
    """Even windows and other names."""
    wrong: list[dict[str, Any]] = [{"kappa": 4}, {"patch": 2}, {"indexing": "both"}, {"early": 0}, {"features": "sift"}]
    for settings in wrong:
        with pytest.raises(ConfigError, match="expected"):
            cross_correlation.Config(**settings)
    with pytest.raises(ConfigError, match="early below 4"):
        cross_correlation.build(cross_correlation.Config(early=4), (8, 3, 16, 16), 10)

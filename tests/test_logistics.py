"""Mixtures of rounded logistics: probabilities that sum to one, and draws that come as often as they say."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from baselines import logistics


def pixels_of(levels: int, channels: int) -> Tensor:
    """Every pixel there is: [N, C, 1, 1]."""
    values = torch.linspace(-1, 1, levels).tolist()
    return torch.tensor(list(itertools.product(values, repeat=channels)))[:, :, None, None]


def some_mixtures(count: int, mixtures: int, channels: int, spread: float = 1.0) -> logistics.Mixtures:
    """The same mixture for each of some pixels."""
    draws = torch.Generator().manual_seed(3)
    maps = spread * torch.randn(1, logistics.numbers(mixtures, channels), 1, 1, generator=draws)
    return logistics.unpack(maps.expand(count, -1, -1, -1), channels)


@pytest.mark.parametrize(("levels", "channels"), [(2, 3), (3, 2), (7, 1), (256, 1), (5, 3)])
@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_the_probabilities_of_all_pixels_sum_to_one(levels: int, channels: int, spread: float) -> None:
    """Each is positive, however far out."""
    pixels = pixels_of(levels, channels)
    found = logistics.log_probability(pixels, some_mixtures(len(pixels), 4, channels, spread), levels)
    assert found.isfinite().all()
    assert found.double().exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_probability_is_a_difference_of_sigmoids() -> None:
    """Of one component and three colours: each mean is shifted by the colours before it."""
    maps = torch.tensor([0.3, 0.1, -0.4, 0.6, -1.0, -0.5, -2.0, 0.7, -0.2, 1.1]).double()
    means, scales, shifts = maps[1:4], maps[4:7].exp(), maps[7:].tanh()
    pixel = torch.tensor([-0.5, 0.5, 0.0]).double()
    centres = [
        means[0],
        means[1] + shifts[0] * pixel[0],
        means[2] + shifts[1] * pixel[0] + shifts[2] * pixel[1],
    ]
    expected = 0.0
    for value, centre, scale in zip(pixel, centres, scales, strict=True):
        above, below = ((value + side - centre) / scale for side in (0.25, -0.25))
        expected += (above.sigmoid() - below.sigmoid()).log().item()
    mixtures = logistics.unpack(maps[None, :, None, None], 3)
    found = logistics.log_probability(pixel[None, :, None, None].float(), mixtures, 5)
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_pixels_are_drawn_as_often_as_they_are_probable() -> None:
    """All 27 colours of three channels and three levels, within five standard errors."""
    count, pixels = 40_000, pixels_of(3, 3)
    torch.manual_seed(0)
    drawn = logistics.draw(some_mixtures(count, 3, 3), 3)
    assert set(drawn.unique().tolist()) <= {-1.0, 0.0, 1.0}
    places = ((drawn[:, :, 0, 0] + 1) @ torch.tensor([9.0, 3.0, 1.0])).long()
    found = torch.bincount(places, minlength=27) / count
    expected = logistics.log_probability(pixels, some_mixtures(27, 3, 3), 3).exp().flatten()
    error = (expected * (1 - expected) / count).sqrt()
    assert ((found - expected).abs() < 5 * error + 1e-4).all()
    assert expected.max() > 0.1


def test_rounding_goes_to_the_nearest_level() -> None:
    """The 256 grey levels stay as they are; what lies beyond is brought to the last."""
    greys = torch.arange(256) / 127.5 - 1
    torch.testing.assert_close(logistics.rounded(greys, 256), greys, atol=1e-6, rtol=0)
    found = logistics.rounded(torch.tensor([-3.0, -0.6, -0.4, 0.2, 0.9, 2.0]), 3)
    assert found.tolist() == [-1, -1, 0, 0, 1, 1]

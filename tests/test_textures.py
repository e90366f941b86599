"""Backdrops and patterns keep the mean and contrast they were asked for."""

import numpy as np
import pytest

from dynamics_gen import textures

FAMILIES = sorted(textures.FAMILIES)


def test_there_are_at_least_six_families() -> None:
    """The dataset promises six procedural backdrop families or more."""
    assert len(FAMILIES) >= 6


@pytest.mark.parametrize("family", FAMILIES)
def test_a_backdrop_has_its_mean_and_contrast(family: str) -> None:
    """Mean within a grey level; deviation between the shares' and the overlay's bounds."""
    color = np.array([120.0, 130.0, 110.0])
    for seed in range(5):
        picture = textures.backdrop(np.random.default_rng(seed), family, 64, color, 12.0).astype(float)
        np.testing.assert_allclose(picture.mean(axis=(0, 1)), color, atol=1.0)
        deviation = picture.std(axis=(0, 1))
        assert (deviation > 0.5 * 12).all()
        assert (deviation < 1.6 * 12).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_backdrop_is_a_function_of_its_generator(family: str) -> None:
    """The same generator state gives the same picture, another one another."""
    color = np.full(3, 128.0)
    first, again, other = (
        textures.backdrop(np.random.default_rng(seed), family, 32, color, 10.0) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pattern_shows_both_colours(family: str) -> None:
    """Each of the two colours has at least a tenth of the area on its side of the middle."""
    first, second = np.array([20.0, 30.0, 40.0]), np.array([200.0, 180.0, 160.0])
    for seed in range(5):
        picture = textures.pattern(np.random.default_rng(seed), family, first, second)
        share = (picture.astype(float) @ (second - first) > (first + second) / 2 @ (second - first)).mean()
        assert 0.1 < share < 0.9

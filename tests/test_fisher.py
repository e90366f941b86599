"""Fisher vectors: equal to plain sums, to autograd's slopes, and zero where the mixture already fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.fisher import Vocabulary, fisher_vector, learn_vocabulary, normalised

Mixture = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def mixture() -> Mixture:
    """Three Gaussians in four dimensions."""
    rng = np.random.default_rng(0)
    return np.array([0.5, 0.3, 0.2]), rng.normal(size=(3, 4)), rng.uniform(0.5, 2, (3, 4))


def test_vector_equals_plain_sums(mixture: Mixture) -> None:
    """Sánchez et al., equations 16 to 18, in loops."""
    weights, means, variances = mixture
    points = np.random.default_rng(1).normal(size=(7, 4))
    by_mean, by_deviation = np.zeros((3, 4)), np.zeros((3, 4))
    for point in points:
        likelihood = [
            weights[k]
            * np.prod(np.exp(-((point - means[k]) ** 2) / (2 * variances[k])) / np.sqrt(2 * np.pi * variances[k]))
            for k in range(3)
        ]
        for k in range(3):
            share = likelihood[k] / sum(likelihood)
            away = (point - means[k]) / np.sqrt(variances[k])
            by_mean[k] += share * away / (7 * np.sqrt(weights[k]))
            by_deviation[k] += share * (away**2 - 1) / (7 * np.sqrt(2 * weights[k]))
    expected = np.concatenate([by_mean.ravel(), by_deviation.ravel()])
    np.testing.assert_allclose(fisher_vector(points, *mixture), expected, atol=1e-12)


def test_vector_is_the_slope_of_the_likelihood(mixture: Mixture) -> None:
    """Autograd's slopes of the mean log-likelihood, times deviation over root weight (means) and half that more."""
    weights, means, variances = mixture
    points = torch.tensor(np.random.default_rng(2).normal(size=(9, 4)))
    middle = torch.tensor(means, requires_grad=True)
    spread = torch.tensor(np.sqrt(variances), requires_grad=True)
    each = torch.distributions.Normal(middle, spread).log_prob(points[:, None]).sum(-1) + torch.tensor(weights).log()
    each.logsumexp(1).mean().backward()
    assert middle.grad is not None
    assert spread.grad is not None
    scale = np.sqrt(variances) / np.sqrt(weights)[:, None]
    expected = np.concatenate(
        [(middle.grad.numpy() * scale).ravel(), (spread.grad.numpy() * scale / np.sqrt(2)).ravel()]
    )
    np.testing.assert_allclose(fisher_vector(points.numpy(), *mixture), expected, atol=1e-12)


def test_samples_of_the_mixture_itself_have_no_vector(mixture: Mixture) -> None:
    """Their slopes vanish as one over the root of their number; those of shifted samples do not."""
    weights, means, variances = mixture
    rng = np.random.default_rng(3)
    which = rng.choice(3, size=100_000, p=weights)
    points = means[which] + np.sqrt(variances[which]) * rng.normal(size=(len(which), 4))
    assert np.abs(fisher_vector(points, *mixture)).max() < 0.015
    assert np.abs(fisher_vector(points + 0.3, *mixture)).max() > 0.1


def test_points_at_the_mean_have_slope_in_the_deviations_alone() -> None:
    """One Gaussian: 0 for the mean, -1/√2 for each deviation; at one deviation to either side, 0 for both."""
    mean, variance = np.array([[1.0, -2.0]]), np.array([[4.0, 9.0]])
    one = fisher_vector(np.repeat(mean, 5, axis=0), np.ones(1), mean, variance)
    np.testing.assert_allclose(one, [0, 0, -1 / np.sqrt(2), -1 / np.sqrt(2)], atol=1e-12)
    sides = np.concatenate([mean + np.sqrt(variance), mean - np.sqrt(variance)])
    np.testing.assert_allclose(fisher_vector(sides, np.ones(1), mean, variance), 0, atol=1e-12)


def test_normalised_vector_is_a_signed_root_of_length_one() -> None:
    """(4, -9, 0) becomes (2, -3, 0) / √13; nothing stays nothing."""
    np.testing.assert_allclose(normalised(np.array([4.0, -9.0, 0.0])), np.array([2, -3, 0]) / np.sqrt(13))
    np.testing.assert_array_equal(normalised(np.zeros(4)), np.zeros(4))


def test_clips_are_encoded_each_by_its_own_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fits in a turn; a clip without descriptors gets zeros."""
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6))
    words = learn_vocabulary(rows, 2, np.random.default_rng(0))
    counts = np.array([0, 20, 1, 0, 30, 9, 0])
    got = words.encode(rows.astype(np.float32), counts)
    for clip, (begin, end) in enumerate(zip(np.cumsum(counts) - counts, np.cumsum(counts), strict=True)):
        points = (rows[begin:end] - words.mean) @ words.axes.T
        expected = normalised(fisher_vector(points, words.weights, words.means, words.variances)) if end > begin else 0
        np.testing.assert_allclose(got[clip], expected, atol=1e-5)
    monkeypatch.setattr("baselines.fisher.DESCRIPTORS_A_TURN", 25)
    np.testing.assert_allclose(words.encode(rows.astype(np.float32), counts), got, atol=1e-6)


def test_vocabulary_keeps_the_widest_half() -> None:
    """Axes are orthonormal and hold the directions in which descriptors vary most; too few descriptors are refused."""
    rng = np.random.default_rng(5)
    words = learn_vocabulary(rng.normal(size=(500, 4)) * (1, 5, 0.1, 3), 2, rng)
    assert isinstance(words, Vocabulary)
    np.testing.assert_allclose(words.axes @ words.axes.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(np.abs(words.axes), [[0, 1, 0, 0], [0, 0, 0, 1]], atol=0.05)
    assert words.numbers == 4 + 8 + 2 + 4 + 4
    with pytest.raises(ValueError, match="1 descriptors are too few for 2 Gaussians"):
        learn_vocabulary(np.zeros((1, 4)), 2, rng)

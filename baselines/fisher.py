"""Fisher vectors: a clip's many descriptors as one vector, the slope of their likelihood under a mixture of Gaussians.

Source: Perronnin et al. 2010, "Improving the Fisher kernel for large-scale image classification", ECCV; formulas as in
Sánchez et al. 2013, "Image classification with the Fisher vector", IJCV, equations 16–18.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

LEARNT_FROM = 50_000
"""Descriptors that the projection and the mixture are learnt from, at most."""

DESCRIPTORS_A_TURN = 100_000

Matrix = Float[np.ndarray, "row column"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Vocabulary:
    """A projection to half of the numbers, and a mixture of Gaussians with diagonal covariances in what is left.

    Attributes:
        mean: of the descriptors [D].
        axes: the principal ones [D', D].
        weights: of the Gaussians [K]; their `means` and `variances` are [K, D'].
    """

    mean: np.ndarray
    axes: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    @property
    def numbers(self) -> int:
        """How many were learnt."""
        return sum(part.size for part in (self.mean, self.axes, self.weights, self.means, self.variances))

    def encode(self, descriptors: Matrix, counts: Int64[np.ndarray, " clip"]) -> Float[np.ndarray, "clip numbers"]:
        """The normalised Fisher vector of each clip.

        Args:
            descriptors: those of all clips, clip after clip.
            counts: how many each clip has; one with none gets zeros.
        """
        vectors = np.zeros((len(counts), 2 * self.means.size), np.float32)
        ends = np.cumsum(counts)
        first = 0
        while first < len(counts):  # whole clips, as many as fit in a turn
            begin = ends[first] - counts[first]
            last = max(int(np.searchsorted(ends, begin + DESCRIPTORS_A_TURN, side="right")), first + 1)
            points = (descriptors[begin : ends[last - 1]] - self.mean) @ self.axes.T
            for clip, some in enumerate(np.split(points, ends[first : last - 1] - begin), start=first):
                if len(some):
                    vectors[clip] = normalised(fisher_vector(some, self.weights, self.means, self.variances))
            first = last
        return vectors


def learn_vocabulary(descriptors: Matrix, gaussians: int, rng: np.random.Generator) -> Vocabulary:
    """Learns projection and mixture from at most `LEARNT_FROM` of the descriptors.

    Raises:
        ValueError: there are fewer descriptors than Gaussians.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    if len(descriptors) < gaussians:
        raise ValueError(f"{len(descriptors)} descriptors are too few for {gaussians} Gaussians")
    some = rng.permutation(len(descriptors))[:LEARNT_FROM]
    points = descriptors[np.sort(some)].astype(float)
    mean = points.mean(axis=0)
    _, turned = np.linalg.eigh(np.cov(points.T))
    axes = turned[:, ::-1][:, : max(1, points.shape[1] // 2)].T
    mixture = GaussianMixture(gaussians, covariance_type="diag", max_iter=50, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fifty rounds are near enough
        mixture.fit((points - mean) @ axes.T)
    weights, means, variances = map(np.asarray, (mixture.weights_, mixture.means_, mixture.covariances_))
    return Vocabulary(mean=mean, axes=axes, weights=weights, means=means, variances=variances)


def fisher_vector(
    points: Matrix,
    weights: Float[np.ndarray, " k"],
    means: Float[np.ndarray, "k d"],
    variances: Float[np.ndarray, "k d"],
) -> Float[np.ndarray, " numbers"]:
    """Slopes of the points' mean log-likelihood with respect to means and deviations, in the mixture's own measure.

    Returns:
        [2 K D]: the means' slopes, Gaussian by Gaussian, then the deviations'.
    """
    deviations = np.sqrt(variances)
    logs = (
        np.log(weights)
        - 0.5 * (np.log(2 * np.pi * variances) + means**2 / variances).sum(axis=1)
        + points @ (means / variances).T
        - 0.5 * points**2 @ (1 / variances).T
    )
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    zeroth = shares.sum(axis=0)[:, None]  # [K, 1]
    first, second = shares.T @ points, shares.T @ points**2  # [K, D]
    by_mean = (first - zeroth * means) / deviations
    by_deviation = (second - 2 * first * means + zeroth * means**2) / variances - zeroth
    scale = len(points) * np.sqrt(weights)[:, None]
    return np.concatenate([(by_mean / scale).ravel(), (by_deviation / (scale * np.sqrt(2))).ravel()])


def normalised(vector: Float[np.ndarray, " numbers"]) -> Float[np.ndarray, " numbers"]:
    """The signed square root of each number, then the whole to length 1; zeros stay zeros."""
    rooted = np.sign(vector) * np.sqrt(np.abs(vector))
    return rooted / max(float(np.linalg.norm(rooted)), 1e-12)

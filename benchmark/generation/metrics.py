"""How far generated pictures are from real ones: distances of sets of features, and errors of pictures.

Features are rows, float64 [n, d], of any network. **Sample sizes must be fixed.** The Fréchet distance of samples is
biased upwards, by an amount that shrinks with n and differs between models (Chong and Forsyth 2020, arXiv 1911.07023);
the radii of nearest neighbours shrink with n as well. Scores compare only where all sets had as many rows.
**Rows must be independent**, one frame a clip: frames of one clip are each other's nearest neighbours, and precision,
recall, density and coverage then find next to nothing in reach. Sets are compared exactly; memory is bounded by
`ENTRIES`, whatever n.

Pictures are in [-1, 1], so that their data range is `DATA_RANGE`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy.spatial.distance import cdist

DATA_RANGE = 2.0
ENTRIES = 4_000_000
"""Distances that are held at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrecisionRecall:
    """Shares in [0, 1]; two samples of one distribution have well below 1 in both."""

    precision: float
    """Of generated rows, those that lie within reach of real ones."""
    recall: float
    """Of real rows, those that lie within reach of generated ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DensityCoverage:
    """How thickly generated rows lie around real ones, and around how many of them."""

    density: float
    """Generated rows' mean number of real neighbourhoods, over k; not negative, about 1 where distributions agree."""
    coverage: float
    """Of real rows, those with a generated one in their neighbourhood, in [0, 1]; near 1 - 2^-k where they agree."""


def frechet_distance(real: Float64[np.ndarray, "n d"], generated: Float64[np.ndarray, "m d"]) -> float:
    """Squared Wasserstein-2 distance of two Gaussians with the sets' means and covariances (Dowson and Landau 1982).

    As FID (Heusel et al. 2017, arXiv 1706.08500, eq. 6), covariances with n - 1. The trace of the root of the product
    of covariances is the sum of the singular values of A Bᵀ, where AᵀA and BᵀB are the covariances and A and B come
    from the centred features by QR: nothing is squared only to be rooted, so that singular covariances, as of fewer
    rows than features, are no harder than others. Not negative; 0 for equal sets, up to rounding.

    Raises:
        ValueError: the sets are no features of one network, or have fewer than two rows.
    """
    _check(real, generated, least=2)
    first, second = _root_of_covariance(real), _root_of_covariance(generated)
    means = np.square(real.mean(axis=0) - generated.mean(axis=0)).sum()
    shared = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    return max(0.0, float(means + np.square(first).sum() + np.square(second).sum() - 2 * shared))


def precision_recall(
    real: Float64[np.ndarray, "n d"], generated: Float64[np.ndarray, "m d"], k: int = 3
) -> PrecisionRecall:
    """Shares of each set on the other's estimated manifold (Kynkäänniemi et al. 2019, arXiv 1904.06991, eq. 1-2).

    The manifold is all balls about a set's rows that reach to their k-th nearest other row, borders included. One
    outlier among the real rows has a large ball: see `density_coverage`.

    Raises:
        ValueError: the sets are no features of one network, or have no k-th neighbours.
    """
    _check(real, generated, least=k + 1)
    reach_of_real, reach_of_generated = neighbour_distances(real, k), neighbour_distances(generated, k)
    on_real, on_generated = np.zeros(len(generated), bool), np.zeros(len(real), bool)
    for rows, distances in _distances(real, generated):
        on_real |= (distances <= reach_of_real[rows, None]).any(axis=0)
        on_generated[rows] = (distances <= reach_of_generated).any(axis=1)
    return PrecisionRecall(precision=float(on_real.mean()), recall=float(on_generated.mean()))


def density_coverage(
    real: Float64[np.ndarray, "n d"], generated: Float64[np.ndarray, "m d"], k: int = 5
) -> DensityCoverage:
    """Counts generated rows in the neighbourhoods of real ones (Naeem et al. 2020, arXiv 2002.09797, section 3).

    Neighbourhoods are balls as for precision, borders excluded, as in the authors' code: a set has density 1 against
    itself.

    Raises:
        ValueError: the sets are no features of one network, or the real one has no k-th neighbours.
    """
    _check(real, generated, least=1)
    _check(real, real, least=k + 1)
    reach = neighbour_distances(real, k)
    inside, covered = 0, 0
    for rows, distances in _distances(real, generated):
        within = distances < reach[rows, None]
        inside += int(within.sum())
        covered += int(within.any(axis=1).sum())
    return DensityCoverage(density=inside / (k * len(generated)), coverage=covered / len(real))


def neighbour_distances(features: Float64[np.ndarray, "n d"], k: int) -> Float64[np.ndarray, " n"]:
    """From each row to its k-th nearest other row; 0 where k others equal it.

    Raises:
        ValueError: there are no k others, or k is less than 1.
    """
    if not 1 <= k < len(features):
        raise ValueError(f"got k = {k} for {len(features)} rows of features, expected 1 or more, and fewer than rows")
    reach = np.empty(len(features))
    for rows, distances in _distances(features, features):
        distances.partition(k, axis=1)
        reach[rows] = distances[:, k]  # the row itself is among them, at 0
    return reach


def nearest_distances(
    rows: Float64[np.ndarray, "n d"], others: Float64[np.ndarray, "m d"]
) -> Float64[np.ndarray, " n"]:
    """From each row to the nearest of some others.

    Raises:
        ValueError: the sets are no features of one network, or one is empty.
    """
    _check(rows, others, least=1)
    return np.concatenate([distances.min(axis=1) for _, distances in _distances(rows, others)])


def spread(features: Float64[np.ndarray, "n d"]) -> float:
    """Mean Euclidean distance between two different rows: 0 where a generator makes one picture only.

    Raises:
        ValueError: there are fewer than two rows, or they are not finite.
    """
    _check(features, features, least=2)
    total = math.fsum(float(distances.sum()) for _, distances in _distances(features, features))
    return total / (len(features) * (len(features) - 1))


def mean_squared_error(
    truth: Float[np.ndarray, "n ..."], said: Float[np.ndarray, "n ..."]
) -> Float64[np.ndarray, " n"]:
    """Of each picture or clip, in [0, 4] for values in [-1, 1]; a quarter of it is the error in [0, 1].

    Raises:
        ValueError: the two have different shapes, or values beyond [-1, 1].
    """
    if truth.shape != said.shape or truth.ndim < 2:
        raise ValueError(f"got pictures of shapes {truth.shape} and {said.shape}, expected twice the same [n, ...]")
    for pictures in (truth, said):
        if not np.abs(pictures).max(initial=0) <= DATA_RANGE / 2:
            raise ValueError(
                f"got values from {pictures.min():.3g} to {pictures.max():.3g}, expected [-1, 1]: "
                "try pixels / 127.5 - 1"
            )
    difference = truth.astype(np.float64) - said
    return np.square(difference).reshape(len(truth), -1).mean(axis=1)


def psnr(truth: Float[np.ndarray, "n ..."], said: Float[np.ndarray, "n ..."]) -> Float64[np.ndarray, " n"]:
    """Peak signal-to-noise ratio of each picture or clip, in decibels, with a data range of 2; infinite where equal.

    Raises:
        ValueError: as `mean_squared_error`.
    """
    with np.errstate(divide="ignore"):  # an error of 0 gives infinity, as promised
        return 10 * np.log10(DATA_RANGE**2 / mean_squared_error(truth, said))


def _root_of_covariance(features: np.ndarray) -> np.ndarray:
    """A matrix [min(n, d), d] whose transpose times itself is the covariance."""
    centred = features.astype(np.float64) - features.mean(axis=0)
    _, root = np.linalg.qr(centred)
    return root / math.sqrt(len(features) - 1)


def _distances(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Some rows of `first` after others, and their distances [rows, m] to all of `second`."""
    step = max(1, ENTRIES // len(second))
    for start in range(0, len(first), step):
        rows = slice(start, min(start + step, len(first)))
        yield rows, cdist(first[rows], second)


def _check(real: np.ndarray, generated: np.ndarray, least: int) -> None:
    """Two sets of features of one network, with enough rows."""
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise ValueError(f"got features of shapes {real.shape} and {generated.shape}, expected [n, d] and [m, d]")
    if min(len(real), len(generated)) < least:
        raise ValueError(f"got {len(real)} and {len(generated)} rows of features, expected {least} or more in each set")
    for name, features in (("real", real), ("generated", generated)):
        if wrong := int((~np.isfinite(features)).any(axis=1).sum()):
            raise ValueError(f"{wrong} of {len(features)} rows of {name} features are not finite: look at the pictures")

"""Distances of sets of features against closed forms and brute force; errors of pictures."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.linalg

from benchmark.generation import metrics
from benchmark.generation.metrics import (
    density_coverage,
    frechet_distance,
    mean_squared_error,
    neighbour_distances,
    precision_recall,
    psnr,
    spread,
)


def exact_gaussian(rng: np.random.Generator, rows: int, mean: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Features whose sample mean is `mean` and whose sample covariance is root @ root.T, up to rounding."""
    drawn = rng.normal(size=(rows, len(mean)))
    centred = drawn - drawn.mean(axis=0)
    white, _ = np.linalg.qr(centred)
    return np.sqrt(rows - 1) * white @ root.T + mean


def square_root_form(real: np.ndarray, generated: np.ndarray) -> float:
    """The Fréchet distance as it is usually written, with a general matrix square root."""
    first, second = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second)
    means = real.mean(axis=0) - generated.mean(axis=0)
    return float(means @ means + np.trace(first) + np.trace(second) - 2 * np.trace(root).real)


def brute_force(real: np.ndarray, generated: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage, row by row as the papers say."""

    def reach(features: np.ndarray, row: int) -> float:
        others = np.delete(features, row, axis=0)
        return float(np.sort(np.linalg.norm(others - features[row], axis=1))[k - 1])

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.linalg.norm(one - other))

    of_real = [reach(real, row) for row in range(len(real))]
    of_generated = [reach(generated, row) for row in range(len(generated))]
    pairs = [[distance(r, g) for g in generated] for r in real]
    n, m = len(real), len(generated)
    precision = np.mean([any(pairs[i][j] <= of_real[i] for i in range(n)) for j in range(m)])
    recall = np.mean([any(pairs[i][j] <= of_generated[j] for j in range(m)) for i in range(n)])
    density = sum(pairs[i][j] < of_real[i] for i in range(n) for j in range(m)) / (k * m)
    coverage = np.mean([any(pairs[i][j] < of_real[i] for j in range(m)) for i in range(n)])
    return float(precision), float(recall), density, float(coverage)


def two_modes(rng: np.random.Generator, rows: int, share: float) -> np.ndarray:
    """Features of two distant modes, the first of which has a share of the rows."""
    features = rng.normal(size=(rows, 4))
    features[round(share * rows) :] += 50
    return features


def test_distance_of_isotropic_gaussians() -> None:
    """Means apart by v, deviations s and t: |v|² + d (s - t)²."""
    rng = np.random.default_rng(0)
    apart = np.array([1.0, -2.0, 0.5])
    real = exact_gaussian(rng, 200, np.zeros(3), 2 * np.eye(3))
    generated = exact_gaussian(rng, 300, apart, 0.5 * np.eye(3))
    assert frechet_distance(real, generated) == pytest.approx(apart @ apart + 3 * 1.5**2, rel=1e-12)


def test_distance_of_axis_aligned_gaussians() -> None:
    """Diagonal covariances commute: the squared distances of the deviations add up."""
    rng = np.random.default_rng(0)
    first, second = np.array([3.0, 1.0, 0.1, 0.0]), np.array([1.0, 2.0, 0.1, 4.0])
    real = exact_gaussian(rng, 100, np.ones(4), np.diag(first))
    generated = exact_gaussian(rng, 100, np.ones(4), np.diag(second))
    assert frechet_distance(real, generated) == pytest.approx(np.square(first - second).sum(), rel=1e-12)


def test_distance_of_rotated_lines_in_the_plane() -> None:
    """Rank 1, an angle apart: 2 - 2 cos(angle), where the product of the covariances is far from symmetric."""
    rng = np.random.default_rng(0)
    angle = 0.3
    real = exact_gaussian(rng, 50, np.zeros(2), np.array([[1.0, 0.0], [0.0, 0.0]]))
    generated = exact_gaussian(rng, 50, np.zeros(2), np.array([[np.cos(angle), 0.0], [np.sin(angle), 0.0]]))
    assert frechet_distance(real, generated) == pytest.approx(2 - 2 * np.cos(angle), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_distance_is_the_one_with_a_matrix_square_root(seed: int) -> None:
    """Correlated features, as many rows as make covariances regular."""
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(400, 16)) @ rng.normal(size=(16, 16)) + rng.normal(size=16)
    generated = rng.normal(size=(300, 16)) @ rng.normal(size=(16, 16))
    assert frechet_distance(real, generated) == pytest.approx(square_root_form(real, generated), rel=1e-9)


def test_fewer_rows_than_features() -> None:
    """Singular covariances: against themselves 0, and moved by v, |v|²; no square root of rounding errors."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(20, 64))
    assert frechet_distance(real, real.copy()) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(real, real + 0.5) == pytest.approx(64 * 0.25, rel=1e-12)


def test_distance_is_symmetric_and_ignores_order_and_axes() -> None:
    """Swapped sets, shuffled rows, rotated and shifted features: the same; scaled by 3: nine times."""
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(90, 8)), 2 * rng.normal(size=(70, 8)) + 1
    expected = pytest.approx(frechet_distance(real, generated), rel=1e-11)
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert frechet_distance(generated, real) == expected
    assert frechet_distance(real[rng.permutation(90)], generated[::-1]) == expected
    assert frechet_distance(real @ turn + 7, generated @ turn + 7) == expected
    assert frechet_distance(3 * real, 3 * generated) / 9 == expected


def test_distance_is_biased_upwards_in_small_samples() -> None:
    """Two samples of one distribution: why sample sizes must be fixed."""
    rng = np.random.default_rng(0)
    distances = [frechet_distance(*rng.normal(size=(2, rows, 16))) for rows in (50, 200, 800, 3_200)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 20 * distances[-1] > 0


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("entries", [1, 100, metrics.ENTRIES])
def test_neighbours_as_by_brute_force(k: int, entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is held at a time; sets of different sizes, some rows of which are equal."""
    monkeypatch.setattr(metrics, "ENTRIES", entries)
    rng = np.random.default_rng(k)
    real, generated = rng.normal(size=(40, 3)), 0.8 * rng.normal(size=(25, 3)) + 0.5
    generated[:4], real[5] = generated[4], generated[10]
    first, second = precision_recall(real, generated, k), density_coverage(real, generated, k)
    found = (first.precision, first.recall, second.density, second.coverage)
    assert found == pytest.approx(brute_force(real, generated, k), rel=1e-12)
    assert 0 < first.precision < 1


def test_set_against_itself() -> None:
    """All is on the manifold and covered; every neighbourhood holds its row and k - 1 others, so that density is 1."""
    real = np.random.default_rng(0).normal(size=(200, 8))
    first, second = precision_recall(real, real.copy()), density_coverage(real, real.copy())
    assert (first.precision, first.recall, second.density, second.coverage) == (1, 1, 1, 1)


def test_samples_of_one_distribution() -> None:
    """Density is about 1 and coverage about 1 - 2^-k (Naeem et al. 2020, section 3, for many rows)."""
    rng = np.random.default_rng(0)
    found = density_coverage(*rng.normal(size=(2, 2_000, 8)), k=3)
    assert found.density == pytest.approx(1, abs=0.06)
    assert found.coverage == pytest.approx(1 - 2**-3, abs=0.03)


def test_distant_sets_have_nothing_in_common() -> None:
    """Zero in all four."""
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(100, 8)), rng.normal(size=(100, 8)) + 1_000
    first, second = precision_recall(real, generated), density_coverage(real, generated)
    assert (first.precision, first.recall, second.density, second.coverage) == (0, 0, 0, 0)


def test_one_real_outlier_raises_precision_and_not_density() -> None:
    """Its ball is huge, and holds generated rows that no other does (Naeem et al. 2020, figure 1)."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 8))
    generated = rng.normal(size=(200, 8)) + 20
    outlier = np.vstack([real, np.full((1, 8), 25.0)])
    assert precision_recall(real, generated).precision == 0
    assert precision_recall(outlier, generated).precision == 1
    assert density_coverage(outlier, generated).density <= 1 / 5
    assert density_coverage(outlier, generated).coverage == 1 / 201


def test_dropped_mode_lowers_coverage_and_recall_but_not_density() -> None:
    """Half of what is real is never made, and the rest as well as before."""
    rng = np.random.default_rng(0)
    real, both, one = two_modes(rng, 1_000, 0.5), two_modes(rng, 1_000, 0.5), two_modes(rng, 1_000, 1.0)
    assert density_coverage(real, one).density == pytest.approx(density_coverage(real, both).density, abs=0.1)
    assert density_coverage(real, both).coverage > 0.93
    assert density_coverage(real, one).coverage == pytest.approx(0.5, abs=0.02)
    assert precision_recall(real, one).precision > 0.9
    assert precision_recall(real, one).recall == pytest.approx(0.5, abs=0.05)


def test_repeating_one_row_is_precise_and_covers_its_neighbours_alone() -> None:
    """A generator that knows one real row by heart: recall, coverage and spread tell."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(500, 4))
    collapsed = np.repeat(real[:1], 500, axis=0)
    assert precision_recall(real, collapsed).precision == 1
    assert precision_recall(real, collapsed).recall == 1 / 500
    assert density_coverage(real, collapsed).coverage < 0.03
    assert spread(collapsed) == 0


def test_sets_ignore_order_shifts_and_scale() -> None:
    """Neighbours stay neighbours."""
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(60, 5)), 0.7 * rng.normal(size=(60, 5))
    moved = (4 * real[::-1] + 8, 4 * generated[rng.permutation(60)] + 8)
    assert precision_recall(*moved) == precision_recall(real, generated)
    assert density_coverage(*moved) == density_coverage(real, generated)


def test_neighbours_of_points_on_a_line() -> None:
    """Distances to the first and second nearest other."""
    line = np.array([[0.0], [1.0], [3.0], [3.0], [10.0]])
    assert neighbour_distances(line, 1).tolist() == [1, 1, 0, 0, 7]
    assert neighbour_distances(line, 2).tolist() == [3, 2, 2, 2, 7]


def test_memory_stays_bounded() -> None:
    """4,000 rows a side have 16 million distances, 128 MB; two quarters of that are held at most."""
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(2, 4_000, 2))
    tracemalloc.start()
    density_coverage(real, generated)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6


def test_spread_is_the_mean_distance_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the corners of a right triangle: (3 + 4 + 5) / 3, also in parts; twice as far apart, twice that."""
    corners = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert spread(corners) == pytest.approx(4)
    monkeypatch.setattr(metrics, "ENTRIES", 1)
    assert spread(2 * corners + 1) == pytest.approx(8)


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.zeros((5, 3)), np.zeros((5, 2)), r"shapes \(5, 3\) and \(5, 2\)"),
        (np.zeros(5), np.zeros(5), "expected"),
        (np.zeros((1, 3)), np.zeros((5, 3)), "1 and 5 rows of features, expected 2"),
        (np.zeros((5, 3)), np.full((5, 3), np.nan), "5 of 5 rows of generated features are not finite"),
    ],
)
def test_what_is_no_features_is_refused(real: np.ndarray, generated: np.ndarray, message: str) -> None:
    """In one sentence, also of what a broken generator gives."""
    for measure in (frechet_distance, lambda a, b: precision_recall(a, b, k=1)):
        with pytest.raises(ValueError, match=message):
            measure(real, generated)


@pytest.mark.parametrize("k", [0, 5])
def test_neighbours_that_are_not_there_are_refused(k: int) -> None:
    """Five rows have four others each."""
    features = np.arange(10.0).reshape(5, 2)
    for measure in (precision_recall, density_coverage):
        with pytest.raises(ValueError, match=r"expected|rows"):
            measure(features, features, k)


def test_error_of_opposite_pictures() -> None:
    """All -1 against all 1: 4, and 0 dB, since the data range is 2; half of it off, 2."""
    low, high = -np.ones((2, 3, 4, 4), np.float32), np.ones((2, 3, 4, 4), np.float32)
    half = low.copy()
    half[1, :, :2] = 1
    assert mean_squared_error(low, high).tolist() == [4, 4]
    assert psnr(low, high).tolist() == [0, 0]
    assert mean_squared_error(low, half).tolist() == [0, 2]
    assert psnr(low, half)[0] == np.inf


def test_psnr_of_one_grey_level() -> None:
    """20 log10(255), as for pixels of eight bits with a data range of 255."""
    said = np.full((1, 3, 8, 8), 2 / 255)
    assert psnr(np.zeros_like(said), said) == pytest.approx(20 * np.log10(255))


@pytest.mark.parametrize(
    ("truth", "said", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 3)), "twice the same"),
        (np.zeros((2, 3)), np.full((2, 3), 255.0), "from 255 to 255, expected"),
        (np.zeros((2, 3)), np.full((2, 3), np.nan), "expected"),
    ],
)
def test_what_is_no_pair_of_pictures_is_refused(truth: np.ndarray, said: np.ndarray, message: str) -> None:
    """Other shapes, another range, values that are not finite."""
    with pytest.raises(ValueError, match=message):
        mean_squared_error(truth, said)

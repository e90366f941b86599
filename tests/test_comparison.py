"""Differences of errors: closed forms, scipy, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmark.comparison import between_models, between_sets, holm
from benchmark.ranking import rank_correlation
from benchmark.statistics import t_tail

LABELS = np.arange(300) % 10


def drawn(rng: np.random.Generator, seeds: int, hardness: np.ndarray, spread: float) -> np.ndarray:
    """Which clips each seed of a model misses; its seeds differ by `spread` logits."""
    logits = hardness + spread * rng.standard_normal((seeds, 1))
    return rng.random((seeds, len(LABELS))) < 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("spread", [0.0, 0.15])
def test_interval_between_equal_models_holds_zero(spread: float) -> None:
    """Two models alike in everything, three and five seeds: 95 % hold, but for the chance of 500 trials; p agrees."""
    rng = np.random.default_rng(0)
    holds, small = 0, 0
    for _ in range(500):
        hardness = -1 + 1.5 * rng.standard_normal(len(LABELS))
        found = between_models(drawn(rng, 3, hardness, spread), drawn(rng, 5, hardness, spread), LABELS)
        assert (found.low <= 0 <= found.high) == (found.p >= 0.05) or abs(found.p - 0.05) < 1e-3
        holds += found.low <= 0 <= found.high
        small += found.p < 0.05
    assert 0.935 <= holds / 500 < 1
    assert 0 < small / 500 <= 0.065


def test_pairing_tells_apart_what_single_intervals_do_not() -> None:
    """Where most clips are easy or hopeless for both, a small difference is a sure one."""
    rng = np.random.default_rng(1)
    hard = rng.random((1, len(LABELS))) < 0.4
    one, other = (np.repeat(hard, 3, axis=0) for _ in range(2))
    one = one | (rng.random(one.shape) < 0.08)
    found = between_models(one, other, LABELS)
    assert 0 < found.low < found.mean < found.high < 0.1
    assert found.p < 0.001


def test_one_seed_each_is_a_paired_t_test() -> None:
    """With one class: scipy's paired test, mean, p and interval."""
    rng = np.random.default_rng(2)
    one, other = rng.random((1, 200)) < 0.4, rng.random((1, 200)) < 0.3
    single = np.zeros(200, int)
    expected = stats.ttest_rel(one[0].astype(float), other[0].astype(float))
    low, high = expected.confidence_interval(0.95)
    for found in (between_models(one, other, single), between_sets(one, other, single)):
        assert found.p == pytest.approx(expected.pvalue, abs=1e-5)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_difference_changes_sign_with_its_sides() -> None:
    """One less the other is less the other less one."""
    rng = np.random.default_rng(3)
    one, other = (drawn(rng, 3, np.full(len(LABELS), centre), 0.3) for centre in (-1.0, 0.5))
    there, back = between_models(one, other, LABELS), between_models(other, one, LABELS)
    assert there.mean == pytest.approx(one.mean() - other.mean())
    assert (there.mean, there.low, there.high, there.p) == pytest.approx((-back.mean, -back.high, -back.low, back.p))


def test_seeds_shared_by_two_sets_cancel_out() -> None:
    """Seeds that differ a lot, and by as much on both sets, leave the difference of the sets sure."""
    rng = np.random.default_rng(4)
    bias = np.array([[0.1], [0.3], [0.6]])
    plain = rng.random((3, len(LABELS))) < bias
    shifted = plain.copy()
    for wrong in shifted:
        wrong[rng.choice(np.flatnonzero(~wrong), 30, replace=False)] = True
    paired, apart = between_sets(shifted, plain, LABELS), between_models(shifted, plain, LABELS)
    assert paired.mean == pytest.approx(apart.mean)
    assert paired.low > 0
    assert apart.low < 0 < apart.high


def test_no_difference_anywhere_is_no_evidence() -> None:
    """The same answers twice."""
    wrong = np.random.default_rng(5).random((3, len(LABELS))) < 0.3
    found = between_sets(wrong, wrong, LABELS)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("freedom", [1, 2.5, 4, 30, 1e7])
@pytest.mark.parametrize("t", [0, 0.5, -2, 12.7, 60, math.inf])
def test_tail_of_student(t: float, freedom: float) -> None:
    """Scipy's, on both sides."""
    assert t_tail(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), abs=1e-6)


def test_seeds_that_err_equally_often_are_no_evidence() -> None:
    """Seeds of one error each, on clips of their own: no variance is left, nothing is divided by it, and p is 1."""
    rng = np.random.default_rng(0)
    wrong = np.stack([rng.permutation(len(LABELS)) < 30 for _ in range(3)])
    found = between_models(wrong, wrong, LABELS)
    assert (found.mean, found.p) == (0, 1)
    assert found.low == -found.high


def test_holms_adjustment_as_published() -> None:
    """The textbook's four: each times how many are left, never falling, at most 1; in the order they came."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_is_that_of_scipy(seed: int) -> None:
    """Tau, and the exact one-sided p."""
    one, other = np.random.default_rng(seed).random((2, 6))
    tau, p = stats.kendalltau(one, other, method="exact", alternative="greater")
    found = rank_correlation(one.tolist(), other.tolist())
    assert (found.tau, found.p) == pytest.approx((tau, p))


def test_same_order_of_five_is_one_of_a_hundred_and_twenty() -> None:
    """Table 5.2's five models: nothing is surer than 1/120."""
    found = rank_correlation([1, 2, 3, 4, 5], [10, 20, 30, 40, 50])
    assert (found.tau, found.p) == (1, 1 / 120)
    assert rank_correlation([1, 2, 3], [3, 2, 1]).tau == -1
    assert rank_correlation([1, 2, 3], [1, 2, 2]).tau == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="expected as many in both"):
        rank_correlation([1, 2], [1])

"""Intervals: against closed forms, against published values, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics import (
    NORMAL_QUANTILE,
    Interval,
    Parts,
    mean_error_interval,
    parts_of_variance,
    resampled_means,
    t_quantile,
    wilson_interval,
)

LABELS = np.arange(500) % 10


def draw(rng: np.random.Generator, seeds: int, spread: float, centre: float = -1.0) -> np.ndarray:
    """Which clips each seed misses: classes, clips and seeds differ, all on the logistic scale."""
    logits = centre + np.linspace(-1, 1, 10)[LABELS] + 1.5 * rng.standard_normal(len(LABELS))
    logits = logits + spread * rng.standard_normal((seeds, 1))
    return rng.random((seeds, len(LABELS))) < 1 / (1 + np.exp(-logits))


def population_error(spread: float, centre: float = -1.0) -> float:
    """The error that `draw` has on average, by quadrature over clips and seeds together."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    logits = centre + np.linspace(-1, 1, 10)[:, None] + np.hypot(1.5, spread) * nodes
    return float(((1 / (1 + np.exp(-logits))) @ weights).mean() / weights.sum())


def coverage(spread: float, trials: int, plain: bool) -> float:
    """How often the interval of three seeds holds the population's error."""
    rng = np.random.default_rng(0)
    truth = population_error(spread)
    hits = 0
    for _ in range(trials):
        wrong = draw(rng, 3, spread)
        if plain:
            low, high = np.quantile(resampled_means(wrong, LABELS, rng, 300), [0.025, 0.975])
        else:
            interval = mean_error_interval(wrong, LABELS, rng, 300)
            low, high = interval.low, interval.high
        hits += bool(low <= truth <= high)
    return hits / trials


@pytest.mark.parametrize("spread", [0.2, 0.5])
def test_interval_of_three_seeds_covers(spread: float) -> None:
    """Nominal 95 % are 95 %, however much seeds differ, but for the chance of 400 trials."""
    assert coverage(spread, 400, plain=False) >= 0.93


def test_plain_percentiles_of_three_seeds_fall_short() -> None:
    """Why they are stretched: where seeds differ a lot, the plain bootstrap covers four times in five."""
    assert coverage(0.5, 300, plain=True) < 0.85


def test_many_seeds_need_no_stretching() -> None:
    """With 40 seeds the interval is the plain one, within a few per cent of its width."""
    wrong = draw(np.random.default_rng(0), 40, 0.5)
    interval = mean_error_interval(wrong, LABELS, np.random.default_rng(1), 4_000)
    low, high = np.quantile(resampled_means(wrong, LABELS, np.random.default_rng(1), 4_000), [0.025, 0.975])
    assert interval.high - interval.low == pytest.approx(high - low, rel=0.08)


def test_same_generator_same_interval() -> None:
    """Nothing but the generator decides."""
    wrong = draw(np.random.default_rng(0), 3, 0.15)
    first = mean_error_interval(wrong, LABELS, np.random.default_rng(7))
    assert (type(first.low), type(first.high)) == (float, float)  # as a result's JSON takes them
    assert first == mean_error_interval(wrong, LABELS, np.random.default_rng(7))
    assert first != mean_error_interval(wrong, LABELS, np.random.default_rng(8))


def test_order_of_clips_and_seeds_changes_little() -> None:
    """Up to the resamples' own noise, the interval is a function of the scores."""
    rng = np.random.default_rng(0)
    wrong = draw(rng, 3, 0.15)
    order = rng.permutation(len(LABELS))
    first = mean_error_interval(wrong, LABELS, np.random.default_rng(7))
    second = mean_error_interval(wrong[::-1, order], LABELS[order], np.random.default_rng(7))
    assert second.low == pytest.approx(first.low, abs=0.003)
    assert second.high == pytest.approx(first.high, abs=0.003)


def test_interval_of_one_seed_is_the_stratified_normal_one() -> None:
    """One seed: mean ± 1.96 sqrt(sum of within-class variances / clips²), the closed form for many clips."""
    rng = np.random.default_rng(0)
    wrong = rng.random((1, 500)) < np.linspace(0.1, 0.9, 10)[LABELS]
    shares = np.array([wrong[0, kind == LABELS].mean() for kind in range(10)])
    half = NORMAL_QUANTILE * np.sqrt((shares * (1 - shares) / 50).sum() / 100)
    interval = mean_error_interval(wrong, LABELS, np.random.default_rng(1))
    assert interval.low == pytest.approx(wrong.mean() - half, abs=0.003)
    assert interval.high == pytest.approx(wrong.mean() + half, abs=0.003)


def test_classes_are_kept_apart() -> None:
    """Classes that are all right and all wrong leave nothing to resample: the interval is a point."""
    interval = mean_error_interval((LABELS < 4)[None], LABELS, np.random.default_rng(0))
    assert (interval.low, interval.high) == pytest.approx((0.4, 0.4))


@pytest.mark.parametrize("value", [False, True])
def test_perfect_and_hopeless_scores_get_wilsons_interval(value: bool) -> None:
    """No error in 500 clips is no proof of none: resampling would say so."""
    interval = mean_error_interval(np.full((3, 500), value), LABELS, np.random.default_rng(0))
    assert interval == wilson_interval(500 * value, 500)
    assert interval.high - interval.low == pytest.approx(0.0076, abs=1e-4)


def test_interval_stays_within_zero_and_one() -> None:
    """However far it is stretched."""
    wrong = np.zeros((3, 500), bool)
    wrong[0, :30] = True
    interval = mean_error_interval(wrong, LABELS, np.random.default_rng(0))
    assert interval.low == 0
    assert 0.02 < interval.high < 1
    mirrored = mean_error_interval(~wrong, LABELS, np.random.default_rng(0))
    assert mirrored.high == 1


def test_variance_of_the_mean_is_unbiased() -> None:
    """Over many draws, the estimate averages to the variance that the means have."""
    rng = np.random.default_rng(2)
    draws = [draw(rng, 3, 0.3) for _ in range(1_500)]
    estimates = [parts_of_variance(wrong, LABELS).variance for wrong in draws]
    assert np.mean(estimates) == pytest.approx(np.var([wrong.mean() for wrong in draws]), rel=0.12)


def test_resampled_means_have_the_variance_of_the_bootstrap() -> None:
    """Drawing kinds of clips is drawing clips: mean and variance equal a plain bootstrap's over indices."""
    rng = np.random.default_rng(3)
    wrong = draw(rng, 3, 0.5)
    fast = resampled_means(wrong, LABELS, rng, 4_000)
    strata = [np.flatnonzero(kind == LABELS) for kind in range(10)]
    slow = []
    for _ in range(4_000):
        clips = np.concatenate([rng.choice(stratum, len(stratum)) for stratum in strata])
        slow.append(wrong[rng.integers(0, 3, 3)][:, clips].mean())
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.003)
    assert fast.std() == pytest.approx(np.std(slow), rel=0.06)


@pytest.mark.parametrize("freedom", [1, 2, 2.5, 4, 30, 490, 4_990, 1e7])
def test_quantiles_of_student(freedom: float) -> None:
    """Scipy's, from one half to one in a billion."""
    p = np.geomspace(0.5, 1e-9, 19)
    np.testing.assert_allclose(t_quantile(freedom, p), stats.t.isf(p / 2, freedom), rtol=1e-3)
    assert t_quantile(freedom) == pytest.approx(stats.t.isf(0.025, freedom), rel=1e-4)


def test_half_width_is_recovered_from_the_parts() -> None:
    """Of clips or of seeds alone it is Student's; of both, the root of their squares, interactions counted once."""
    clips = Parts(of_clips=0.04, of_seeds=0.0, of_both=0.0, clip_freedom=490, seed_freedom=0)
    assert clips.half_width() == pytest.approx(0.2 * stats.t.isf(0.025, 490), rel=1e-4)
    seeds = Parts(of_clips=0.0, of_seeds=0.09, of_both=0.0, clip_freedom=490, seed_freedom=2)
    assert seeds.half_width() == pytest.approx(0.3 * stats.t.isf(0.025, 2), rel=1e-4)
    both = Parts(of_clips=0.05, of_seeds=0.09, of_both=0.01, clip_freedom=490, seed_freedom=2)
    assert both.half_width() == pytest.approx(np.hypot(clips.half_width(), seeds.half_width()))
    assert both.variance == pytest.approx(0.13)


def test_seeds_that_are_multiples_reach_farther_up_than_down() -> None:
    """Errors of 1, 4 and 16 %: on the scale of logits the mean may be far above, but hardly below."""
    wrong = np.zeros((3, 500), bool)
    for row, missed in zip(wrong, (5, 20, 80), strict=True):
        row[:missed] = True
    interval = mean_error_interval(wrong, LABELS, np.random.default_rng(0))
    assert interval.high - wrong.mean() > 3 * (wrong.mean() - interval.low)


@pytest.mark.parametrize(
    ("wrong", "clips", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_as_published(wrong: int, clips: int, low: float, high: float) -> None:
    """Method 3 of table I in Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E."""
    interval = wilson_interval(wrong, clips)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_wilsons_ends_solve_the_score_equation() -> None:
    """At each end, the observed share is exactly 1.96 standard errors of that end away."""
    interval = wilson_interval(8, 100)
    for end in (interval.low, interval.high):
        assert abs(0.08 - end) == pytest.approx(NORMAL_QUANTILE * np.sqrt(end * (1 - end) / 100))


@pytest.mark.parametrize(("wrong", "clips"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_proportion_is_refused(wrong: int, clips: int) -> None:
    """Counts below nothing or above all."""
    with pytest.raises(ValueError, match="is no proportion"):
        wilson_interval(wrong, clips)


def test_intervals_overlap_where_they_share_a_point() -> None:
    """Touching counts."""
    assert Interval(low=0, high=0.2).overlaps(Interval(low=0.2, high=0.3))
    assert not Interval(low=0, high=0.2).overlaps(Interval(low=0.21, high=0.3))

"""Whether ten runs of one kind differ from ten of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Runs as a table prints them: mean, deviation (of n - 1), extremes and number."""

    mean: float
    deviation: float
    least: float
    most: float
    runs: int = 10


THESIS = {
    "ali": Summary(mean=13.4, deviation=5.8, least=8, most=25),
    "gan": Summary(mean=10.4, deviation=9.2, least=1, most=22),
}
"""Modes covered, of 25: Mastropietro 2017, section 4.4.5. That ± is the deviation among runs is our reading."""


def summary(values: Sequence[float]) -> Summary:
    """Of one value or more; the deviation of one is 0."""
    deviation = stdev(values) if len(values) > 1 else 0.0
    return Summary(mean=fmean(values), deviation=deviation, least=min(values), most=max(values), runs=len(values))


def welch(one: Summary, other: Summary) -> dict[str, float | None]:
    """Welch's t test from summaries: statistic, degrees of freedom and two-sided p; None where nothing varies."""
    from scipy.stats import ttest_ind_from_stats

    a, b = one.deviation**2 / one.runs, other.deviation**2 / other.runs
    if a + b == 0:
        return {"t": None, "freedom": None, "p": None}
    t, p = ttest_ind_from_stats(
        one.mean, one.deviation, one.runs, other.mean, other.deviation, other.runs, equal_var=False
    )
    freedom = (a + b) ** 2 / (a**2 / (one.runs - 1) + b**2 / (other.runs - 1))
    return {"t": float(t), "freedom": freedom, "p": float(p)}


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> dict[str, float | None]:
    """The rank-sum test: U of the first, and two-sided p; None where all values are alike."""
    from scipy.stats import mannwhitneyu

    if len({*one, *other}) == 1:
        return {"u": len(one) * len(other) / 2, "p": None}
    u, p = mannwhitneyu(one, other, alternative="two-sided")
    return {"u": float(u), "p": float(p)}


def compared(one: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """Both tests on the same values; nothing of less than two runs a side."""
    assert all(math.isfinite(value) for value in (*one, *other))
    if min(len(one), len(other)) < 2:
        return {}
    return {"welch": welch(summary(one), summary(other)), "mann_whitney": mann_whitney(one, other)}


def thesis() -> dict[str, Any]:
    """The thesis's counts and Welch's test of them."""
    return {
        **{kind: asdict(found) for kind, found in THESIS.items()},
        "welch": welch(THESIS["ali"], THESIS["gan"]),
    }

"""Two errors on the same clips: their difference, how sure it is, and tests of many such differences together.

Clips are paired, so what makes a clip hard for both cancels out. Seeds are those of a model: two models' seeds have
nothing in common, the same weights on two test sets have everything. As in `statistics`, seeds and clips are crossed
random effects. Between models, the variance of the difference is that of an analysis of variance and the interval
Student's with Satterthwaite's degrees of freedom: with three seeds each, models that are alike are told apart in 1 to 4
of 100 simulated cases, where 5 are allowed. Between sets there is one set of seeds, and the interval is recovered from
its parts as `statistics` does it; p is the level at which it just reaches zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.statistics import parts_of_variance, t_quantile, t_tail, variance_of_clips, variance_of_seeds

_LEVELS = np.geomspace(1, 1e-12, 2_001)
"""Among which the p of a recovered interval is found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Of two mean errors, as a fraction in [-1, 1], with its 95 % interval."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided: how often chance alone would give a difference as large; what is below 1e-12 counts as that."""


def between_models(one: np.ndarray, other: np.ndarray, label: np.ndarray) -> Difference:
    """How much more often `one` errs than `other`, over new clips and new seeds of both.

    Args:
        one: whether each seed of a model missed each clip, bool [seeds, clips].
        other: the same of another model, bool [its seeds, clips], of the same clips in the same order.
        label: the class of each clip, int [clips].
    """
    of_clips = variance_of_clips(one.mean(axis=0) - other.mean(axis=0), label)
    variance, uncertainty = of_clips, of_clips**2 / max(1, len(label) - len(np.unique(label)))
    for wrong in (one, other):
        of_seeds, of_both = variance_of_seeds(wrong, label)
        variance += max(0.0, of_seeds - of_both)
        uncertainty += of_seeds**2 / max(1, len(wrong) - 1)
    mean = float(one.mean() - other.mean())
    return _difference(mean, variance, variance**2 / uncertainty if variance and uncertainty else math.inf)


def between_sets(one: np.ndarray, other: np.ndarray, label: np.ndarray) -> Difference:
    """How much more often the same weights err on one test set than on another whose clips are its clips' pairs.

    Args:
        one: whether each seed missed each clip of a set, bool [seeds, clips].
        other: the same seeds on the pairs of these clips, bool [seeds, clips].
        label: the class of each pair, int [clips].
    """
    change = one.astype(float) - other.astype(float)
    mean, parts = float(change.mean()), parts_of_variance(change, label)
    half = float(parts.half_width())
    p = float(np.exp(np.interp(abs(mean), parts.half_width(_LEVELS), np.log(_LEVELS)))) if half else float(mean == 0)
    return Difference(mean=mean, low=max(-1.0, mean - half), high=min(1.0, mean + half), p=p)


def between_choices(one: Sequence[float], other: Sequence[float], clips: int) -> Difference:
    """How much more often one machine errs than another that learnt from the same random choices of labels.

    Over new choices, and over new test clips as if the two erred independently: where what is hard for one is hard for
    the other, the interval is wider than it need be.

    Args:
        one: its error after each choice, one or more.
        other: the same of the other machine, choice by choice.
        clips: of test, which the errors are shares of.
    """
    change = np.subtract(one, other)
    of_choices = float(change.var(ddof=1)) / len(change) if len(change) > 1 else 0.0
    of_clips = float(sum(error * (1 - error) for error in (np.mean(one), np.mean(other)))) / clips
    variance = of_choices + of_clips
    freedom = variance**2 * (len(change) - 1) / of_choices**2 if of_choices else math.inf
    return _difference(float(change.mean()), variance, freedom)


def holm(ps: Sequence[float]) -> list[float]:
    """Each p adjusted for all of them: below 0.05, the chance of any false one among those is 5 % (Holm 1979)."""
    adjusted, least = [0.0] * len(ps), 0.0
    for place, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        least = max(least, min(1.0, (len(ps) - place) * ps[i]))
        adjusted[i] = least
    return adjusted


def _difference(mean: float, variance: float, freedom: float) -> Difference:
    deviation = math.sqrt(variance)
    half = t_quantile(freedom) * deviation
    t = mean / deviation if deviation else (math.inf if mean else 0.0)
    return Difference(mean=mean, low=max(-1.0, mean - half), high=min(1.0, mean + half), p=t_tail(t, freedom))

"""How sure a score is: 95 % intervals over test clips and over training seeds.

Every seed is scored on the same clips, so seeds and clips are crossed: a resample draws clips within each class
(one draw for all seeds) and, independently, seeds. With three seeds that alone is far too narrow: three numbers say
little about their own spread. `mean_error_interval` therefore stretches the percentiles about the mean, never inwards,
to the half width that the parts of the variance recover when each goes with its own quantile (Zou & Donner 2008, doi
10.1002/sim.3095): what clips do, found among hundreds, with Student's t of as many degrees of freedom; what seeds do,
found among S, with that of S - 1. Seeds whose errors are multiples of each other make the mean's distribution skewed;
their part is therefore also taken on the scale of logits, and the end that lies farther out holds.

Coverage of the population's error by nominal 95 % intervals of three seeds, simulated by `benchmarks/coverage.py`
(logistic model with effects of class, clip and seed; 500 and 5,000 clips; errors of 0.1, 2, 12, 26 and 50 %; 200 draws
of each of the 40 settings, so each is right to three points):

    deviation of the seed effect (logits)    plain percentiles    ours           times as wide
    0                                        0.87-0.99            0.98-1.00      1.3-2.3
    0.15                                     0.81-0.99            0.95-1.00      1.5-2.5
    0.5                                      0.71-0.93            0.94-1.00      2.4-3.4
    1                                        0.66-0.85            0.92-1.00      2.4-5.9

So three seeds cost width. What remains missing, two to three points, is missing where errors are below 3 % and those of
seeds are multiples of each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

LEVEL = 0.95
ALPHA = 1 - LEVEL
REPLICATES = 10_000
NORMAL_QUANTILE = NormalDist().inv_cdf((1 + LEVEL) / 2)

_LARGEST_STEP = 50.0
"""Logits; from one end of what a float can tell from 0 and 1 to the other."""
_NORMAL_FREEDOM = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """From `low` to `high`, fractions in [0, 1]."""

    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether the two share a point."""
        return self.low <= other.high and other.low <= self.high


def wilson_interval(wrong: int, clips: int) -> Interval:
    """The 95 % score interval of a single proportion (Wilson 1927); `clips` is at least 1."""
    if not 0 <= wrong <= clips or clips < 1:
        raise ValueError(f"{wrong} of {clips} clips is no proportion")
    share, z2 = wrong / clips, NORMAL_QUANTILE**2
    centre = (share + z2 / (2 * clips)) / (1 + z2 / clips)
    half = math.sqrt(z2 * (share * (1 - share) / clips + z2 / (4 * clips**2))) / (1 + z2 / clips)
    low = 0.0 if wrong == 0 else centre - half
    return Interval(low=low, high=1.0 if wrong == clips else centre + half)


def mean_error_interval(
    wrong: np.ndarray, label: np.ndarray, rng: np.random.Generator, replicates: int = REPLICATES
) -> Interval:
    """The 95 % interval of the error that new clips and new seeds of the same kind would have on average.

    With one seed it covers the choice of clips alone. Where all clips are right for all seeds, or all wrong, resampling
    says nothing and it is Wilson's interval for that many clips.

    Args:
        wrong: whether each seed missed each clip, bool [seeds, clips].
        label: the class of each clip, int [clips]; resamples keep the number of clips of each class.
        rng: the only source of chance.
        replicates: number of resamples.
    """
    clips = wrong.shape[1]
    mean = float(wrong.mean())
    if mean in (0.0, 1.0):
        return wilson_interval(round(mean * clips), clips)
    low, high = np.quantile(resampled := resampled_means(wrong, label, rng, replicates), [ALPHA / 2, 1 - ALPHA / 2])
    parts, spread = parts_of_variance(wrong, label), float(resampled.std())
    stretch = max(1.0, float(parts.half_width()) / (NORMAL_QUANTILE * spread)) if spread else 1.0
    below, above = parts.reach_in_logits(mean)
    return Interval(
        low=max(0.0, mean - max(stretch * (mean - float(low)), below)),
        high=min(1.0, mean + max(stretch * (float(high) - mean), above)),
    )


def resampled_means(wrong: np.ndarray, label: np.ndarray, rng: np.random.Generator, replicates: int) -> np.ndarray:
    """Mean errors [replicates] of plain resamples of seeds and, within each class, of clips.

    Clips of one class that the same seeds miss are alike: drawing how many of each kind come up is the same as drawing
    clips, and needs no array of replicates × clips.
    """
    seeds, clips = wrong.shape
    counts = np.zeros((replicates, seeds))
    for kind in np.unique(label):
        patterns, sizes = np.unique(wrong[:, label == kind].T, axis=0, return_counts=True)
        counts += rng.multinomial(sizes.sum(), sizes / sizes.sum(), size=replicates) @ patterns
    chosen = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=replicates)
    return (counts * chosen).sum(axis=1) / (seeds * clips)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The variance of a mean over new clips and new seeds, in parts; of one seed, that of the clips is all there is."""

    of_clips: float
    """What the choice of clips does, interactions with the seeds included."""
    of_seeds: float
    """What means over seeds show, interactions with the clips included."""
    of_both: float
    """The interactions, which both hold."""
    clip_freedom: int
    seed_freedom: int
    """Of both, degrees of freedom; 0 for one seed."""

    @property
    def variance(self) -> float:
        """Of the mean: unbiased for crossed random effects, but for not being less than the part of the clips."""
        return self.of_clips + max(0.0, self.of_seeds - self.of_both)

    def half_width(self, p: float | np.ndarray = ALPHA) -> Any:
        """Of the interval of level 1 - p: the root of the squares of the parts' own, and no less than that of clips."""
        clips = t_quantile(self.clip_freedom, p) ** 2
        seeds = t_quantile(self.seed_freedom, p) ** 2 * self.of_seeds if self.seed_freedom else 0.0
        return np.sqrt(np.maximum(clips * self.of_clips, clips * self._of_clips_alone + seeds))

    def reach_in_logits(self, mean: float) -> tuple[float, float]:
        """How far below and above a mean error in (0, 1) the 95 % interval reaches if seeds differ by logits."""
        if not self.seed_freedom:
            return 0.0, 0.0
        quantile, odds = t_quantile(self.seed_freedom), mean / (1 - mean)
        step = quantile * math.sqrt(max(0.0, self.of_seeds - self.of_both)) / (mean * (1 - mean))
        fewer, more = (odds * math.exp(sign * min(step, _LARGEST_STEP)) for sign in (-1, 1))
        rest = t_quantile(self.clip_freedom) ** 2 * self._of_clips_alone
        rest += quantile**2 * min(self.of_seeds, self.of_both)
        return math.sqrt(rest + (mean - fewer / (1 + fewer)) ** 2), math.sqrt(rest + (more / (1 + more) - mean) ** 2)

    @property
    def _of_clips_alone(self) -> float:
        return max(0.0, self.of_clips - self.of_both)


def parts_of_variance(wrong: np.ndarray, label: np.ndarray) -> Parts:
    """The parts for the mean of scores [seeds, clips] over clips of the classes `label`, int [clips]."""
    of_seeds, of_both = variance_of_seeds(wrong, label)
    return Parts(
        of_clips=variance_of_clips(wrong.mean(axis=0), label),
        of_seeds=of_seeds,
        of_both=of_both,
        clip_freedom=max(1, wrong.shape[1] - len(np.unique(label))),
        seed_freedom=len(wrong) - 1,
    )


def variance_of_clips(score: np.ndarray, label: np.ndarray) -> float:
    """The variance that the choice of clips within each class gives the mean of one score a clip, float [clips]."""
    total = 0.0
    for kind in np.unique(label):
        x = score[label == kind].astype(float)
        if len(x) > 1:
            total += len(x) / len(score) ** 2 * float(x.var(ddof=1))
    return total


def variance_of_seeds(wrong: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """The variance that means over seeds show, and the part of it that is their interaction with the clips."""
    seeds, clips = wrong.shape
    if seeds == 1:
        return 0.0, 0.0
    of_both = 0.0
    for kind in np.unique(label):
        x = wrong[:, label == kind].astype(float)
        if x.shape[1] > 1:
            residual = x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean()
            mean_square = float((residual**2).sum()) / ((seeds - 1) * (x.shape[1] - 1))
            of_both += x.shape[1] / clips**2 * mean_square / seeds
    return float(wrong.mean(axis=1).var(ddof=1)) / seeds, of_both


def t_quantile(freedom: float, p: float | np.ndarray = ALPHA) -> Any:
    """What Student's t is farther from zero than as often as `p`, from 1 down to 1e-12; to a thousandth of itself."""
    log_p, t = _tails(min(float(freedom), _NORMAL_FREEDOM))
    found = np.interp(np.log(p), log_p, t)
    return float(found) if np.ndim(found) == 0 else found


def t_tail(t: float, freedom: float) -> float:
    """How often Student's t is at least as far from zero as `t`; to 1e-6, by integrating over t = sqrt(freedom) tan."""
    if math.isinf(t):
        return 0.0
    if freedom > 1e6:
        return 2 * NormalDist().cdf(-abs(t))
    angle = np.linspace(0, math.atan(abs(t) / math.sqrt(freedom)), 8_001)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    density = scale * np.cos(angle) ** (freedom - 1)
    inside = float(((density[1:] + density[:-1]) / 2 * np.diff(angle)).sum())
    return max(0.0, 1 - 2 * inside)


@lru_cache(maxsize=64)
def _tails(freedom: float) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of tails, rising, and their quantiles: the density is integrated over t = sqrt(freedom) tan(angle)."""
    turn = min(math.pi / 4, math.atan(40 / math.sqrt(freedom)))
    near, left = np.linspace(0, turn, 20_001), np.geomspace(math.pi / 2 - turn, 1e-16, 20_001)  # of the right angle
    with np.errstate(under="ignore"):
        density = np.concatenate([np.cos(near), np.sin(left[1:])]) ** (freedom - 1)
        steps = (density[1:] + density[:-1]) / 2 * np.concatenate([np.diff(near), -np.diff(left)])
    tail = np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])
    t = math.sqrt(freedom) * np.concatenate([np.tan(near), 1 / np.tan(left[1:])])
    kept = tail > 1e-14 * tail[0]
    return np.log(tail[kept] / tail[0])[::-1], t[kept][::-1]

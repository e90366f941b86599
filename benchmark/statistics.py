"""How sure a score is: 95 % intervals over test clips and over training seeds.

Every seed is scored on the same clips, so seeds and clips are crossed: a resample draws clips within each class
(one draw for all seeds) and, independently, seeds. With three seeds that alone is too narrow, for two reasons: the
deviation among S resampled seeds is sqrt((S-1)/S) of the true one, and three numbers say little about their own
spread. `mean_error_interval` therefore stretches the percentiles about the mean, to the variance that an analysis of
variance finds (mean over crossed random effects) and to Student's t with Satterthwaite's degrees of freedom; never
inwards.

Coverage of the population's error by nominal 95 % intervals, three seeds, simulated (logistic model with effects of
class, clip and seed; 500 and 5,000 clips, errors of 0.3, 3, 26 and 50 %; 800 draws of each of the 24 settings):

    deviation of the seed effect (logits)    plain percentiles    stretched      times as wide
    0                                        0.98-0.99            0.98-1.00      1.1-1.2
    0.15                                     0.81-0.99            0.92-1.00      1.2-2.1
    0.5                                      0.73-0.97            0.92-0.99      1.3-2.6

So three seeds cost width, and up to three points of coverage remain missing where seeds differ more than clips do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
REPLICATES = 10_000
NORMAL_QUANTILE = NormalDist().inv_cdf((1 + LEVEL) / 2)


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
    resampled = resampled_means(wrong, label, rng, replicates)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    variance, freedom = mean_variance(wrong, label)
    spread = float(resampled.std())
    stretch = max(1.0, t_quantile(freedom) / NORMAL_QUANTILE * math.sqrt(variance) / spread) if spread else 1.0
    return Interval(
        low=max(0.0, mean - stretch * (mean - float(low))), high=min(1.0, mean + stretch * (float(high) - mean))
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


def mean_variance(wrong: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """The variance of the mean error over new seeds and new clips, and its degrees of freedom (Satterthwaite 1946).

    Unbiased for crossed random effects: among seeds + among clips (within classes) - their interaction, which both of
    them hold; not less than the part of the clips. One seed gives the part of the clips.
    """
    of_clips = variance_of_clips(wrong.mean(axis=0), label)
    of_seeds, of_both = variance_of_seeds(wrong, label)
    variance = of_clips + max(0.0, of_seeds - of_both)
    freedom = max(1, wrong.shape[1] - len(np.unique(label)))
    uncertainty = of_clips**2 / freedom + of_seeds**2 / max(1, len(wrong) - 1)
    return variance, variance**2 / uncertainty if uncertainty else math.inf


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


def t_quantile(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, for 1 degree of freedom or more, by integrating its density; to 1e-4."""
    if freedom > 1e6:
        return NORMAL_QUANTILE
    x = np.linspace(0, 13, 8_001)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi * freedom)
    density = scale * np.exp(-(freedom + 1) / 2 * np.log1p(x**2 / freedom))
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(x))])
    return float(np.interp(LEVEL / 2, mass, x))


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

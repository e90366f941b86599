"""How often the 95 % intervals of `benchmark.statistics` and `benchmark.comparison` hold the truth, by simulation.

    python benchmarks/coverage.py --seeds 3 --draws 1000

Clips are missed by a logistic model with effects of class, clip (deviation 1.5) and seed. Prints a row a setting and,
at the end, for each deviation of the seeds the range over settings: of plain percentiles and of our interval, and how
much wider ours is; and of the difference between two models of equal error, on the same clips.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from benchmark.comparison import between_models
from benchmark.statistics import ALPHA, mean_error_interval, resampled_means

CENTRES = {0.001: -8.0, 0.02: -5.0, 0.12: -2.9, 0.26: -1.5, 0.5: 0.0}
"""Logits by the error that they give, about, where seeds are equal."""
DEVIATIONS = (0.0, 0.15, 0.5, 1.0)
CLIP = 1.5
CLASSES = 10


def draw(rng: np.random.Generator, easiness: np.ndarray, seeds: int, deviation: float) -> np.ndarray:
    """Which clips each seed misses, bool [seeds, clips], given what they all find hard, logits [clips]."""
    logits = easiness + deviation * rng.standard_normal((seeds, 1))
    return rng.random(logits.shape) < 1 / (1 + np.exp(-logits))


def clips(rng: np.random.Generator, label: np.ndarray, centre: float) -> np.ndarray:
    """How hard new clips are, logits [clips]."""
    return centre + np.linspace(-1, 1, CLASSES)[label] + CLIP * rng.standard_normal(len(label))


def true_error(centre: float, deviation: float) -> float:
    """The error on average over clips and seeds, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    logits = centre + np.linspace(-1, 1, CLASSES)[:, None] + math.hypot(CLIP, deviation) * nodes
    return float(((1 / (1 + np.exp(-logits))) @ weights).mean() / weights.sum())


def setting(count: int, centre: float, deviation: float, seeds: int, draws: int) -> tuple[float, ...]:
    """Coverage of plain percentiles, of our interval and of a difference; width of ours over that of the plain one."""
    rng, label, truth = np.random.default_rng(0), np.arange(count) % CLASSES, true_error(centre, deviation)
    hits, widths = np.zeros(3), np.zeros(2)
    for _ in range(draws):
        hard = clips(rng, label, centre)
        wrong, other = (draw(rng, hard, seeds, deviation) for _ in range(2))
        low, high = np.quantile(resampled_means(wrong, label, rng, 400), [ALPHA / 2, 1 - ALPHA / 2])
        ours = mean_error_interval(wrong, label, rng, 400)
        change = between_models(wrong, other, label)
        hits += low <= truth <= high, ours.low <= truth <= ours.high, change.low <= 0 <= change.high
        widths += high - low, ours.high - ours.low
    return (*(hits / draws).tolist(), float(widths[1] / widths[0]) if widths[0] else math.inf)


def main() -> None:
    """Prints both tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--draws", type=int, default=1_000)
    options.add_argument("--clips", type=int, nargs="+", default=[500, 5_000])
    asked = options.parse_args()
    print("clips  error  deviation  plain  ours  difference  times as wide")
    rows: dict[float, list[tuple[float, ...]]] = {deviation: [] for deviation in DEVIATIONS}
    for count in asked.clips:
        for centre in CENTRES.values():
            for deviation in DEVIATIONS:
                found = setting(count, centre, deviation, asked.seeds, asked.draws)
                rows[deviation].append(found)
                error = true_error(centre, deviation)
                told = "  ".join(f"{value:.3f}" for value in found)
                print(f"{count:5}  {error:.4f}  {deviation:.2f}  {told}", flush=True)
    print("\ndeviation, then ranges over settings: plain, ours, difference, times as wide")
    for deviation, found in rows.items():
        print(deviation, *(f"{min(column):.2f}-{max(column):.2f}" for column in zip(*found, strict=True)), sep="  ")


if __name__ == "__main__":
    main()

"""Whether probabilities mean what they say: computed from predictions, stored nowhere.

Sums are in float64. A row of probabilities is taken as it is stored: it sums to 1 up to float32's rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.predictions import Predictions

BINS = 15
"""Of equal width in confidence, as in Guo et al. 2017."""
LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What a probability counts for in the logarithm at the least (1.2e-38): a softmax in float32 gives zeros."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Three scores of probabilities; 0 is best in each."""

    expected_error: float
    """Mean distance between confidence and accuracy, in [0, 1] (ECE: Guo et al. 2017, arXiv 1706.04599, eq. 3)."""
    log_loss: float
    """Mean of -ln of the true class's probability, nats a clip; ln 10 for ten classes by chance."""
    brier: float
    """Mean squared distance to the true class, summed over classes, in [0, 2] (Brier 1950); 0.9 by chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """Clips by the confidence of their likeliest class: bin k holds confidences in (k, k + 1] / `BINS`."""

    clips: np.ndarray
    """How many there are, int64 [bins]."""
    confidence: np.ndarray
    """Their mean confidence, float64 [bins]; NaN in a bin without clips."""
    accuracy: np.ndarray
    """The share of them that is right, float64 [bins]; NaN in a bin without clips."""


def calibration(said: Predictions) -> Calibration:
    """Computes all three scores."""
    probabilities = said.probabilities.astype(np.float64)
    truth = np.zeros_like(probabilities)
    truth[np.arange(len(said.label)), said.label] = 1
    bins = reliability(said)
    filled = bins.clips > 0
    gaps = np.abs(bins.accuracy - bins.confidence)[filled]
    return Calibration(
        expected_error=float(gaps @ bins.clips[filled] / len(said.label)),
        log_loss=log_loss(said),
        brier=float(((probabilities - truth) ** 2).sum(axis=1).mean()),
    )


def log_loss(said: Predictions, least: float = LEAST_PROBABILITY) -> float:
    """Mean of -ln of the true class's probability, which counts for `least` at the least; nats a clip."""
    of_true = said.probabilities[np.arange(len(said.label)), said.label].astype(np.float64)
    return float(-np.log(np.maximum(of_true, least)).mean())


def reliability(*seeds: Predictions) -> Reliability:
    """Sorts the clips of one seed, or of several together, into bins of confidence."""
    confidence = np.concatenate([said.probabilities.max(axis=1) for said in seeds]).astype(np.float64)
    right = np.concatenate([~said.wrong for said in seeds])
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    clips = np.bincount(place, minlength=BINS)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, as promised
        return Reliability(
            clips=clips,
            confidence=np.bincount(place, confidence, BINS) / clips,
            accuracy=np.bincount(place, right, BINS) / clips,
        )

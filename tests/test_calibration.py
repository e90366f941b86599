"""Calibration: against scikit-learn, against plain loops, and where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from benchmark.calibration import BINS, calibration, reliability
from benchmark.predictions import Predictions, make


def softmax(rng: np.random.Generator, clips: int, sharpness: float) -> np.ndarray:
    """Probabilities of random logits, float32 [clips, 10]."""
    logits = sharpness * rng.standard_normal((clips, 10))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def said(probabilities: np.ndarray, label: np.ndarray) -> Predictions:
    """Predictions of made-up clips."""
    return make([f"clip-{i}" for i in range(len(label))], label, probabilities)


def drawn(seed: int, sharpness: float = 2.0, clips: int = 400) -> Predictions:
    """Random probabilities and labels that follow them."""
    rng = np.random.default_rng(seed)
    probabilities = softmax(rng, clips, sharpness)
    label = [rng.choice(10, p=row / row.sum()) for row in probabilities.astype(float)]
    return said(probabilities, np.array(label))


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
def test_log_loss_and_brier_are_those_of_plain_sums(sharpness: float) -> None:
    """Scikit-learn's log loss in float64, and Brier's score by its definition, clip by clip."""
    made = drawn(0, sharpness)
    rows = made.probabilities.astype(np.float64)
    scores = calibration(made)
    rows_of_one = rows / rows.sum(axis=1, keepdims=True)
    assert scores.log_loss == pytest.approx(log_loss(made.label, rows_of_one, labels=range(10)), rel=1e-5)
    brier = [sum((row[k] - (k == label)) ** 2 for k in range(10)) for row, label in zip(rows, made.label, strict=True)]
    assert scores.brier == pytest.approx(math.fsum(brier) / len(brier), rel=1e-12)


@given(st.integers(0, 1_000), st.floats(0, 8))
def test_expected_calibration_error_is_that_of_a_plain_loop(seed: int, sharpness: float) -> None:
    """Equation 3 of Guo et al. 2017, written out: bins (k, k + 1] / 15, weighted by their clips."""
    made = drawn(seed, sharpness, clips=60)
    total = 0.0
    for k in range(BINS):
        inside = [
            (float(row.max()), int(row.argmax()) == label)
            for row, label in zip(made.probabilities, made.label, strict=True)
            if k / BINS < float(row.max()) <= (k + 1) / BINS
        ]
        if inside:
            confidence, right = (math.fsum(column) / len(inside) for column in zip(*inside, strict=True))
            total += len(inside) / 60 * abs(right - confidence)
    assert calibration(made).expected_error == pytest.approx(total, abs=1e-9)


def test_chance_has_its_closed_forms() -> None:
    """Uniform probabilities on balanced classes: ln 10, 0.9, and no calibration error at all."""
    scores = calibration(said(np.full((200, 10), 0.1, np.float32), np.arange(200) % 10))
    assert scores.log_loss == pytest.approx(math.log(10))
    assert scores.brier == pytest.approx(0.9)
    assert scores.expected_error == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(("shift", "expected"), [(0, (0, 0, 0)), (1, (1, 87.34, 2))])
def test_certainty_is_best_or_worst(shift: int, expected: tuple[float, float, float]) -> None:
    """Sure and right scores nothing; sure and wrong is as bad as can be, and still finite."""
    label = np.arange(50) % 10
    scores = calibration(said(np.eye(10, dtype=np.float32)[(label + shift) % 10], label))
    assert (scores.expected_error, scores.log_loss, scores.brier) == pytest.approx(expected, abs=0.01)


def test_labels_that_follow_the_probabilities_are_calibrated() -> None:
    """With many clips the error goes to nothing; doubling the logits brings it back."""
    honest = drawn(0, 1.0, clips=20_000)
    squared = honest.probabilities.astype(float) ** 3
    boastful = said(squared / squared.sum(axis=1, keepdims=True), honest.label)
    assert calibration(honest).expected_error < 0.02
    assert calibration(boastful).expected_error > 0.2
    assert calibration(boastful).log_loss > calibration(honest).log_loss


def test_bins_hold_every_clip_once() -> None:
    """Also confidences of exactly 1 and on a bin's upper end; empty bins are NaN."""
    probabilities = np.array([[1.0, 0.0], [0.6, 0.4], [0.5, 0.5]], np.float32)
    bins = reliability(said(probabilities, np.array([0, 1, 0])))
    assert bins.clips.sum() == 3
    assert bins.clips[BINS - 1] == 1
    assert (bins.accuracy[BINS - 1], bins.confidence[BINS - 1]) == (1, 1)
    assert np.isnan(bins.accuracy[bins.clips == 0]).all()
    assert np.isnan(bins.confidence[bins.clips == 0]).all()

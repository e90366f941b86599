"""Linear machines: planes between classes, and scores made probabilities by one factor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from baselines.linear_svm import best_factor, machines, softmax
from benchmark.lessons import Lesson, Shown
from dynamics_gen.errors import ConfigError


def blobs(classes: tuple[int, ...], of: int, seed: int) -> Lesson:
    """Thirty points about each class's corner, in place of clips."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.array(classes), 30)
    table = 3 * np.eye(of)[labels] + rng.normal(size=(len(labels), of))
    return Lesson(clips=cast(Shown, SimpleNamespace(table=table)), labels=labels, classes=of)


def table_of(clips: Any) -> np.ndarray:
    """The points."""
    return clips.table


@pytest.mark.parametrize("classes", [(0, 1, 2, 3), (1, 3), (0, 2, 3)])
def test_classes_of_train_are_told_apart_and_others_never_said(classes: tuple[int, ...]) -> None:
    """Also two alone, of which scikit-learn keeps one plane."""
    train, valid = blobs(classes, 4, seed=0), blobs(classes, 4, seed=1)
    (one,) = machines(train, valid, table_of, (1.0,), seed=0, more_numbers=7)
    said = one.probabilities(valid.clips)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert (said.argmax(axis=1) == valid.labels).mean() > 0.9
    assert not np.delete(said, classes, axis=1).any()
    assert one.parameters == 4 * 4 + 4 + 1 + 7


def test_a_candidate_a_cost() -> None:
    """In the order of the costs; none, or one of nothing, is refused."""
    train = blobs((0, 1, 2), 3, seed=0)
    offered = list(machines(train, train, table_of, (0.001, 10.0), seed=0))
    errors = [float((one.probabilities(train.clips).argmax(axis=1) != train.labels).mean()) for one in offered]
    assert errors[1] <= errors[0]
    for costs in ((), (1.0, 0.0)):
        with pytest.raises(ConfigError, match="expected one or more numbers above 0"):
            next(machines(train, train, table_of, costs, seed=0))


def test_factor_recovers_how_sure_one_may_be() -> None:
    """Labels drawn from the softmax of three times the scores give a factor of three."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20_000, 4))
    labels = (softmax(3 * scores).cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert best_factor(scores, labels) == pytest.approx(3, rel=0.05)

"""Linear support vector machines on tables of features, one against the rest, offered with several penalties."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from benchmark.lessons import Fitted, Lesson, Shown
from dynamics_gen.errors import ConfigError

STEEPEST = 100.0
"""Largest factor on the scores."""

Scores = Float[np.ndarray, "clip class"]


def machines(
    train: Lesson,
    valid: Lesson,
    table_of: Callable[[Shown], np.ndarray],
    costs: Sequence[float],
    seed: int,
    more_numbers: int = 0,
) -> Iterator[Fitted]:
    """Offers a machine for every cost of an error.

    Probabilities are the softmax of the scores times a factor, the one of least log loss on valid; it changes no
    decision.

    Args:
        train: what is learnt from.
        valid: what the factor is chosen on.
        table_of: the features of a split's clips.
        costs: scikit-learn's C, one or more.
        seed: of scikit-learn's draws.
        more_numbers: how many were learnt on the way to the features.

    Raises:
        ConfigError: there is no cost, or one that is not above 0.
    """
    from sklearn.svm import LinearSVC

    if not costs or min(costs) <= 0:
        raise ConfigError(f"got costs {tuple(costs)}, expected one or more numbers above 0")
    for cost in costs:
        machine = LinearSVC(C=cost, random_state=seed).fit(table_of(train.clips), train.labels)
        learnt = np.zeros((train.classes, machine.coef_.shape[1]))
        offset = np.full(train.classes, -np.inf)  # a class that train lacks is never likely
        if len(machine.classes_) == 2:  # of two classes, scikit-learn keeps the second's plane alone
            learnt[machine.classes_] = np.concatenate([-machine.coef_, machine.coef_])
            offset[machine.classes_] = np.concatenate([-machine.intercept_, machine.intercept_])
        else:
            learnt[machine.classes_], offset[machine.classes_] = machine.coef_, machine.intercept_
        factor = best_factor(table_of(valid.clips) @ learnt.T + offset, valid.labels)
        yield Fitted(
            probabilities=partial(_probabilities, table_of, learnt.T, offset, factor),
            parameters=learnt.size + len(offset) + 1 + more_numbers,
        )


def best_factor(scores: Scores, labels: np.ndarray) -> float:
    """The factor on the scores whose softmax has the least log loss on these labels, from 0.01 to `STEEPEST`."""
    from scipy.optimize import minimize_scalar

    def loss(exponent: float) -> float:
        said = softmax(np.exp(exponent) * scores)[np.arange(len(labels)), labels]
        return -float(np.log(np.maximum(said, 1e-12)).mean())

    found: Any = minimize_scalar(loss, bounds=(np.log(0.01), np.log(STEEPEST)), method="bounded")
    return float(np.exp(found.x))


def softmax(scores: Scores) -> Scores:
    """Probabilities by row."""
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    return likelihood / likelihood.sum(axis=1, keepdims=True)


def _probabilities(
    table_of: Callable[[Shown], np.ndarray], learnt: np.ndarray, offset: np.ndarray, factor: float, clips: Shown
) -> Scores:
    return softmax(factor * (table_of(clips) @ learnt + offset))

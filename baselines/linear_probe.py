"""Linear probes: what an L2-SVM makes of features that were learnt without labels, from few of these.

Machines are fitted in the primal by L-BFGS, which is as exact as liblinear and twenty times as fast here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from scipy.optimize import minimize

PIXELS = "pixels"
"""What features are called that nobody learnt."""

COSTS = (0.001, 0.01, 0.1, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Table:
    """Features and targets of a split."""

    features: Float32[np.ndarray, "rows components"]
    targets: Int64[np.ndarray, " rows"]


class Components:
    """Principal components of rows, each brought to deviation 1 on average over all of them."""

    def __init__(self, rows: np.ndarray, count: int) -> None:
        from sklearn.decomposition import PCA

        self._found = PCA(min(count, *rows.shape), random_state=0, svd_solver="randomized").fit(rows)
        self._scale = float(np.sqrt(self._found.explained_variance_.mean()))

    def __call__(self, rows: np.ndarray) -> Float32[np.ndarray, "rows components"]:
        """Of any rows."""
        return (self._found.transform(rows) / self._scale).astype(np.float32)


def choices(rows: int, labels: int, draws: int, seed: int) -> list[Int64[np.ndarray, " labels"]]:
    """Random choices of `labels` rows, the same for every kind of features; fewer draws are the first of more."""
    rng = np.random.default_rng([seed, labels])
    return [rng.permutation(rows)[:labels] for _ in range(draws)]


def measure(tables: Mapping[str, Table], labels: int, draws: int, seed: int) -> dict[str, Any]:
    """Errors on test of machines that learnt from random choices of rows of train.

    The penalty is that with the fewest errors on valid, for the first choice.

    Args:
        tables: `train`, `valid` and `test`.
        labels: how many rows of train a machine learns from.
        draws: how many choices of these.
        seed: of the choices.

    Returns:
        `cost`, `inputs` of a machine, and `errors`, one for each choice.
    """
    train = tables["train"]
    chosen = choices(len(train.targets), labels, draws, seed)
    errors_on_valid = [_error(train, chosen[0], cost, tables["valid"]) for cost in COSTS]
    cost = COSTS[int(np.argmin(errors_on_valid))]
    errors = [_error(train, rows, cost, tables["test"]) for rows in chosen]
    return {"cost": cost, "inputs": train.features.shape[1], "errors": errors}


def fit(
    features: Float32[np.ndarray, "rows components"], targets: Int64[np.ndarray, " rows"], cost: float
) -> Float32[np.ndarray, "components_1 values"]:
    """L2-SVMs, one value of the target against the rest: squared hinge loss times `cost`, and half the squared weights.

    Returns:
        the weights of every value, and below them the offsets, which are penalised like weights, as liblinear does.
    """
    inputs = _with_one(features)
    signs = np.where(targets[:, None] == np.arange(targets.max() + 1), 1, -1).astype(np.float32)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(inputs.shape[1], -1).astype(np.float32)
        missing = np.maximum(1 - signs * (inputs @ weights), 0)
        slope = weights - 2 * cost * (inputs.T @ (signs * missing))
        squares = (np.square(part, dtype=np.float64).sum() for part in (weights, missing))
        half, errors = squares
        return half / 2 + cost * errors, slope.ravel().astype(np.float64)

    start = np.zeros(inputs.shape[1] * signs.shape[1])
    options = {"maxiter": 1_000, "maxcor": 20, "ftol": 1e-10, "gtol": 1e-4}
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(inputs.shape[1], -1).astype(np.float32)


def decide(
    machine: Float32[np.ndarray, "components_1 values"], features: Float32[np.ndarray, "rows components"]
) -> Int64[np.ndarray, " rows"]:
    """The value with the highest score, of each row."""
    return (_with_one(features) @ machine).argmax(1)


def mean_and_deviation(errors: list[float]) -> str:
    """Of fractions, in percent; the deviation of a single one is 0."""
    return f"{100 * np.mean(errors):.1f} ± {100 * np.std(errors, ddof=len(errors) > 1):.1f} %"


def _error(train: Table, rows: np.ndarray, cost: float, other: Table) -> float:
    machine = fit(train.features[rows], train.targets[rows], cost)
    return float(np.mean(decide(machine, other.features) != other.targets))


def _with_one(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)

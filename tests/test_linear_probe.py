"""Linear probes: their machines against liblinear's, and features that show the target or do not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from baselines.linear_probe import Table, choices, decide, fit, measure


@pytest.mark.parametrize("cost", [0.001, 0.1])
@pytest.mark.parametrize("values", [3, 9])
def test_machines_are_those_of_liblinear(cost: float, values: int) -> None:
    """Weights and offsets, to single precision, and with them every decision."""
    rng = np.random.default_rng(values)
    features = rng.normal(size=(600, 20)).astype(np.float32)
    targets = (features @ rng.normal(size=(20, values)) + 3 * rng.normal(size=(600, values))).argmax(1)
    ours = fit(features, targets, cost)
    theirs = LinearSVC(C=cost, dual=False, tol=1e-8).fit(features, targets)  # type: ignore[arg-type]
    np.testing.assert_allclose(ours[:-1], theirs.coef_.T, atol=1e-4)
    np.testing.assert_allclose(ours[-1], theirs.intercept_, atol=1e-4)
    assert np.mean(decide(ours, features) == theirs.predict(features)) > 0.99


def test_features_that_show_the_target_leave_no_errors() -> None:
    """Every draw is right where the target is one of the inputs, and near chance where it is none."""
    rng = np.random.default_rng(0)
    targets = np.tile(np.arange(4), 100)
    shown = Table(features=np.eye(4, dtype=np.float32)[targets], targets=targets)
    hidden = Table(features=rng.normal(size=(400, 4)).astype(np.float32), targets=targets)
    seen = measure(dict.fromkeys(("train", "valid", "test"), shown), 100, 5, 0)
    assert seen["errors"] == [0.0] * 5
    other = Table(features=rng.normal(size=(400, 4)).astype(np.float32), targets=targets)
    blind = measure({"train": hidden, "valid": other, "test": other}, 100, 5, 0)
    assert len(set(blind["errors"])) > 1
    assert 0.6 < np.mean(blind["errors"]) < 0.9


def test_fewer_draws_are_the_first_of_more() -> None:
    """So that fine-tuned networks and probes learn from the same labels; each choice has no row twice."""
    few, many = choices(50, 10, 2, seed=3), choices(50, 10, 5, seed=3)
    assert all(np.array_equal(one, other) for one, other in zip(few, many, strict=False))
    assert all(len(set(rows.tolist())) == 10 for rows in many)
    assert not np.array_equal(many[0], choices(50, 10, 1, seed=4)[0])

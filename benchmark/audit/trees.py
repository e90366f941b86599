"""Gradient-boosted trees, cross-validated: every clip is judged by trees that never saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier


def new_trees(seed: int, rounds: int = 100) -> HistGradientBoostingClassifier:
    """Trees that have learnt nothing yet, one for every class and round: scikit-learn's, of at most 15 leaves."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=rounds,
        learning_rate=0.1,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        early_stopping=False,  # pyright: ignore[reportArgumentType]
        random_state=seed,
    )


def cross_validated(
    table: Float64[np.ndarray, "clip feature"], labels: Int64[np.ndarray, " clip"], seed: int, folds: int = 5
) -> Int64[np.ndarray, " clip"]:
    """Predicted labels of all clips, by `new_trees` in stratified folds."""
    from sklearn.model_selection import StratifiedKFold

    predicted = np.empty_like(labels)
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(table, labels):
        predicted[test] = new_trees(seed).fit(table[train], labels[train]).predict(table[test])
    return predicted

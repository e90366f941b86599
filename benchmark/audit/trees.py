"""Gradient-boosted trees, cross-validated: every clip is judged by trees that never saw it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64


def cross_validated(
    table: Float64[np.ndarray, "clip feature"], labels: Int64[np.ndarray, " clip"], seed: int, folds: int = 5
) -> Int64[np.ndarray, " clip"]:
    """Predicted labels of all clips, by scikit-learn's HistGradientBoostingClassifier in stratified folds."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    predicted = np.empty_like(labels)
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(table, labels):
        trees = HistGradientBoostingClassifier(
            max_iter=100, learning_rate=0.1, max_leaf_nodes=15, min_samples_leaf=10, random_state=seed
        )
        predicted[test] = trees.fit(table[train], labels[train]).predict(table[test])
    return predicted

"""Gradient-boosted trees on tables of features, offered after several numbers of rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from benchmark.audit.trees import new_trees
from benchmark.lessons import Fitted, Lesson, Shown
from dynamics_gen.errors import ConfigError

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

SHARES = (0.25, 0.5, 1.0)
"""Of all rounds, after which a candidate is offered."""

Table = Float64[np.ndarray, "clip feature"]


def boosted(lesson: Lesson, table_of: Callable[[Shown], Table], rounds: int, seed: int) -> Iterator[Fitted]:
    """Fits trees to a split's table and offers them after a quarter, a half and all of the rounds.

    Args:
        lesson: what is learnt from.
        table_of: the features of a split's clips.
        rounds: how many trees each class gets.
        seed: of scikit-learn's draws.

    Raises:
        ConfigError: there is no round.
    """
    if rounds < 1:
        raise ConfigError(f"got {rounds} rounds, expected 1 or more")
    trees = new_trees(seed, rounds).fit(table_of(lesson.clips), lesson.labels)
    for stage in sorted({max(1, round(share * rounds)) for share in SHARES}):
        yield Fitted(
            probabilities=partial(_probabilities, trees, table_of, stage, lesson.classes),
            parameters=_numbers(trees, stage),
        )


def _probabilities(
    trees: HistGradientBoostingClassifier, table_of: Callable[[Shown], Table], stage: int, classes: int, clips: Shown
) -> Float64[np.ndarray, "clip classes"]:
    """After `stage` rounds; a class that train lacks has none."""
    said = next(islice(trees.staged_predict_proba(table_of(clips)), stage - 1, None))
    probabilities = np.zeros((len(said), classes))
    probabilities[:, np.asarray(trees.classes_)] = said
    return probabilities


def _numbers(trees: HistGradientBoostingClassifier, stage: int) -> int:
    """What the trees of the first rounds hold: a feature and a threshold at each fork, a value at each leaf."""
    leaves = [tree.get_n_leaf_nodes() for rounds in trees._predictors[:stage] for tree in rounds]
    return sum(leaves) + 2 * sum(count - 1 for count in leaves)

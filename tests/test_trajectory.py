"""Trees on the true trajectory read the class off the simulation's own numbers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from baselines.classifiers import trajectory
from benchmark.audit.tables import trajectory_table
from benchmark.lessons import TRAJECTORY, Lesson, Shown
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import ConfigError
from dynamics_gen.render import Renderer


class Simulated:
    """Trajectories without frames, as a split has them."""

    video_shape, columns, directory = (32, 64, 64, 3), TRAJECTORY, "simulated"
    manifest = SimpleNamespace(content={"fps": 16})

    def __init__(self, split: str, per_class: int) -> None:
        self.scenes = Renderer(BuildConfig(split=split, per_class=per_class)).scenes(range(10 * per_class))
        self.labels = np.array([scene.label for scene in self.scenes])

    def __len__(self) -> int:
        return len(self.scenes)

    def column(self, name: str) -> np.ndarray:
        """One column over all clips."""
        return np.array([getattr(scene.trajectory, name) for scene in self.scenes], np.float32)


@pytest.fixture(scope="module")
def lessons() -> dict[str, Lesson]:
    """300 trajectories to learn from, 100 to judge."""
    splits = {"train": Simulated("train", 30), "valid": Simulated("valid", 10)}
    return {
        name: Lesson(clips=Shown(split, "trajectory", name), labels=split.labels, classes=len(CLASSES))
        for name, split in splits.items()
    }


def test_three_hundred_trajectories_are_enough(lessons: dict[str, Lesson]) -> None:
    """At most a tenth of other ones are missed; probabilities are probabilities; rounds add parameters."""
    offered = list(trajectory.fit(trajectory.Config(rounds=40), lessons["train"], lessons["valid"], seed=0))
    assert len(offered) == 3
    said = offered[-1].probabilities(lessons["valid"].clips)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert (said.argmax(axis=1) != lessons["valid"].labels).mean() <= 0.1
    assert offered[0].parameters < offered[1].parameters < offered[2].parameters


def test_fewer_rounds_are_the_first_of_more(lessons: dict[str, Lesson]) -> None:
    """A candidate after half of the rounds is the model of half as many."""
    half = list(trajectory.fit(trajectory.Config(rounds=8), lessons["train"], lessons["valid"], seed=0))[1]
    whole = list(trajectory.fit(trajectory.Config(rounds=4), lessons["train"], lessons["valid"], seed=0))[-1]
    clips = lessons["valid"].clips
    np.testing.assert_allclose(half.probabilities(clips), whole.probabilities(clips))
    assert half.parameters == whole.parameters


def test_class_that_train_lacks_has_no_probability(lessons: dict[str, Lesson]) -> None:
    """Columns stay where the labels say."""
    train = lessons["train"]
    some = np.where(train.labels == 3, 4, train.labels)
    fitted = next(
        trajectory.fit(trajectory.Config(rounds=4), Lesson(clips=train.clips, labels=some, classes=10), train, 0)
    )
    said = fitted.probabilities(train.clips)
    assert said.shape == (300, 10)
    assert not said[:, 3].any()
    assert (said[train.labels == 9].argmax(axis=1) == 9).mean() > 0.9


def test_features_are_the_audits(lessons: dict[str, Lesson]) -> None:
    """The probe's table, of the same columns."""
    clips = lessons["valid"].clips
    names = ("position", "linear_velocity", "angular_velocity", "arc_length")
    np.testing.assert_array_equal(trajectory.features(clips), trajectory_table({n: clips.column(n) for n in names}))


def test_no_round_is_refused(lessons: dict[str, Lesson]) -> None:
    """In a sentence."""
    with pytest.raises(ConfigError, match="got 0 rounds, expected 1 or more"):
        next(trajectory.fit(trajectory.Config(rounds=0), lessons["train"], lessons["valid"], 0))

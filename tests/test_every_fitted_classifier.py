"""Every file in baselines/classifiers that is fitted keeps the contract of such a classifier."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_every_classifier import FITTED

import dynamics_gen
from benchmark import spec
from benchmark.lessons import Fitted, Lesson, Shown

SMALL = {
    "trajectory": {"rounds": 8},
    "tracker": {"rounds": 8},
    "idt": {"gaussians": 2, "costs": (1.0, 10.0)},
    "tdd": {"gaussians": 2, "costs": (1.0,), "width": 4, "epochs": 1},
}
"""Settings that make each quick."""


def lessons(data: Path, form: str) -> list[Lesson]:
    """Train and valid at size tiny."""
    splits = [dynamics_gen.open(data / "dynamics-tiny" / name) for name in ("train", "valid")]
    return [Lesson(clips=Shown(split, form), labels=split.labels, classes=10) for split in splits]


def fitted(name: str, data: Path, seed: int) -> tuple[list[Fitted], list[Lesson]]:
    """All candidates of a model, from the files on."""
    model = spec.load(spec.find(name))
    config = model.module.Config(**SMALL.get(name, {}))
    learnt = lessons(data, model.description.input)
    return list(model.module.fit(config, *learnt, seed)), learnt


@cache
def offered(name: str, data: Path) -> tuple[list[Fitted], list[Lesson]]:
    """Those of seed 0, for several tests."""
    return fitted(name, data, seed=0)


@pytest.fixture(params=sorted(FITTED))
def name(request: pytest.FixtureRequest) -> str:
    """One after the other."""
    return request.param


def test_there_are_such_models() -> None:
    """A folder that lost its files would pass every other test here."""
    assert set(SMALL) <= FITTED


def test_it_offers_probabilities_and_learns(name: str, tiny_data: Path) -> None:
    """Of every class, for every clip, the better ones for the true class; parameters are counted."""
    candidates, (train, valid) = offered(name, tiny_data)
    assert candidates
    for one in candidates:
        assert one.parameters > 0
        for lesson in (train, valid):
            said = one.probabilities(lesson.clips)
            assert said.shape == (len(lesson.labels), 10)
            assert (said >= 0).all()
            np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    said = candidates[-1].probabilities(train.clips)
    assert (said.argmax(axis=1) != train.labels).mean() < 0.5


def test_the_seed_alone_decides_what_it_says(name: str, tiny_data: Path) -> None:
    """Two fits say the same to the bit."""
    one, (_, valid) = offered(name, tiny_data)
    other, (_, again) = fitted(name, tiny_data, seed=0)
    np.testing.assert_array_equal(one[-1].probabilities(valid.clips), other[-1].probabilities(again.clips))


def test_a_clip_is_judged_on_its_own(name: str, tiny_data: Path) -> None:
    """Whatever other clips the split holds."""
    candidates, (train, valid) = offered(name, tiny_data)
    together = candidates[-1].probabilities(valid.clips)

    class Fewer:
        """The split's first ten clips."""

        def __init__(self, split: Any) -> None:
            self.split, self.manifest, self.columns = split, split.manifest, split.columns
            self.video_shape, self.directory = split.video_shape, split.directory

        def __len__(self) -> int:
            return 10

        def column(self, column: str) -> np.ndarray:
            return self.split.column(column)[:10]

        def read_videos(self, rows: slice) -> np.ndarray:
            return self.split.read_videos(range(*rows.indices(10)))

    split = dynamics_gen.open(tiny_data / "dynamics-tiny" / "valid")
    alone = candidates[-1].probabilities(Shown(Fewer(split), train.clips.form))
    np.testing.assert_allclose(alone, together[:10], atol=1e-4)


def test_importing_it_loads_no_opencv(name: str) -> None:
    """It loads when clips are looked at."""
    module = importlib.import_module(f"baselines.classifiers.{name}")
    assert not hasattr(module, "cv2")

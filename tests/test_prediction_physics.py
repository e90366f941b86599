"""The object in predicted frames: the tracker against the simulator, and known continuations against known motions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dynamics_gen
from benchmark.generation.views import shrunk
from benchmark.prediction import physics
from benchmark.prediction.contract import CONTEXT
from benchmark.prediction.physics import Followed, Motion, backdrops_of, follow, motion_of, true_places
from dynamics_gen.render import project

TIME = 32


@pytest.mark.parametrize("side", [64, 32])
def test_tracker_finds_true_objects(tiny_split: Path, side: int) -> None:
    """Within a quarter of a pixel of where the simulator has them, half of the time; never lost, hardly ever split."""
    dataset = dynamics_gen.open(tiny_split)
    videos = shrunk(dataset.read_videos(np.arange(40)), side)
    found = follow(backdrops_of(videos), videos)
    apart = np.linalg.norm(found.place - true_places(dataset)[:40], axis=2)
    assert np.median(apart) < 0.4
    assert np.quantile(apart, 0.99) < 5
    motion = motion_of(found, found.area, true_places(dataset)[:40], np.ones(40, bool), np.zeros(40, bool))
    np.testing.assert_allclose(true_places(dataset), project(dataset.column("position"), physics.SIDE), atol=1e-4)
    assert max(motion.lost) == 0
    assert max(motion.split) <= 0.05


def test_an_object_that_vanishes_is_lost(tiny_split: Path) -> None:
    """Frames of the backdrop alone, or of a grey level too much everywhere, show none."""
    videos = dynamics_gen.open(tiny_split).read_videos(np.arange(5))
    backdrops = backdrops_of(videos)
    true, said = follow(backdrops, videos), videos.copy()
    said[:, CONTEXT:] = backdrops[:, None].astype(np.uint8)
    said[:, CONTEXT:] = np.where(said[:, CONTEXT:] < 250, said[:, CONTEXT:] + 5, said[:, CONTEXT:])
    motion = motion_of(follow(backdrops, said), true.area, true.place, np.ones(5, bool), np.zeros(5, bool))
    assert min(motion.lost) >= 0.8


def motion(place: np.ndarray, places: np.ndarray, bouncing: bool = False, **changes: np.ndarray) -> Motion:
    """Of clips whose objects have an area of 20 pixels, in one part, unless told otherwise."""
    area = np.full(place.shape[:2], 20.0)
    said = Followed(**{"place": place, "area": area, "parts": np.ones_like(area), **changes})
    kinds = np.full(len(place), bouncing)
    return motion_of(said, area, places, ~kinds, kinds)


def straight(speed: float = 1.0) -> np.ndarray:
    """One object that moves to the right."""
    return np.stack([10 + speed * np.arange(TIME), np.full(TIME, 30.0)], axis=1)[None]


def test_a_right_prediction_has_no_error_and_keeps_its_speed() -> None:
    """At every step."""
    found = motion(straight(), straight())
    assert found.error == (0.0,) * (TIME - CONTEXT)
    assert found.speed == pytest.approx(1)
    assert found.speed_kept == 1
    assert found.came_back is None


def test_half_the_speed_is_told_and_its_error_grows() -> None:
    """By half a pixel a frame from the context on."""
    slow = straight()
    slow[0, CONTEXT:, 0] = slow[0, CONTEXT - 1, 0] + 0.5 * np.arange(1, TIME - CONTEXT + 1)
    found = motion(slow, straight())
    np.testing.assert_allclose(found.error, 0.5 * np.arange(1, TIME - CONTEXT + 1))
    assert found.speed == pytest.approx(0.5)
    assert found.speed_kept == 0


def test_a_lost_object_stays_where_it_was_last_seen() -> None:
    """So that losing it is never better than guessing."""
    area = np.full((1, TIME), 20.0)
    area[:, CONTEXT + 2 :] = 1.0
    found = motion(straight(), straight(), area=np.full((1, TIME), 20.0))
    said = Followed(place=straight() + 100, area=area, parts=np.ones((1, TIME)))
    lost = motion_of(said, np.full((1, TIME), 20.0), straight() + 100, np.array([True]), np.array([False]))
    assert found.lost == (0.0,) * (TIME - CONTEXT)
    assert lost.lost == (0.0, 0.0) + (1.0,) * (TIME - CONTEXT - 2)
    np.testing.assert_allclose(lost.error, [0, 0, *range(1, TIME - CONTEXT - 1)])


def test_parts_are_told() -> None:
    """From the share of the largest on."""
    parts = np.ones((2, TIME))
    parts[0] = 0.5
    found = motion(np.repeat(straight(), 2, 0), np.repeat(straight(), 2, 0), parts=parts)
    assert found.split == (0.5,) * (TIME - CONTEXT)


def test_a_bounce_must_come_back() -> None:
    """One that goes on, through the wall, has not; one that stands still has not either; those before do not count."""
    turn = 20
    bounced = straight()
    bounced[0, turn:, 0] = bounced[0, turn, 0] - np.arange(TIME - turn)
    still = bounced.copy()
    still[0, turn:] = still[0, turn]
    assert motion(bounced, bounced, bouncing=True).came_back == 1
    assert motion(straight(), bounced, bouncing=True).came_back == 0
    assert motion(still, bounced, bouncing=True).came_back == 0
    early = straight()
    early[0, 5:, 0] = early[0, 5, 0] - np.arange(TIME - 5)
    assert motion(early, early, bouncing=True).came_back is None

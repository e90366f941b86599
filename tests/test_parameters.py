"""Draws stay in their ranges, inside the view, and appearance knows nothing of the class."""

import numpy as np
import pytest

from dynamics_gen import parameters
from dynamics_gen.classes import CLASSES, ROTATION
from dynamics_gen.config import BuildConfig
from dynamics_gen.parameters import CAMERA_DISTANCE, PATTERN_CONTRAST

CONFIG = BuildConfig(split="train", per_class=500)
TIMES = np.arange(32) / 16


@pytest.fixture(scope="module")
def motions() -> list[tuple[int, float, parameters.Motion]]:
    """Thirty motions of each class with their radius."""
    rng = np.random.default_rng(0)
    return [
        (label, radius, parameters.draw_motion(CONFIG, i, label, radius))
        for label in range(len(CLASSES))
        for i, radius in enumerate(rng.uniform(*CONFIG.release.radius, 30))
    ]


def test_the_bounding_sphere_stays_in_the_view(motions: list) -> None:
    """At every frame the sphere is clear of the four planes through the eye and the view's sides."""
    normal = np.array([CAMERA_DISTANCE, 1.0]) / np.hypot(CAMERA_DISTANCE, 1.0)
    for _, radius, motion in motions:
        place = motion.curve.position(motion.law.arc_length(TIMES))
        room = (1.0 - np.abs(place)) * normal[0]
        assert room.min() >= radius


def test_no_moving_object_stands_still(motions: list) -> None:
    """Consecutive frames of a path are at least the least step apart."""
    for label, _, motion in motions:
        if label != ROTATION:
            steps = np.diff(motion.curve.position(motion.law.arc_length(TIMES)), axis=0)
            assert np.linalg.norm(steps, axis=1).min() >= parameters.LEAST_STEP


def test_bounces_stay_on_their_path(motions: list) -> None:
    """A lively bounce after a quick start would rise above the start, where the drawn path has ended."""
    laws = [motion.law for _, _, motion in motions if motion.law.kind == "bouncing"]
    lively = [law for law in laws if law.restitution**2 > 0.85]
    assert lively
    for law in laws:
        fine = law.arc_length(np.linspace(0, law.duration, 2001))
        assert fine.max() <= law.length * (1 + 1e-9)


def test_draws_stay_in_the_release_ranges(motions: list) -> None:
    """Extent, restitution, falls, initial speed, turn and axis are within the ranges of the release."""
    release = CONFIG.release
    for label, _, motion in motions:
        law = motion.law
        assert release.extent[0] <= motion.curve.extent <= release.extent[1]
        for value, (low, high) in (
            (law.restitution, release.restitution),
            (law.falls, release.falls),
            (law.initial_speed, release.initial_speed),
            (abs(motion.turn), release.rotation),
        ):
            assert np.isnan(value) or low <= value <= high
        assert (label == ROTATION) == (motion.host_frame >= 0) == (not np.isnan(motion.turn))
        if label == ROTATION:
            assert motion.axis[2] >= np.cos(release.rotation_cone)
            assert np.linalg.norm(motion.axis) == pytest.approx(1.0)


def test_appearance_does_not_depend_on_the_class() -> None:
    """A clip looks the same in two splits' sizes in which its label differs."""
    small, large = (BuildConfig(split="train", per_class=n) for n in (5, 500))
    for index in range(20):
        a, b = parameters.draw_appearance(small, index), parameters.draw_appearance(large, index)
        np.testing.assert_array_equal(a.orientation, b.orientation)
        assert (a.shape, a.radius, a.backdrop, a.pattern) == (b.shape, b.radius, b.backdrop, b.pattern)


def test_an_object_can_be_told_from_its_backdrop() -> None:
    """Mean colours are the release's contrast apart, and the pattern's two colours are apart as well."""
    for index in range(200):
        look = parameters.draw_appearance(CONFIG, index)
        mean = (look.first_color + look.second_color) / 2
        assert np.linalg.norm(mean - look.backdrop_color) >= CONFIG.release.object_contrast
        assert np.linalg.norm(look.first_color - look.second_color) >= PATTERN_CONTRAST


def test_every_clip_lists_the_same_parameters(motions: list) -> None:
    """Shards need one set of columns, whatever the class."""
    look = parameters.draw_appearance(CONFIG, 0)
    names = {tuple(parameters.columns(look, motion)) for _, _, motion in motions}
    assert len(names) == 1

"""The tracker finds the object where the simulation has it, and its track tells the class."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import UInt8

from baselines.classifiers import tracker
from benchmark.audit import trees
from benchmark.tracking import track
from dynamics_gen.classes import ROTATION
from dynamics_gen.config import BuildConfig
from dynamics_gen.render import Renderer, project, render_clips


def disc(
    places: np.ndarray, radius: float, seed: int, size: int = 32, samples: int = 8
) -> UInt8[np.ndarray, "time height width 3"]:
    """A plain disc, smooth at its edge, on noise that stands still."""
    rng = np.random.default_rng(seed)
    backdrop = rng.uniform(90, 130, (size, size, 3))
    fine = (np.arange(size * samples) + 0.5) / samples
    frames = []
    for x, y in places:
        inside = (fine[None] - x) ** 2 + (fine[:, None] - y) ** 2 <= radius**2
        share = inside.reshape(size, samples, size, samples).mean(axis=(1, 3))[..., None]
        frames.append(backdrop * (1 - share) + 230 * share)
    return np.rint(frames).astype(np.uint8)


def test_disc_is_found_to_a_tenth_of_a_pixel() -> None:
    """Place and, nearly, area of a disc that crosses the frame."""
    places = np.stack([np.linspace(8, 24, 16), np.linspace(20, 11.5, 16)], axis=-1)
    found, area, weights = track(disc(places, 4.5, seed=0))
    np.testing.assert_allclose(found, places, atol=0.1)
    assert (np.sqrt(area / np.pi) > 4.5).all()  # an edge's pixels soon count whole
    assert (np.sqrt(area / np.pi) < 5.1).all()
    assert weights.min() >= 0
    assert weights.max() <= 1


def test_object_that_stays_half_of_the_time_is_no_backdrop() -> None:
    """Nine of 16 frames at its first place, where a median over time would leave a hole and a ghost."""
    places = np.stack([np.r_[np.full(9, 9.0), np.linspace(11, 24, 7)], np.full(16, 15.5)], axis=-1)
    video = disc(places, 3.5, seed=1)
    assert np.abs(np.median(video, axis=0) - video[0])[15, 9].max() == 0  # the median does take it for the backdrop
    shifted = places + np.random.default_rng(0).uniform(-0.2, 0.2, places.shape)  # nothing stands quite still
    found, _, _ = track(disc(shifted, 3.5, seed=1))
    np.testing.assert_allclose(found[9:], shifted[9:], atol=0.6)


def test_clip_without_motion_stays_in_the_middle() -> None:
    """No place is made up, and nothing is divided by zero."""
    still = np.repeat(np.random.default_rng(0).integers(0, 255, (1, 16, 24, 3)).astype(np.uint8), 6, axis=0)
    found, area, _ = track(still)
    np.testing.assert_array_equal(found, np.tile([12.0, 8.0], (6, 1)))
    assert not area.any()
    assert np.isfinite(tracker.describe(still[None])).all()


@pytest.fixture(scope="module")
def rendered() -> list:
    """120 clips of every class."""
    return list(render_clips(BuildConfig(split="valid", per_class=12), range(120)))


def test_tracks_are_the_projected_places(rendered: list) -> None:
    """Of all frames of the moving classes: median error 0.2 px, and 0.12 px less each clip's constant offset.

    The offset, between the centroid of what is seen and the centre of mass, is the shape's: up to 4 px.
    """
    moving = [clip for clip in rendered if clip.label != ROTATION]
    errors, rest = [], []
    for clip in moving:
        off = track(clip.video)[0] - project(clip.position.astype(float), clip.video.shape[1])
        errors.append(np.linalg.norm(off, axis=-1))
        rest.append(np.linalg.norm(off - np.median(off, axis=0), axis=-1))
    assert np.median(errors) < 0.2
    assert np.max(errors) < 4
    assert np.median(rest) < 0.12
    assert np.quantile(rest, 0.95) < 0.4


def test_turning_in_place_is_seen_from_the_object(rendered: list) -> None:
    """In three of four clips of rotation the object becomes less like itself than in three of four others."""
    seen = {label: [] for label in (True, False)}
    for clip in rendered:
        place, _, weights = track(clip.video)
        seen[clip.label == ROTATION].append(np.median(tracker.turned(clip.video, place, weights)))
    assert np.quantile(seen[True], 0.25) > np.quantile(seen[False], 0.75)
    assert np.median(seen[True]) > 2 * np.median(seen[False])


def test_way_there_and_back_is_retraced() -> None:
    """0 for a point that turns back on a line; on a straight way it is `APART` steps of 31."""
    t = np.linspace(0, 1, 32)
    there = np.stack([t, 2 * t], axis=-1)
    back = np.stack([np.abs(t - 0.5), np.zeros_like(t)], axis=-1)
    found = tracker.retraced(np.stack([there, back]))
    assert found[0] == pytest.approx(tracker.APART / 31)
    assert found[1] < 0.02


def test_true_tracks_tell_the_class() -> None:
    """Without any picture: tables of 800 true projected tracks, trees miss at most 4 %."""
    scenes = Renderer(BuildConfig(split="train", per_class=80)).scenes(range(800))
    places = np.array([scene.trajectory.position[:, :2] for scene in scenes])
    turning = np.array([np.linalg.norm(scene.trajectory.angular_velocity, axis=-1) for scene in scenes])
    labels = np.array([scene.label for scene in scenes])
    predicted = trees.cross_validated(tracker.track_table(places, turning), labels, seed=0)
    assert (predicted != labels).mean() <= 0.04


def test_features_ignore_place_and_mirror(rendered: list) -> None:
    """A clip mirrored left to right has the same features, as its class does."""
    videos = np.stack([clip.video for clip in rendered[:20]])
    ours, mirrored = tracker.describe(videos), tracker.describe(videos[:, :, :, ::-1])
    np.testing.assert_allclose(np.median(np.abs(mirrored - ours), axis=0), 0, atol=1e-3)

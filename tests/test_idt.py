"""Dense trajectories: tracks that follow what moves, and histograms of constant fields."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from jaxtyping import UInt8
from scipy import ndimage

from baselines.classifiers import idt
from baselines.dense_trajectories import (
    CELLS,
    ORIENTATIONS,
    Tracks,
    dense_tracks,
    grey_frames,
    histograms,
    orientation_maps,
    shapes,
)
from benchmark.flow_maker import estimated
from benchmark.lessons import Lesson, Shown
from dynamics_gen.errors import ConfigError

STEP = (0.9, -0.6)
"""Of the texture, pixels a frame: right, down."""


@pytest.fixture(scope="module")
def moving() -> UInt8[np.ndarray, "time height width 3"]:
    """A smooth texture that travels by `STEP`, 20 frames of 64×64."""
    rng = np.random.default_rng(0)
    large = ndimage.gaussian_filter(rng.normal(size=(120, 120)), 2)
    large = 128 + 40 * large / large.std()
    y, x = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    frames = [ndimage.map_coordinates(large, [y + 28 - STEP[1] * t, x + 28 - STEP[0] * t], order=3) for t in range(20)]
    return np.repeat(np.clip(np.rint(frames), 0, 255).astype(np.uint8)[..., None], 3, axis=-1)


def test_flow_of_a_travelling_texture_is_its_step(moving: np.ndarray) -> None:
    """Away from the border, to a tenth of a pixel."""
    flow = estimated(grey_frames(moving))
    assert flow.shape == (19, 64, 64, 2)
    np.testing.assert_allclose(np.median(flow[:, 12:-12, 12:-12], axis=(0, 1, 2)), STEP, atol=0.1)


def test_tracks_travel_with_the_texture(moving: np.ndarray) -> None:
    """They begin on the grid and end `length` steps further, within 8 % of the way."""
    grey = grey_frames(moving)
    tracks = dense_tracks(grey, estimated(grey), 12, 5)
    assert len(tracks.start) > 40
    assert tracks.places.shape[1:] == (13, 2)
    np.testing.assert_array_equal(tracks.places[:, 0] % 5, 2)
    inner = ((tracks.places > 12) & (tracks.places < 52)).all(axis=(1, 2))
    way = tracks.places[inner, -1] - tracks.places[inner, 0]
    np.testing.assert_allclose(np.median(way, axis=0), np.array(STEP) * 12, rtol=0.08)


def test_constant_flow_makes_straight_tracks() -> None:
    """Exactly: equal steps, equal shapes, none of a point that leaves the frame."""
    grey = np.random.default_rng(0).integers(0, 255, (13, 32, 48)).astype(np.uint8)
    flow = np.broadcast_to(np.array([1.25, 0.5], np.float32), (12, 32, 48, 2))
    tracks = dense_tracks(grey, flow, 12, 5)
    assert (tracks.start == 0).all()
    np.testing.assert_allclose(
        np.diff(tracks.places, axis=1), np.broadcast_to([1.25, 0.5], (len(tracks.start), 12, 2)), atol=1e-5
    )
    assert tracks.places[..., 0].max() <= 47.5
    np.testing.assert_allclose(
        shapes(tracks), np.tile([1.25, 0.5], (len(tracks.start), 12)) / (12 * np.hypot(1.25, 0.5)), rtol=1e-5
    )


def test_squares_that_are_taken_get_no_second_track() -> None:
    """Where nothing leaves its square, tracks begin in the first frame alone, and again when those have ended."""
    grey = np.random.default_rng(0).integers(0, 255, (9, 30, 30)).astype(np.uint8)
    flow = np.zeros((8, 30, 30, 2), np.float32)
    flow[::2], flow[1::2] = 1.0, -1.0  # to and fro: spread enough to stay, never more than a pixel away
    tracks = dense_tracks(grey, flow, 4, 5)
    assert sorted(np.unique(tracks.start)) == [0, 4]
    assert np.bincount(tracks.start)[0] == np.bincount(tracks.start)[4] == 36


def test_still_and_jumping_tracks_are_dropped() -> None:
    """No motion, or nearly all of it in one step, is no track."""
    grey = np.random.default_rng(0).integers(0, 255, (7, 32, 32)).astype(np.uint8)
    still = np.zeros((6, 32, 32, 2), np.float32)
    none = dense_tracks(grey, still, 6, 5)
    assert len(none.start) == 0
    assert shapes(none).shape == (0, 12)
    assert histograms(grey, still, none, 4)["hog"].shape == (0, 96)
    jump = np.full((6, 32, 32, 2), 0.01, np.float32)
    jump[2] = 4.0
    assert len(dense_tracks(grey, jump, 6, 5).start) == 0


def test_vectors_are_shared_between_neighbour_orientations() -> None:
    """On a bin's direction all goes to it, half way between two half to each; the whole is the magnitude."""
    angle = np.array([0, np.pi / 8, np.pi, -np.pi / 4, 2 * np.pi - 1e-9])
    x, y = (3 * part.astype(np.float32)[None, None] for part in (np.cos(angle), np.sin(angle)))
    maps = orientation_maps(x, y)[0, 0]
    expected = np.zeros((5, ORIENTATIONS))
    expected[0, 0] = expected[2, 4] = expected[3, 7] = expected[4, 0] = 3
    expected[1, :2] = 1.5
    np.testing.assert_allclose(maps, expected, atol=1e-4)


def track_in_the_middle(length: int = 6) -> Tracks:
    """One track that rests in the middle of 32×32 pixels."""
    return Tracks(start=np.array([0]), places=np.full((1, length + 1, 2), 16, np.float32))


def test_constant_flow_has_one_orientation_and_no_boundary() -> None:
    """HOF holds the flow's direction alone, the same in each cell; MBH, of a flow without gradient, is empty."""
    grey = np.random.default_rng(0).integers(0, 255, (7, 32, 32)).astype(np.uint8)
    flow = np.broadcast_to(np.array([0, 1], np.float32), (6, 32, 32, 2))
    found = histograms(grey, flow, track_in_the_middle(), 4)
    hof = found["hof"].reshape((*CELLS, ORIENTATIONS + 1))
    expected = np.zeros_like(hof)
    expected[..., 2] = np.sqrt(1 / np.prod(CELLS))  # down is the third of eight
    np.testing.assert_allclose(hof, expected, atol=1e-3)
    assert not found["mbh_x"].any()
    assert not found["mbh_y"].any()
    np.testing.assert_allclose((found["hog"] ** 2).sum(), 1, rtol=1e-5)
    still = histograms(grey, 0 * flow, track_in_the_middle(), 4)["hof"].reshape((*CELLS, ORIENTATIONS + 1))
    np.testing.assert_allclose(still[..., -1], np.sqrt(1 / np.prod(CELLS)), rtol=1e-5)


def test_flow_that_grows_along_an_axis_has_its_boundary_there() -> None:
    """Of u = 0.2 x, MBH of x says right in every cell, MBH of y nothing."""
    grey = np.zeros((7, 32, 32), np.uint8)
    flow = np.zeros((6, 32, 32, 2), np.float32)
    flow[..., 0] = 0.2 * np.arange(32)
    found = histograms(grey, flow, track_in_the_middle(), 4)
    boundary = found["mbh_x"].reshape((*CELLS, ORIENTATIONS))
    np.testing.assert_allclose(boundary[..., 0], np.sqrt(1 / np.prod(CELLS)), rtol=1e-4)
    assert not found["mbh_y"].any()


def test_cells_are_the_quarters_around_the_track() -> None:
    """Flow in the upper left quarter's time and place alone fills that cell alone; the sum is a plain one."""
    grey = np.zeros((7, 32, 32), np.uint8)
    flow = np.zeros((6, 32, 32, 2), np.float32)
    flow[2:4, 12:16, 12:16] = (1, 0)  # the second third, rows and columns 16 - 4 to 15
    hof = histograms(grey, flow, track_in_the_middle(), 4)["hof"].reshape((*CELLS, ORIENTATIONS + 1)) ** 2
    moving_share = hof[..., 0]
    assert moving_share[1, 0, 0] == pytest.approx(1 / np.prod(CELLS), rel=1e-4)
    assert moving_share.sum() == pytest.approx(moving_share[1, 0, 0], rel=1e-4)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"length": 10}, "got tracks of 10 steps, expected a multiple of 3"),
        ({"cell": 5}, "got spacing 5 and cell 5, expected 1 or more and an even number"),
        ({"gaussians": 0}, "got 0 Gaussians, expected 1 or more"),
    ],
)
def test_setting_of_no_track_is_refused(change: dict, sentence: str) -> None:
    """In a sentence."""
    with pytest.raises(ConfigError, match=sentence):
        idt.Config(**change)


def test_clips_too_short_for_a_track_are_refused(moving: np.ndarray) -> None:
    """With a length that would do."""
    with pytest.raises(ConfigError, match=r"got clips of 8 frames for tracks of 15 steps.*try --set length=6"):
        idt.describe(idt.Config(), moving[None, :8])


class Travelling:
    """Clips in memory: smooth texture inside a square that travels to one of four sides, which is the class."""

    video_shape, columns = (12, 32, 32, 3), ()
    manifest = SimpleNamespace(content={"fps": 16})

    def __init__(self, clips: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.labels = np.arange(clips) % 4
        steps = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
        self.videos = np.empty((clips, *self.video_shape), np.uint8)
        for clip, label in enumerate(self.labels):
            patch = 128 + 60 * np.asarray(ndimage.zoom(rng.normal(size=(4, 4)), 3.5, order=3))
            self.videos[clip] = 100
            for t in range(12):
                x, y = 9 + steps[label] * (t - 6)
                self.videos[clip, t, y : y + 14, x : x + 14] = np.clip(patch, 0, 255)[..., None]

    def __len__(self) -> int:
        return len(self.videos)

    def read_videos(self, rows: slice) -> np.ndarray:
        """Some clips' frames."""
        return self.videos[rows]


def test_four_directions_are_learnt() -> None:
    """From forty clips, on others, and the same with the same seed."""
    lessons = [
        Lesson(clips=Shown(split, "rgb"), labels=split.labels, classes=4)
        for split in (Travelling(40, 0), Travelling(20, 1))
    ]
    config = dataclasses.replace(idt.Config(), length=9, gaussians=2, costs=(10.0,))
    (one,) = idt.fit(config, *lessons, seed=0)
    said = one.probabilities(lessons[1].clips)
    assert (said.argmax(axis=1) != lessons[1].labels).mean() <= 0.1
    again = [Lesson(clips=Shown(Travelling(40, 0), "rgb"), labels=lessons[0].labels, classes=4), lessons[1]]
    (other,) = idt.fit(config, *again, seed=0)
    np.testing.assert_array_equal(other.probabilities(again[1].clips), said)

"""Splits as generators see them: which frames, how they shrink, what is told of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moving_squares import MemorySplit

from benchmark.generation import attributes
from benchmark.generation.scores import one_a_clip
from benchmark.generation.views import View, shrunk
from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import ConfigError
from dynamics_gen.generate import build_split
from dynamics_gen.shapes import FAMILIES


def test_frames_stand_by_themselves_in_order_of_clip_and_time() -> None:
    """Every second of eight frames of each clip, as they are stored, under the clip's name and the frame's number."""
    split = MemorySplit(6)
    view = View(split, "frames", 8, 16)
    assert (len(view), view.video_shape) == (24, (1, 16, 16, 3))
    assert view.clip_ids[:5] == ["clip-0000@0", "clip-0000@2", "clip-0000@4", "clip-0000@6", "clip-0001@0"]
    assert np.array_equal(view.read_videos(slice(None)), split.videos[:, ::2].reshape(24, 1, 16, 16, 3))
    assert np.array_equal(view.labels, split.labels.repeat(4))


def test_clips_keep_every_nth_frame() -> None:
    """Whole clips, at a lower rate."""
    split = MemorySplit(5)
    view = View(split, "clips", 4, 16)
    assert (len(view), view.video_shape, view.clip_ids) == (5, (4, 16, 16, 3), split.clip_ids)
    assert np.array_equal(view.read_videos([3, 0]), split.videos[[3, 0]][:, ::2])


@given(st.lists(st.integers(0, 23), min_size=1, max_size=12))
def test_any_order_reads_what_single_reads_give(rows: list[int]) -> None:
    """Repeats and disorder included, also into a given array."""
    view = View(MemorySplit(6), "frames", 8, 8)
    out = np.empty((len(rows), *view.video_shape), np.uint8)
    assert view.read_videos(np.array(rows), out) is out
    assert np.array_equal(out, np.concatenate([view.read_videos([row]) for row in rows]))


def test_shrinking_is_that_of_an_independent_library() -> None:
    """Within one grey level of OpenCV's area interpolation, which rounds halves to even."""
    videos = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64, 3), np.uint8)
    small = shrunk(videos, 16)
    theirs = np.stack([[cv2.resize(frame, (16, 16), interpolation=cv2.INTER_AREA) for frame in v] for v in videos])
    assert small.shape == (2, 3, 16, 16, 3)
    assert np.abs(small.astype(int) - theirs).max() <= 1
    exact = videos.reshape(2, 3, 16, 4, 16, 4, 3).mean((3, 5))
    assert np.abs(small - exact).max() <= 0.5


@pytest.mark.parametrize("side", [2, 3, 15, 16, 17, 64])
def test_shrinking_rounds_halves_up_whatever_the_sums(side: int) -> None:
    """White stays white, where sums outgrow 16 bits too, and means go to the nearest grey level, of two the higher."""
    videos = np.random.default_rng(side).integers(0, 256, (2, 2, 2 * side, 2 * side, 3), np.uint8)
    videos[0, 0] = 255
    means = videos.reshape(2, 2, 2, side, 2, side, 3).sum((3, 5), dtype=np.int64) / side**2
    assert np.array_equal(shrunk(videos, 2), np.floor(means + 0.5))
    assert (shrunk(videos, 2)[0, 0] == 255).all()


@pytest.mark.parametrize(
    ("form", "frames", "size", "message"),
    [
        ("frames", 8, 12, "frames of 16×16 pixels were to be shrunk to 12: expected a size that divides theirs"),
        ("clips", 3, 16, "3 of 8 frames of a clip were asked for: expected a number that divides it"),
    ],
)
def test_what_cannot_be_divided_is_refused(form: str, frames: int, size: int, message: str) -> None:
    """One sentence with a value that works."""
    with pytest.raises(ConfigError, match=message):
        View(MemorySplit(2), form, frames, size)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A split of ten rendered clips."""
    folder = tmp_path_factory.mktemp("rendered") / "train"
    build_split(BuildConfig(split="train", per_class=1, image_size=16, frames=4), folder, workers=1)
    return folder


def test_attributes_say_what_the_columns_say(rendered: Path) -> None:
    """One-hot form, path and speed, and quantities that can be turned back."""
    import dynamics_gen

    split = dynamics_gen.open(rendered)
    rows = attributes.attributes_of(split)
    assert rows.shape == (10, attributes.width()) == (10, len(FAMILIES) + 1 + 3 + 4 + 4)
    by_name = {part.name: rows[:, part.start : part.stop] for part in attributes.parts()}
    shapes = np.array(list(FAMILIES))[by_name["shape"].argmax(1)]
    assert shapes.tolist() == [name.decode() for name in split.column("parameters/shape")]
    assert np.array_equal(by_name["path"].argmax(1), split.column("path"))
    assert np.array_equal(by_name["speed"].argmax(1), split.column("speed"))
    radius = by_name["size"][:, 0] * attributes.RADIUS_DEVIATION + attributes.MEAN_RADIUS
    np.testing.assert_allclose(radius, split.column("parameters/radius"), rtol=1e-5)
    both = split.column("parameters/first_color"), split.column("parameters/second_color")
    np.testing.assert_allclose((by_name["colour"] + 1) * 127.5, (both[0] + both[1]) / 2, rtol=1e-4)
    for name in ("shape", "path", "speed"):
        assert np.array_equal(by_name[name].sum(1), np.ones(10))
    some = attributes.attributes_of(split, ("speed", "size"))
    assert np.array_equal(some, np.concatenate([by_name["speed"], by_name["size"]], axis=1))


def test_unknown_attributes_and_other_data_are_refused() -> None:
    """The message names those there are."""
    with pytest.raises(ConfigError, match="got the attribute 'color', expected one of shape, size, colour"):
        attributes.parts(("color",))
    split = MemorySplit(2)
    split.columns = ("label",)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"has no column parameters/shape, path, speed: .* simulated clips alone"):
        attributes.attributes_of(split)


def test_one_frame_stands_for_each_clip_and_moments_alternate() -> None:
    """Of clips with four, two and one frame taken, one each; neighbours at other moments."""
    every = one_a_clip(np.arange(24), 4)
    assert every.tolist() == [0, 5, 10, 15, 16, 21]
    places = np.array([0, 1, 2, 3, 5, 6, 9, 12, 14])
    assert [int(place) // 4 for place in places[one_a_clip(places, 4)]] == [0, 1, 2, 3]
    assert one_a_clip(np.arange(5), 1).tolist() == [0, 1, 2, 3, 4]

"""Previews are pictures of the clips that they name."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

import dynamics_gen
from dynamics_gen.classes import CLASSES
from dynamics_gen.preview import animation, class_grid, contact_sheet, write_previews


@pytest.mark.parametrize("image_format", ["gif", "webp"])
def test_a_split_gets_a_sheet_and_animations(tiny_split: Path, tmp_path: Path, image_format: str) -> None:
    """One PNG with a row for each class, eleven animations with every frame."""
    written = write_previews(dynamics_gen.open(tiny_split), tmp_path / "new", image_format)
    names = ["contact_sheet.png", *(f"{name}.{image_format}" for name in ("classes", *CLASSES))]
    assert [path.name for path in written] == names
    sheet = iio.imread(written[0])
    assert sheet.shape[0] == 10 * (64 + 2)
    frames = [list(iio.imiter(path)) for path in written[1:]]
    assert {len(video) for video in frames} == {32}
    assert not list((tmp_path / "new").glob("*.tmp"))


def test_the_sheet_shows_the_frames_it_claims() -> None:
    """The first and the last moment of a clip stand at the ends of its row, its mean frame behind them."""
    video = np.random.default_rng(0).integers(0, 255, (9, 16, 16, 3), dtype=np.uint8)
    row = contact_sheet({"name": video})[:16]
    np.testing.assert_array_equal(row[:, -16 * 2 - 2 : -16 - 2], video[-1])
    np.testing.assert_array_equal(row[:, -16:], video.mean(axis=0).round().astype(np.uint8))
    start = row.shape[1] - 9 * 18 + 2
    np.testing.assert_array_equal(row[:, start : start + 16], video[0])


def test_animations_keep_every_frame() -> None:
    """Doubling and joining keeps each clip's pixels."""
    videos = np.random.default_rng(0).integers(0, 255, (3, 5, 16, 16, 3), dtype=np.uint8)
    joined = animation(videos)
    assert joined.shape == (5, 32, 3 * 32 + 2 * 4, 3)
    np.testing.assert_array_equal(joined[:, ::2, :32:2], videos[0])
    grid = class_grid({str(i): video for i, video in enumerate(videos)}, columns=3)
    np.testing.assert_array_equal(grid[:, 16:48:2, :32:2], videos[0])

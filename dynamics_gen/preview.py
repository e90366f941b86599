"""Pictures of a split for people: a contact sheet, an animation of all classes, and one of each."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from dynamics_gen.dataset import ClipDataset
from dynamics_gen.files import replacing

SHEET_FRAMES = 8
"""Moments of each clip on the contact sheet, evenly spread."""

ANIMATED_CLIPS = 4
"""Clips side by side in each class's animation."""

_GAP, _LABEL_WIDTH = 2, 150


def write_previews(dataset: ClipDataset, directory: Path, image_format: str = "webp") -> list[Path]:
    """Writes `contact_sheet.png`, an animation of all classes in one grid, and one of several clips for each class.

    Args:
        dataset: the split.
        directory: where; made if it is not there.
        image_format: "gif" or "webp".

    Returns:
        The files: the sheet, `classes.FORMAT`, then one a class.
    """
    fps = int(dataset.manifest.content.get("fps", 16))
    directory.mkdir(parents=True, exist_ok=True)
    examples = {
        name: dataset.read_videos(np.flatnonzero(dataset.labels == label)[:ANIMATED_CLIPS].tolist())
        for label, name in enumerate(dataset.manifest.classes)
    }
    examples = {name: videos for name, videos in examples.items() if len(videos)}
    firsts = {name: videos[0] for name, videos in examples.items()}
    pictures = {"contact_sheet.png": contact_sheet(firsts)[None], f"classes.{image_format}": class_grid(firsts)}
    pictures |= {f"{name}.{image_format}": animation(videos) for name, videos in examples.items()}
    for name, frames in pictures.items():
        _write(directory / name, frames, fps)
    return [directory / name for name in pictures]


def contact_sheet(clips: dict[str, UInt8[np.ndarray, "time height width 3"]]) -> UInt8[np.ndarray, "y x 3"]:
    """One row a clip, under its name: `SHEET_FRAMES` frames from first to last, and the clip's mean frame."""
    rows = []
    for name, video in clips.items():
        moments = np.linspace(0, len(video) - 1, SHEET_FRAMES).round().astype(int)
        frames = [*video[moments], video.mean(axis=0).round().astype(np.uint8)]
        height = video.shape[1]
        gap = np.full((height, _GAP, 3), 255, np.uint8)
        strip = np.concatenate([part for frame in frames for part in (gap, frame)], axis=1)
        rows += [np.concatenate([_caption(name, height), strip], axis=1)]
        rows += [np.full((_GAP, rows[-1].shape[1], 3), 255, np.uint8)]
    return np.concatenate(rows, axis=0)


def animation(videos: UInt8[np.ndarray, "clip time height width 3"]) -> UInt8[np.ndarray, "time y x 3"]:
    """Clips side by side, twice their size."""
    gap = np.full((*videos.shape[1:3], _GAP, 3), 255, np.uint8)
    joined = np.concatenate([part for video in videos for part in (video, gap)][:-1], axis=2)
    return joined.repeat(2, axis=1).repeat(2, axis=2)


def class_grid(
    clips: dict[str, UInt8[np.ndarray, "time height width 3"]], columns: int = 5
) -> UInt8[np.ndarray, "time y x 3"]:
    """Clips in a grid under their names, all moving: the picture of a whole dataset."""
    tiles = []
    for name, video in clips.items():
        big = video.repeat(2, axis=1).repeat(2, axis=2)
        caption = np.broadcast_to(_caption(name, 16, big.shape[2]), (len(video), 16, big.shape[2], 3))
        tile = np.concatenate([caption, big], axis=1)
        tiles.append(np.pad(tile, ((0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=255))
    rows = [np.concatenate(tiles[i : i + columns], axis=2) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=1)


def _caption(text: str, height: int, width: int = _LABEL_WIDTH) -> UInt8[np.ndarray, "height width 3"]:
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = draw.textbbox((0, 0), text)
    draw.text(((width - right - left) / 2, (height - bottom - top) / 2), text, fill="black")
    return np.asarray(image)


def _write(path: Path, frames: UInt8[np.ndarray, "time y x 3"], fps: int) -> None:
    with replacing(path) as temporary:
        if path.suffix == ".png":
            iio.imwrite(temporary, frames[0], extension=path.suffix)
        else:
            iio.imwrite(temporary, frames, extension=path.suffix, duration=1000 / fps, loop=0)

"""What a predictor makes, as pictures: filmstrips with the truth above, and the same as moving pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from benchmark.data import Clips
from benchmark.generation.pictures import grey_levels, spread_over, write_png
from benchmark.prediction.contract import CONTEXT
from benchmark.prediction.scores import TEST_SEED, Continue
from dynamics_gen.files import write_whole

ROWS = 6
"""Clips on a picture."""

MOMENTS = 16
"""Frames of a strip: every second of a clip of 32."""

GAP, BETWEEN = 2, 8
"""White pixels between frames, and between clips."""

SEAM = (255, 96, 0)
"""Colour of the line between what was given and what is predicted."""

LARGEST = 96
"""Frames are enlarged by a whole factor up to so many pixels."""


def all_of(go_on: Continue, test: Clips, folder: Path, seed: int) -> tuple[Path, ...]:
    """Draws continuations of clips that are spread over test; returns the files.

    Args:
        go_on: continues clips.
        test: the clips.
        folder: gets `filmstrips-seed0.png` and `filmstrips-seed0.gif`, and so on.
        seed: of the training; names the files.
    """
    batch = next(test.batches([spread_over(len(test), ROWS).numpy()]))
    with torch.random.fork_rng():
        torch.manual_seed(TEST_SEED)
        said = go_on(batch.clips, batch.clips.shape[2])
    return films(grey_levels(batch.clips), grey_levels(said), folder / f"filmstrips-seed{seed}")


def films(
    truth: UInt8[np.ndarray, "clips time y x 3"], said: UInt8[np.ndarray, "clips time y x 3"], stem: Path
) -> tuple[Path, ...]:
    """Writes both forms beside each other, with the endings .png and .gif, whole or not at all."""
    still, moving = stem.with_suffix(".png"), stem.with_suffix(".gif")
    write_png(filmstrips(truth, said), still)
    write_whole(moving, animation(truth, said))
    return still, moving


def filmstrips(
    truth: UInt8[np.ndarray, "clips time y x 3"], said: UInt8[np.ndarray, "clips time y x 3"]
) -> UInt8[np.ndarray, "y x 3"]:
    """Of each clip what came, and below it what was predicted; a line where the prediction begins."""
    moments = np.linspace(0, truth.shape[1] - 1, min(MOMENTS, truth.shape[1])).round().astype(int)
    rows = []
    for pair in zip(truth, said, strict=True):
        rows += [_strip(_enlarged(clip[moments]), moments) for clip in pair]
        rows.append(np.full((BETWEEN, rows[-1].shape[1], 3), 255, np.uint8))
    return np.concatenate(rows[:-1])


def _strip(frames: np.ndarray, moments: np.ndarray) -> np.ndarray:
    parts, seam = [], moments[moments >= CONTEXT][0]
    for moment, frame in zip(moments, frames, strict=True):
        gap = np.full((frame.shape[0], GAP, 3), SEAM if moment == seam else 255, np.uint8)
        parts += [gap, frame]
    strip = np.concatenate(parts, axis=1)
    return np.concatenate([strip, np.full((GAP, strip.shape[1], 3), 255, np.uint8)])


def animation(truth: UInt8[np.ndarray, "clips time y x 3"], said: UInt8[np.ndarray, "clips time y x 3"]) -> bytes:
    """A GIF of all clips side by side, what came above; a bar of the seam's colour while frames are predicted."""
    pictures = []
    for moment in range(truth.shape[1]):
        columns = []
        for true, clip in zip(truth, said, strict=True):
            column = [_enlarged(true[moment : moment + 1])[0], _enlarged(clip[moment : moment + 1])[0]]
            bar = np.full((GAP, column[0].shape[1], 3), SEAM if moment >= CONTEXT else 255, np.uint8)
            columns += [np.concatenate([column[0], bar, column[1]]), np.full((2 * len(column[0]) + GAP, GAP, 3), 255)]
        pictures.append(Image.fromarray(np.concatenate(columns[:-1], axis=1).astype(np.uint8)))
    content = io.BytesIO()
    pictures[0].save(content, "gif", save_all=True, append_images=pictures[1:], duration=125, loop=0)
    return content.getvalue()


def _enlarged(frames: UInt8[np.ndarray, "time y x 3"]) -> UInt8[np.ndarray, "time Y X 3"]:
    times = max(1, LARGEST // frames.shape[1])
    return frames.repeat(times, axis=1).repeat(times, axis=2)

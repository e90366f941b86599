"""A picture of the frames that an entry consists of."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8

SENT = "sent.png"
"""What the picture of an entry is called."""
ROWS = 8
"""Clips on the picture, or rows of single frames."""
MOMENTS = 8
"""Frames of a clip on the picture, or single frames in a row."""
GAP = 2
LARGEST = 128
"""Pixels that a frame is enlarged to, at most."""


def picture_of(frames: UInt8[np.ndarray, "clips time y x 3"]) -> bytes:
    """A PNG of clips that are evenly spread over those that were sent, one a row, or of single frames."""
    moments = frames.shape[1]
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), ROWS if moments > 1 else ROWS * MOMENTS)).round()
    some = frames[chosen.astype(int)]
    if moments == 1:
        cells = some[: len(some) // MOMENTS * MOMENTS, 0].reshape(-1, MOMENTS, *some.shape[2:])
    else:
        cells = some[:, np.linspace(0, moments - 1, min(moments, MOMENTS)).round().astype(int)]
    return _png(_sheet(cells))


def _sheet(cells: UInt8[np.ndarray, "row column y x 3"]) -> UInt8[np.ndarray, "Y X 3"]:
    """Frames in rows, enlarged, with white gaps between them."""
    times = max(1, LARGEST // cells.shape[2])
    large = cells.repeat(times, axis=2).repeat(times, axis=3)
    framed = np.pad(large, ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    rows, columns, height, width, _ = framed.shape
    return np.ascontiguousarray(framed.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3))


def _png(picture: UInt8[np.ndarray, "y x 3"]) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(picture).save(content, "png", optimize=True)
    return content.getvalue()

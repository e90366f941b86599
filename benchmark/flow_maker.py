"""Makes the flow of clips: what runs in worker processes, which therefore import neither torch nor OpenCV unasked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import ConfigError

FARNEBACK = {
    "pyr_scale": 0.5,
    "levels": 3,
    "winsize": 9,
    "iterations": 3,
    "poly_n": 5,
    "poly_sigma": 1.1,
    "flags": 0,
}
"""Of OpenCV's `calcOpticalFlowFarneback`."""


def estimated(grey: UInt8[np.ndarray, "time height width"]) -> Float32[np.ndarray, "steps height width 2"]:
    """Farnebäck's flow (2003), (right, down) in pixels, from each frame to the next, as OpenCV gives it.

    Raises:
        ConfigError: OpenCV is not installed.
    """
    cv2 = _opencv()
    flow = np.empty((len(grey) - 1, *grey.shape[1:], 2), np.float32)
    for this, following, field in zip(grey[:-1], grey[1:], flow, strict=True):
        cv2.calcOpticalFlowFarneback(this, following, field, **FARNEBACK)
    return flow


def farneback(video: UInt8[np.ndarray, "time height width 3"]) -> Float32[np.ndarray, "steps height width 2"]:
    """Estimates a clip's flow from its grey frames.

    It is zero where nothing changes within a window: there OpenCV gives what leaks in from elsewhere, and, at the
    right and the lower border, up to a quarter of a pixel between two equal frames.

    Raises:
        ConfigError: OpenCV is not installed.
    """
    cv2 = _opencv()
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in video])
    window = np.ones((FARNEBACK["winsize"], FARNEBACK["winsize"]), np.uint8)
    flow = estimated(grey)
    for field, one, other in zip(flow, grey[:-1], grey[1:], strict=True):
        field *= (cv2.dilate(cv2.absdiff(one, other), window) > 0)[..., None]
    return flow


def _opencv() -> Any:
    """OpenCV, on one thread: what calls it fills the cores with processes."""
    try:
        import cv2
    except ImportError:
        raise ConfigError(
            "Farnebäck's flow needs OpenCV, which is not installed: run `pip install 'dynamics-benchmark[bench]'`"
        ) from None
    cv2.setNumThreads(1)
    return cv2


@dataclass(frozen=True, slots=True)
class FlowMaker:
    """Writes the flow of some clips of a split to their places in a file.

    Attributes:
        split: the folder.
        kind: one of `spec.FLOW_INPUTS`.
        target: the file.
        offset: of the first clip in it, bytes.
    """

    split: Path
    kind: str
    target: Path
    offset: int

    def __call__(self, clips: range, report: Callable[[int], None]) -> None:
        """Writes them, and reports each."""
        exact = self.kind == "flow_exact"
        split = ClipDataset(self.split, annotations=("flow",) if exact else ())
        with self.target.open("r+b") as file:
            for clip in clips:
                shown = split[clip]
                flow = shown["forward_flow"][:-1] if exact else farneback(shown["video"])
                data = flow.astype("<f2").tobytes()
                file.seek(self.offset + clip * len(data))
                file.write(data)
                report(1)

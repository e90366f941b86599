"""Makes the flow of clips: what runs in worker processes, which therefore import neither torch nor OpenCV unasked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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


def farneback(video: UInt8[np.ndarray, "time height width 3"]) -> Float32[np.ndarray, "steps height width 2"]:
    """Estimates a clip's flow from its grey frames (Farnebäck 2003), (right, down) in pixels.

    It is zero where nothing changes within a window: there OpenCV gives what leaks in from elsewhere, and, at the
    right and the lower border, up to a quarter of a pixel between two equal frames.

    Raises:
        ConfigError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise ConfigError(
            "flow_farneback needs OpenCV, which is not installed: run `pip install 'dynamics-benchmark[bench]'`"
        ) from None
    cv2.setNumThreads(1)
    window = np.ones((FARNEBACK["winsize"], FARNEBACK["winsize"]), np.uint8)
    flows = []
    for one, other in itertools.pairwise([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in video]):
        flow = cv2.calcOpticalFlowFarneback(one, other, None, **FARNEBACK)  # type: ignore[call-overload]
        flows.append(flow * (cv2.dilate(cv2.absdiff(one, other), window) > 0)[..., None])
    return np.stack(flows)


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

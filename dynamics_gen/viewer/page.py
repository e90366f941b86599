"""What the page shows of a split, as plain values; and the page around them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from dynamics_gen.dataset import ClipDataset
from dynamics_gen.export.describe import plain_names, plain_value
from dynamics_gen.files import explained, write_whole
from dynamics_gen.layout import ANNOTATION_KINDS, ANNOTATIONS_FOLDER, LARGE
from dynamics_gen.manifest import NAME, read_manifest

ARROWS_A_SIDE = 32
"""Flow is drawn at this many places along a side."""

LEAST_FLOW = 0.05
"""Shorter flows are not drawn, pixels."""

_TEMPLATE = Path(__file__).with_name("page.html")
_COLOURS = np.array(
    [[0, 0, 0, 0], [244, 63, 94, 255], [34, 197, 94, 255], [59, 130, 246, 255], [234, 179, 8, 255]], np.uint8
)
"""Of the wall (none), the object, and the others in turn."""


class Show:
    """A split, as the page asks for it.

    Args:
        directory: the split's folder; what ground truth it has is shown.

    Raises:
        ShardError: as `dynamics_gen.open`.
    """

    def __init__(self, directory: Path) -> None:
        self.dataset = ClipDataset(directory, _annotations_of(directory))
        names = plain_names(self.dataset.columns)
        self._small = {plain: self.dataset.column(name) for name, plain in names.items()}
        self._drawn = [plain for name, plain in names.items() if name.startswith("parameters/")]

    def overview(self, clips: Sequence[int]) -> dict[str, Any]:
        """Title, classes, and the name and class of some clips."""
        manifest = self.dataset.manifest
        frames, height, width, _ = manifest.video_shape
        return {
            "title": f"{manifest.release}, {manifest.split}",
            "summary": f"{len(self.dataset):,} clips of {frames} frames, {width}×{height}, {self._fps(0):g} frames/s",
            "classes": list(manifest.classes) if "label" in self._small else [],
            "index": [
                {"number": clip, "id": self.dataset.clip_ids[clip], "class": self._class(clip)} for clip in clips
            ],
        }

    def clip(self, number: int) -> dict[str, Any]:
        """All that is shown of a clip; frames one under the other in a PNG.

        Raises:
            IndexError: there is no such clip. ShardError: it is damaged.
        """
        read = self.dataset[number]
        frames, _, side, _ = self.dataset.video_shape
        states = [
            name for name in ("position", "linear_velocity", "angular_velocity", "arc_length") if name in self._small
        ]
        return {
            "number": number,
            "id": self.dataset.clip_ids[number],
            "class": self._class(number),
            "frames": frames,
            "side": side,
            "fps": self._fps(number),
            "video": _png(read["video"].reshape(-1, side, 3)),
            "mask": _png(_COLOURS[_instances(read["mask"])].reshape(-1, side, 4)) if "mask" in read else None,
            "flow": _arrows(read["forward_flow"]) if "forward_flow" in read else None,
            "trajectory": self._trajectory(number),
            "state": [[name, _rounded(self._small[name][number])] for name in states],
            "parameters": [[name, plain_value(self._small[name][number])] for name in self._drawn],
        }

    def _class(self, number: int) -> str:
        if "label" not in self._small:
            return "not told"
        return self.dataset.manifest.classes[int(self._small["label"][number])]

    def _fps(self, number: int) -> float:
        rate = float(self._small["frame_rate"][number]) if "frame_rate" in self._small else 0.0
        return rate or float(self.dataset.manifest.content.get("fps", 16))

    def _trajectory(self, number: int) -> list | None:
        """The object's centre on the screen in every frame, pixels."""
        if not {"position", "camera"} <= self._small.keys():
            return None
        side = self.dataset.video_shape[1]
        return _rounded(project(self._small["position"][number], self._small["camera"][number], side))


def project(
    position: Float64[np.ndarray, "time 3"], camera: Float64[np.ndarray, "time 4"], side: int
) -> Float64[np.ndarray, "time 2"]:
    """Pixels (right, down) of points, each seen by its frame's camera: eye, and half the view's side at z = 0."""
    position, camera = np.asarray(position, float), np.asarray(camera, float)
    eye, half = camera[:, :3], camera[:, 3:]
    distance = eye[:, 2:] - position[:, 2:]
    right_up = (position[:, :2] - eye[:, :2]) * eye[:, 2:] / (distance * half)
    return (1 + right_up * [1, -1]) * side / 2


def write_page(directory: Path, path: Path, clips: int) -> int:
    """Writes a page that holds some clips of a split, as many of each class; returns how many.

    Raises:
        ShardError: as `dynamics_gen.open`. BuildError: the file cannot be written.
    """
    show = Show(directory)
    chosen = spread(show.dataset, clips)
    described = show.overview(chosen) | {"clips": {str(number): show.clip(number) for number in chosen}}
    with explained(path):
        write_whole(path, page(described).encode())
    return len(chosen)


def page(described: dict[str, Any], template: Path = _TEMPLATE) -> str:
    """A page with its data in place of `/*DATA*/`; nothing in them can end the script element that holds them."""
    text = json.dumps(described, separators=(",", ":"), allow_nan=False)
    return template.read_text("utf-8").replace("/*DATA*/", text.replace("<", "\\u003c").replace("&", "\\u0026"), 1)


def spread(dataset: ClipDataset, clips: int) -> list[int]:
    """The first clips of each class in turn, at most so many in all; of a split without labels, the first."""
    if "label" not in dataset.columns:
        return list(range(min(clips, len(dataset))))
    order = np.argsort(dataset.labels, kind="stable")
    labels = dataset.labels[order]
    place = np.arange(len(labels)) - np.searchsorted(labels, labels)  # of a clip among those of its class
    return sorted(order[np.lexsort((labels, place))][:clips].tolist())


def _annotations_of(directory: Path) -> list[str]:
    folder = directory / ANNOTATIONS_FOLDER
    if not (folder / NAME).exists():
        return []
    columns = read_manifest(folder).columns
    return [kind for kind, needed in ANNOTATION_KINDS.items() if set(needed) <= set(columns) & set(LARGE)]


def _instances(mask: UInt8[np.ndarray, "time y x"]) -> np.ndarray:
    """Places in `_COLOURS`."""
    return np.where((mask == 0) | (mask == 255), 0, 1 + (mask.astype(int) - 1) % (len(_COLOURS) - 1))


def _arrows(flow: np.ndarray) -> list[list[list[float]]]:
    """Of each frame, [x, y, right, down] at places of a grid that move; pixels, from the corner."""
    side = flow.shape[1]
    step = max(1, side // ARROWS_A_SIDE)
    at = np.arange(step // 2, side, step)
    grid = flow[:, at[:, None], at]
    arrows = []
    for frame in grid:
        rows, columns = np.nonzero(np.hypot(frame[..., 0], frame[..., 1]) >= LEAST_FLOW)
        places = np.stack([at[columns] + 0.5, at[rows] + 0.5], axis=1)
        arrows.append(_rounded(np.concatenate([places, frame[rows, columns]], axis=1)))
    return arrows


def _rounded(values: np.ndarray) -> list:
    finite = np.nan_to_num(np.asarray(values, float), posinf=0, neginf=0)
    return np.round(finite, 4).tolist()


def _png(pixels: UInt8[np.ndarray, "y x channel"]) -> str:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "png")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")

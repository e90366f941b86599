"""One clip in memory: what the renderer, or the annotator, hands to the shard writer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from jaxtyping import Float32, UInt8

STATE_COLUMNS = (
    "position",
    "orientation",
    "linear_velocity",
    "angular_velocity",
    "arc_length",
    "camera",
)
"""Per-frame arrays of a clip, all float32."""


class Storable(Protocol):
    """What a shard can hold."""

    def large(self) -> dict[str, np.ndarray]:
        """What is stored a clip at a time, by column name."""
        ...

    def small(self) -> dict[str, object]:
        """Everything else, by column name; the same names in every clip."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """A rendered clip with its ground truth.

    Attributes:
        video: frames, RGB.
        label: index into `classes.CLASSES`; `path` and `speed` index `PATHS` and `SPEEDS`.
        position: centre of the object, world units; the plane of motion is z = 0, x right, y up.
        orientation: unit quaternion, xyzw.
        linear_velocity: world units / s.
        angular_velocity: rad / s, world axes.
        arc_length: way along the path, world units; for a bounce, distance from the stop.
        camera: eye (x, y, z), looking along -z, and half the side of the view in the plane z = 0.
        parameters: every drawn parameter by name: a float32, an int, a short ASCII string or a small float32 array;
            the same names in every clip, NaN (or "") where a parameter does not apply.
    """

    clip_id: str
    label: int
    path: int
    speed: int
    video: UInt8[np.ndarray, "time height width 3"]
    position: Float32[np.ndarray, "time 3"]
    orientation: Float32[np.ndarray, "time 4"]
    linear_velocity: Float32[np.ndarray, "time 3"]
    angular_velocity: Float32[np.ndarray, "time 3"]
    arc_length: Float32[np.ndarray, " time"]
    camera: Float32[np.ndarray, "time 4"]
    parameters: dict[str, np.floating | int | str | np.ndarray]

    def large(self) -> dict[str, np.ndarray]:
        """What is stored a clip at a time, by column name."""
        return {"video": self.video}

    def small(self) -> dict[str, object]:
        """Everything else, by column name."""
        return {
            "clip_id": self.clip_id,
            "label": self.label,
            "path": self.path,
            "speed": self.speed,
            **{name: getattr(self, name) for name in STATE_COLUMNS},
            **{f"parameters/{name}": value for name, value in self.parameters.items()},
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The video and the per-frame arrays, by column name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name in ("video", *STATE_COLUMNS)}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AnnotatedClip:
    """The ground truth of a clip, to be stored beside it.

    Attributes:
        columns: arrays whose first axis is time, by column name.
    """

    clip_id: str
    columns: dict[str, np.ndarray]

    def large(self) -> dict[str, np.ndarray]:
        """What is stored a clip at a time, by column name."""
        return self.columns

    def small(self) -> dict[str, object]:
        """Everything else, by column name."""
        return {"clip_id": self.clip_id}

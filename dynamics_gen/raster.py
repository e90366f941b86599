"""Draws bodies: one before a picture, or whole scenes; byte for byte what TinyRenderer gives, in a tenth of its time.

Tests hold these pictures against `bullet.Studio`, which asks TinyRenderer itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float64, UInt8

from dynamics_gen import tiny_renderer
from dynamics_gen.shapes import SQUARE, Mesh
from dynamics_gen.tiny_renderer import NOTHING, SAMPLES, SCRATCH

_UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


class Body(Protocol):
    """What can be drawn: a textured mesh and where it is in each frame, as `shifts.Solid` has it."""

    @property
    def mesh(self) -> Mesh: ...  # noqa: D102
    @property
    def texture(self) -> UInt8[np.ndarray, "height width 3"]: ...  # noqa: D102
    @property
    def position(self) -> Float64[np.ndarray, "time 3"]: ...  # noqa: D102
    @property
    def orientation(self) -> Float64[np.ndarray, "time 4"]: ...  # noqa: D102


def film(
    body: Body,
    light: Float64[np.ndarray, "3"],
    camera: Float64[np.ndarray, "4"],
    backdrop: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "time height width 3"]:
    """Draws one body before a picture, frame by frame; only where the body is, anything is computed.

    Args:
        body: what moves; wholly in view.
        light: unit vector towards the light.
        camera: the eye's x, y and z, and half the side of the view in the plane z = 0.
        backdrop: what is seen where the body is not.
    """
    video = np.empty((len(body.position), *backdrop.shape), np.uint8)
    size = len(backdrop) * SAMPLES
    colors, depths = np.empty((size, size, 3), np.uint8), np.full((size, size), NOTHING)
    tiny_renderer.film(
        *_tables(body.mesh),
        body.texture,
        body.position,
        body.orientation,
        camera,
        light.astype(np.float32),
        backdrop,
        video,
        colors,
        depths,
    )
    return video


def stage(
    bodies: Sequence[Body], light: Float64[np.ndarray, "3"], camera: Float64[np.ndarray, "time 4"], size: int
) -> UInt8[np.ndarray, "time height width 3"]:
    """Draws all bodies of a scene, every sample of every frame; white where nothing is.

    Args:
        bodies: drawn in this order; of two at one depth, the later is seen.
        light: unit vector towards the light.
        camera: the eye's x, y and z, and half the side of the view in the plane z = 0, by frame.
        size: height and width of a frame, pixels.
    """
    video = np.empty((len(camera), size, size, 3), np.uint8)
    fine, towards = size * SAMPLES, light.astype(np.float32)
    colors, depths = np.empty((fine, fine, 3), np.uint8), np.empty((fine, fine), np.float32)
    tables = [_tables(body.mesh) for body in bodies]
    unsettled = [True] * len(bodies)
    white = np.full((size, size, 3), 255, np.uint8)
    for frame, picture in enumerate(video):
        depths[:] = NOTHING
        for k, (body, table) in enumerate(zip(bodies, tables, strict=True)):
            unsettled[k] = tiny_renderer.draw(
                *table,
                body.texture,
                body.position[frame],
                body.orientation[frame],
                camera[frame],
                towards,
                unsettled[k],
                colors,
                depths,
            )
        tiny_renderer.compose(white, colors, depths, 0, 0, size, size, picture)
    return video


def lit(
    texture: UInt8[np.ndarray, "height width 3"], light: Float64[np.ndarray, "3"], distance: float
) -> UInt8[np.ndarray, "height width 3"]:
    """What a texture on a plane that squarely faces the eye looks like where each texel falls on one pixel.

    The light is the same all over such a plane, so a chart of the 256 grey levels tells what becomes of each.

    Args:
        texture: what is on the plane.
        light: unit vector towards the light.
        distance: from the eye to the chart.
    """
    levels = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    colors, depths = np.empty((16, 16, 3), np.uint8), np.full((16, 16), NOTHING)
    camera = np.array([0.0, 0.0, distance, 1.0])
    tiny_renderer.draw(
        *_tables(SQUARE), levels, np.zeros(3), _UPRIGHT, camera, light.astype(np.float32), True, colors, depths
    )
    return colors[::-1, :, 0].ravel()[texture]


def _tables(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A mesh as the kernels take it; the normals are theirs to change."""
    return (
        mesh.vertices.astype(np.float32),
        mesh.normals.astype(np.float32),
        mesh.uvs.astype(np.float32),
        mesh.triangles,
        np.empty((len(mesh.vertices), SCRATCH), np.float32),
    )

"""Ground truth by geometry: what each pixel's centre shows, how far it is, and where it goes.

Every pixel's ray is cast at the flat triangles of the simulated bodies, in float64; nothing is read off a picture. The
point that it meets is carried along with its body to the next and the last frame and projected there, which is its
optical flow; another ray, through that projection, tells whether the point is still seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

NOTHING = 255
"""Mask value of a pixel that shows no body."""

_NEARER = 1e-6
"""How much nearer to the eye a surface must be to hide a point, world units."""


@dataclass(frozen=True, slots=True, eq=False)
class RigidBody:
    """Triangles that move as one; their place in the scene's list is their instance number.

    Attributes:
        vertices: in the body's frame, world units.
        triangles: counter-clockwise seen from outside; what faces away from the eye is not seen.
        position: world units. rotation: from the body's frame to the world's.
    """

    vertices: Float64[np.ndarray, "vertex 3"]
    triangles: Int64[np.ndarray, "triangle 3"]
    position: Float64[np.ndarray, "time 3"]
    rotation: Float64[np.ndarray, "time 3 3"]


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """What a clip shows, pixel by pixel, at the pixels' centres.

    Attributes:
        mask: 0 the wall, 1 the object, 2 and on the other bodies, 255 nothing.
        depth: distance from the eye along the view axis, world units; infinite where nothing is.
        forward_flow: (right, down) to the next frame, pixels; zero in the last frame.
        backward_flow: the same to the frame before; zero in the first.
        forward_occluded: 1 where the point is not seen in the next frame, hidden or out of view.
        backward_occluded: the same for the frame before.
    """

    mask: UInt8[np.ndarray, "time height width"]
    depth: Float32[np.ndarray, "time height width"]
    forward_flow: Float32[np.ndarray, "time height width 2"]
    backward_flow: Float32[np.ndarray, "time height width 2"]
    forward_occluded: UInt8[np.ndarray, "time height width"]
    backward_occluded: UInt8[np.ndarray, "time height width"]


@dataclass(frozen=True, slots=True, eq=False)
class _Hits:
    """What some rays meet first: body (-1: nothing), the point in its frame, and its depth."""

    body: Int64[np.ndarray, " ray"]
    point: Float64[np.ndarray, "ray 3"]
    depth: Float64[np.ndarray, " ray"]


@dataclass(frozen=True, slots=True, eq=False)
class _Facets:
    """The triangles of one body that face the eye in one frame.

    A ray of direction (X, Y, 1) in the eye's frame meets triangle i at depth 1 / sum(w) with barycentric coordinates
    w / sum(w), where w = planes[i] @ (X, Y, 1), if no w is negative.
    """

    planes: Float64[np.ndarray, "triangle 3 3"]
    corners: Float64[np.ndarray, "triangle 3 3"]
    low: Float64[np.ndarray, "2"]
    high: Float64[np.ndarray, "2"]


def ground_truth(
    bodies: Sequence[RigidBody], camera: Float64[np.ndarray, "time 4"], size: int, *, flow: bool = True
) -> GroundTruth:
    """Casts the rays of a clip.

    Args:
        bodies: in the order of their instance numbers.
        camera: eye x, y and z, looking along -z, and half the side of the view in the plane z = 0, by frame.
        size: height and width of a frame, pixels.
        flow: whether flow and occlusion are wanted, which take most of the time; else they are all zero.
    """
    frames = len(camera)
    stage = [[_facets(body, eye, t) for body in bodies] for t, eye in enumerate(camera)]
    centres = (np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2) + 0.5).astype(float)
    seen = [_cast(stage[t], _rays(centres, camera[t], size)) for t in range(frames)]
    shape = (frames, size, size)
    flows, hidden = {}, {}
    for step in (1, -1):
        displaced, gone = np.zeros((frames, size * size, 2)), np.zeros((frames, size * size), np.uint8)
        for t in range(max(0, -step), frames - max(0, step)) if flow else ():
            there = t + step
            moved = np.array([_moves(body, t, there) for body in bodies]) | (camera[t] != camera[there]).any()
            moved = np.append(moved, False)  # for rays that meet nothing, whose body is -1
            rows = np.flatnonzero(moved[seen[t].body])
            # What stands still is seen in the same pixel, unless something is before it there.
            gone[t] = seen[there].depth < seen[t].depth - _NEARER
            displaced[t, rows], gone[t, rows] = _follow(
                seen[t], rows, centres, bodies, there, camera[there], stage[there], size
            )
        flows[step] = displaced.reshape(*shape, 2).astype(np.float32)
        hidden[step] = gone.reshape(shape)
    return GroundTruth(
        mask=np.array([np.where(hits.body < 0, NOTHING, hits.body) for hits in seen], np.uint8).reshape(shape),
        depth=np.array([hits.depth for hits in seen], np.float32).reshape(shape),
        forward_flow=flows[1],
        backward_flow=flows[-1],
        forward_occluded=hidden[1],
        backward_occluded=hidden[-1],
    )


def _rays(pixels: Float64[np.ndarray, "ray 2"], eye: Float64[np.ndarray, "4"], size: int):
    """Directions (X, Y), for a depth of one, of the rays through places in the picture."""
    slope = eye[3] / eye[2]
    return (2 * pixels / size - 1) * [slope, -slope]


def _pixels(points: Float64[np.ndarray, "point 3"], eye: Float64[np.ndarray, "4"], size: int):
    """Places in the picture, and depths, of world points."""
    depth = eye[2] - points[:, 2]
    direction = (points[:, :2] - eye[:2]) / depth[:, None]
    slope = eye[3] / eye[2]
    return (direction / [slope, -slope] + 1) * size / 2, depth


def _facets(body: RigidBody, eye: Float64[np.ndarray, "4"], t: int) -> _Facets:
    world = body.vertices @ body.rotation[t].T + body.position[t]
    seen = np.column_stack([world[:, :2] - eye[:2], eye[2] - world[:, 2]])  # x right, y up, depth
    a, b, c = (seen[body.triangles[:, i]] for i in range(3))
    planes = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    volume = np.einsum("ij,ij->i", a, planes[:, 0])
    facing = volume > 1e-12
    outline = seen[:, :2] / seen[:, 2:]
    return _Facets(
        planes=planes[facing] / volume[facing, None, None],
        corners=body.vertices[body.triangles[facing]],
        low=outline.min(axis=0),
        high=outline.max(axis=0),
    )


def _cast(stage: Sequence[_Facets], rays: Float64[np.ndarray, "ray 2"]) -> _Hits:
    """Finds what each ray meets first."""
    body, nearness = np.full(len(rays), -1), np.zeros(len(rays))
    point = np.zeros((len(rays), 3))
    for number, facets in enumerate(stage):
        inside = ((rays >= facets.low) & (rays <= facets.high)).all(axis=1)
        chosen = np.flatnonzero(inside)
        if not len(chosen) or not len(facets.planes):
            continue
        directions = np.column_stack([rays[chosen], np.ones(len(chosen))])
        weights = (facets.planes.reshape(-1, 3) @ directions.T).reshape(-1, 3, len(chosen))
        near = weights.sum(axis=1)  # one over the depth
        near[(weights < -1e-12).any(axis=1)] = 0.0
        first = near.argmax(axis=0)
        best = near[first, np.arange(len(chosen))]
        hit = best > nearness[chosen]
        rows, first = chosen[hit], first[hit]
        shares = weights[first, :, np.flatnonzero(hit)] / best[hit, None]
        point[rows] = np.einsum("ij,ijk->ik", shares, facets.corners[first])
        nearness[rows], body[rows] = best[hit], number
    with np.errstate(divide="ignore"):
        return _Hits(body, point, 1 / nearness)


def _moves(body: RigidBody, t: int, there: int) -> bool:
    """Whether a body is not the same in two frames."""
    return bool((body.position[t] != body.position[there]).any() or (body.rotation[t] != body.rotation[there]).any())


def _follow(
    hits: _Hits,
    rows: Int64[np.ndarray, " row"],
    centres: Float64[np.ndarray, "ray 2"],
    bodies: Sequence[RigidBody],
    t: int,
    eye: Float64[np.ndarray, "4"],
    stage: Sequence[_Facets],
    size: int,
) -> tuple[Float64[np.ndarray, "row 2"], Bool[np.ndarray, " row"]]:
    """Where points that were met are in frame `t`, as displacements in pixels, and whether they are hidden there."""
    world = np.empty((len(rows), 3))
    for number, body in enumerate(bodies):
        own = hits.body[rows] == number
        world[own] = hits.point[rows[own]] @ body.rotation[t].T + body.position[t]
    place, depth = _pixels(world, eye, size)
    out_of_view = ((place < 0) | (place > size)).any(axis=1)
    hidden = _cast(stage, _rays(place, eye, size)).depth < depth - _NEARER
    return place - centres[rows], hidden | out_of_view

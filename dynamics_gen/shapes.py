"""Object meshes: families of closed surfaces, each inside the unit sphere and touching it.

Two builders make them all: `lathe` turns a profile about z, `extrude` gives a polygon thickness along z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

SEGMENTS = 16
"""Facets around a turned shape: at 64 pixels a finer outline cannot be told from this one."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles with outward normals and texture coordinates (which repeat with period 1)."""

    vertices: Float64[np.ndarray, "vertex 3"]
    normals: Float64[np.ndarray, "vertex 3"]
    uvs: Float64[np.ndarray, "vertex 2"]
    triangles: Int64[np.ndarray, "triangle 3"]


SQUARE = Mesh(
    vertices=np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]),
    normals=np.tile([0.0, 0.0, 1.0], (4, 1)),
    uvs=np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]),
    triangles=np.array([[0, 1, 2], [0, 2, 3]]),
)
"""The square [-1, 1]² in the plane z = 0, its texture upright for an eye on the positive z axis."""


def lathe(profile: Float64[np.ndarray, "point 4"], wraps: int = 1) -> Mesh:
    """Turns a profile about the z axis.

    Args:
        profile: rows of radius, height, and the outward normal's radial and vertical part, from top to bottom; a
            point given twice with two normals is a sharp edge.
        wraps: how often the texture goes around.
    """
    turn = np.linspace(0.0, 2 * np.pi, SEGMENTS + 1)
    c, s = np.cos(turn), np.sin(turn)
    r, z, nr, nz = (profile[:, i, None] for i in range(4))
    ones = np.ones_like(c)
    vertices = np.stack([r * c, r * s, z * ones], axis=-1)
    normals = np.stack([nr * c, nr * s, nz * ones], axis=-1)
    way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(profile[:, 0]), np.diff(profile[:, 1])))])
    u = np.broadcast_to(wraps * turn / (2 * np.pi), vertices.shape[:2])
    uvs = np.stack([u, np.broadcast_to((way / way[-1])[:, None], u.shape)], axis=-1)
    columns = SEGMENTS + 1
    a = (np.arange(len(profile) - 1)[:, None] * columns + np.arange(SEGMENTS)).ravel()
    quads = np.stack([a, a + columns, a + columns + 1, a + 1], axis=-1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return _mesh(vertices.reshape(-1, 3), normals.reshape(-1, 3), uvs.reshape(-1, 2), triangles)


def extrude(polygon: Float64[np.ndarray, "corner 2"], depth: float, centre: tuple[float, float]) -> Mesh:
    """Gives a polygon, counter-clockwise and seen whole from `centre`, a thickness of `depth` along z."""
    n = len(polygon)
    size = np.abs(polygon).max()
    parts = []
    for side in (1.0, -1.0):
        flat = np.vstack([polygon, centre])
        vertices = np.column_stack([flat, np.full(n + 1, side * depth / 2)])
        normals = np.tile([0.0, 0.0, side], (n + 1, 1))
        fan = np.stack([np.arange(n), (np.arange(n) + 1) % n, np.full(n, n)], axis=-1)
        parts.append((vertices, normals, flat / size / 2 + 0.5, fan if side > 0 else fan[:, ::-1]))
    ahead = np.roll(polygon, -1, axis=0)
    edge = ahead - polygon
    outward = np.column_stack([edge[:, 1], -edge[:, 0], np.zeros(n)]) / np.linalg.norm(edge, axis=1)[:, None]
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(edge, axis=1))]) / (2 * size)
    walls = np.stack(
        [
            np.column_stack([xy, np.full(n, z)])
            for xy, z in (
                (polygon, -depth / 2),
                (ahead, -depth / 2),
                (ahead, depth / 2),
                (polygon, depth / 2),
            )
        ],
        axis=1,
    )
    v = depth / (2 * size)
    uvs = np.stack([np.stack([way[:-1], way[1:], way[1:], way[:-1]], 1), np.tile([0.0, 0.0, v, v], (n, 1))], axis=-1)
    first = 4 * np.arange(n)[:, None]
    triangles = np.concatenate([first + np.array([0, 1, 2]), first + np.array([0, 2, 3])])
    parts.append((walls.reshape(-1, 3), np.repeat(outward, 4, axis=0), uvs.reshape(-1, 2), triangles))
    vertices, normals, uvs = (np.concatenate([part[i] for part in parts]) for i in range(3))
    shifts = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
    triangles = np.concatenate([part[3] + shift for part, shift in zip(parts, shifts, strict=True)])
    return _mesh(vertices, normals, uvs, triangles)


def _mesh(vertices, normals, uvs, triangles) -> Mesh:
    """Drops triangles without area, centres the bounding box and scales to the unit sphere."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    vertices = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    vertices = vertices / np.linalg.norm(vertices, axis=1).max()
    return Mesh(vertices, normals, uvs, triangles[area > 1e-9])


def _scaled(mesh: Mesh, scale: Float64[np.ndarray, "3"]) -> Mesh:
    normals = mesh.normals / scale
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return _mesh(mesh.vertices * scale, normals, mesh.uvs, mesh.triangles)


def _arc(points: int, start: float = 0.0, stop: float = np.pi, radius: float = 1.0, height: float = 0.0):
    angle = np.linspace(start, stop, points)
    return np.column_stack([radius * np.sin(angle), radius * np.cos(angle) + height, np.sin(angle), np.cos(angle)])


def sphere(a: float, b: float) -> Mesh:
    """A sphere; the two proportions do nothing."""
    return lathe(_arc(8), wraps=2)


def ellipsoid(a: float, b: float) -> Mesh:
    """An ellipsoid of half-axes 1, 0.55–0.85 and 0.45–0.75."""
    return _scaled(sphere(a, b), np.array([0.55 + 0.3 * a, 1.0, 0.45 + 0.3 * b]))


def box(a: float, b: float) -> Mesh:
    """A box of sides 1, 0.6–1 and 0.5–1."""
    half = np.array([[1.0, 0.6 + 0.4 * a]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return extrude(corners * half, 2 * (0.5 + 0.5 * b), (0.0, 0.0))


def cylinder(a: float, b: float) -> Mesh:
    """A cylinder 1.2–2.2 radii high."""
    h = 0.6 + 0.5 * a
    return lathe(
        np.array([[0, h, 0, 1], [1, h, 0, 1], [1, h, 1, 0], [1, -h, 1, 0], [1, -h, 0, -1], [0, -h, 0, -1]], float)
    )


def capsule(a: float, b: float) -> Mesh:
    """A cylinder 0.8–1.8 radii high with round ends."""
    h = 0.4 + 0.5 * a
    return lathe(np.vstack([_arc(5, 0, np.pi / 2, height=h), _arc(5, np.pi / 2, np.pi, height=-h)]))


def cone(a: float, b: float) -> Mesh:
    """A cone 1.4–2.2 radii high."""
    h = 1.4 + 0.8 * a
    n = np.array([h, 1.0]) / np.hypot(h, 1.0)
    return lathe(np.array([[0, h, *n], [1, 0, *n], [1, 0, 0, -1], [0, 0, 0, -1]], float))


def torus(a: float, b: float) -> Mesh:
    """A ring whose tube is 0.3–0.5 of its radius thick (half that in radius)."""
    tube = 0.3 + 0.2 * a
    angle = np.linspace(0, 2 * np.pi, 9)
    s, c = np.sin(angle), np.cos(angle)
    return lathe(np.column_stack([1 + tube * s, tube * c, s, c]), wraps=3)


def star(a: float, b: float) -> Mesh:
    """A prism over a five-pointed star whose inner radius is 0.45–0.6 of the outer."""
    turn = np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.45 + 0.15 * a)
    return extrude(np.column_stack([radius * np.cos(turn), radius * np.sin(turn)]), 0.5 + 0.4 * b, (0.0, 0.0))


def ell(a: float, b: float) -> Mesh:
    """A prism over an L whose bars are 0.7–0.95 thick, of 2."""
    t = 0.7 + 0.25 * a - 1.0
    corners = np.array([[-1, -1], [1, -1], [1, t], [t, t], [t, 1], [-1, 1]], float)
    return extrude(corners, 0.6 + 0.4 * b, ((t - 1) / 2, (t - 1) / 2))


def cross(a: float, b: float) -> Mesh:
    """A prism over a plus whose bars are 0.5–0.8 wide, of 2."""
    t = 0.25 + 0.15 * a
    quarter = np.array([[1, -t], [1, t], [t, t]])
    turn = np.array([[0, 1], [-1, 0]])  # a quarter, of rows
    corners = np.vstack([quarter @ np.linalg.matrix_power(turn, n) for n in range(4)])
    return extrude(corners, 0.5 + 0.4 * b, (0.0, 0.0))


def arrow(a: float, b: float) -> Mesh:
    """A prism over an arrow whose shaft is 0.4–0.7 wide, of a head of 2."""
    t = 0.2 + 0.15 * a
    corners = np.array([[1.2, 0], [0.1, 1], [0.1, t], [-1.1, t], [-1.1, -t], [0.1, -t], [0.1, -1]])
    return extrude(corners, 0.5 + 0.4 * b, (0.1, 0.0))


def diamond(a: float, b: float) -> Mesh:
    """Two cones base to base, 0.8–1.3 and 1.1–1.6 radii high."""
    up, down = 0.8 + 0.5 * a, 1.1 + 0.5 * b
    n, m = np.array([up, 1.0]) / np.hypot(up, 1.0), np.array([down, -1.0]) / np.hypot(down, 1.0)
    return lathe(np.array([[0, up, *n], [1, 0, *n], [1, 0, *m], [0, -down, *m]]))


def hourglass(a: float, b: float) -> Mesh:
    """Two cones cut off at a waist of 0.2–0.4 radii, 1.6–2.4 radii high."""
    waist, h = 0.2 + 0.2 * a, 0.8 + 0.4 * b
    n = np.array([h, waist - 1.0]) / np.hypot(h, 1.0 - waist)
    rows = [[0, h, 0, 1], [1, h, 0, 1], [1, h, *n], [waist, 0, *n], [waist, 0, n[0], -n[1]], [1, -h, n[0], -n[1]]]
    return lathe(np.array([*rows, [1, -h, 0, -1], [0, -h, 0, -1]]))


def hexagon(a: float, b: float) -> Mesh:
    """A six-sided prism, 0.5–1.3 radii high."""
    turn = np.arange(6) * np.pi / 3
    return extrude(np.column_stack([np.cos(turn), np.sin(turn)]), 0.5 + 0.8 * b, (0.0, 0.0))


FAMILIES = {
    "box": box,
    "sphere": sphere,
    "ellipsoid": ellipsoid,
    "cylinder": cylinder,
    "capsule": capsule,
    "cone": cone,
    "torus": torus,
    "star": star,
    "ell": ell,
}
"""Shape families by name; each takes two proportions in [0, 1]."""

UNSEEN_FAMILIES = {
    "cross": cross,
    "arrow": arrow,
    "diamond": diamond,
    "hourglass": hourglass,
    "hexagon": hexagon,
}
"""Families that plain releases do not have: for tests of how well a model does on shapes it never saw."""

ALL_FAMILIES = FAMILIES | UNSEEN_FAMILIES

"""Meshes are closed, outward and fill the unit sphere."""

from collections import Counter

import numpy as np
import pytest

from dynamics_gen.shapes import FAMILIES, Mesh

CASES = [(name, a, b) for name in FAMILIES for a, b in ((0.0, 0.0), (1.0, 1.0), (0.3, 0.8))]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def mesh(request: pytest.FixtureRequest) -> Mesh:
    """One mesh of every family at the ends and inside of its proportions."""
    name, a, b = request.param
    return FAMILIES[name](a, b)


def test_there_are_at_least_eight_families() -> None:
    """The dataset promises eight shape families or more."""
    assert len(FAMILIES) >= 8


def test_a_mesh_touches_the_unit_sphere(mesh: Mesh) -> None:
    """The furthest vertex is at distance 1, so a scale is a bounding radius."""
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(1.0)


def test_a_mesh_is_closed(mesh: Mesh) -> None:
    """Once coinciding vertices are joined, every edge is run through once in each direction."""
    _, joined = np.unique(np.round(mesh.vertices, 9), axis=0, return_inverse=True)
    corners = joined.ravel()[mesh.triangles]
    edges = Counter((int(a), int(b)) for t in corners for a, b in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0])) if a != b)
    assert all(edges[b, a] == count for (a, b), count in edges.items())


def test_triangles_and_normals_face_outwards(mesh: Mesh) -> None:
    """The volume by the divergence theorem is positive, and each triangle agrees with its vertices' normals."""
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
    facing = np.cross(b - a, c - a)
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 > 0.05
    agreement = np.einsum("ij,ij->i", facing, mesh.normals[mesh.triangles].mean(axis=1))
    assert (agreement > 0).all()


def test_normals_are_unit(mesh: Mesh) -> None:
    """Lighting needs unit normals."""
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-9)


def test_the_sphere_has_nearly_the_volume_of_a_sphere() -> None:
    """4π/3, less what the facets cut off (under 8 %)."""
    mesh = FAMILIES["sphere"](0.5, 0.5)
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6
    assert 0.92 * 4 / 3 * np.pi < volume < 4 / 3 * np.pi

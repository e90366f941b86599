"""Paths are what their equations say, by arc length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamics_gen.paths import Curve, Hypocycloidal, Linear, Sinusoidal

paths = st.one_of(
    st.just(Linear()),
    st.builds(Sinusoidal, amplitude=st.floats(0.12, 0.3), periods=st.floats(1, 2.5), phase=st.floats(0, 2 * np.pi)),
    st.builds(
        Hypocycloidal,
        cusps=st.sampled_from([3, 4, 5]),
        start=st.floats(0, 2 * np.pi),
        fraction=st.floats(0.5, 1.0),
    ),
)
curves = st.builds(
    Curve,
    path=paths,
    angle=st.floats(0, 2 * np.pi),
    reflected=st.booleans(),
    extent=st.floats(0.55, 1.2),
    center=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
)


@settings(deadline=None, max_examples=60)
@given(curves)
def test_positions_are_parametrised_by_arc_length(curve: Curve) -> None:
    """A polyline through points at equal steps of s is as long as s says."""
    way = np.linspace(0, curve.length, 40_001)
    chords = np.linalg.norm(np.diff(curve.position(way), axis=0), axis=1)
    np.testing.assert_allclose(np.cumsum(chords), way[1:], rtol=2e-3, atol=2e-4 * curve.length)


@settings(deadline=None, max_examples=60)
@given(curves)
def test_the_visited_box_has_the_drawn_extent_and_centre(curve: Curve) -> None:
    """The bounding box of the visited part is centred on `center`, and its longer side is `extent`."""
    points = curve.position(np.linspace(0, curve.length, 20_001))
    low, high = points.min(axis=0), points.max(axis=0)
    assert (high - low).max() == pytest.approx(curve.extent, rel=2e-3)
    np.testing.assert_allclose((low + high) / 2, curve.center, atol=1e-3)
    np.testing.assert_allclose((high - low) / 2, curve.half_box, atol=1e-3)


@settings(deadline=None, max_examples=60)
@given(curves)
def test_tangents_are_derivatives_by_arc_length(curve: Curve) -> None:
    """The unit tangent equals a central difference of the position, away from cusps."""
    s = np.linspace(0.02, 0.98, 97) * curve.length
    step = 1e-5 * curve.length
    slope = (curve.position(s + step) - curve.position(s - step)) / (2 * step)
    smooth = np.abs(np.linalg.norm(slope, axis=1) - 1) < 0.02
    assert smooth.mean() > 0.9
    np.testing.assert_allclose(curve.tangent(s)[smooth], slope[smooth], atol=0.02)


def test_a_sine_is_a_sine() -> None:
    """Every point satisfies y = A sin(2π n x + φ)."""
    path = Sinusoidal(0.25, 2.2, 1.0)
    x, y = path.point(path.parameter(np.linspace(0, path.length(), 501))).T
    np.testing.assert_allclose(y, 0.25 * np.sin(2 * np.pi * 2.2 * x + 1.0), atol=1e-12)


def test_a_sine_is_as_long_as_its_elliptic_integral() -> None:
    """One period of y = A sin 2πx is 4 √(1+m) E(m/(1+m)) / 2π long, with m = (2πA)²: here by 10⁶ midpoints."""
    x = (np.arange(1_000_000) + 0.5) / 1_000_000
    reference = np.hypot(1, 2 * np.pi * 0.3 * np.cos(2 * np.pi * x)).mean()
    assert Sinusoidal(0.3, 1.0, 0.4).length() == pytest.approx(reference, rel=1e-8)


@pytest.mark.parametrize("cusps", [3, 4, 5])
def test_a_hypocycloid_is_as_long_as_its_closed_form(cusps: int) -> None:
    """The closed curve in a unit circle is 8 (k - 1) / k long."""
    whole = Hypocycloidal(cusps, 0.7, 1.0)
    assert whole.length() == pytest.approx(8 * (cusps - 1) / cusps, rel=1e-12)


def test_the_astroid_has_its_implicit_equation() -> None:
    """Four cusps: |x|^(2/3) + |y|^(2/3) = 1."""
    x, y = Hypocycloidal(4, 0.3, 1.0).point(np.linspace(0, 1, 1001)).T
    np.testing.assert_allclose(np.cbrt(x) ** 2 + np.cbrt(y) ** 2, 1.0, atol=1e-9)


@pytest.mark.parametrize("cusps", [3, 4, 5])
def test_a_hypocycloid_has_its_cusps_on_the_circle(cusps: int) -> None:
    """The closed curve touches the unit circle exactly k times, and its derivative vanishes there."""
    path = Hypocycloidal(cusps, 0.0, 1.0)
    at_cusps = np.arange(cusps) / cusps
    np.testing.assert_allclose(np.linalg.norm(path.point(at_cusps), axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(path.derivative(at_cusps), 0.0, atol=1e-9)


def test_arc_lengths_beyond_an_end_give_the_end() -> None:
    """A bead that Bullet lets a hair's breadth into the stop stays on the curve."""
    curve = Curve(Linear(), 0.3, False, 1.0)
    np.testing.assert_array_equal(curve.position(np.array([-0.01])), curve.position(np.array([0.0])))

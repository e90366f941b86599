"""The closed forms satisfy their own differential equations and boundary conditions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamics_gen.speeds import SpeedLaw

lengths = st.floats(0.5, 4.0)


@given(lengths)
def test_constant_covers_the_length_in_the_duration(length: float) -> None:
    """The way grows from 0 to the path's length at one speed."""
    law = SpeedLaw(kind="constant", length=length, duration=2.0)
    np.testing.assert_allclose(law.arc_length(np.array([0.0, 1.0, 2.0])), [0, length / 2, length], rtol=1e-12)


@given(lengths, st.floats(0, 0.35))
def test_accelerating_starts_at_its_share_of_the_mean_speed(length: float, share: float) -> None:
    """s(0) = 0, s(T) = length, s'(0) = share × length / T."""
    law = SpeedLaw(kind="accelerating", length=length, duration=2.0, initial_speed=share)
    np.testing.assert_allclose(law.arc_length(np.array([0.0, 2.0])), [0, length], atol=1e-12)
    assert law.start()[1] == pytest.approx(share * length / 2)
    assert law.start()[2] > 0


bounces = st.builds(
    SpeedLaw,
    kind=st.just("bouncing"),
    length=lengths,
    duration=st.just(31 / 16),
    initial_speed=st.floats(0, 0.35),
    restitution=st.floats(0.75, 0.95),
    falls=st.floats(1.6, 3.2),
)


@given(bounces)
def test_bouncing_takes_its_number_of_falls(law: SpeedLaw) -> None:
    """A fall from rest at the apex takes duration / falls; the first impact comes when the rest of it is over."""
    _, _, acceleration = law.start()
    fall = np.sqrt(2 * law.apex() / -acceleration)
    assert fall * law.falls == pytest.approx(law.duration)
    assert law.impacts(0.0)[0][0] == pytest.approx(fall * (1 - law.initial_speed))


@given(bounces)
def test_bouncing_is_a_parabola_between_contacts(law: SpeedLaw) -> None:
    """Between contacts s'' = -g (differences over times with none among them); s stays below what it rebounds to."""
    t = np.linspace(0, law.duration, 2001)
    s = law.arc_length(t)
    assert s.min() >= -1e-9
    assert s.max() <= max(law.length, law.rebound()) + 1e-9
    second = np.diff(s, 2) / (t[1] - t[0]) ** 2
    contacts = np.array([time for time, _ in law.impacts(law.duration)])
    free = np.abs(t[1:-1, None] - contacts).min(axis=1) > 2 * (t[1] - t[0])
    np.testing.assert_allclose(second[free], law.start()[2], rtol=1e-5)


@given(bounces)
def test_every_contact_takes_its_share_of_the_speed(law: SpeedLaw) -> None:
    """The speed before contact n + 1 is e times the speed before contact n, and s is 0 at each."""
    impacts = law.impacts(law.duration)
    speeds = np.array([speed for _, speed in impacts])
    np.testing.assert_allclose(speeds[1:], law.restitution * speeds[:-1], rtol=1e-12)
    np.testing.assert_allclose(law.arc_length(np.array([t for t, _ in impacts[:-1]])), 0.0, atol=1e-9)

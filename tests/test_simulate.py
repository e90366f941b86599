"""Bullet's trajectories obey the nine laws and turn at the drawn rate."""

import dataclasses

import numpy as np
import pytest

from dynamics_gen import parameters
from dynamics_gen.bullet import GRAVITY, Body, Rails
from dynamics_gen.classes import CLASSES, MOVING_CLASSES, ROTATION
from dynamics_gen.config import BuildConfig
from dynamics_gen.parameters import Motion
from dynamics_gen.render import project, rotation_matrices
from dynamics_gen.simulate import STEPS_PER_SECOND, Trajectory, simulate

CONFIG = BuildConfig(split="train", per_class=500)
CLIPS_PER_CLASS = 40
TIMES = np.arange(CONFIG.frames) / CONFIG.fps
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def rails() -> Rails:
    """One physics client for the module."""
    return Rails()


@pytest.fixture(scope="module")
def simulated(rails: Rails) -> dict[str, list[tuple[Motion, Trajectory]]]:
    """Forty random clips of each class."""
    found = {}
    for label, name in enumerate(CLASSES):
        motions = [parameters.draw_motion(CONFIG, i, label, 0.2) for i in range(CLIPS_PER_CLASS)]
        turns = [UPRIGHT] * len(motions)
        found[name] = list(
            zip(motions, simulate(rails, motions, turns, frames=CONFIG.frames, fps=CONFIG.fps), strict=True)
        )
    return found


@pytest.mark.parametrize("name", [n for n in MOVING_CLASSES if not n.endswith("bouncing")])
def test_constant_and_accelerating_follow_their_closed_form(name: str, simulated: dict) -> None:
    """Arc length stays within 0.5 % of the path's visited length at every frame."""
    for motion, trajectory in simulated[name]:
        error = np.abs(trajectory.arc_length - motion.law.arc_length(TIMES)).max()
        assert error <= 0.005 * motion.law.length


@pytest.mark.parametrize("name", [n for n in MOVING_CLASSES if n.endswith("bouncing")])
def test_bounces_follow_their_closed_form(name: str, simulated: dict) -> None:
    """Arc length stays within 1 % of the path's visited length up to the last bounce of the clip."""
    for motion, trajectory in simulated[name]:
        contacts = [time for time, _ in motion.law.impacts(TIMES[-1]) if time <= TIMES[-1]]
        until = contacts[-1] >= TIMES
        error = np.abs(trajectory.arc_length - motion.law.arc_length(TIMES))[until].max()
        assert error <= 0.01 * motion.law.length


def _every_step(rails: Rails, motions: list[Motion]) -> list[Trajectory]:
    rate = STEPS_PER_SECOND["bouncing"]
    frames = round(rate * TIMES[-1])
    return simulate(rails, motions, [UPRIGHT] * len(motions), frames=frames, fps=rate)


def test_each_contact_keeps_its_restitution(rails: Rails) -> None:
    """Step by step: the speed after every contact is within 1 % of e times the speed before it."""
    motions = [parameters.draw_motion(CONFIG, i, 2, 0.2) for i in range(100)]
    contacts = 0
    for motion, trajectory in zip(motions, _every_step(rails, motions), strict=True):
        tangent = motion.curve.tangent(np.array([motion.law.length / 2]))[0]
        speed = trajectory.linear_velocity[:, :2] @ tangent
        for before in np.flatnonzero((speed[:-1] < 0) & (speed[1:] > 0)):
            assert speed[before + 1] == pytest.approx(-motion.law.restitution * speed[before], rel=0.01)
            contacts += 1
    assert contacts >= 100


def test_energy_never_grows(rails: Rails) -> None:
    """Step by step: s'² / 2 - a s does not rise by more than rounding, through falls, bounces and accelerations."""
    motions = [parameters.draw_motion(CONFIG, i, label, 0.2) for label in (1, 2) for i in range(40)]
    rate = STEPS_PER_SECOND["bouncing"]
    trajectories = simulate(
        rails,
        motions,
        [UPRIGHT] * len(motions),
        frames=round(rate * TIMES[-1]),
        fps=rate,
        rates=dict.fromkeys(STEPS_PER_SECOND, rate),
    )
    for motion, trajectory in zip(motions, trajectories, strict=True):
        _, _, acceleration = motion.law.start()
        speed = np.linalg.norm(trajectory.linear_velocity, axis=1)
        energy = speed**2 / 2 - acceleration * trajectory.arc_length
        assert np.diff(energy).max() <= 1e-9 * np.abs(energy).max()


def test_positions_lie_on_the_drawn_curve(simulated: dict) -> None:
    """Every recorded position is within 0.1 px of the curve, found here by a dense search."""
    for name in MOVING_CLASSES:
        for motion, trajectory in simulated[name][:10]:
            dense = motion.curve.position(np.linspace(0, motion.curve.length, 20_001))
            away = np.linalg.norm(dense[:, None] - trajectory.position[None, :, :2], axis=-1).min(axis=0)
            assert away.max() * CONFIG.image_size / 2 <= 0.1


def test_linear_velocity_is_the_derivative_of_position(simulated: dict) -> None:
    """Over a frame, the chord is the mean velocity: checked for the linear constant class, where it is exact."""
    for _, trajectory in simulated["linear_constant"]:
        chord = np.diff(trajectory.position, axis=0) * CONFIG.fps
        np.testing.assert_allclose(chord, trajectory.linear_velocity[1:], atol=1e-9)


def test_rotation_turns_by_omega_t(simulated: dict) -> None:
    """The angle turned since the first frame is ω t within 0.5 %, about the drawn axis, and the place is fixed."""
    for motion, trajectory in simulated["rotation"]:
        matrices = rotation_matrices(trajectory.orientation)
        steps = matrices[1:] @ matrices[:-1].transpose(0, 2, 1)
        twist = np.stack(
            [steps[:, 2, 1] - steps[:, 1, 2], steps[:, 0, 2] - steps[:, 2, 0], steps[:, 1, 0] - steps[:, 0, 1]], axis=-1
        )
        angle = np.arctan2(np.linalg.norm(twist, axis=1) / 2, (np.trace(steps, axis1=1, axis2=2) - 1) / 2)
        turned = np.cumsum(angle)
        expected = np.abs(motion.turn) * TIMES[1:] / TIMES[-1]
        np.testing.assert_allclose(turned, expected, rtol=0.005)
        direction = twist / np.linalg.norm(twist, axis=1, keepdims=True)
        np.testing.assert_allclose(
            direction, np.broadcast_to(np.sign(motion.turn) * motion.axis, direction.shape), atol=1e-3
        )
        assert np.ptp(trajectory.position, axis=0).max() == 0


def test_a_rotating_object_stands_where_its_host_would_be(rails: Rails) -> None:
    """Its place is its host's place at the host's frame."""
    motions = [parameters.draw_motion(CONFIG, i, ROTATION, 0.2) for i in range(30)]
    hosts = [dataclasses.replace(m, host_frame=-1, turn=float("nan")) for m in motions]
    resting = simulate(rails, motions, [UPRIGHT] * 30, frames=32, fps=16)
    moving = simulate(rails, hosts, [UPRIGHT] * 30, frames=32, fps=16)
    for motion, still, host in zip(motions, resting, moving, strict=True):
        np.testing.assert_array_equal(still.position[0], host.position[motion.host_frame])


def test_a_body_does_not_feel_the_others(rails: Rails) -> None:
    """Alone, in a crowd or in another order: bit for bit the same states, contacts included."""
    rng = np.random.default_rng(3)
    bodies = [Body(position=h, velocity=0.0, restitution=e) for h, e in rng.uniform([2, 0.75], [6, 0.95], (40, 2))]
    options = {"falling": True, "rate": 960, "frames": 32, "fps": 16}
    crowd, backwards = rails.integrate(bodies, **options), rails.integrate(bodies[::-1], **options)
    np.testing.assert_array_equal(crowd.position, backwards.position[::-1])
    for k in (0, 17, 39):
        alone = rails.integrate([bodies[k]], **options)
        np.testing.assert_array_equal(alone.position[0], crowd.position[k])
        np.testing.assert_array_equal(alone.velocity[0], crowd.velocity[k])
    np.testing.assert_array_equal(crowd.orientation, np.broadcast_to([0, 0, 0, 1.0], crowd.orientation.shape))
    np.testing.assert_array_equal(crowd.angular_velocity, 0.0)


def test_a_body_without_a_stop_falls_through(rails: Rails) -> None:
    """Only bouncing bodies meet the stop: a free one passes s = 0 in free fall."""
    states = rails.integrate([Body(position=1.0, velocity=0.0)], falling=True, rate=480, frames=32, fps=16)
    assert states.position[0, -1] == pytest.approx(1.0 - GRAVITY * TIMES[-1] ** 2 / 2, rel=2e-3)


def test_projection_puts_the_view_onto_the_picture() -> None:
    """World (-1, 1) is the upper left corner, (1, -1) the lower right, in the plane of motion."""
    corners = np.array([[-1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(project(corners, 64), [[0, 0], [64, 64], [32, 32]])

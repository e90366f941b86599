"""Motions in, trajectories out: Bullet integrates each clip's rail, the curve bends it into the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from dynamics_gen.bullet import GRAVITY, Body, Rails
from dynamics_gen.parameters import Motion

STEPS_PER_SECOND = {"constant": 480.0, "accelerating": 480.0, "bouncing": 1200.0}
"""Integration rate of each speed type. A contact is resolved up to a step late, so bounces need the finer one."""


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """What happens in a clip, by frame; world units, seconds, radians; quaternions are xyzw."""

    position: Float64[np.ndarray, "time 3"]
    orientation: Float64[np.ndarray, "time 4"]
    linear_velocity: Float64[np.ndarray, "time 3"]
    angular_velocity: Float64[np.ndarray, "time 3"]
    arc_length: Float64[np.ndarray, " time"]


def simulate(
    rails: Rails,
    motions: Sequence[Motion],
    orientations: Sequence[Float64[np.ndarray, "4"]],
    *,
    frames: int,
    fps: float,
    rates: dict[str, float] | None = None,
) -> list[Trajectory]:
    """Integrates the motions, all those of one speed type in one world.

    Args:
        rails: the physics client to use.
        motions: what to integrate.
        orientations: each object's at the first frame.
        frames: frames to record.
        fps: frames a second.
        rates: steps a second by speed type, instead of `STEPS_PER_SECOND`.
    """
    found: dict[int, Trajectory] = {}
    for kind, rate in (rates or STEPS_PER_SECOND).items():
        members = [i for i, motion in enumerate(motions) if motion.law.kind == kind]
        if not members:
            continue
        step = 1 / (fps * np.ceil(rate / fps))
        units = [_rail_units(motions[i], step) for i in members]
        bodies = [_body(motions[i], orientations[i], *unit) for i, unit in zip(members, units, strict=True)]
        states = rails.integrate(bodies, falling=kind != "constant", rate=rate, frames=frames, fps=fps)
        for k, (i, (scale, offset)) in enumerate(zip(members, units, strict=True)):
            found[i] = _bend(
                motions[i],
                scale * states.position[k] + offset,
                scale * states.velocity[k],
                states.orientation[k],
                states.angular_velocity[k],
            )
    return [found[i] for i in range(len(motions))]


def _rail_units(motion: Motion, step: float) -> tuple[float, float]:
    """Scale and offset from Bullet's rail to arc length.

    A rail's unit is chosen so that the law's acceleration is the world's gravity; along gravity, if s grows with
    speed. Bullet notices a contact at the first step after it, on average half a step's way behind the stop: so much
    is the stop brought forward, which centres the error.
    """
    _, _, acceleration = motion.law.start()
    if acceleration == 0:
        return 1.0, 0.0
    offset = 0.0
    if motion.law.kind == "bouncing":
        _, impact_speed = motion.law.impacts(0.0)[0]
        offset = impact_speed * step / 2
    return -acceleration / GRAVITY, offset


def _body(motion: Motion, orientation: np.ndarray, scale: float, offset: float) -> Body:
    s, v, _ = motion.law.start()
    spin = np.zeros(3) if np.isnan(motion.turn) else motion.axis * motion.turn / motion.law.duration
    return Body(
        position=(s - offset) / scale,
        velocity=v / scale,
        restitution=motion.law.restitution if motion.law.kind == "bouncing" else None,
        orientation=orientation,
        angular_velocity=spin,
    )


def _bend(motion: Motion, s: np.ndarray, speed: np.ndarray, orientation: np.ndarray, spin: np.ndarray) -> Trajectory:
    """Lays rail states along the curve; a rotating object stays at its host's frame."""
    if motion.host_frame >= 0:
        s = np.full_like(s, s[motion.host_frame])
        speed = np.zeros_like(speed)
    zero = np.zeros((len(s), 1))
    return Trajectory(
        position=np.hstack([motion.curve.position(s), zero]),
        orientation=orientation,
        linear_velocity=np.hstack([motion.curve.tangent(s) * speed[:, None], zero]),
        angular_velocity=spin,
        arc_length=s,
    )

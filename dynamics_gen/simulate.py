"""Motions in, trajectories out: Bullet integrates each clip's rail, the curve bends it into the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from dynamics_gen.bullet import GRAVITY, Body, Rails
from dynamics_gen.config import Release
from dynamics_gen.parameters import Motion

STEPS_PER_SECOND = {"constant": 480.0, "accelerating": 480.0, "bouncing": 1200.0}
"""Integration rate of each speed type; rotors spin in the first one's world. A contact is resolved up to a step late,
so bounces need the finer rate."""

PLAIN_FALLS = 3.2
"""Falls in a clip for which that rate is fine enough; errors of contacts add up when there are more."""


def rates_for(release: Release) -> dict[str, float]:
    """Steps a second by speed type: bounces of more falls than plain clips have are integrated finer."""
    most = max(ranges.falls[1] for ranges in (release, *release.grades))
    finer = np.ceil((most / PLAIN_FALLS) ** 2)
    return STEPS_PER_SECOND | {"bouncing": STEPS_PER_SECOND["bouncing"] * float(finer)}


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
    rotors = [i for i, motion in enumerate(motions) if motion.host_frame >= 0]
    spins: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for kind, rate in (rates or STEPS_PER_SECOND).items():
        members = [i for i, motion in enumerate(motions) if motion.law.kind == kind]
        step = 1 / (fps * np.ceil(rate / fps))
        units = [_rail_units(motions[i], step) for i in members]
        bodies = [_bead(motions[i], *unit) for i, unit in zip(members, units, strict=True)]
        if kind == "constant":  # no gravity there: rotors keep their place and their spin
            bodies += [_rotor(motions[i], orientations[i]) for i in rotors]
        if not bodies:
            continue
        states = rails.integrate(bodies, falling=kind != "constant", rate=rate, frames=frames, fps=fps)
        if kind == "constant":
            turns = zip(
                rotors, states.orientation[len(members) :], states.angular_velocity[len(members) :], strict=True
            )
            spins = {i: (orientation, spin) for i, orientation, spin in turns}
        for k, (i, (scale, offset)) in enumerate(zip(members, units, strict=True)):
            still = np.tile(orientations[i], (frames, 1)), np.zeros((frames, 3))
            way, speed = scale * states.position[k] + offset, scale * states.velocity[k]
            found[i] = _bend(motions[i], way, speed, *spins.get(i, still))
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


def _bead(motion: Motion, scale: float, offset: float) -> Body:
    s, v, _ = motion.law.start()
    restitution = motion.law.restitution if motion.law.kind == "bouncing" else None
    return Body(position=(s - offset) / scale, velocity=v / scale, restitution=restitution)


def _rotor(motion: Motion, orientation: np.ndarray) -> Body:
    spin = motion.axis * motion.turn / motion.law.duration
    return Body(position=0.0, velocity=0.0, orientation=orientation, angular_velocity=spin)


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

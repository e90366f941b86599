"""What is drawn for a clip before anything is simulated: its appearance, and its motion.

Appearance is drawn before the class is looked at, from a stream of its own; the only thing motion takes from it is the
radius, which keeps the object inside the view.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from dynamics_gen import paths, seeds, shapes, textures
from dynamics_gen.classes import MOVING_CLASSES, PATHS, ROTATION, SPEEDS, factors
from dynamics_gen.config import BuildConfig, Release
from dynamics_gen.speeds import SpeedLaw

CAMERA_DISTANCE = 5.0
"""From the eye to the plane of motion, world units."""

BACKDROP_DEPTH = 0.4
"""From the plane of motion back to the backdrop, world units."""

EDGE_MARGIN = 1 / 256
"""Least distance between the object's bounding sphere and the border of the view, world units."""

LEAST_STEP = 0.002
"""Least way between consecutive frames, world units (a sixteenth of a pixel at 64×64): stills are redrawn."""

PATTERN_CONTRAST = 70.0
"""Least distance in RGB between the two colours of a surface pattern."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Appearance:
    """How the object and its surroundings look. Colours are RGB, 0–255.

    Attributes:
        radius: of the object's bounding sphere, world units.
        proportions: two numbers in [0, 1] that the shape family makes something of.
        orientation: unit quaternion, xyzw, uniform over all turns.
        light: unit vector towards the light.
    """

    shape: str
    proportions: Float64[np.ndarray, "2"]
    radius: float
    pattern: str
    first_color: Float64[np.ndarray, "3"]
    second_color: Float64[np.ndarray, "3"]
    orientation: Float64[np.ndarray, "4"]
    light: Float64[np.ndarray, "3"]
    backdrop: str
    backdrop_color: Float64[np.ndarray, "3"]
    backdrop_contrast: float

    @property
    def mean_color(self) -> Float64[np.ndarray, "3"]:
        """Mean of the surface's two colours."""
        return (self.first_color + self.second_color) / 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Motion:
    """How the object moves; NaN where a parameter does not apply to the class.

    A rotating object stands where a clip of class `host` would be at frame `host_frame`, so that its place says
    nothing; its path and speed parameters are the host's.

    Attributes:
        curve: the placed path. law: how it is travelled.
        turn: angle turned about `axis` (unit vector, world) between the first and the last frame, radians.
    """

    curve: paths.Curve
    law: SpeedLaw
    host: int
    host_frame: int
    turn: float
    axis: Float64[np.ndarray, "3"]
    attempt: int


def ranges(config: BuildConfig, index: int) -> Release:
    """The release that a clip is drawn from: the build's, or the one of its grades that the clip falls to."""
    grades = config.release.grades
    return grades[grade(config, index)] if grades else config.release


def grade(config: BuildConfig, index: int) -> int:
    """Which of the release's grades a clip falls to."""
    return int(seeds.stream(config, index, "grade").integers(len(config.release.grades)))


def draw_appearance(config: BuildConfig, index: int) -> Appearance:
    """Draws the looks of a clip."""
    return draw_look(seeds.stream(config, index, "appearance"), config.release)


def draw_look(rng: np.random.Generator, release: Release) -> Appearance:
    """Draws looks; those in which the object could not be told from its backdrop are redrawn."""
    unseen = release.shift is not None and release.shift.unseen_families
    forms = tuple(shapes.UNSEEN_FAMILIES if unseen else shapes.FAMILIES)
    surfaces = tuple(textures.UNSEEN_FAMILIES if unseen else textures.FAMILIES)
    while True:
        azimuth, slant = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.0)
        orientation = rng.standard_normal(4)
        length = float(np.sqrt((orientation * orientation).sum()))
        drawn = Appearance(
            shape=str(rng.choice(forms)),
            proportions=rng.uniform(size=2),
            radius=rng.uniform(*release.radius),
            pattern=str(rng.choice(surfaces)),
            first_color=rng.uniform(0, 255, 3),
            second_color=rng.uniform(0, 255, 3),
            orientation=orientation / length,
            light=np.array([np.sin(slant) * np.cos(azimuth), np.sin(slant) * np.sin(azimuth), np.cos(slant)]),
            backdrop=str(rng.choice(surfaces)),
            backdrop_color=rng.uniform(40, 215, 3),
            backdrop_contrast=rng.uniform(*release.backdrop_contrast),
        )
        if (
            np.linalg.norm(drawn.mean_color - drawn.backdrop_color) >= release.object_contrast
            and np.linalg.norm(drawn.first_color - drawn.second_color) >= PATTERN_CONTRAST
        ):
            return drawn


def draw_motion(
    config: BuildConfig, index: int, label: int, radius: float, attempt: int = 0, purpose: str = "motion"
) -> Motion:
    """Draws the motion of a clip of class `label`.

    Motions that would stand still for a frame, or bounce back beyond the path's end, are redrawn.
    """
    rng, release = seeds.stream(config, index, purpose, attempt), ranges(config, index)
    host = int(rng.integers(len(MOVING_CLASSES))) if label == ROTATION else label
    path_kind, speed_kind = (names[i] for names, i in zip((PATHS, SPEEDS), factors(host), strict=True))
    times = np.arange(config.frames) / (config.fps * release.tempo)
    while True:
        curve = _draw_curve(rng, release, path_kind, radius)
        law = SpeedLaw(
            kind=speed_kind,
            length=curve.length,
            duration=float(times[-1]),
            initial_speed=float("nan") if speed_kind == "constant" else rng.uniform(*release.initial_speed),
            restitution=rng.uniform(*release.restitution) if speed_kind == "bouncing" else float("nan"),
            falls=rng.uniform(*release.falls) if speed_kind == "bouncing" else float("nan"),
        )
        steps = np.diff(curve.position(law.arc_length(times)), axis=0)
        leaves = speed_kind == "bouncing" and law.rebound() > law.length
        if not leaves and np.linalg.norm(steps, axis=1).min() >= LEAST_STEP:
            break
    if label != ROTATION:
        nothing = np.full(3, np.nan)
        return Motion(curve=curve, law=law, host=host, host_frame=-1, turn=float("nan"), axis=nothing, attempt=attempt)
    height, azimuth = rng.uniform(np.cos(release.rotation_cone), 1.0), rng.uniform(0, 2 * np.pi)
    side = np.sqrt(1 - height**2)
    return Motion(
        curve=curve,
        law=law,
        host=host,
        host_frame=int(rng.integers(config.frames)),
        turn=rng.uniform(*release.rotation) * (1 if rng.uniform() < 0.5 else -1),
        axis=np.array([side * np.cos(azimuth), side * np.sin(azimuth), height]),
        attempt=attempt,
    )


def _draw_curve(rng: np.random.Generator, release: Release, kind: str, radius: float) -> paths.Curve:
    if kind == "linear":
        path: paths.Path = paths.Linear()
    elif kind == "sinusoidal":
        path = paths.Sinusoidal(
            amplitude=rng.uniform(*release.sine_amplitude),
            periods=rng.uniform(*release.sine_periods),
            phase=rng.uniform(0, 2 * np.pi),
        )
    else:
        path = paths.Hypocycloidal(
            cusps=int(rng.choice(release.hypocycloid_cusps)),
            start=rng.uniform(0, 2 * np.pi),
            fraction=rng.uniform(*release.hypocycloid_fraction),
        )
    curve = paths.Curve(
        path=path,
        angle=rng.uniform(0, 2 * np.pi),
        reflected=bool(rng.integers(2)),
        extent=rng.uniform(*release.extent),
    )
    room = reach(radius) - curve.half_box
    x, y = rng.uniform(-room, room)
    return dataclasses.replace(curve, center=(float(x), float(y)))


def reach(radius: float) -> float:
    """How far from the view's centre, along x or y, an object's centre may be: the view's side planes, which go
    through the eye, stay clear of its bounding sphere.
    """  # noqa: D205
    slope = np.hypot(1.0, CAMERA_DISTANCE) / CAMERA_DISTANCE
    return 1.0 - (radius + EDGE_MARGIN) * slope


def single_precision(
    drawn: dict[str, float | int | str | np.ndarray],
) -> dict[str, np.floating | int | str | np.ndarray]:
    """The parameters with floats of 32 bits: what a shard keeps.

    In 64 bits, the last of them depend on the processor (on which of its kernels OpenBLAS takes), and with them the
    split's fingerprint would.
    """
    return {
        name: np.float32(value)
        if isinstance(value, float)
        else value.astype(np.float32)
        if isinstance(value, np.ndarray) and value.dtype == np.float64
        else value
        for name, value in drawn.items()
    }


def columns(appearance: Appearance, motion: Motion) -> dict[str, float | int | str | np.ndarray]:
    """Every drawn parameter by name; NaN where one does not apply."""
    nan = float("nan")
    path, law = motion.curve.path, motion.law
    drawn: dict[str, float | int | str | np.ndarray] = {
        f.name: getattr(appearance, f.name) for f in dataclasses.fields(appearance)
    }
    drawn |= {
        "extent": motion.curve.extent,
        "angle": motion.curve.angle,
        "reflected": int(motion.curve.reflected),
        "center": np.array(motion.curve.center),
        "path_length": motion.curve.length,
        "sine_amplitude": getattr(path, "amplitude", nan),
        "sine_periods": getattr(path, "periods", nan),
        "sine_phase": getattr(path, "phase", nan),
        "hypocycloid_cusps": getattr(path, "cusps", 0),
        "hypocycloid_start": getattr(path, "start", nan),
        "hypocycloid_fraction": getattr(path, "fraction", nan),
        "initial_speed": law.initial_speed,
        "restitution": law.restitution,
        "falls": law.falls,
        "host": motion.host,
        "host_frame": motion.host_frame,
        "rotation": motion.turn,
        "rotation_axis": motion.axis,
        "attempt": motion.attempt,
    }
    return drawn

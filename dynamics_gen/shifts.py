"""What the shifted test sets add to a plain scene: a moving camera, panels, still objects, a companion, bars.

Everything is drawn from streams of its own, so the object, its motion and its colours are those of the plain clip.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from dynamics_gen import parameters, seeds, shapes, textures
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import BuildConfig
from dynamics_gen.parameters import BACKDROP_DEPTH, CAMERA_DISTANCE, Appearance, Motion

COMPANION_SIZE = (0.5, 0.7)
"""Radius of a companion over that of the object."""

GAP = 0.02
"""Between two bodies that stand one behind the other, world units."""

BAR_DEPTH = 0.5
"""From the hindmost bar back to the plane of motion, world units."""

BAR_WIDTH = (0.08, 0.25)
"""World units, in the bars' own plane."""

MOST_HIDDEN = 0.5
"""Share of the frames in which bars may hide the object's centre."""

CORE = 0.6
"""Radius of the disc that no bar hides in any frame, over the object's; its thin sides may be narrower."""

LAYER_DEPTH = (0.5, 2.6)
"""From the plane of motion back to a panel, world units."""

WALL_DEPTH = {"plain": BACKDROP_DEPTH, "layers": 3.0, "bodies": 3.4}
"""From the plane of motion back to the wall, by what stands before it, world units."""

CAMERA_RANGES = {"pan": (0.15, 0.5), "zoom": (0.1, 0.35), "shake": (0.02, 0.08)}
"""How far a camera moves: world units; for a zoom, the logarithm of the view's side."""


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A rigid body of a scene and where it is in each frame.

    Attributes:
        mesh: in the body's own frame, world units.
        position: world units. orientation: unit quaternions, xyzw.
    """

    mesh: shapes.Mesh
    texture: UInt8[np.ndarray, "height width 3"]
    position: Float64[np.ndarray, "time 3"]
    orientation: Float64[np.ndarray, "time 4"]


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """All of a scene but its object.

    Attributes:
        camera: eye x, y, z, and half the side of the view in the plane z = 0, by frame.
        wall: depth behind the plane of motion, and half its side.
        solids: bodies, in the order of their instance numbers, from 2 on.
        drawn: parameters of the shift, by column name.
    """

    camera: Float64[np.ndarray, "time 4"]
    wall: tuple[float, float]
    solids: tuple[Solid, ...]
    drawn: dict[str, float | int | str | np.ndarray]

    @property
    def plain(self) -> bool:
        """Whether there is nothing but a wall that just fills the view of a camera that stands still."""
        return not self.solids and self.wall[0] == BACKDROP_DEPTH and bool((self.camera == self.camera[0]).all())


def draw_companion(
    config: BuildConfig, index: int, label: int, beside: Appearance, attempt: int
) -> tuple[Appearance, Motion, int]:
    """Draws a smaller object, how it moves, and its class, which is not `label`."""
    rng = seeds.stream(config, index, "companion", attempt)
    other = int(rng.choice([k for k in range(len(CLASSES)) if k != label]))
    look = dataclasses.replace(_look(rng, config, beside), radius=beside.radius * rng.uniform(*COMPANION_SIZE))
    return look, parameters.draw_motion(config, index, other, look.radius, attempt, "companion_motion"), other


def plain_setting(config: BuildConfig, index: int, frames: int) -> Setting:
    """A wall and a still camera; what a clip's grade is, where its release has grades."""
    release = config.release
    drawn: dict[str, float | int | str | np.ndarray] = {}
    if release.grades:
        tempo = parameters.ranges(config, index).tempo
        drawn = {"grade": parameters.grade(config, index), "frame_rate": config.fps * tempo}
    camera = np.tile([0.0, 0.0, CAMERA_DISTANCE, 1.0], (frames, 1))
    depth = WALL_DEPTH["plain"]
    return Setting(camera, (depth, _half_wall(depth, camera)), (), drawn)


def draw_setting(
    config: BuildConfig, index: int, look: Appearance, place: Float64[np.ndarray, "time 3"], companion: Solid | None
) -> Setting:
    """Draws what a clip's release shows beside its object.

    Args:
        config: what is built.
        index: the clip.
        look: the object's looks.
        place: where the object is, by frame; cameras and bars keep it in sight.
        companion: the second object, if there is one.
    """
    plain = plain_setting(config, index, len(place))
    shift = config.release.shift
    if shift is None:
        return plain
    camera, drawn = plain.camera, dict(plain.drawn)
    if shift.cameras:
        camera, moved = _camera(seeds.stream(config, index, "camera"), config, shift.cameras, place, look.radius)
        drawn |= moved
    rng = seeds.stream(config, index, "props")
    kind = "layers" if shift.layers[1] else "bodies" if shift.distractors[1] or shift.companion else "plain"
    wall = WALL_DEPTH[kind], _half_wall(WALL_DEPTH[kind], camera)
    solids = [] if companion is None else [companion]
    count = {
        name: int(rng.integers(*getattr(shift, name), endpoint=True)) for name in ("layers", "distractors", "bars")
    }
    solids += _distractors(rng, config, look, count["distractors"], len(place))
    solids += _panels(rng, config, look, count["layers"], wall[1], len(place))
    solids += _bars(rng, config, look, count["bars"], place)
    drawn |= {name: number for name, number in count.items() if getattr(shift, name)[1]}
    return Setting(camera, wall, tuple(solids), drawn)


def solid_of(
    look: Appearance,
    texture: UInt8[np.ndarray, "height width 3"],
    position: Float64[np.ndarray, "time 3"],
    orientation: Float64[np.ndarray, "time 4"],
) -> Solid:
    """The body that some looks describe."""
    mesh = shapes.ALL_FAMILIES[look.shape](*look.proportions)
    return Solid(dataclasses.replace(mesh, vertices=mesh.vertices * look.radius), texture, position, orientation)


def surface(rng: np.random.Generator, look: Appearance) -> UInt8[np.ndarray, "32 32 3"]:
    """Draws a surface of the looks' pattern and colours."""
    return textures.pattern(rng, look.pattern, look.first_color, look.second_color)


def depth_behind(*radii: float) -> float:
    """The z at which a body's centre stands if the spheres of all before it, the object's first, stand in a row."""
    *before, own = radii
    return -(before[0] + 2 * sum(before[1:]) + own + GAP * len(before))


def _look(rng: np.random.Generator, config: BuildConfig, beside: Appearance) -> Appearance:
    """Looks that can be told from the object's and from its backdrop."""
    release = config.release
    while True:
        drawn = parameters.draw_look(rng, release)
        apart = (np.linalg.norm(drawn.mean_color - color) for color in (beside.backdrop_color, beside.mean_color))
        if min(apart) >= release.object_contrast:
            return drawn


def _camera(rng, config: BuildConfig, kinds, place, radius: float):
    """A camera that moves smoothly and never loses the object: what would is drawn again, ever smaller."""
    kind = str(rng.choice(kinds))
    t = np.arange(len(place)) / config.fps
    low, high = CAMERA_RANGES[kind]
    amplitude = rng.uniform(low, high)
    while True:
        camera = np.tile([0.0, 0.0, CAMERA_DISTANCE, 1.0], (len(place), 1))
        if kind == "pan":
            angle, rate, phase = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6), rng.uniform(0, 2 * np.pi)
            camera[:, :2] = amplitude * np.outer(np.sin(2 * np.pi * rate * t + phase), [np.cos(angle), np.sin(angle)])
        elif kind == "zoom":
            rate, phase = rng.uniform(0.2, 0.6), rng.uniform(0, 2 * np.pi)
            camera[:, 3] = np.exp(amplitude * np.sin(2 * np.pi * rate * t + phase))
        else:
            rates, phases = rng.uniform(1.0, 4.0, (4, 2)), rng.uniform(0, 2 * np.pi, (4, 2))
            camera[:, :2] = amplitude / 2 * np.sin(2 * np.pi * rates * t[:, None, None] + phases).sum(axis=1)
        if in_view(camera, place, radius):
            return camera, {"camera_motion": kind, "camera_amplitude": float(amplitude)}
        amplitude *= 0.95


def in_view(camera: Float64[np.ndarray, "time 4"], place: Float64[np.ndarray, "time 3"], radius: float) -> bool:
    """Whether the bounding sphere of an object in the plane z = 0 is in view in every frame."""
    half, height = camera[:, 3], camera[:, 2]
    room = half - (radius + parameters.EDGE_MARGIN) * np.hypot(half, height) / height
    return bool((np.abs(place[:, :2] - camera[:, :2]).max(axis=1) <= room).all())


def _half_wall(depth: float, camera: Float64[np.ndarray, "time 4"]) -> float:
    """Half the side of a wall that fills every frame."""
    sight = camera[:, 3] * (camera[:, 2] + depth) / camera[:, 2]
    return float((np.abs(camera[:, :2]).max(axis=1) + sight).max())


def _distractors(rng, config: BuildConfig, beside: Appearance, count: int, frames: int) -> list[Solid]:
    """Still objects, one behind the other, each wholly in view."""
    radii, made = [beside.radius], []
    for _ in range(count):
        look = _look(rng, config, beside)
        radii.append(look.radius)
        z = depth_behind(*radii)
        x, y = rng.uniform(-1, 1, 2) * (CAMERA_DISTANCE - z) / CAMERA_DISTANCE * parameters.reach(look.radius)
        still = np.tile([x, y, z], (frames, 1)), np.tile(look.orientation, (frames, 1))
        made.append(solid_of(look, surface(rng, look), *still))
    return made


def _panels(rng, config: BuildConfig, beside: Appearance, count: int, half_wall: float, frames: int) -> list[Solid]:
    """Pictures like the backdrop's that stand between object and wall, squarely to the eye."""
    made = []
    while len(made) < count:
        look = _look(rng, config, beside)
        color = 0.4 * look.mean_color + 0.6 * beside.backdrop_color
        sides, angle = rng.uniform(0.25, 0.7, 2), rng.uniform(0, np.pi)
        x, y, z = *rng.uniform(-0.8, 0.8, 2) * half_wall, -rng.uniform(*LAYER_DEPTH)
        texture = textures.backdrop(rng, look.backdrop, textures.PATTERN_SIZE, color, beside.backdrop_contrast)
        if np.linalg.norm(color - beside.mean_color) < config.release.object_contrast:
            continue
        mesh = dataclasses.replace(shapes.SQUARE, vertices=shapes.SQUARE.vertices * [*sides, 1.0])
        turned = [0.0, 0.0, np.sin(angle / 2), np.cos(angle / 2)]
        made.append(Solid(mesh, texture, np.tile([x, y, z], (frames, 1)), np.tile(turned, (frames, 1))))
    return made


def _bars(rng, config: BuildConfig, beside: Appearance, count: int, place) -> list[Solid]:
    """Bars from border to border; those that would hide the object, or its centre too often, are drawn again."""
    while True:
        made, hidden, lost = [], np.zeros(len(place), bool), False
        for k in range(count):
            look = _look(rng, config, beside)
            angle, offset, width = rng.uniform(0, np.pi), rng.uniform(-0.8, 0.8), rng.uniform(*BAR_WIDTH)
            across = np.array([-np.sin(angle), np.cos(angle)])
            z = BAR_DEPTH + k * GAP  # bars that cross at one depth would be drawn in no sure order
            nearer = (CAMERA_DISTANCE - z) / CAMERA_DISTANCE  # from the plane of motion, along a line of sight
            distance = np.abs(nearer * (place[:, :2] @ across - offset))
            hidden |= distance < width / 2
            lost |= bool((distance + CORE * nearer * beside.radius < width / 2).any())
            vertices = shapes.SQUARE.vertices * [2.0, width / 2, 1.0]
            mesh = dataclasses.replace(shapes.SQUARE, vertices=vertices, uvs=shapes.SQUARE.uvs * [2.0 / width, 1.0])
            turned = [0.0, 0.0, np.sin(angle / 2), np.cos(angle / 2)]
            position = [*(offset * nearer * across), z]
            still = np.tile(position, (len(place), 1)), np.tile(turned, (len(place), 1))
            made.append(Solid(mesh, surface(rng, look), *still))
        if hidden.mean() <= MOST_HIDDEN and not lost:
            return made

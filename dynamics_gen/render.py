"""Clips from indices: draw, simulate, render.

`raster` renders: of plain scenes the object alone, over a backdrop that is lit once a clip; of those in which the
camera or more than the object moves or stands about, everything. TinyRenderer's own pictures are the reference
(`Renderer.plain_video`): they are the same, byte for byte.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from dynamics_gen import parameters, raster, seeds, shapes, shifts, textures
from dynamics_gen.annotations import RigidBody
from dynamics_gen.bullet import Rails, Studio
from dynamics_gen.classes import factors
from dynamics_gen.clip import Clip
from dynamics_gen.config import BuildConfig
from dynamics_gen.parameters import CAMERA_DISTANCE, Appearance, Motion
from dynamics_gen.shifts import Setting, Solid
from dynamics_gen.simulate import Trajectory, rates_for, simulate
from dynamics_gen.tiny_renderer import SAMPLES

BATCH = 128
"""Clips simulated together; changes nothing in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One clip before it is rendered: its object, and in what setting it moves."""

    index: int
    label: int
    appearance: Appearance
    motion: Motion
    trajectory: Trajectory
    setting: Setting


class Renderer:
    """Makes clips of one configuration; holds Bullet's clients, so it belongs to one process and thread."""

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self._rails = Rails()
        self._studio: Studio | None = None

    def clips(self, indices: Sequence[int]) -> Iterator[Clip]:
        """Yields the clips of the given indices, in that order."""
        for start in range(0, len(indices), BATCH):
            for scene in self.scenes(indices[start : start + BATCH]):
                yield self._clip(scene)

    def scenes(self, indices: Sequence[int], attempt: int = 0) -> list[Scene]:
        """Draws and simulates clips; `attempt` counts redraws of their motion."""
        config = self.config
        labels = [int(seeds.labels(config, i, i + 1)[0]) for i in indices]
        looks = [parameters.draw_appearance(config, i) for i in indices]
        motions = [
            parameters.draw_motion(config, i, label, look.radius, attempt)
            for i, label, look in zip(indices, labels, looks, strict=True)
        ]
        trajectories = self._simulate(indices, motions, looks)
        settings = self._settings(indices, labels, looks, trajectories, attempt)
        return [Scene(*scene) for scene in zip(indices, labels, looks, motions, trajectories, settings, strict=True)]

    def _simulate(
        self, indices: Sequence[int], motions: Sequence[Motion], looks: Sequence[Appearance]
    ) -> list[Trajectory]:
        """Integrates motions, those of one frame rate together."""
        config = self.config
        tempos = [parameters.ranges(config, i).tempo for i in indices]
        found: dict[int, Trajectory] = {}
        for tempo in sorted(set(tempos)):
            members = [k for k, other in enumerate(tempos) if other == tempo]
            moved = simulate(
                self._rails,
                [motions[k] for k in members],
                [looks[k].orientation for k in members],
                frames=config.frames,
                fps=config.fps * tempo,
                rates=rates_for(config.release),
            )
            found |= dict(zip(members, moved, strict=True))
        return [found[k] for k in range(len(motions))]

    def _settings(self, indices, labels, looks, trajectories, attempt: int) -> list[Setting]:
        """What is shown beside the objects; companions are simulated like them."""
        config, shift = self.config, self.config.release.shift
        companions: list[Solid | None] = [None] * len(indices)
        drawn: list[dict] = [{}] * len(indices)
        if shift is not None and shift.companion:
            others = [shifts.draw_companion(config, *of, attempt) for of in zip(indices, labels, looks, strict=True)]
            moved = self._simulate(indices, [motion for _, motion, _ in others], [look for look, _, _ in others])
            for k, ((look, _, label), path, beside) in enumerate(zip(others, moved, looks, strict=True)):
                behind = path.position + np.array([0, 0, shifts.depth_behind(beside.radius, look.radius)])
                rng = seeds.stream(config, indices[k], "companion_surface")
                companions[k] = shifts.solid_of(look, shifts.surface(rng, look), behind, path.orientation)
                drawn[k] = {"companion_label": label, "companion_radius": look.radius}
        settings = [
            shifts.draw_setting(config, i, look, trajectory.position, companion)
            for i, look, trajectory, companion in zip(indices, looks, trajectories, companions, strict=True)
        ]
        return [
            dataclasses.replace(setting, drawn=setting.drawn | more)
            for setting, more in zip(settings, drawn, strict=True)
        ]

    def video(self, scene: Scene) -> UInt8[np.ndarray, "time height width 3"]:
        """Renders a scene."""
        bodies, light, camera = self.solids(scene), scene.appearance.light, scene.setting.camera
        if not scene.setting.plain:
            return raster.stage(bodies, light, camera, self.config.image_size)
        wall, thing = bodies
        return raster.film(thing, light, camera[0], raster.lit(wall.texture, light, CAMERA_DISTANCE))

    def plain_video(self, scene: Scene, frames: Sequence[int] | None = None) -> UInt8[np.ndarray, "n height width 3"]:
        """Has TinyRenderer render frames (all of them by default): the whole scene, every sample. The reference."""
        if self._studio is None:
            self._studio = Studio(CAMERA_DISTANCE)
        studio, size, solids = self._studio, self.config.image_size, self.solids(scene)
        studio.clear()
        studio.light(scene.appearance.light)
        bodies = []
        for solid in solids:
            bodies.append(studio.add(solid.mesh))
            studio.paint(bodies[-1], solid.texture)
        video = []
        for frame in range(self.config.frames) if frames is None else frames:
            for body, solid in zip(bodies, solids, strict=True):
                studio.place(body, solid.position[frame].tolist(), solid.orientation[frame].tolist())
            window = (size * SAMPLES, 0, 0, size * SAMPLES, size * SAMPLES)
            fine = studio.picture(*window, scene.setting.camera[frame].tolist())[0][..., :3]
            blocks = fine.reshape(size, SAMPLES, size, SAMPLES, 3).astype(np.uint16)
            video.append((blocks.sum(axis=(1, 3)) + SAMPLES**2 // 2) // SAMPLES**2)
        return np.array(video, np.uint8)

    def solids(self, scene: Scene) -> list[Solid]:
        """All bodies of a scene: the wall, the object, the others; each at its instance number."""
        look, (depth, half) = scene.appearance, scene.setting.wall
        rng = seeds.stream(self.config, scene.index, "backdrop")
        in_view = half * CAMERA_DISTANCE / (CAMERA_DISTANCE + depth)  # in the plane of motion
        texels = math.ceil(round(self.config.image_size * in_view, 6))  # one falls on one pixel, or nearly
        backdrop = textures.backdrop(rng, look.backdrop, texels, look.backdrop_color, look.backdrop_contrast)
        square = dataclasses.replace(shapes.SQUARE, vertices=shapes.SQUARE.vertices * half)
        frames = len(scene.trajectory.position)
        wall = Solid(square, backdrop, np.tile([0.0, 0.0, -depth], (frames, 1)), np.tile([0.0, 0, 0, 1], (frames, 1)))
        path = scene.trajectory
        thing = shifts.solid_of(look, shifts.surface(rng, look), path.position, path.orientation)
        return [wall, thing, *scene.setting.solids]

    def rigid_bodies(self, scene: Scene) -> list[RigidBody]:
        """The scene's bodies for `annotations.ground_truth`, in the order of `solids`."""
        return [
            RigidBody(solid.mesh.vertices, solid.mesh.triangles, solid.position, rotation_matrices(solid.orientation))
            for solid in self.solids(scene)
        ]

    def _clip(self, scene: Scene) -> Clip:
        """Renders a scene; one in which two consecutive frames come out identical is drawn again."""
        video = self.video(scene)
        while _has_stills(video):
            (scene,) = self.scenes([scene.index], scene.motion.attempt + 1)
            video = self.video(scene)
        path, speed = factors(scene.label)
        trajectory = scene.trajectory
        return Clip(
            clip_id=f"{self.config.split}-{scene.index:06d}",
            label=scene.label,
            path=path,
            speed=speed,
            video=video,
            position=trajectory.position.astype(np.float32),
            orientation=trajectory.orientation.astype(np.float32),
            linear_velocity=trajectory.linear_velocity.astype(np.float32),
            angular_velocity=trajectory.angular_velocity.astype(np.float32),
            arc_length=trajectory.arc_length.astype(np.float32),
            camera=scene.setting.camera.astype(np.float32),
            parameters=parameters.single_precision(
                parameters.columns(scene.appearance, scene.motion) | scene.setting.drawn
            ),
        )


def render_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """Yields clips of a split in the order of `indices`; each is the same, bit for bit, whatever the others are."""
    return Renderer(config).clips(indices)


def project(points: Float64[np.ndarray, "... 3"], size: int) -> Float64[np.ndarray, "... 2"]:
    """Pixel coordinates (x right, y down, pixel centres at .5) of world points, seen by the fixed camera."""
    scale = size / 2 * CAMERA_DISTANCE / (CAMERA_DISTANCE - points[..., 2])
    return np.stack([size / 2 + scale * points[..., 0], size / 2 - scale * points[..., 1]], axis=-1)


def rotation_matrices(quaternions: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 3 3"]:
    """Rotation matrices of unit quaternions (xyzw)."""
    x, y, z, w = np.moveaxis(quaternions, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def _has_stills(video: UInt8[np.ndarray, "time height width 3"]) -> bool:
    """Whether any two consecutive frames are identical."""
    frames = video.reshape(len(video), -1)
    if frames.shape[1] % 8 == 0:
        frames = frames.view(np.uint64)
    return not (frames[1:] != frames[:-1]).any(axis=1).all()

"""Clips from indices: draw, simulate, render, compose.

The backdrop is lit once a clip; each frame renders the object alone, in a window just around it, at twice the
resolution, and lays it over the backdrop. A plain render of the whole scene gives the same pixels (`plain_video`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8, UInt32

from dynamics_gen import parameters, seeds, shapes, textures
from dynamics_gen.bullet import Rails, Studio
from dynamics_gen.classes import factors
from dynamics_gen.clip import Clip
from dynamics_gen.config import BuildConfig
from dynamics_gen.parameters import BACKDROP_DEPTH, CAMERA_DISTANCE, Appearance, Motion
from dynamics_gen.simulate import Trajectory, simulate

SAMPLES = 2
"""Samples along each side of a pixel: edges are anti-aliased by SAMPLES² samples."""

BATCH = 128
"""Clips simulated together; changes nothing in them."""

_TWO_BYTES = np.uint32(0x00FF00FF)

_BACKDROP = dataclasses.replace(
    shapes.SQUARE,
    vertices=shapes.SQUARE.vertices * (CAMERA_DISTANCE + BACKDROP_DEPTH) / CAMERA_DISTANCE + [0, 0, -BACKDROP_DEPTH],
)
"""A square that just fills the view; one texel falls on one pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One clip before it is rendered."""

    index: int
    label: int
    appearance: Appearance
    motion: Motion
    trajectory: Trajectory


class Renderer:
    """Makes clips of one configuration; holds the two Bullet clients, so it belongs to one process and thread."""

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self._rails = Rails()
        self._studio = Studio(CAMERA_DISTANCE)

    def clips(self, indices: Sequence[int]) -> Iterator[Clip]:
        """Yields the clips of the given indices, in that order."""
        for start in range(0, len(indices), BATCH):
            self._studio.clear()
            for scene in self.scenes(indices[start : start + BATCH]):
                yield self._clip(scene)

    def scenes(self, indices: Sequence[int], attempt: int = 0) -> list[Scene]:
        """Draws and simulates clips; `attempt` counts redraws of their motion."""
        config = self.config
        labels = [int(seeds.labels(config, i, i + 1)[0]) for i in indices]
        appearances = [parameters.draw_appearance(config, i) for i in indices]
        motions = [
            parameters.draw_motion(config, i, label, appearance.radius, attempt)
            for i, label, appearance in zip(indices, labels, appearances, strict=True)
        ]
        trajectories = simulate(
            self._rails, motions, [a.orientation for a in appearances], frames=config.frames, fps=config.fps
        )
        return [Scene(*scene) for scene in zip(indices, labels, appearances, motions, trajectories, strict=True)]

    def video(self, scene: Scene) -> UInt8[np.ndarray, "time height width 3"]:
        """Renders a scene by the fast path."""
        studio, size = self._studio, self.config.image_size
        mesh, object_texture, backdrop_texture = self._materials(scene)
        studio.light(scene.appearance.light)
        backdrop = studio.lit(backdrop_texture)
        body = studio.add(_seen_part(mesh, scene), scene.appearance.radius)
        studio.paint(body, object_texture)
        corners, (width, height) = _windows(mesh, scene, size)
        sprites = np.empty((len(corners), height * SAMPLES, width * SAMPLES, 4), np.uint8)
        depths = np.empty(sprites.shape[:3], np.float32)
        trajectory = scene.trajectory
        poses = zip(trajectory.position.tolist(), trajectory.orientation.tolist(), strict=True)
        for t, ((position, orientation), (left, top)) in enumerate(zip(poses, corners.tolist(), strict=True)):
            studio.place(body, position, orientation)
            sprites[t], depths[t] = studio.picture(
                size * SAMPLES, left * SAMPLES, top * SAMPLES, width * SAMPLES, height * SAMPLES
            )
        studio.remove(body)
        return _compose(backdrop, sprites, depths < 1.0, corners)

    def plain_video(self, scene: Scene, frames: Sequence[int] | None = None) -> UInt8[np.ndarray, "n height width 3"]:
        """Renders frames (all of them by default) the plain way: the whole scene, every sample. The reference."""
        studio, size = self._studio, self.config.image_size
        mesh, object_texture, backdrop_texture = self._materials(scene)
        studio.light(scene.appearance.light)
        plane = studio.add(_BACKDROP, 1.0)
        studio.paint(plane, backdrop_texture)
        body = studio.add(mesh, scene.appearance.radius)
        studio.paint(body, object_texture)
        video = []
        for frame in range(self.config.frames) if frames is None else frames:
            pose = scene.trajectory.position[frame].tolist(), scene.trajectory.orientation[frame].tolist()
            studio.place(body, *pose)
            fine = studio.picture(size * SAMPLES, 0, 0, size * SAMPLES, size * SAMPLES)[0][..., :3]
            blocks = fine.reshape(size, SAMPLES, size, SAMPLES, 3).astype(np.uint16)
            video.append((blocks.sum(axis=(1, 3)) + SAMPLES**2 // 2) // SAMPLES**2)
        studio.remove(body)
        studio.remove(plane)
        return np.array(video, np.uint8)

    def _materials(self, scene: Scene):
        """The object's mesh, its texture and the backdrop's."""
        look = scene.appearance
        rng = seeds.stream(self.config, scene.index, "backdrop")
        backdrop = textures.backdrop(
            rng, look.backdrop, self.config.image_size, look.backdrop_color, look.backdrop_contrast
        )
        surface = textures.pattern(rng, look.pattern, look.first_color, look.second_color)
        return shapes.FAMILIES[look.shape](*look.proportions), surface, backdrop

    def _clip(self, scene: Scene) -> Clip:
        """Renders a scene; one in which two consecutive frames come out identical is drawn again."""
        video = self.video(scene)
        while _has_stills(video):
            (scene,) = self.scenes([scene.index], scene.motion.attempt + 1)
            video = self.video(scene)
        path, speed = factors(scene.label)
        trajectory = scene.trajectory
        camera = np.tile(np.array([0, 0, CAMERA_DISTANCE, 1], np.float32), (len(video), 1))
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
            camera=camera,
            parameters=parameters.columns(scene.appearance, scene.motion),
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


def _seen_part(mesh: shapes.Mesh, scene: Scene) -> shapes.Mesh:
    """The mesh without the triangles that face away from the eye in every frame; a closed one looks the same."""
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] * scene.appearance.radius for i in range(3))
    outward = np.cross(b - a, c - a)
    to_eye = np.array([0.0, 0.0, CAMERA_DISTANCE]) - scene.trajectory.position
    eyes = np.einsum("tij,ti->tj", rotation_matrices(scene.trajectory.orientation), to_eye)  # in the body's frame
    facing = eyes @ outward.T > np.einsum("ij,ij->i", a, outward)
    return dataclasses.replace(mesh, triangles=mesh.triangles[facing.any(axis=0)])


def _windows(mesh: shapes.Mesh, scene: Scene, size: int) -> tuple[Int64[np.ndarray, "time 2"], tuple[int, int]]:
    """Upper left corners (left, top), in pixels, of windows of one size that hold the object in each frame."""
    trajectory, body = scene.trajectory, mesh.vertices * scene.appearance.radius
    turned = np.array_equal(trajectory.orientation[0], trajectory.orientation[-1])
    quaternions = trajectory.orientation[:1] if turned else trajectory.orientation
    world = body @ rotation_matrices(quaternions).transpose(0, 2, 1) + trajectory.position[:, None]
    pixels = np.ascontiguousarray(np.moveaxis(project(world, size), -1, 1))  # [time, 2, vertex]
    low = np.floor(pixels.min(axis=-1)).astype(np.int64)
    high = np.ceil(pixels.max(axis=-1)).astype(np.int64)
    extent = (high - low).max(axis=0)
    return np.clip(low, 0, size - extent), (int(extent[0]), int(extent[1]))


def _compose(
    backdrop: UInt8[np.ndarray, "height width 3"],
    sprites: UInt8[np.ndarray, "time y x 4"],
    covered: Bool[np.ndarray, "time y x"],
    corners: Int64[np.ndarray, "time 2"],
) -> UInt8[np.ndarray, "time height width 3"]:
    """Averages each pixel's samples, with the backdrop where the object leaves them free.

    A pixel's four bytes travel in two 32-bit words, red with blue and green with alpha, each with room for its sum.
    """
    # TinyRenderer leaves free samples white: that white is taken out again and the backdrop put in.
    rows = covered[:, ::SAMPLES].view(np.uint8) + covered[:, 1::SAMPLES].view(np.uint8)
    free = SAMPLES**2 - (rows[..., ::SAMPLES] + rows[..., 1::SAMPLES])
    height, width = free.shape[1:]
    samples = sprites.view(np.uint32)[..., 0]
    behind = np.pad(backdrop, ((0, 0), (0, 0), (0, 1))).view(np.uint32)[..., 0]
    windows = np.stack([behind[y : y + height, x : x + width] for x, y in corners.tolist()])
    mixed = np.zeros(free.shape, np.uint32)
    rounding = np.uint32(SAMPLES**2 // 2 * 0x10001)
    for shift in (np.uint32(0), np.uint32(8)):
        total = _pool((samples >> shift) & _TWO_BYTES)
        total -= free * (_TWO_BYTES - ((windows >> shift) & _TWO_BYTES))
        mixed |= (((total + rounding) >> np.uint32(SAMPLES)) & _TWO_BYTES) << shift
    # Copies of long rows: those of three bytes, a pixel each, take ten times as long.
    sprite_rows = np.ascontiguousarray(mixed.view(np.uint8).reshape(*free.shape, 4)[..., :3])
    video = np.empty((len(sprites), *backdrop.shape), np.uint8)
    video.reshape(len(video), -1)[:] = backdrop.ravel()
    for frame, (x, y) in enumerate(corners.tolist()):
        video[frame, y : y + height, x : x + width] = sprite_rows[frame]
    return video


def _pool(words: UInt32[np.ndarray, "time y x"]) -> UInt32[np.ndarray, "time y/2 x/2"]:
    """Sums blocks of SAMPLES × SAMPLES; two neighbours in a row are added as the halves of one 64-bit word."""
    pairs = (words[:, ::SAMPLES] + words[:, 1::SAMPLES]).view(np.uint64)
    return (pairs + (pairs >> np.uint64(32))).astype(np.uint32)


def _has_stills(video: UInt8[np.ndarray, "time height width 3"]) -> bool:
    """Whether any two consecutive frames are identical."""
    frames = video.reshape(len(video), -1)
    if frames.shape[1] % 8 == 0:
        frames = frames.view(np.uint64)
    return not (frames[1:] != frames[:-1]).any(axis=1).all()

"""The only door to PyBullet: rails to integrate, pictures to take.

A `Rails` or `Studio` owns one direct client at a time and must stay in one process and thread. Bullet gives meshes and
textures back only when a client ends (bulletphysics issues 2086, 2216, 3319), so a studio takes a new one for every
scene; the lists that it is passed it never gives back, which rails answer with one that is always the same.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from dynamics_gen.shapes import Mesh
from dynamics_gen.tiny_renderer import AMBIENT, DIFFUSE, FAR, NEAR


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Sends standard error nowhere: on import, PyBullet's C code prints there when it was built."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _muted():
    import pybullet

GRAVITY = 10.0
"""Along every rail of a falling world, rail units / s²."""

_BEAD_RADIUS = 0.05
_LANE = 0.25
_SPECK = [[0.0, 0.0, 0.0], [1e-3, 0.0, 0.0], [0.0, 1e-3, 0.0]]
_STOP, _BEAD, _FREE = 1, 2, 4  # collision groups: beads meet the stop alone, free bodies nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A bead on a straight rail, at its first frame. Rail units are the caller's; the rail's stop is at 0.

    `restitution` None means that there is no stop; only such a bead may be turned or spin.
    """

    position: float
    velocity: float
    restitution: float | None = None
    orientation: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0, 1.0)
    angular_velocity: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """What Bullet says of every body at every frame."""

    position: Float64[np.ndarray, "body frame"]
    velocity: Float64[np.ndarray, "body frame"]
    orientation: Float64[np.ndarray, "body frame 4"]
    angular_velocity: Float64[np.ndarray, "body frame 3"]


class Rails:
    """A physics client in which many parallel rails, each with one sphere, are integrated together.

    Contacts keep their exact restitution because Bullet may neither anticipate nor soften them: no restitution
    threshold, no error reduction, a breaking threshold near zero. The solver runs a fixed number of iterations, so a
    body's motion does not depend, to the last bit, on which others share its world; for that, what meets a stop must be
    upright and not spin, or the contact's place would round differently from lane to lane.
    """

    def __init__(self) -> None:
        self._client = pybullet.connect(pybullet.DIRECT)
        weakref.finalize(self, pybullet.disconnect, self._client)

    def integrate(self, bodies: Sequence[Body], *, falling: bool, rate: float, frames: int, fps: float) -> States:
        """Integrates the bodies over `frames` frames.

        Args:
            bodies: their states at frame 0.
            falling: whether `GRAVITY` acts along the rails towards their stops.
            rate: steps a second, at least; rounded up to a whole number of steps a frame.
            frames: frames to record.
            fps: frames a second.
        """
        client, n = self._client, len(bodies)
        steps = int(np.ceil(rate / fps))
        pybullet.resetSimulation(client)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=1 / (fps * steps),
            numSubSteps=0,
            numSolverIterations=10,
            solverResidualThreshold=0,
            restitutionVelocityThreshold=0,
            erp=0,
            contactERP=0,
            frictionERP=0,
            contactBreakingThreshold=1e-6,
            physicsClientId=client,
        )
        pybullet.setGravity(-GRAVITY if falling else 0.0, 0, 0, client)
        sphere = pybullet.createCollisionShape(pybullet.GEOM_SPHERE, radius=_BEAD_RADIUS, physicsClientId=client)
        plane = pybullet.createCollisionShape(pybullet.GEOM_PLANE, planeNormal=[1, 0, 0], physicsClientId=client)
        # A body without looks of its own would get a sphere's mesh, which takes longer than the body.
        unseen = pybullet.createVisualShape(
            pybullet.GEOM_MESH, vertices=_SPECK, indices=[0, 1, 2], physicsClientId=client
        )
        stop = pybullet.createMultiBody(0, plane, unseen, basePosition=[-_BEAD_RADIUS, 0, 0], physicsClientId=client)
        pybullet.changeDynamics(stop, -1, restitution=1, lateralFriction=0, physicsClientId=client)
        pybullet.setCollisionFilterGroupMask(stop, -1, _STOP, _BEAD, client)
        ids = [self._add(body, lane, sphere, unseen) for lane, body in enumerate(bodies)]
        position, velocity = np.empty((n, frames)), np.empty((n, frames))
        orientation, angular = np.empty((n, frames, 4)), np.empty((n, frames, 3))
        for frame in range(frames):
            if frame:
                for _ in range(steps):
                    pybullet.stepSimulation(client)
            for k, body in enumerate(ids):
                (position[k, frame], _, _), orientation[k, frame] = pybullet.getBasePositionAndOrientation(body, client)
                (velocity[k, frame], _, _), angular[k, frame] = pybullet.getBaseVelocity(body, client)
        return States(position, velocity, orientation, angular)

    def _add(self, body: Body, lane: int, sphere: int, unseen: int) -> int:
        client = self._client
        made = pybullet.createMultiBody(
            1.0,
            sphere,
            unseen,
            basePosition=[body.position, lane * _LANE, 0],
            baseOrientation=list(body.orientation),
            useMaximalCoordinates=True,  # a plain rigid body
            physicsClientId=client,
        )
        stopped = body.restitution is not None
        pybullet.changeDynamics(
            made,
            -1,
            restitution=body.restitution if stopped else 1.0,
            linearDamping=0,
            angularDamping=0,
            lateralFriction=0,
            rollingFriction=0,
            spinningFriction=0,
            activationState=pybullet.ACTIVATION_STATE_DISABLE_SLEEPING,
            physicsClientId=client,
        )
        pybullet.resetBaseVelocity(made, [body.velocity, 0, 0], list(body.angular_velocity), client)
        pybullet.setCollisionFilterGroupMask(made, -1, _BEAD if stopped else _FREE, _STOP if stopped else 0, client)
        return made


class Studio:
    """A rendering client: TinyRenderer on the CPU, no display, no shadows.

    The eye is at (0, 0, `distance`) and looks along -z; pictures are windows of the view that spans [-1, 1]² in the
    plane z = 0, sampled at the centres of their pixels.
    """

    def __init__(self, distance: float) -> None:
        if not pybullet.isNumpyEnabled():
            raise ImportError("this PyBullet was built without NumPy: install NumPy first, then reinstall pybullet")
        self._distance = distance
        self._view = pybullet.computeViewMatrix([0, 0, distance], [0, 0, 0], [0, 1, 0])
        self._texture_file, self._texture_path = _scratch_file()
        self._light: list[float] = [0, 0, 1]
        weakref.finalize(self, self._texture_file.close)
        self._connect()

    def clear(self) -> None:
        """Empties the scene by taking a new client: only an ended one gives back its meshes and textures.

        `resetSimulation` leaves bodies standing in TinyRenderer's pictures and keeps 40 KB for every clip.
        """
        self._end()
        self._connect()

    def _connect(self) -> None:
        self._client = pybullet.connect(pybullet.DIRECT)
        self._end = weakref.finalize(self, pybullet.disconnect, self._client)
        # Textures travel through one file, which Bullet would otherwise read once and remember.
        pybullet.setPhysicsEngineParameter(enableFileCaching=0, physicsClientId=self._client)

    def light(self, direction: Float64[np.ndarray, "3"]) -> None:
        """Sets the unit vector towards the light."""
        self._light = direction.tolist()

    def add(self, mesh: Mesh) -> int:
        """Puts a mesh at the origin and returns its handle."""
        client = self._client
        shape = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=mesh.vertices.tolist(),
            indices=mesh.triangles.ravel().tolist(),
            normals=mesh.normals.tolist(),
            uvs=mesh.uvs.tolist(),
            rgbaColor=[1, 1, 1, 1],
            physicsClientId=client,
        )
        return pybullet.createMultiBody(0, -1, shape, physicsClientId=client)

    def paint(self, body: int, texture: UInt8[np.ndarray, "height width 3"]) -> None:
        """Covers a mesh with a texture."""
        client = self._client
        _write_tga(self._texture_file, texture)
        image = pybullet.loadTexture(self._texture_path, physicsClientId=client)
        pybullet.changeVisualShape(body, -1, textureUniqueId=image, physicsClientId=client)

    def remove(self, body: int) -> None:
        """Takes a mesh out of the scene."""
        pybullet.removeBody(body, self._client)

    def place(self, body: int, position: Sequence[float], orientation: Sequence[float]) -> None:
        """Moves a mesh."""
        pybullet.resetBasePositionAndOrientation(body, position, orientation, self._client)

    def picture(
        self,
        size: int,
        left: int,
        top: int,
        width: int,
        height: int,
        camera: Sequence[float] | None = None,
    ) -> tuple[UInt8[np.ndarray, "height width 4"], Float32[np.ndarray, "height width"]]:
        """Takes a window of the view as if that were `size` pixels wide and high.

        Args:
            size: pixels of the view, along each side.
            left: columns of the view left of the window.
            top: rows above it.
            width: columns of the window.
            height: its rows.
            camera: the eye's x, y and z, and half the side of the view in the plane z = 0; the studio's unless given.

        Returns:
            RGBA, white where nothing is, and the depth buffer, 1 where nothing is.
        """
        if camera is None:
            view, d, half = self._view, self._distance, 1.0
        else:
            x, y, d, half = camera
            view = [1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0, -x, -y, -d, 1.0]
        near, far, pixel = NEAR, FAR, 2.0 * half / size
        # Half a pixel off, because TinyRenderer samples a pixel at its lower left corner.
        x0, y1 = -half + (left + 0.5) * pixel, half - (top - 0.5) * pixel
        x1, y0 = x0 + width * pixel, y1 - height * pixel
        projection = [0.0] * 16  # column-major, as OpenGL has it
        projection[0], projection[5] = 2 * d / (x1 - x0), 2 * d / (y1 - y0)
        projection[8], projection[9] = (x1 + x0) / (x1 - x0), (y1 + y0) / (y1 - y0)
        projection[10], projection[11] = -(far + near) / (far - near), -1.0
        projection[14] = -2 * far * near / (far - near)
        _, _, rgba, depth, _ = pybullet.getCameraImage(
            width,
            height,
            view,
            projection,
            lightDirection=self._light,
            lightColor=[1, 1, 1],
            lightAmbientCoeff=float(AMBIENT),
            lightDiffuseCoeff=float(DIFFUSE),
            lightSpecularCoeff=0,
            shadow=0,
            renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
            physicsClientId=self._client,
        )
        return rgba, depth


def _scratch_file() -> tuple[BinaryIO, str]:
    """A file that Bullet can open by name and that nobody need clean up: in memory where the system has that."""
    if hasattr(os, "memfd_create"):
        file = open(os.memfd_create("texture"), "w+b")  # noqa: PTH123, SIM115 - a descriptor, kept open
        return file, f"/proc/self/fd/{file.fileno()}"
    file = tempfile.NamedTemporaryFile(prefix="dynamics-", suffix=".tga")  # noqa: SIM115 - kept open
    return cast(BinaryIO, file), file.name


def _write_tga(file: BinaryIO, picture: UInt8[np.ndarray, "height width 3"]) -> None:
    """Writes an uncompressed TGA, which Bullet reads in microseconds (a PNG takes twenty times as long)."""
    height, width, _ = picture.shape
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, width, height, 24, 0x20)
    file.seek(0)
    file.truncate()
    file.write(header + np.ascontiguousarray(picture[..., ::-1]).tobytes())
    file.flush()

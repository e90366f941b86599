"""The plane curves that objects travel on, parametrised by arc length.

Each is built in its own frame at unit scale; `Curve` turns, mirrors, scales and places the visited part.
Linear and hypocycloidal arc lengths are closed forms; the sine's is integrated on a table of its parameter, so that
every point returned lies on the true curve.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

OUTLINE_POINTS = 721
"""Points of the visited part that its bounding box is taken from."""


class Path(ABC):
    """A visited stretch of a plane curve over a parameter from 0 to 1."""

    @abstractmethod
    def point(self, u: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 2"]:
        """Points at parameters `u`."""

    @abstractmethod
    def derivative(self, u: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 2"]:
        """Derivatives of the point by `u`; may vanish at a cusp."""

    @abstractmethod
    def length(self) -> float:
        """Arc length of the whole stretch."""

    @abstractmethod
    def parameter(self, s: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Parameters at arc lengths `s` in [0, length]."""


@dataclass(frozen=True, slots=True)
class Linear(Path):
    """A segment of length one."""

    def point(self, u):
        return np.stack([u, np.zeros_like(u)], axis=-1)

    def derivative(self, u):
        return np.stack([np.ones_like(u), np.zeros_like(u)], axis=-1)

    def length(self):
        return 1.0

    def parameter(self, s):
        return s


@dataclass(frozen=True, slots=True)
class Sinusoidal(Path):
    """A sine of amplitude `amplitude` over `periods` periods along an axis of length one."""

    amplitude: float
    periods: float
    phase: float
    _nodes: np.ndarray = field(init=False, repr=False, compare=False)
    _lengths: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        nodes = np.linspace(0.0, 1.0, 1025)
        rate = np.hypot(1.0, self._slope(nodes))
        # Simpson on each pair of half steps: the midpoints carry weight 4.
        middle = np.hypot(1.0, self._slope((nodes[1:] + nodes[:-1]) / 2))
        steps = (rate[1:] + rate[:-1] + 4 * middle) / 6 * (nodes[1] - nodes[0])
        object.__setattr__(self, "_nodes", nodes)
        object.__setattr__(self, "_lengths", np.concatenate([[0.0], np.cumsum(steps)]))

    def _angle(self, u):
        return 2 * np.pi * self.periods * u + self.phase

    def _slope(self, u):
        return 2 * np.pi * self.periods * self.amplitude * np.cos(self._angle(u))

    def point(self, u):
        return np.stack([u, self.amplitude * np.sin(self._angle(u))], axis=-1)

    def derivative(self, u):
        return np.stack([np.ones_like(u), self._slope(u)], axis=-1)

    def length(self):
        return float(self._lengths[-1])

    def parameter(self, s):
        return np.interp(s, self._lengths, self._nodes)


@dataclass(frozen=True, slots=True)
class Hypocycloidal(Path):
    """What the rim of a circle of radius 1/k draws as it rolls inside a unit circle, over `fraction` of its k arches.

    With roll angle θ the speed is ds/dθ = 2 (1 - 1/k) |sin(kθ/2)|, hence 8 (k - 1) / k² an arch.
    """

    cusps: int
    start: float
    """Roll angle at u = 0, radians; a cusp is at 0."""
    fraction: float

    def _angle(self, u):
        return self.start + 2 * np.pi * self.fraction * u

    def point(self, u):
        k, theta = self.cusps, self._angle(u)
        return np.stack(
            [
                ((k - 1) * np.cos(theta) + np.cos((k - 1) * theta)) / k,
                ((k - 1) * np.sin(theta) - np.sin((k - 1) * theta)) / k,
            ],
            axis=-1,
        )

    def derivative(self, u):
        k, theta = self.cusps, self._angle(u)
        rate = 2 * np.pi * self.fraction * (k - 1) / k
        return rate * np.stack(
            [-np.sin(theta) - np.sin((k - 1) * theta), np.cos(theta) - np.cos((k - 1) * theta)], axis=-1
        )

    def _length_from_cusp(self, theta):
        """Arc length from roll angle 0 to `theta` >= 0."""
        k = self.cusps
        arches, rest = np.divmod(theta * k / (2 * np.pi), 1.0)
        return 4 * (k - 1) / k**2 * (2 * arches + 1 - np.cos(np.pi * rest))

    def length(self):
        ends = self._length_from_cusp(self._angle(np.array([0.0, 1.0])))
        return float(ends[1] - ends[0])

    def parameter(self, s):
        k = self.cusps
        half = 4 * (k - 1) / k**2
        arches, rest = np.divmod((self._length_from_cusp(np.float64(self.start)) + s) / (2 * half), 1.0)
        theta = 2 * np.pi / k * (arches + np.arccos(np.clip(1 - 2 * rest, -1.0, 1.0)) / np.pi)
        return np.clip((theta - self.start) / (2 * np.pi * self.fraction), 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Curve:
    """A path turned by `angle`, mirrored first if `reflected`, its box's longer side scaled to `extent`, its box's
    centre put at (`center_x`, `center_y`).
    """  # noqa: D205

    path: Path
    angle: float
    reflected: bool
    extent: float
    center: tuple[float, float] = (0.0, 0.0)
    _matrix: np.ndarray = field(init=False, repr=False, compare=False)
    _offset: np.ndarray = field(init=False, repr=False, compare=False)
    _half_box: np.ndarray = field(init=False, repr=False, compare=False)
    _scale: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        c, s = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[c, -s], [s, c]]) @ np.diag([1.0, -1.0 if self.reflected else 1.0])
        outline = self.path.point(np.linspace(0.0, 1.0, OUTLINE_POINTS)) @ turn.T
        low, high = outline.min(axis=0), outline.max(axis=0)
        scale = self.extent / float((high - low).max())
        object.__setattr__(self, "_scale", scale)
        object.__setattr__(self, "_matrix", scale * turn)
        object.__setattr__(self, "_half_box", scale * (high - low) / 2)
        object.__setattr__(self, "_offset", np.asarray(self.center) - scale * (low + high) / 2)

    @property
    def half_box(self) -> Float64[np.ndarray, "2"]:
        """Half the sides of the visited part's bounding box, world units."""
        return self._half_box

    @property
    def length(self) -> float:
        """Arc length of the visited part, world units."""
        return self._scale * self.path.length()

    def position(self, s: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 2"]:
        """Points at arc lengths `s`, world units; `s` beyond an end gives that end."""
        return self.path.point(self._parameter(s)) @ self._matrix.T + self._offset

    def tangent(self, s: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 2"]:
        """Unit tangents at arc lengths `s`, towards growing s; at a cusp itself, zero."""
        derivative = self.path.derivative(self._parameter(s)) @ self._matrix.T
        norm = np.linalg.norm(derivative, axis=-1, keepdims=True)
        return np.divide(derivative, norm, out=np.zeros_like(derivative), where=norm > 1e-12)

    def _parameter(self, s):
        return self.path.parameter(np.clip(np.asarray(s, dtype=np.float64) / self._scale, 0.0, self.path.length()))

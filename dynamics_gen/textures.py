"""Procedural pictures: backdrops behind the object and patterns on its surface.

A family is a function of a generator and a size that returns one scalar field; colours are laid over it afterwards, so
that families differ in form alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Float64, UInt8

PATTERN_SIZE = 32
"""Texels along a side of a surface pattern."""


@lru_cache(maxsize=64)
def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    centres = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return x, y


@lru_cache(maxsize=64)
def _weights(size: int, cells: int) -> np.ndarray:
    """Smooth interpolation from `cells` + 1 nodes to `size` texel centres, as a matrix."""
    position = (np.arange(size) + 0.5) / size * cells
    left = np.minimum(position.astype(int), cells - 1)
    share = position - left
    share = share * share * (3 - 2 * share)
    weights = np.zeros((size, cells + 1))
    weights[np.arange(size), left] = 1 - share
    weights[np.arange(size), left + 1] = share
    return weights


def _octave(rng: np.random.Generator, size: int, cells: int) -> Float64[np.ndarray, "size size"]:
    w = _weights(size, cells)
    return w @ rng.standard_normal((cells + 1, cells + 1)) @ w.T


def noise(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """Value noise: four octaves of equal weight."""
    return sum((_octave(rng, size, cells) for cells in (3, 6, 12, 24)), np.zeros((size, size)))


def stripes(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """A sine grating of any direction."""
    x, y = _grid(size)
    angle, waves, phase = rng.uniform(0, np.pi), rng.uniform(3, 10), rng.uniform(0, 2 * np.pi)
    return np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)


def checker(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """A turned chessboard."""
    x, y = _grid(size)
    angle, squares = rng.uniform(0, np.pi / 2), rng.uniform(3, 8)
    c, s = np.cos(angle), np.sin(angle)
    column = np.floor(squares * (c * x + s * y) + rng.uniform())
    row = np.floor(squares * (c * y - s * x) + rng.uniform())
    return ((column + row) % 2) * 2.0 - 1.0


def cells(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """Voronoi cells, each of its own grey."""
    x, y = _grid(size)
    count = int(rng.integers(12, 40))
    seeds, grey = rng.uniform(-0.1, 1.1, (count, 2)), rng.uniform(-1, 1, count)
    # |p - q|² without |p|², which is the same for every q.
    distance = (seeds**2).sum(1) - 2 * (x[..., None] * seeds[:, 0] + y[..., None] * seeds[:, 1])
    return grey[distance.argmin(axis=-1)]


def dots(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """Soft blobs in rows, shifted from row to row."""
    x, y = _grid(size)
    angle, count = rng.uniform(0, np.pi / 2), rng.uniform(3, 8)
    c, s = np.cos(angle), np.sin(angle)
    u, v = count * (c * x + s * y) + rng.uniform(), count * (c * y - s * x) + rng.uniform()
    u = u + 0.5 * (np.floor(v) % 2)
    radius = np.hypot(u - np.floor(u) - 0.5, v - np.floor(v) - 0.5)
    return 1 / (1 + np.exp((radius - rng.uniform(0.22, 0.36)) * 24))


def marble(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """A grating bent by noise."""
    x, y = _grid(size)
    angle, waves = rng.uniform(0, np.pi), rng.uniform(2, 6)
    bend = 0.9 * _octave(rng, size, 4) + 0.5 * _octave(rng, size, 10)
    return np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + 2 * bend)


def gradient(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """A smooth ramp, straight or round, with broad noise."""
    x, y = _grid(size)
    angle, (cx, cy) = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1, 2)
    ramp = x * np.cos(angle) + y * np.sin(angle) if rng.uniform() < 0.5 else np.hypot(x - cx, y - cy)
    return 3 * ramp + 0.4 * _octave(rng, size, 5)


def grain(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """Fine noise, stretched along one axis or neither."""
    wide, high = (int(n) for n in rng.choice([6, 12, 30], 2))
    return _weights(size, high) @ rng.standard_normal((high + 1, wide + 1)) @ _weights(size, wide).T


def _turned(rng: np.random.Generator, size: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the texels in a turned and shifted frame in which a picture is `scale` wide."""
    x, y = _grid(size)
    angle, (across, up) = rng.uniform(0, np.pi / 2), rng.uniform(0, 1, 2)
    c, s = np.cos(angle), np.sin(angle)
    return scale * (c * x + s * y) + across, scale * (c * y - s * x) + up


def bricks(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """Courses of bricks, each of its own grey, with joints."""
    u, v = _turned(rng, size, rng.uniform(3, 6))
    course = np.floor(2 * v)
    along = u + 0.5 * (course % 2)
    grey = np.sin(12.9898 * np.floor(along) + 78.233 * course) * 0.6
    joint = (along % 1 < 0.1) | ((2 * v) % 1 < 0.2)
    return np.where(joint, -1.5, grey)


def rings(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """Circles around a point."""
    x, y = _grid(size)
    cx, cy = rng.uniform(-0.2, 1.2, 2)
    return np.sin(2 * np.pi * (rng.uniform(4, 10) * np.hypot(x - cx, y - cy) + rng.uniform()))


def zigzag(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """Bands that go up and down."""
    u, v = _turned(rng, size, rng.uniform(3, 7))
    return np.sign((v + 0.6 * np.abs(u % 1 - 0.5)) % 0.5 - 0.25)


def weave(rng: np.random.Generator, size: int) -> Float64[np.ndarray, "size size"]:
    """Strands that go over and under each other."""
    u, v = _turned(rng, size, rng.uniform(3, 7))
    over = (np.floor(u) + np.floor(v)) % 2
    return np.where(over == 1, np.sin(np.pi * (u % 1)), -np.sin(np.pi * (v % 1)))


FAMILIES = {
    "noise": noise,
    "stripes": stripes,
    "checker": checker,
    "cells": cells,
    "dots": dots,
    "marble": marble,
    "gradient": gradient,
    "grain": grain,
}
"""Texture families by name, for backdrops and patterns alike."""

UNSEEN_FAMILIES = {
    "bricks": bricks,
    "rings": rings,
    "zigzag": zigzag,
    "weave": weave,
}
"""Families that plain releases do not have: for tests of how well a model does on textures it never saw."""

ALL_FAMILIES = FAMILIES | UNSEEN_FAMILIES


def _normalised(field: np.ndarray) -> np.ndarray:
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def backdrop(
    rng: np.random.Generator, family: str, size: int, color: Float64[np.ndarray, "3"], contrast: float
) -> UInt8[np.ndarray, "size size 3"]:
    """A backdrop of mean `color` (0–255) whose pattern deviates by `contrast` grey levels, plus a fainter tint.

    The pattern keeps a common sign in the three channels and a random share in each; value noise of a third of the
    contrast lies over every family, so that none is flat.
    """
    shares = rng.uniform(0.6, 1.0, 3)
    tint = rng.standard_normal(3) * contrast / 3
    pattern = _normalised(ALL_FAMILIES[family](rng, size))
    overlay = _normalised(_octave(rng, size, 8) + _octave(rng, size, 20))
    return _picture(
        c + contrast * pattern * share + overlay * t for c, share, t in zip(color, shares, tint, strict=True)
    )


def pattern(
    rng: np.random.Generator, family: str, first: Float64[np.ndarray, "3"], second: Float64[np.ndarray, "3"]
) -> UInt8[np.ndarray, "32 32 3"]:
    """A surface pattern between two colours (0–255), about half its area near either."""
    share = 1 / (1 + np.exp(-4 * _normalised(ALL_FAMILIES[family](rng, PATTERN_SIZE))))
    return _picture(a + (b - a) * share for a, b in zip(first, second, strict=True))


def _picture(channels: Iterable[Float64[np.ndarray, "height width"]]) -> UInt8[np.ndarray, "height width 3"]:
    """Whole grey levels of three channels, made one by one: arithmetic on rows of three values is far slower."""
    levels = np.clip(np.rint(np.stack(list(channels))), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))

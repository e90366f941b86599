"""What a conditional generator is told of a clip, as numbers: form, size and colour of the object, path and speed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from dynamics_gen.classes import PATHS, SPEEDS
from dynamics_gen.errors import ConfigError
from dynamics_gen.shapes import FAMILIES

NAMES = ("shape", "size", "colour", "path", "speed")
"""Attributes of the benchmark's clips; rotation is one of the paths."""

MEAN_RADIUS, RADIUS_DEVIATION = 0.2, 0.04
"""World units, about those of the release `standard`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Where an attribute stands in a row of attributes.

    Attributes:
        values: names of its values if it is one of several, which are then one-hot; none of a quantity.
    """

    name: str
    start: int
    stop: int
    values: tuple[str, ...] = ()


def parts(names: tuple[str, ...] = NAMES) -> tuple[Part, ...]:
    """The layout of a row with these attributes, in their order.

    Raises:
        ConfigError: there is no such attribute.
    """
    values = {"shape": tuple(FAMILIES), "path": PATHS, "speed": SPEEDS}
    found, start = [], 0
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"got the attribute {name!r}, expected one of {', '.join(NAMES)}")
        of = values.get(name, ())
        stop = start + (len(of) or {"size": 1, "colour": 3}[name])
        found.append(Part(name=name, start=start, stop=stop, values=of))
        start = stop
    return tuple(found)


def width(names: tuple[str, ...] = NAMES) -> int:
    """How many numbers a row has; none without names."""
    return max((part.stop for part in parts(names)), default=0)


def attributes_of(dataset: Any, names: tuple[str, ...] = NAMES) -> Float32[np.ndarray, "clips attribute"]:
    """One row for each clip of a split: one-hot values, and quantities brought to mean 0 and deviation 1, about.

    Args:
        dataset: what `dynamics_gen.open` gives.
        names: which attributes, in this order.

    Raises:
        ConfigError: the split has no such columns: its clips were not simulated.
    """
    if lacking := {"path", "speed", "parameters/shape"} - set(dataset.columns):
        raise ConfigError(
            f"{dataset.directory} has no column {', '.join(sorted(lacking))}: attributes are known of simulated clips "
            "alone; choose a model without them"
        )
    rows = np.zeros((len(dataset), width(names)), np.float32)
    for part in parts(names):
        rows[:, part.start : part.stop] = _values(dataset, part)
    return rows


def _values(dataset: Any, part: Part) -> np.ndarray:
    if part.name == "size":
        return (dataset.column("parameters/radius")[:, None] - MEAN_RADIUS) / RADIUS_DEVIATION
    if part.name == "colour":
        both = dataset.column("parameters/first_color"), dataset.column("parameters/second_color")
        return np.mean(both, axis=0) / 127.5 - 1
    if part.name == "shape":
        found = dataset.column("parameters/shape").astype(str)
        return (found[:, None] == np.array(part.values)).astype(np.float32)
    return (dataset.column(part.name)[:, None] == np.arange(len(part.values))).astype(np.float32)

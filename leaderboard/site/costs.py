"""What entries take, as an axis of a plot: parameters, operations, time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from leaderboard.columns import duration

R = TypeVar("R")

TIMES = (
    (1, 10, 60, 600, 3_600, 36_000, 360_000, 3_600_000),
    (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 18_000, 36_000, 72_000, 180_000, 360_000),
)
"""Seconds, from a second to hundreds of hours; the second where the first are too far apart."""


@dataclass(frozen=True, slots=True)
class Cost(Generic[R]):
    """What a row takes: the chart's title and axis, a row's number (None where it has none), and how it is said."""

    title: str
    axis: str
    of: Callable[[R], float | None]
    said: Callable[[float], str]
    ticks: tuple[tuple[float, ...], ...] = ()
    """Round values, where powers of ten are none; the later ones where the former are too few."""
    levels: bool = False
    """Whether a row that has none is drawn as a line across."""


def round_time(seconds: float) -> str:
    """A time, in whole units where it is one."""
    return duration(seconds).replace(".0 ", " ")

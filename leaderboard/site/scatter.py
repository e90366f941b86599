"""A chart of entries as points, what they reach against what they take, each named where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.site.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Frame
from leaderboard.site.html import Html, Part, tag

LETTER, LINE = 5.8, 10.0
"""About how wide a letter of a label is, and how high its line, in the chart's units."""
LONGEST = 24
"""Letters of a label."""
LEAST_POINTS = 3
"""Of a plot; two entries are compared more easily in the table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """An entry: where it lies, how far from there it may be, and how that is said."""

    name: str
    key: str
    """By which scripts know the entry."""
    x: float
    y: float
    low: float
    high: float
    said: str
    sure: bool
    """Whether it has seeds enough to say so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """An entry that takes nothing of what the plot is against, and so has a line across."""

    name: str
    key: str
    y: float
    said: str


def scatter(points: Sequence[Point], across: Axis, up: Axis, about: str, levels: Sequence[Level] = ()) -> Html:
    """The chart; `about` says what it shows, without the number of entries."""
    frame = Frame(across, up)
    places = [(frame.x(point.x), frame.y(point.y)) for point in points]
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    names = [_label(point.name[:LONGEST], x, y, taken) for point, (x, y) in zip(points, places, strict=True)]
    shown: list[Part] = [_line(level, frame, taken) for level in levels]
    for point, (x, y), name in zip(points, places, names, strict=True):
        shown.append(
            tag(
                "g",
                tag("title", f"{point.name}: {point.said}"),
                tag("path", d=f"M{x} {frame.y(point.low)}V{frame.y(point.high)}", class_="whisker"),
                tag("circle", cx=x, cy=y, r=3.5, class_="dot"),
                name,
                class_="point sure" if point.sure else "point",
                data_entry=point.key,
            )
        )
    entries = len(points) + len(levels)
    return frame.draw(f"{about}, {entries} entries; the table has the numbers.", *shown)


Box = tuple[float, float, float, float]


def _label(name: str, x: float, y: float, taken: list[Box]) -> Html | None:
    """A point's name at its right, left, above or below it, where it hides nothing; None where there is no room."""
    wide = LETTER * len(name)
    for left, middle, anchor in (
        (x + 6, y, "start"),
        (x - 6 - wide, y, "end"),
        (x - wide / 2, y - 10, "middle"),
        (x - wide / 2, y + 10, "middle"),
    ):
        if _is_free(box := (left, middle - LINE / 2, left + wide, middle + LINE / 2), taken):
            taken.append(box)
            at = {"start": left, "end": left + wide, "middle": left + wide / 2}[anchor]
            return tag("text", name, x=round(at, 1), y=round(middle + 3, 1), text_anchor=anchor, class_="name")
    return None


def _line(level: Level, frame: Frame, taken: list[Box]) -> Html:
    """A line across with its name at an end, above it or below, where that hides nothing."""
    y, name, label = frame.y(level.y), level.name[:LONGEST], None
    wide = LETTER * len(name)
    for left, anchor in ((LEFT + 4, "start"), (WIDTH - RIGHT - 4 - wide, "end")):
        for middle in (y - 6, y + 7):
            if label is None and _is_free(box := (left, middle - LINE / 2, left + wide, middle + LINE / 2), taken):
                taken.append(box)
                at = left if anchor == "start" else left + wide
                label = tag("text", name, x=round(at, 1), y=round(middle + 3, 1), text_anchor=anchor, class_="name")
    line = tag("path", d=f"M{LEFT} {y}H{WIDTH - RIGHT}", class_="chance")
    return tag("g", tag("title", f"{level.name}: {level.said}"), line, label, class_="level", data_entry=level.key)


def _is_free(box: Box, taken: Sequence[Box]) -> bool:
    inside = box[0] > LEFT and box[2] < WIDTH - RIGHT + 8 and box[1] > TOP and box[3] < HEIGHT - BOTTOM
    return inside and not any(_overlap(box, other) for other in taken)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

"""A chart's frame as inline SVG: two axes, ticks, and the way from values to places. Colours are the style sheet's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaderboard.site.html import Html, Part, tag

WIDTH, HEIGHT = 400, 280
LEFT, RIGHT, TOP, BOTTOM = 30, 12, 22, 36
"""Margins around the part in which values are drawn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """From `low` to `high`, both shown; `ticks` are the values that are written, each as `said` has it."""

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    said: Callable[[float], str] = lambda value: f"{value:g}"
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a value is, from 0 to 1; one beyond an end is at that end."""
        low, high, at = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, self._within(value)))
        return (at - low) / (high - low)

    def _within(self, value: float) -> float:
        return min(max(value, self.low), self.high)


def logarithmic(
    label: str, values: Sequence[float], said: Callable[[float], str], round_: Sequence[float] = ()
) -> Axis:
    """An axis with room for positive values; ticks at powers of ten, or at 1, 2 and 5 of each where those are few.

    Of `round_` values, those that lie on the axis are the ticks instead, if they are two or more.
    """
    low, high = 0.75 * min(values), 1.5 * max(values)
    if len(ticks := [value for value in round_ if low <= value <= high]) >= 2:
        return Axis(label=label, low=low, high=high, ticks=ticks, said=said, logarithmic=True)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    return Axis(label=label, low=low, high=high, ticks=ticks, said=said, logarithmic=True)


def percent_axis(label: str) -> Axis:
    """From nothing to 100 %, for fractions."""
    return Axis(label=label, low=0, high=1, ticks=(0, 0.25, 0.5, 0.75, 1), said=lambda share: f"{100 * share:.0f}")


@dataclass(frozen=True, slots=True)
class Frame:
    """Two axes and where values lie between them, in the chart's own units."""

    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        """From the left edge."""
        return round(LEFT + self.across.share(value) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """From the upper edge."""
        return round(HEIGHT - BOTTOM - self.up.share(value) * (HEIGHT - TOP - BOTTOM), 1)

    def path(self, xs: Sequence[float], ys: Sequence[float], class_: str) -> Html:
        """A line through points."""
        steps = " L".join(f"{self.x(x)} {self.y(y)}" for x, y in zip(xs, ys, strict=True))
        return tag("path", d=f"M{steps}", class_=f"line {class_}")

    def draw(self, about: str, *parts: Part) -> Html:
        """The chart, with `parts` in it; `about` says to who cannot see it what it shows."""
        floor, top = HEIGHT - BOTTOM, TOP
        lines: list[Part] = []
        for value in self.up.ticks:
            y = self.y(value)
            lines += [
                tag("path", d=f"M{LEFT} {y}H{WIDTH - RIGHT}", class_="grid"),
                tag("text", self.up.said(value), x=LEFT - 5, y=y + 3.5, text_anchor="end"),
            ]
        for value in self.across.ticks:
            x = self.x(value)
            lines += [
                tag("path", d=f"M{x} {floor}v4", class_="grid"),
                tag("text", self.across.said(value), x=x, y=floor + 15, text_anchor="middle"),
            ]
        return tag(
            "svg",
            tag("g", lines, class_="axes"),
            tag("path", d=f"M{LEFT} {top}V{floor}H{WIDTH - RIGHT}", class_="frame"),
            tag("text", self.across.label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, text_anchor="middle"),
            tag("text", self.up.label, x=2, y=10),
            *parts,
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            aria_label=about,
        )


def whisker(low: float, value: float, high: float) -> Html:
    """A share and its interval on a line from 0 to 1, for a table's cell."""
    return tag(
        "svg",
        tag("path", d="M0 5H100", class_="grid"),
        tag("path", d=f"M{100 * low:.1f} 5H{max(100 * high, 100 * low + 0.5):.1f}", class_="whisker"),
        tag("circle", cx=f"{100 * value:.1f}", cy=5, r=3, class_="dot"),
        viewBox="-4 0 108 10",
        class_="interval",
        aria_hidden="true",
    )

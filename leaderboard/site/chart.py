"""A chart's frame as inline SVG: two axes, ticks, and the way from values to places. Colours are the style sheet's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaderboard.site.html import Html, Part, tag

WIDTH, HEIGHT = 400, 280
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 36
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


def logarithmic(label: str, values: Sequence[float], said: Callable[[float], str], *round_: Sequence[float]) -> Axis:
    """An axis with room for positive values; ticks at powers of ten, or at values between them where those are few.

    Of the sets in `round_`, the first of which two values or more lie on the axis gives the ticks instead.
    """
    low, high = 0.75 * min(values), 1.5 * max(values)
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    tens = [sorted(step * power for power in powers for step in steps) for steps in STEPS]
    ticks: list[float] = []
    for least, choice in (*((2, one) for one in round_), *((3, one) for one in tens)):
        ticks = [value for value in choice if low <= value <= high]
        if len(ticks) >= least:
            break
    return Axis(label=label, low=low, high=high, ticks=ticks, said=said, logarithmic=True)


STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8))
"""Between one power of ten and the next, from coarse to fine."""


def linear(label: str, values: Sequence[float], *, zero: bool = False) -> Axis:
    """An axis that holds all values between its first tick and its last, a few round ones.

    Very large or small ones are said in thousands, or thousandths, and so on, and the label says which.

    Args:
        label: of the axis.
        values: one or more.
        zero: whether it begins at nothing, which all values are above.
    """
    low, high = (0.0 if zero else min(values)), max(values)
    if high <= low:
        low, high = (0.0, 1.0) if zero else (low - abs(low) / 2 - 1e-9, high + abs(high) / 2 + 1e-9)
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(times * power for times in (1, 2, 5, 10) if (high - low) / (times * power) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = -math.floor(math.log10(step) + 1e-9)
    ticks = [round(k * step, digits) for k in range(first, last + 1)]
    size = math.floor(math.log10(max(map(abs, ticks))))
    thousands = 0 if -2 < size < 4 else 3 * (size // 3)
    unit = f"×10{str(thousands).translate(RAISED)}" if thousands else ""
    decimals = max(0, digits + thousands)
    return Axis(
        label=" ".join(filter(None, (label, unit))),
        low=ticks[0],
        high=ticks[-1],
        ticks=ticks,
        said=lambda value: f"{value / 10.0**thousands:,.{decimals}f}".replace("-", "−"),
    )


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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

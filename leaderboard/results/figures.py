"""The page's pictures. Each carries a hash of the numbers it was drawn from, so that a stale one is found.

Matplotlib loads on use. Two versions of it draw the same numbers a pixel apart, so pictures are compared by that hash.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark import plots
from benchmark.statistics import Interval
from leaderboard.results.questions import Curve
from leaderboard.results.thesis import Order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEY = "Numbers"
"""Of the text in the PNG that holds the hash."""
COLOURS = ("#1f5fbf", "#c2410c", "#15803d", "#7e22ce", "#111827", "#0f766e", "#be185d", "#475569")
DECIMALS = 6


class Picture(ABC):
    """A PNG and the numbers in it."""

    file: ClassVar[str]
    size: ClassVar[tuple[float, float]] = (6.4, 4.6)

    @abstractmethod
    def numbers(self) -> Any:
        """All that is drawn, ready for JSON."""

    @abstractmethod
    def draw(self, axes: Axes) -> None:
        """Draws it."""

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers, rounded, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.numbers(), ensure_ascii=True).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Draws it into a file, whole or not at all."""
        path.parent.mkdir(exist_ok=True)
        drawing, axes = plots.figure(*self.size)
        self.draw(axes)
        plots.save(drawing, path, {KEY: self.digest})

    def is_at(self, path: Path) -> bool:
        """Whether the file shows these numbers."""
        from PIL import Image

        try:
            with Image.open(path) as picture:
                return picture.info.get(KEY) == self.digest
        except (OSError, SyntaxError):  # SyntaxError: a broken PNG
            return False


LEAST = 0.01
"""In %: where bars end whose errors reach down to nothing."""


@dataclass(frozen=True, slots=True)
class OrderPicture(Picture):
    """The models of table 5.2: the thesis's errors at the left, ours at the right."""

    order: Order
    file: ClassVar[str] = "order.png"

    def numbers(self) -> list[list[Any]]:
        """Name, thesis's error and interval, our error and interval."""
        return [
            [published.model, *_rounded(published.valid_error or 0.0, published.interval), *_rounded(*_ours(row))]
            for published, row in self.order.models
        ]

    def draw(self, axes: Axes) -> None:
        """A line a model, bars for the intervals; errors logarithmic."""
        for i, (name, *values) in enumerate(self.numbers()):
            colour = COLOURS[i % len(COLOURS)]
            theirs, ours = values[:3], values[3:]
            axes.plot([0, 1], [100 * theirs[0], 100 * ours[0]], color=colour, lw=1.4, marker="o", label=name)
            for x, (_, low, high) in ((0, theirs), (1, ours)):
                axes.plot([x, x], [max(100 * low, LEAST), 100 * high], color=colour, lw=3, alpha=0.4)
        board = self.order.board
        axes.set_xticks([0, 1], ["thesis, valid,\noriginal data", f"ours, test,\n{board.release} {board.size}"])
        axes.set_xlim(-0.2, 1.2)
        _logarithmic_errors(axes)
        axes.set_ylabel("error (%)")
        axes.grid(axis="y", alpha=0.25)
        axes.legend(fontsize=8, framealpha=0.9)
        axes.set_title("The models of table 5.2, there and here", fontsize=11)


@dataclass(frozen=True, slots=True)
class SizePicture(Picture):
    """Test error against clips of each class that were learnt from."""

    curves: tuple[Curve, ...]
    file: ClassVar[str] = "training-size.png"

    def numbers(self) -> list[list[Any]]:
        """Name, then clips, error and interval by size."""
        return [
            [curve.name, *([row.entry.train_per_class, *_rounded(*_ours(row))] for row in curve.rows)]
            for curve in self.curves
        ]

    def draw(self, axes: Axes) -> None:
        """A line a model, both axes logarithmic."""
        from matplotlib.ticker import NullFormatter

        sizes: set[int] = set()
        for i, (name, *rows) in enumerate(self.numbers()):
            colour = COLOURS[i % len(COLOURS)]
            clips = [row[0] for row in rows]
            sizes.update(clips)
            axes.plot(clips, [100 * row[1] for row in rows], color=colour, lw=1.4, marker="o", label=name)
            for x, _, low, high in rows:
                axes.plot([x, x], [max(100 * low, LEAST), 100 * high], color=colour, lw=3, alpha=0.4)
        axes.set_xscale("log")
        _logarithmic_errors(axes)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(sorted(sizes), [f"{size:,}" for size in sorted(sizes)])
        axes.set_xlabel("clips of each class in train")
        axes.set_ylabel("test error (%)")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, framealpha=0.9)
        axes.set_title("Error against training-set size", fontsize=11)


PICTURES = (OrderPicture, SizePicture)


def _logarithmic_errors(axes: Axes) -> None:
    """Errors in % on a logarithmic axis, written out at 1, 2 and 5 of each power of ten."""
    from matplotlib.ticker import FuncFormatter

    axes.set_yscale("log")
    for axis in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:g}".lstrip("0.")[:1] in "125" else ""))


def pictures(orders: Sequence[Order], sizes: Sequence[Curve]) -> list[Picture]:
    """Those that there are numbers for: the first order, and the curves."""
    found: list[Picture] = [OrderPicture(order) for order in orders[:1]]
    return [*found, SizePicture(tuple(sizes))] if sizes else found


def _ours(row: Any) -> tuple[float, Interval]:
    return row.test_error, row.interval


def _rounded(error: float, interval: Interval | None) -> list[float]:
    low, high = (error, error) if interval is None else (interval.low, interval.high)
    return [round(value, DECIMALS) for value in (error, low, high)]

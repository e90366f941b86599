"""The picture of the toy, in the manner of the thesis's figure 4.8: models in rows; samples, q(z), reconstructions."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float, Int64
from torch import Tensor

from baselines.toy.mixture import CENTRES, EDGE, SIDE, SPACING
from benchmark.plots import CHANCE_COLOUR, figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 3_000
"""Points in each picture, at most."""

COLUMNS = ("samples", "q(z), by the point's mode", "reconstructions, by the point's mode")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Model:
    """A row: samples, z inferred for points, and what z stands for, each [point, 2]."""

    title: str
    samples: Float[Tensor, "point 2"]
    z: Float[Tensor, "point 2"]
    again: Float[Tensor, "point 2"]


def draw(models: Sequence[Model], modes: Int64[Tensor, " point"], path: Path) -> None:
    """Writes a PNG, whole or not at all.

    Args:
        models: from top to bottom.
        modes: of the points that z was inferred for.
        path: of the file.

    Raises:
        OSError: the file cannot be written.
    """
    drawing, whole = figure(9.0, 3.0 * len(models))
    whole.remove()
    grid = drawing.subplots(len(models), len(COLUMNS), squeeze=False)
    palette = colours()
    shades = [palette[mode] for mode in modes[:SHOWN].tolist()]
    for row, (axes, model) in enumerate(zip(grid, models, strict=True)):
        _scatter(axes[0], model.samples, "#1f2937")
        _scatter(axes[1], model.z, shades)
        _scatter(axes[2], model.again, shades)
        for one in (axes[0], axes[2]):
            one.scatter(*CENTRES.T.tolist(), s=70, facecolors="none", edgecolors=CHANCE_COLOUR, linewidths=0.4)
            one.set_xlim(-EDGE - SPACING, EDGE + SPACING)
            one.set_ylim(-EDGE - SPACING, EDGE + SPACING)
        axes[1].set_xlim(-4, 4)
        axes[1].set_ylim(-4, 4)
        axes[0].set_ylabel(model.title, fontsize=9)
        for one, title in zip(axes, COLUMNS, strict=True):
            one.set_aspect("equal")
            one.tick_params(labelsize=7)
            if row == 0:
                one.set_title(title, fontsize=10)
    save(drawing, path)


def colours() -> list[tuple[float, float, float]]:
    """One for each mode: the column of the grid is the hue, the row how light it is."""
    return [
        colorsys.hls_to_rgb(column / SIDE, 0.25 + 0.5 * row / (SIDE - 1), 0.85)
        for column in range(SIDE)
        for row in range(SIDE)
    ]


def _scatter(axes: Axes, points: Tensor, shades: str | list) -> None:
    shown = points[:SHOWN].cpu()
    axes.scatter(*shown.T.tolist(), s=1.5, c=shades, linewidths=0, rasterized=True)

"""The pictures beside a record: how it learnt, what it takes for what, how sure it is. Matplotlib loads on use."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark import predictions
from benchmark.calibration import BINS, calibration, reliability
from benchmark.predictions import Predictions
from benchmark.record import Record
from dynamics_gen.classes import CLASSES
from dynamics_gen.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN_COLOUR, VALID_COLOUR, TEST_COLOUR, CHANCE_COLOUR = "#8a94a6", "#1f5fbf", "#c2410c", "#6b7280"
DOTS_PER_INCH = 100


def pictures(record: Record, folder: Path) -> None:
    """Draws all three into the folder that holds the record and its predictions.

    Raises:
        RecordError: the predictions are missing or altered.
        OSError: a file cannot be written.
    """
    said = [predictions.read(folder / seed.predictions, seed.predictions_sha256) for seed in record.seeds]
    learning_curve(record, folder / "curve.png")
    confusion_matrix(record, folder / "confusion.png")
    reliability_diagram(record, said, folder / "reliability.png")


def learning_curve(record: Record, path: Path) -> None:
    """Draws every seed's error by epoch, on train (running mean) and valid, and marks the chosen epochs.

    Writes a PNG, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.ticker import MaxNLocator

    drawing, axes = figure(6.4, 4.0)
    for i, seed in enumerate(record.seeds):
        epochs = [row.epoch for row in seed.history]
        train = [100 * row.train_error for row in seed.history]
        valid = [100 * row.valid_error for row in seed.history]
        chosen = epochs.index(seed.chosen_epoch)
        first = i == 0  # one entry in the legend a kind of line
        marker = "." if len(epochs) == 1 else ""
        axes.plot(epochs, train, color=TRAIN_COLOUR, lw=1.1, label="train (running mean)" * first, marker=marker)
        axes.plot(epochs, valid, color=VALID_COLOUR, lw=1.4, label="valid" * first, marker=marker)
        axes.plot(
            seed.chosen_epoch,
            valid[chosen],
            linestyle="none",
            marker="o",
            markersize=7,
            markerfacecolor="white",
            markeredgecolor=VALID_COLOUR,
            markeredgewidth=1.8,
            label="chosen epoch" * first,
        )
        axes.plot(
            seed.chosen_epoch,
            100 * seed.scores.test.error,
            linestyle="none",
            marker="x",
            markersize=7,
            markeredgecolor=TEST_COLOUR,
            markeredgewidth=1.8,
            label="test, at the chosen epoch" * first,
        )
    axes.axhline(100 * (1 - 1 / len(record.dataset.classes)), color=CHANCE_COLOUR, lw=1, linestyle=":", label="chance")
    axes.set_xlabel("epoch" if record.config.training else "candidate")
    axes.set_ylabel("error (%)")
    axes.set_ylim(0, 100)
    last_epoch = max(row.epoch for seed in record.seeds for row in seed.history)
    axes.set_xlim(0, last_epoch + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.set_title(_title(record), fontsize=11)
    axes.legend(loc="upper right", fontsize=8, framealpha=0.9)
    save(drawing, path)


def confusion_matrix(record: Record, path: Path) -> None:
    """Draws the test confusion summed over seeds; each row (a true class) adds up to 100 %.

    Writes a PNG, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    counts = np.sum([seed.scores.test.confusion for seed in record.seeds], axis=0)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    drawing, axes = figure(6.4, 5.8)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            text = "<1" if share < 0.5 else f"{share:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=_ink(share))
    names = [name.replace("_", " ") for name in record.dataset.classes]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for boundary in (2.5, 5.5, 8.5) if record.dataset.classes == CLASSES else ():  # the three paths, then rotation
        axes.axhline(boundary, color=CHANCE_COLOUR, lw=0.6)
        axes.axvline(boundary, color=CHANCE_COLOUR, lw=0.6)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"{_title(record)}\ntest clips by predicted class (% of the true class)", fontsize=11)
    save(drawing, path)


def reliability_diagram(record: Record, said: Sequence[Predictions], path: Path) -> None:
    """Draws accuracy against confidence on test, clips of all seeds together, and how many clips are how confident.

    Writes a PNG, whole or not at all.

    Args:
        record: whose predictions they are.
        said: each seed's.
        path: of the picture.

    Raises:
        OSError: the file cannot be written.
    """
    bins = reliability(*said)
    filled = bins.clips > 0
    ends = np.arange(BINS + 1) / BINS
    error = 100 * np.mean([calibration(one).expected_error for one in said])
    drawing, axes = figure(6.4, 4.6)
    shares = bins.clips / bins.clips.sum()
    axes.bar(ends[:-1], shares, 1 / BINS, align="edge", color=TRAIN_COLOUR, alpha=0.35, label="share of clips")
    axes.plot([0, 1], [0, 1], color=CHANCE_COLOUR, lw=1, linestyle=":", label="confidence = accuracy")
    axes.plot(bins.confidence[filled], bins.accuracy[filled], color=VALID_COLOUR, lw=1.4, marker="o", label="accuracy")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("confidence: probability of the likeliest class")
    axes.set_ylabel("share of test clips that are right")
    axes.grid(alpha=0.25)
    axes.set_title(f"{_title(record)}\nexpected calibration error {error:.1f} %", fontsize=11)
    axes.legend(loc="upper left", fontsize=8, framealpha=0.9)
    save(drawing, path)


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure on the Agg canvas, in inches, outside pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _title(record: Record) -> str:
    seeds = "1 seed" if len(record.seeds) == 1 else f"{len(record.seeds)} seeds"
    return f"{record.model} on {record.dataset.release} {record.dataset.size}, {seeds}"


def _ink(share: float) -> str:
    return "white" if share > 55 else "#111827"


def save(figure: Figure, path: Path, texts: Mapping[str, str] | None = None) -> None:
    """Writes a PNG of few colours: a third of the bytes, and entries stay small; `texts` are kept inside it."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    inside = PngInfo()
    for key, text in (texts or {}).items():
        inside.add_text(key, text)
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(64).save(small, "png", optimize=True, pnginfo=inside)
    write_whole(path, small.getvalue())

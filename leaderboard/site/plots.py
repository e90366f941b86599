"""The site's charts: error against cost, errors while learning, accuracy by confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.calibration import BINS, reliability
from benchmark.predictions import Predictions
from benchmark.record import Record
from leaderboard.board import LEAST_SEEDS, Board, Row
from leaderboard.columns import count, duration, gflops, with_interval
from leaderboard.site.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Frame, logarithmic, percent_axis
from leaderboard.site.html import Html, Part, tag
from leaderboard.site.names import key

LETTER, LINE = 5.3, 10.0
"""About how wide a letter of a label is, and how high its line, in the chart's units."""
LONGEST = 24
"""Letters of a label."""


TIMES = (1, 10, 60, 600, 3_600, 36_000, 360_000, 3_600_000)
"""Seconds; from a second to a thousand hours."""
LEAST_POINTS = 3
"""Of a plot; two entries are compared more easily in the table."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a model takes: the chart's title and axis, a row's number (None where nobody knows), and how it is said."""

    title: str
    axis: str
    of: Callable[[Row], float | None]
    said: Callable[[float], str]
    ticks: tuple[float, ...] = ()
    """Round values, where powers of ten are none."""


COSTS = (
    Cost("Parameters", "parameters", lambda row: row.parameters or None, count),
    Cost(
        "Computation",
        "GFLOPs of one forward pass",
        lambda row: row.flops_per_clip or None,
        lambda flops: gflops(round(flops)),
    ),
    Cost("Training", "time of one seed, on its own device", lambda row: row.wall_time_s or None, duration, TIMES),
)
COSTS_LEGEND = (
    f"Lower and further left is better. Filled: {LEAST_SEEDS} seeds or more; bars: 95 % intervals. Each axis of cost is"
    " logarithmic; rows whose cost nobody counted are left out."
)


def cost_plot(board: Board, cost: Cost) -> Html | None:
    """Test error against a cost, a point a row; None where too few rows have it."""
    rows = [(row, value) for row in board.rows if (value := cost.of(row)) is not None]
    if len(rows) < LEAST_POINTS:
        return None
    frame = Frame(
        logarithmic(cost.axis, [value for _, value in rows], cost.said, cost.ticks), percent_axis("test error, %")
    )
    places = [(frame.x(value), frame.y(row.test_error)) for row, value in rows]
    labels = _labels([row.model[:LONGEST] for row, _ in rows], places)
    points: list[Part] = []
    for (row, value), (x, y), label in zip(rows, places, labels, strict=True):
        error = f"{with_interval(row.test_error, row.interval)} %"
        kind = "point sure" if row.seeds >= LEAST_SEEDS else "point"
        points.append(
            tag(
                "g",
                tag("title", f"{row.model}: {error}, {cost.said(value)}"),
                tag("path", d=f"M{x} {frame.y(row.interval.low)}V{frame.y(row.interval.high)}", class_="whisker"),
                tag("circle", cx=x, cy=y, r=3.5, class_="dot"),
                label,
                class_=kind,
                data_entry=key(row),
            )
        )
    return frame.draw(f"Test error against {cost.axis}, {len(rows)} entries; the table has the numbers.", *points)


def _labels(names: Sequence[str], places: Sequence[tuple[float, float]]) -> list[Html | None]:
    """Each point's name at its right, left, above or below it, where it hides no other; None where there is no room."""
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    made: list[Html | None] = []
    for name, (x, y) in zip(names, places, strict=True):
        wide = LETTER * len(name)
        made.append(None)
        for left, middle, anchor in (
            (x + 6, y, "start"),
            (x - 6 - wide, y, "end"),
            (x - wide / 2, y - 10, "middle"),
            (x - wide / 2, y + 10, "middle"),
        ):
            box = (left, middle - LINE / 2, left + wide, middle + LINE / 2)
            inside = box[0] > LEFT and box[2] < WIDTH - RIGHT + 8 and box[1] > TOP and box[3] < HEIGHT - BOTTOM
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                at = {"start": left, "end": left + wide, "middle": left + wide / 2}[anchor]
                made[-1] = tag("text", name, x=round(at, 1), y=round(middle + 3, 1), text_anchor=anchor, class_="name")
                break
    return made


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def learning_plot(record: Record) -> Html:
    """Every seed's errors by epoch, on train (running mean) and valid; its chosen epoch, and its test error there."""
    last = max(row.epoch for seed in record.seeds for row in seed.history)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1_000, 10_000, 1e6, 1e9, 1e12, 1e19) if last / step <= 12)
    ticks = [k * step for k in range(int(last / step) + 1)]
    name = "epoch" if record.config.training else "candidate"
    frame = Frame(Axis(label=name, low=0, high=last + 0.5, ticks=ticks), percent_axis("error, %"))
    chance = 1 - 1 / len(record.dataset.classes)
    parts: list[Part] = [frame.path([0, last + 0.5], [chance, chance], "chance")]
    for seed in record.seeds:
        epochs = [row.epoch for row in seed.history]
        errors = [row.valid_error for row in seed.history]
        x, y = frame.x(seed.chosen_epoch), frame.y(errors[epochs.index(seed.chosen_epoch)])
        test = frame.y(seed.scores.test.error)
        parts += [
            frame.path(epochs, [row.train_error for row in seed.history], "train"),
            frame.path(epochs, errors, "valid"),
            tag("circle", cx=x, cy=y, r=3.5, class_="chosen"),
            tag("path", d=f"M{x - 3.5} {test - 3.5}l7 7m0 -7l-7 7", class_="test"),
        ]
    return frame.draw(f"Errors on train and valid by {name}, {len(record.seeds)} seeds.", *parts)


def reliability_plot(said: Sequence[Predictions]) -> Html:
    """The share of test clips that are right, by confidence; bars: how many clips are how confident."""
    bins = reliability(*said)
    shares = bins.clips / bins.clips.sum()
    quarters = (0, 0.25, 0.5, 0.75, 1)
    across = Axis(label="confidence", low=0, high=1, ticks=quarters)
    frame = Frame(across, Axis(label="share that is right", low=0, high=1, ticks=quarters))
    wide = (frame.x(1) - frame.x(0)) / BINS
    bars = [
        tag(
            "path",
            d=f"M{frame.x(k / BINS)} {frame.y(0)}V{frame.y(share)}h{wide - 1:.1f}V{frame.y(0)}z",
            class_="bar",
        )
        for k, share in enumerate(shares.tolist())
        if share
    ]
    filled = np.flatnonzero(bins.clips)
    xs, ys = bins.confidence[filled].tolist(), bins.accuracy[filled].tolist()
    dots = [tag("circle", cx=frame.x(x), cy=frame.y(y), r=3, class_="dot") for x, y in zip(xs, ys, strict=True)]
    return frame.draw(
        "Share of test clips that are right, by confidence.",
        bars,
        frame.path([0, 1], [0, 1], "chance"),
        frame.path(xs, ys, "valid"),
        dots,
    )

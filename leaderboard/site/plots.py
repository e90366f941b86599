"""The site's charts: error against cost, errors while learning, accuracy by confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.calibration import BINS, reliability
from benchmark.predictions import Predictions
from benchmark.record import Record
from leaderboard.board import LEAST_SEEDS, Board, Row
from leaderboard.columns import count, gflops, with_interval
from leaderboard.site.chart import Axis, Frame, logarithmic, percent_axis
from leaderboard.site.costs import TIMES, Cost, round_time
from leaderboard.site.html import Html, Part, tag
from leaderboard.site.names import key
from leaderboard.site.scatter import LEAST_POINTS, Point, scatter

COSTS: tuple[Cost[Row], ...] = (
    Cost("Parameters", "parameters", lambda row: row.parameters or None, count),
    Cost(
        "Computation",
        "GFLOPs of one forward pass",
        lambda row: row.flops_per_clip or None,
        lambda flops: gflops(round(flops)),
    ),
    Cost("Training", "time of one seed, on its own device", lambda row: row.wall_time_s or None, round_time, TIMES),
)
COSTS_LEGEND = (
    f"Lower and further left is better. Filled: {LEAST_SEEDS} seeds or more; bars: 95 % intervals. Each axis of cost is"
    " logarithmic; rows whose cost nobody counted are left out."
)


def cost_plot(board: Board, cost: Cost[Row]) -> Html | None:
    """Test error against a cost, a point a row; None where too few rows have it."""
    points = [
        Point(
            name=row.model,
            key=key(row),
            x=value,
            y=row.test_error,
            low=row.interval.low,
            high=row.interval.high,
            said=f"{with_interval(row.test_error, row.interval)} %, {cost.said(value)}",
            sure=row.seeds >= LEAST_SEEDS,
        )
        for row in board.rows
        if (value := cost.of(row)) is not None
    ]
    if len(points) < LEAST_POINTS:
        return None
    across = logarithmic(cost.axis, [point.x for point in points], cost.said, *cost.ticks)
    return scatter(points, across, percent_axis("test error, %"), f"Test error against {cost.axis}")


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

"""Charts of curves: a number by predicted frame, and all that was noted while a model learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.site.chart import Axis, Frame, linear
from leaderboard.site.html import Html, Part, tag
from leaderboard.site.parts import words

APART = ("epoch", "learning_rate", "clips", "seconds")
"""Of what an epoch's row notes, what says nothing of how well the model does; of train and of valid too."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Values in order, drawn as the style sheet has the class."""

    values: Sequence[float]
    class_: str


def by_step(label: str, curves: Sequence[Curve], learnt: int, about: str, *, zero: bool = False) -> Html:
    """Values by predicted frame, the first of which is 1.

    Args:
        label: of the upward axis.
        curves: one or more, of equal length.
        learnt: how many frames were learnt; a line stands behind them, where there are more.
        about: what the chart shows, for those who cannot see it.
        zero: whether the upward axis begins at nothing.
    """
    last = len(curves[0].values)
    up = linear(label, [value for curve in curves for value in curve.values], zero=zero)
    frame = Frame(_counted("frame after the context", 1, max(last, 2)), up)
    parts: list[Part] = [frame.path([learnt + 0.5] * 2, [up.low, up.high], "chance")] if learnt < last else []
    parts += [frame.path(range(1, last + 1), curve.values, curve.class_) for curve in curves]
    return frame.draw(about, *parts)


def _counted(label: str, low: int, high: int) -> Axis:
    """An axis of whole numbers."""
    steps = (times * 10**power for power in range(19) for times in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step <= 10)
    ticks = sorted({low, *range(step * (low // step + 1), high + 1, step)})
    return Axis(label=label, low=low, high=high, ticks=ticks, said=lambda value: f"{value:,.0f}")


def while_learning(seeds: Sequence[Any]) -> list[tuple[str, Html]]:
    """A chart for each number that was noted by epoch, with its name: of train and of valid together, of every seed.

    Args:
        seeds: those of a record of a generator or a predictor, with `history`, `chosen_epoch` and `chosen_by`.

    Returns:
        None at all if nothing was learnt: where every seed has one epoch.
    """
    histories = [seed.history for seed in seeds]
    if all(len(history) < 2 for history in histories):
        return []
    names = dict.fromkeys(_name(key) for history in histories for row in history if "epoch" in row for key in row)
    first = f"{seeds[0].chosen_by}"
    ordered = sorted((name for name in names if name not in APART), key=lambda name: name != first)
    return [(words(name), _noted(name, seeds)) for name in ordered]


def _name(key: str) -> str:
    return key.removeprefix("train_").removeprefix("valid_")


def _noted(name: str, seeds: Sequence[Any]) -> Html:
    lines: list[tuple[list[float], list[float], str]] = []
    for seed in seeds:
        for key, class_ in ((f"train_{name}", "train"), (f"valid_{name}", "valid"), (name, "train")):
            if rows := [row for row in seed.history if key in row and "epoch" in row]:
                lines.append(([row["epoch"] for row in rows], [row[key] for row in rows], class_))
    epochs = [epoch for xs, _, _ in lines for epoch in xs]
    across = _counted("epoch", int(min(epochs)), max(int(max(epochs)), int(min(epochs)) + 1))
    frame = Frame(across, linear("", [value for _, values, _ in lines for value in values]))
    parts: list[Part] = [frame.path(xs, values, class_) for xs, values, class_ in lines]
    for seed in seeds:
        chosen = _chosen(seed.history, seed.chosen_epoch, f"valid_{name}")
        if name == seed.chosen_by and chosen is not None:
            parts.append(
                tag("circle", cx=frame.x(seed.chosen_epoch), cy=frame.y(chosen), r=3.5, class_="chosen"),
            )
    return frame.draw(f"{words(name)} by epoch, {len(seeds)} seeds.", *parts)


def _chosen(history: Sequence[Mapping[str, float]], epoch: int, key: str) -> float | None:
    return next((row[key] for row in history if row.get("epoch") == epoch and key in row), None)

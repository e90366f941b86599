"""Boards of frames on the first page: a table that a reader can sort, and what rows reach against what they take."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.board import LEAST_SEEDS
from leaderboard.columns import count
from leaderboard.frame_columns import LEGENDS, FrameColumn, about, columns_of, key, put, rate, texts
from leaderboard.frames import GENERATION, PREDICTION, FrameBoard, FrameRow, Score
from leaderboard.results.committed import shown
from leaderboard.site import names
from leaderboard.site.chart import linear, logarithmic
from leaderboard.site.costs import TIMES, Cost, round_time
from leaderboard.site.html import Html, Part, prose, scroll, tag
from leaderboard.site.scatter import LEAST_POINTS, Level, Point, scatter
from leaderboard.site.tables import CLIPPED, clipped

WIDE = {"by": "wide", "device": "wide", "GFLOPs/frame": "widest", "GFLOPs/sample": "widest", "spread": "widest"}
"""Columns for which a phone, or all but wide screens, have no room, and their class; the row's page has them."""

UNPUBLISHED = {
    PREDICTION: "The thesis shows its predictions as pictures and has no figure that could stand beside these.",
    GENERATION: "The thesis shows its samples as pictures and has no figure that could stand beside these.",
}
"""By task, why no published row stands below the others."""


_PARAMETERS: Cost[FrameRow] = Cost("Parameters", "parameters", lambda row: row.parameters or None, count, levels=True)
COSTS: dict[str, tuple[Cost[FrameRow], ...]] = {
    PREDICTION: (
        _PARAMETERS,
        Cost("Speed", "predicted frames/s, on its own device", lambda row: row.made_per_s or None, rate),
    ),
    GENERATION: (
        _PARAMETERS,
        Cost("Speed", "samples/s, on its own device", lambda row: row.made_per_s or None, rate),
        Cost("Training", "time of one seed, on its own device", lambda row: row.wall_time_s or None, round_time, TIMES),
    ),
}
SCORED = {PREDICTION: "MSE", GENERATION: "Fréchet distance"}
"""By task, what is drawn upwards."""


def frame_section(board: FrameBoard) -> Html:
    """A board under its heading: what it is of, its table, its plots, what its columns mean."""
    plots = [
        tag("figure", tag("figcaption", cost.title), plot)
        for cost in COSTS[board.task]
        if (plot := _cost_plot(board, cost)) is not None
    ]
    return tag(
        "section",
        tag("h2", board.title, id=names.anchor(board)),
        tag("p", about(board), " Fingerprint ", tag("code", board.kind.split.fingerprint[:16]), ".", class_="about"),
        _table(board),
        None if board.kind.labels else tag("p", UNPUBLISHED[board.task], class_="about"),
        [tag("h3", f"{SCORED[board.task]} against cost"), tag("p", _plots_legend(board), class_="about")]
        if plots
        else None,
        tag("div", plots, class_="plots") if plots else None,
        data_board=board.task,
    )


def frame_legend(task: str) -> Html:
    """What columns of a task's boards mean."""
    return tag("p", prose(f"**{task.capitalize()}.** {LEGENDS[task]}"))


def _plots_legend(board: FrameBoard) -> str:
    rules = " Dotted: what has no parameters." if any(not row.parameters for row in board.rows) else ""
    return (
        f"Lower is better, and further left, or right where it is speed. Filled: {LEAST_SEEDS} seeds or more; bars:"
        f" the deviation of seeds, or 95 % intervals. Each axis of cost is logarithmic.{rules}"
    )


def _table(board: FrameBoard) -> Html:
    columns = columns_of(board)
    head = [
        tag(
            "th",
            column.heading,
            scope="col",
            class_=_kind(column),
            data_kind="number" if column.numeric else "text",
            aria_sort="ascending" if column.leading else None,
        )
        for column in columns
    ]
    whole = tag(
        "table",
        tag("caption", f"{board.title}: entries", class_="unseen"),
        tag("thead", tag("tr", head)),
        tag("tbody", (_row(row, columns) for row in board.rows)),
        class_="board sortable",
    )
    return scroll(whole, f"{board.title}: table")


def _row(row: FrameRow, columns: Sequence[FrameColumn]) -> Html:
    return tag("tr", (_cell(column, row) for column in columns), data_entry=names.key(row), data_seeds=row.seeds)


def _cell(column: FrameColumn, row: FrameRow) -> Html:
    text, sure = texts(column, row)
    if column.heading == "model":
        return tag("th", tag("a", text, href=names.address(names.file_of(row))), scope="row", data_value=text)
    shown_: Part = clipped(text) if column.heading in CLIPPED else tag("strong", text) if column.leading else text
    return tag(
        "td",
        shown_,
        tag("span", sure, class_="range below") if sure else None,
        class_=_kind(column),
        data_value=key(column, row),
    )


def _kind(column: FrameColumn) -> str | None:
    words = ["number" if column.numeric else "", WIDE.get(column.heading, "")]
    return " ".join(filter(None, words)) or None


def _cost_plot(board: FrameBoard, cost: Cost[FrameRow]) -> Html | None:
    """A point a row; None where too few rows have the cost."""
    points, levels = [], []
    for row in board.rows:
        score, value = row.leading, cost.of(row)
        if score is not None and value is not None:
            points.append(_point(row, score, value, cost))
        elif score is not None and cost.levels:
            levels.append(Level(name=row.label, key=names.key(row), y=score.mean, said=_said(row, score)))
    if len(points) < LEAST_POINTS:
        return None
    across = logarithmic(cost.axis, [point.x for point in points], cost.said, *cost.ticks)
    highest = [point.high for point in points] + [level.y for level in levels]
    up = linear(SCORED[board.task], highest, zero=True)
    return scatter(points, across, up, f"{SCORED[board.task]} against {cost.axis}", levels)


def _point(row: FrameRow, score: Score, value: float, cost: Cost[FrameRow]) -> Point:
    low, high = score.reach
    return Point(
        name=row.label,
        key=names.key(row),
        x=value,
        y=score.mean,
        low=max(0.0, low),
        high=high,
        said=f"{_said(row, score)}, {cost.said(value)}",
        sure=row.seeds >= LEAST_SEEDS,
    )


def _said(row: FrameRow, score: Score) -> str:
    return " ".join([SCORED[row.kind.task], *filter(None, put(score, lambda value: shown(value, 1)))])

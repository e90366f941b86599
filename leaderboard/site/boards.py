"""The first page: a table a board, with the thesis's figures below it, plots of cost, shifted sets, frames."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.board import LEAST_SEEDS, RANK_RULE, Board
from leaderboard.columns import LEGEND, percent
from leaderboard.frames import FrameBoard
from leaderboard.reference import Reference
from leaderboard.site.frame_boards import frame_legend, frame_section
from leaderboard.site.html import Html, Part, prose, tag
from leaderboard.site.names import anchor
from leaderboard.site.plots import COSTS, COSTS_LEGEND, cost_plot
from leaderboard.site.shell import page
from leaderboard.site.tables import board_table, shifted_sets

SPREADSHEET = "leaderboard.csv"


def front_page(boards: Sequence[Board], references: Sequence[Reference], frames: Sequence[FrameBoard]) -> bytes:
    """The whole of index.html.

    Args:
        boards: of classifiers.
        references: what was published.
        frames: boards of predictors and generators.
    """
    body: list[Part] = [
        tag("h1", "The board"),
        tag(
            "p",
            "Video clips in which only motion carries the class: models that tell it, that predict how a clip goes on,"
            " or that make frames and clips of their own. A row leads to its own page.",
            class_="lead",
        ),
    ]
    if not boards and not frames:
        body.append(tag("p", "There are no entries yet."))
    else:
        body += [_contents([*boards, *frames]), _filters(boards, frames)]
    for board in boards:
        body.append(_section(board, references if board.release == "standard" else ()))
    body += [*map(frame_section, frames), _notes(frames)]
    return page("Dynamics: the board", "", body)


def _contents(boards: Sequence[Board | FrameBoard]) -> Html:
    links = [
        tag("li", tag("a", board.title, href=f"#{anchor(board)}"), " ", tag("small", f"{len(board.rows):,}"))
        for board in boards
    ]
    return tag("nav", tag("ul", links), class_="contents", aria_label="boards")


def _filters(boards: Sequence[Board], frames: Sequence[FrameBoard]) -> Html:
    """Hidden until the script, without which they do nothing, shows them."""
    rows = [row for board in boards for row in board.rows]
    tasks = dict.fromkeys(board.task for board in (*boards, *frames))
    inputs = [("", "any"), *((name, name) for name in sorted({row.input for row in rows}))]
    least = sorted({1, LEAST_SEEDS, *(row.seeds for board in (*boards, *frames) for row in board.rows)})
    seeds = [(str(number), "any" if number == 1 else f"{number} or more") for number in least]

    def choice(name: str, label: str, options: Sequence[tuple[str, str]]) -> Html:
        shown = [tag("option", text, value=value) for value, text in options]
        return tag("label", label, tag("select", shown, id=name))

    return tag(
        "form",
        tag("label", "Find", tag("input", id="find", type="search", placeholder="model, group, device, tag")),
        choice("task", "Task", [("", "any"), *((task, task) for task in tasks)]),
        choice("input", "Input", inputs),
        choice("seeds", "Seeds", seeds),
        tag("button", "Show all", type="button"),
        tag("output", "", id="shown", role="status"),
        id="filters",
        hidden=True,
        aria_label="which entries are shown",
    )


def _section(board: Board, references: Sequence[Reference]) -> Html:
    chance = 1 - 1 / len(board.rows[0].classes)
    plots = [
        tag("figure", tag("figcaption", cost.title), plot)
        for cost in COSTS
        if (plot := cost_plot(board, cost)) is not None
    ]
    return tag(
        "section",
        tag("h2", board.title, id=f"{anchor(board)}"),
        tag(
            "p",
            f"{board.openness} {board.clips:,} clips, fingerprint ",
            tag("code", board.fingerprint[:16]),
            f". Chance is {percent(chance)} % error.",
            class_="about",
        ),
        board_table(board, references),
        [tag("h3", "Error against cost"), tag("p", COSTS_LEGEND, class_="about")] if plots else None,
        tag("div", plots, class_="plots") if plots else None,
        shifted_sets(board),
        data_board=board.task,
    )


def _notes(frames: Sequence[FrameBoard]) -> Html:
    return tag(
        "section",
        tag("h2", "How to read it"),
        tag("p", prose(f"**Ranks.** {RANK_RULE}")),
        tag(
            "p",
            prose(
                "**Intervals of classifiers.** 95 %, by resampling test clips within each class and training seeds,"
                " widened for the few seeds there are."
                f" With fewer than {LEAST_SEEDS} seeds they say little about training."
            ),
        ),
        tag(
            "p",
            prose(f"**Classification.** Every number is computed anew from the predictions of an entry. {LEGEND}"),
        ),
        map(frame_legend, dict.fromkeys(board.task for board in frames)),
        tag("p", "The numbers of classifiers as a spreadsheet: ", tag("a", SPREADSHEET, href=SPREADSHEET), "."),
        class_="notes",
    )

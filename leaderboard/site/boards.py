"""The first page: a table a board, with the thesis's figures below it, plots of cost, shifted sets, generators."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.board import LEAST_SEEDS, RANK_RULE, Board
from leaderboard.columns import LEGEND, percent
from leaderboard.reference import Reference
from leaderboard.results.generators import Made
from leaderboard.site.generators import generator_boards
from leaderboard.site.html import Html, Part, prose, tag
from leaderboard.site.names import anchor
from leaderboard.site.plots import COSTS, COSTS_LEGEND, cost_plot
from leaderboard.site.shell import page
from leaderboard.site.tables import board_table, shifted_sets

SPREADSHEET = "leaderboard.csv"


def front_page(boards: Sequence[Board], references: Sequence[Reference], made: Sequence[Made]) -> bytes:
    """The whole of index.html."""
    body: list[Part] = [
        tag("h1", "The board"),
        tag(
            "p",
            "Video clips in which only motion carries the class. Every number is computed anew from the predictions of"
            " an entry; a row leads to its own page.",
            class_="lead",
        ),
    ]
    if not boards:
        body.append(tag("p", "There are no entries yet."))
    else:
        body += [_contents(boards, made), _filters(boards)]
    for board in boards:
        body.append(_section(board, references if board.release == "standard" else ()))
    body += [*generator_boards(made), _notes()]
    return page("Dynamics: the board", "", body)


def _contents(boards: Sequence[Board], made: Sequence[Made]) -> Html:
    places = [(f"#{anchor(board)}", board.title, len(board.rows)) for board in boards]
    places += [("#generators", "Generators", len(made))] if made else []
    links = [tag("li", tag("a", name, href=href), " ", tag("small", f"{rows:,}")) for href, name, rows in places]
    return tag("nav", tag("ul", links), class_="contents", aria_label="boards")


def _filters(boards: Sequence[Board]) -> Html:
    """Hidden until the script, without which they do nothing, shows them."""
    rows = [row for board in boards for row in board.rows]
    inputs = [("", "any"), *((name, name) for name in sorted({row.input for row in rows}))]
    least = sorted({1, LEAST_SEEDS, *(row.seeds for row in rows)})
    seeds = [(str(number), "any" if number == 1 else f"{number} or more") for number in least]

    def choice(name: str, label: str, options: Sequence[tuple[str, str]]) -> Html:
        shown = [tag("option", text, value=value) for value, text in options]
        return tag("label", label, tag("select", shown, id=name))

    return tag(
        "form",
        tag("label", "Find", tag("input", id="find", type="search", placeholder="model, group, device, tag")),
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
    )


def _notes() -> Html:
    return tag(
        "section",
        tag("h2", "How to read it"),
        tag("p", prose(f"**Ranks.** {RANK_RULE}")),
        tag(
            "p",
            prose(
                "**Intervals.** 95 %, by resampling test clips within each class and training seeds, widened for the"
                f" few seeds there are. With fewer than {LEAST_SEEDS} seeds they say little about training."
            ),
        ),
        tag("p", prose(f"**Columns.** {LEGEND}")),
        tag("p", "The same numbers as a spreadsheet: ", tag("a", SPREADSHEET, href=SPREADSHEET), "."),
        class_="notes",
    )

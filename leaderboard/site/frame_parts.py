"""Parts that pages of predictors and of generators share: headline, facts, pictures, how it learnt."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.columns import count, duration, gflops
from leaderboard.frame_columns import put, rate
from leaderboard.frames import GENERATION, PREDICTION, FrameBoard, FrameRow, Score
from leaderboard.results.committed import shown
from leaderboard.site.curves import while_learning
from leaderboard.site.html import Html, Part, cited, table, tag
from leaderboard.site.names import address, anchor, file_of, way_from
from leaderboard.site.parts import configuration, facts, reproduction, section, words
from leaderboard.site.pictures import SHOWS
from leaderboard.site.shell import page

TWO_MODES = (
    "Judged real, and samples judged real: of train a mean over training steps, of valid that of the network in"
    " evaluation. In play: after each epoch, of both in training mode."
)
"""What stands above charts of two modes."""

MADE = {PREDICTION: "frames/s", GENERATION: "samples/s"}
"""By task, what `made_per_s` of a row counts."""


def frame_page(row: FrameRow, board: FrameBoard, first: Sequence[tuple[str, Part]], body: Sequence[Part]) -> bytes:
    """The whole page of a row.

    Args:
        row: of `board`.
        board: where it stands.
        first: what is said first of its scores, before what it costs.
        body: what stands between that and how it learnt.
    """
    record, way = row.run.record, way_from(file_of(row))
    costs: list[tuple[str, Part]] = [
        ("parameters", tag("strong", count(row.parameters))),
        (MADE[board.task], tag("strong", rate(row.made_per_s))),
        ("training of a seed", tag("strong", duration(row.wall_time_s))),
        ("seeds", tag("strong", str(row.seeds))),
    ]
    about: list[tuple[str, Part]] = [
        ("source", cited(record.source or "–")),
        ("device", f"{record.environment.device}, {record.environment.precision}"),
        (f"GFLOPs/{MADE[board.task].partition('s/')[0]}", gflops(row.flops)),
        ("tags", ", ".join(row.tags)),
    ]
    parts: list[Part] = [
        tag("h1", row.model),
        tag("p", f"{board.title}; entered by {row.by} as {row.name}.", class_="lead"),
        facts([*first, *costs], "headline"),
        facts(about, "settings"),
        *body,
        _learning(row),
        reproduction(record, row.place if row.local else f"leaderboard/{row.place}"),
        configuration(record),
    ]
    crumb = tag("a", board.title, href=f"{way}index.html#{anchor(board)}")
    return page(f"{row.label}, {board.title}", way, parts, [crumb])


def score_fact(name: str, score: Score | None, digits: int, times: float = 1) -> tuple[str, Part]:
    """A score for the headline, with its deviation or interval where there is one."""
    value, sure = put(score, lambda number: shown(number, digits, times))
    return name, [tag("strong", value), [" ", tag("small", sure)] if sure else None]


def still(row: FrameRow, name: str, file: str, what: str) -> Html:
    """A picture that stands still, and what it shows, unless its name says as much."""
    return tag(
        "figure",
        tag("img", src=_source(row, file), alt=what, loading="lazy"),
        tag("figcaption", f"{_sentence(what)}.") if what != name else None,
        class_="picture",
    )


def moving(row: FrameRow, file: str, instead: str) -> Html:
    """A picture that moves, which a reader can fold away; readers who prefer less motion get a link to it alone.

    Args:
        row: whose it is.
        file: the one that moves.
        instead: one that does not, for a browser that is told so and shows pictures all the same.
    """
    picture = tag(
        "picture",
        tag("source", srcset=_source(row, file), media="(prefers-reduced-motion: no-preference)"),
        tag("img", src=_source(row, instead), alt=SHOWS["moving"], loading="lazy"),
    )
    link = tag("a", "The moving picture by itself", href=_source(row, file))
    told = tag("figcaption", f"{_sentence(SHOWS['moving'])}. ", link, ".")
    return tag(
        "details", tag("summary", "Moving"), tag("figure", picture, told, class_="picture"), open=True, class_="moving"
    )


def by_seed(row: FrameRow, lines: Sequence[tuple[str, Sequence[float | None], int, float]]) -> Html:
    """Scores of every seed, and their mean and deviation where there are several.

    Args:
        row: whose they are.
        lines: of each score its name, a value for each seed, its decimals, and what it is multiplied by.
    """
    several = row.seeds > 1
    headings = ["score", *(f"seed {seed.seed}" for seed in row.run.record.seeds)]
    headings += ["mean", "deviation"] if several else []
    rows: list[list[Part]] = []
    for name, values, digits, times in lines:
        score = Score.over(values)
        cells: list[Part] = [name, *(shown(value, digits, times) for value in values)]
        if several:
            cells += [shown(None if score is None else score.mean, digits, times)]
            cells += [shown(None if score is None else score.deviation, digits, times)]
        rows.append(cells)
    chosen = ", ".join(f"{seed.chosen_epoch} by {words(seed.chosen_by)}" for seed in row.run.record.seeds)
    return section("Scores by seed", table(headings, rows), tag("p", f"Chosen epoch: {chosen}.", class_="about"))


def _learning(row: FrameRow) -> Part:
    charts = while_learning(row.run.record.seeds)
    if not charts:
        return None
    keys = tag(
        "p",
        tag("span", "valid", class_="key valid"),
        tag("span", "train", class_="key train"),
        tag("span", "○ chosen on valid", class_="key"),
        class_="about",
    )
    figures = [tag("figure", tag("figcaption", name), chart) for name, chart in charts]
    noted = {key for seed in row.run.record.seeds for one in seed.history for key in one}
    apart = tag("p", TWO_MODES, class_="about") if "valid_judged_real" in noted else None
    return section("Training", keys, apart, tag("div", figures, class_="plots small"))


def _source(row: FrameRow, file: str) -> str:
    """A picture's address from the row's page, which lies beside the folder of that name."""
    return f"{address(row.name.rpartition('/')[2])}/{address(file)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

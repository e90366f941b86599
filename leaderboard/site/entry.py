"""An entry's own page: where its errors are, how sure it is, how it learnt, and how to make it again."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from benchmark.calibration import calibration
from benchmark.predictions import Predictions
from leaderboard.board import Board, Row
from leaderboard.columns import duration, percent, with_interval
from leaderboard.results.words import points
from leaderboard.shifted import SHIFTED_LEGEND, paired_differences
from leaderboard.site.chart import whisker
from leaderboard.site.html import Html, Part, cited, table, tag
from leaderboard.site.mistakes import confusion_matrix, summed, where_errors_are
from leaderboard.site.names import anchor
from leaderboard.site.parts import configuration, facts, headline, reproduction, section
from leaderboard.site.plots import learning_plot, reliability_plot
from leaderboard.site.shell import page

WAY = "../../"
"""From an entry's page to the site's folder."""


def entry_page(row: Row, board: Board) -> bytes:
    """The whole page of a row of a board, made of a record."""
    entry, record = row.entry, row.entry.record
    classes, counts = record.dataset.classes, summed([seed.scores.test for seed in record.seeds])
    body = [
        tag("h1", record.model),
        tag("p", f"{board.title}; entered by {row.by} as {row.name}.", class_="lead"),
        headline(row),
        facts(_about(row), "settings"),
        where_errors_are(classes, counts),
        tag("div", confusion_matrix(classes, counts), _shifted(row), class_="columns"),
        tag("div", how_sure(entry.test.seeds), _learning(row), class_="columns"),
        _seeds(row),
        reproduction(
            record, f"runs/{entry.name}" if entry.local else f"leaderboard/entries/{entry.group}/{entry.name}"
        ),
        configuration(record),
    ]
    crumb = tag("a", board.title, href=f"{WAY}index.html#{anchor(board)}")
    return page(f"{record.model}, {board.title}", WAY, body, [crumb])


def _about(row: Row) -> list[tuple[str, Part]]:
    record = row.entry.record
    said: list[tuple[str, Part]] = [
        ("source", cited(record.source or "–")),
        ("sees", record.input),
        ("tags", ", ".join(row.tags)),
    ]
    return [*said, ("device", f"{record.environment.device}, {record.environment.precision}")]


def how_sure(said: Sequence[Predictions]) -> Html:
    """Whether the probabilities of each seed are right."""
    scores = [calibration(one) for one in said]
    pairs: list[tuple[str, Part]] = [
        ("calibration error, %", _ranged([100 * one.expected_error for one in scores], 1)),
        ("log loss, nats", _ranged([one.log_loss for one in scores], 3)),
        ("Brier score", _ranged([one.brier for one in scores], 3)),
    ]
    return section(
        "Calibration",
        tag("figure", reliability_plot(said)),
        tag(
            "p",
            "Line: the share that is right; bars: the share of clips; dotted: confidence as it should be.",
            class_="about",
        ),
        facts(pairs),
    )


def _learning(row: Row) -> Html:
    return section(
        "Training",
        tag("figure", learning_plot(row.entry.record)),
        tag(
            "p",
            tag("span", "valid", class_="key valid"),
            tag("span", "train, running mean", class_="key train"),
            tag("span", "○ chosen on valid", class_="key"),
            tag("span", "× test error", class_="key test"),
            tag("span", "dotted: chance", class_="key"),
            class_="about",
        ),
    )


def _seeds(row: Row) -> Html:
    def cells(place: int) -> list[Part]:
        seed = row.entry.record.seeds[place]
        errors = [percent(score.error) for score in (seed.scores.test, seed.scores.valid, seed.scores.train)]
        memory = f"{seed.peak_memory_bytes / 1e9:.2f} GB" if seed.peak_memory_bytes else "–"
        speed = f"{seed.training_clips_per_s:,.0f}"
        chosen = f"{seed.chosen_epoch} of {seed.history[-1].epoch}"
        return [str(seed.seed), *errors, chosen, duration(seed.wall_time_s), speed, memory]

    headings = ["seed", "test %", "valid %", "train %", "epoch", "time", "clips/s", "memory"]
    return section("Seeds", table(headings, [cells(place) for place in range(row.seeds)]))


def _shifted(row: Row) -> Part:
    if not row.shifted:
        return None
    pairs = paired_differences(row)
    rows: list[list[Part]] = []
    for name, (error, interval) in ((row.split.release, (row.test_error, row.interval)), *row.shifted.items()):
        difference = points(pairs[name]) if name in pairs else "–"
        rows.append([name, whisker(interval.low, error, interval.high), with_interval(error, interval), difference])
    headings = ["release", "0 to 100 %", "error % (95 %)", "against its pairs, points (95 %)"]
    about = (
        f"{SHIFTED_LEGEND} Where clips show the same object and motion as those of {row.split.release}, the"
        " last column is how much more often they are missed than these."
    )
    return section("Shifted test sets", tag("p", about, class_="about"), table(headings, rows))


def _ranged(values: Sequence[float], decimals: int) -> str:
    """A mean, and the least and most of several."""
    low, mean, high = (f"{value:.{decimals}f}" for value in (min(values), fmean(values), max(values)))
    return mean if len(values) == 1 else f"{mean} ({low}–{high})"

"""RESULTS.md: sections in a fixed order, each from the committed records or plainly empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.reproduction.result import Reproduction
from dynamics_gen.config import RELEASES, SIZES
from leaderboard.board import LEAST_SEEDS, make_boards
from leaderboard.entries import Entry
from leaderboard.experiments import CLIPS, QUESTIONS, Question, gathered
from leaderboard.markdown import title
from leaderboard.reference import Reference
from leaderboard.results import breakdown, transfer
from leaderboard.results.figures import OrderPicture, Picture, SizePicture, pictures
from leaderboard.results.questions import all_questions, answers, curves, section
from leaderboard.results.reproductions import made_again
from leaderboard.results.studies import in_short as in_short_of
from leaderboard.results.thesis import Order, beside, in_short, order_of, order_sections
from leaderboard.results.words import GENERATED, NOT_MEASURED

ORDER = "Does the order of table 5.2 hold?"
TOY = "Does ALI cover more modes than a GAN, and what is its inference worth?"
CHAPTER_4 = "Do the claims of chapter 4 hold?"
TRANSFER = "Do features learnt by predicting serve discrimination?"
THESIS = "thesis"
"""Name of the reference that the page is about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The text and its pictures, by file name."""

    text: str
    pictures: dict[str, Picture]


def make_page(
    entries: Sequence[Entry],
    experiments: Sequence[Entry],
    references: Sequence[Reference],
    studies: Mapping[str, dict[str, Any]],
    reproductions: Sequence[Reproduction],
    chapter4: str,
    way: str,
) -> Page:
    """Derives the whole page.

    Args:
        entries: those of the board.
        experiments: those that answer a question.
        references: published figures.
        studies: what they found, by name.
        reproductions: of records that were made again.
        chapter4: how many of its claims hold, a sentence.
        way: from the page to the board's folder, with a slash at its end.
    """
    boards = [board for board in make_boards(entries) if board.release in RELEASES and board.size in SIZES]
    standard = [board for board in boards if board.release == "standard"]
    thesis = [reference for reference in references if reference.name == THESIS]
    orders = [order for one in thesis for board in standard if (order := order_of(board, one))]
    (by_size,) = [question for question in QUESTIONS if question.setting == CLIPS]
    sizes = [curve for rows in gathered(by_size, experiments, entries)[:1] for curve in curves(rows)]
    drawn = {picture.file: picture for picture in pictures(orders, sizes)}

    def shown(file: str, about: str) -> list[str]:
        return [f"![{about}]({way}figures/{file})"] if file in drawn else []

    questions = all_questions(experiments)
    parts = [
        GENERATED,
        "# Results",
        _introduction(way),
        "## In short",
        _in_short(orders, questions, experiments, entries)
        + f"\n- **{TOY}** {in_short_of(studies)}\n- **{CHAPTER_4}** {chapter4} See [the generators]({way}generators/)."
        + f"\n- **{TRANSFER}** {transfer.in_short(studies)}",
    ]
    parts += ["## Beside the thesis", *(part for one in thesis for part in beside(standard, one, way))]
    parts += [f"## {ORDER}", *order_sections(orders)]
    parts += shown(OrderPicture.file, "Errors of the models of table 5.2 in the thesis and here")
    for about, make in (
        ("By path and speed", breakdown.by_factor),
        ("What is taken for what", breakdown.confusions),
        ("Are the probabilities right?", breakdown.calibrations),
        ("Shifted test sets", breakdown.shifted),
    ):
        parts += [f"## {about}", *make(boards, way)]
    for question in questions:
        parts += [f"## {question.title}", *section(question, experiments, entries, way)]
        if question is by_size:
            parts += shown(SizePicture.file, "Test error against clips of each class in train")
    parts += [f"## {TRANSFER}", *transfer.section(studies)]
    parts += ["## Does a record come out again?", *made_again(reproductions)]
    return Page(text="\n\n".join(parts) + "\n", pictures=drawn)


def _in_short(
    orders: Sequence[Order], questions: Sequence[Question], experiments: Sequence[Entry], entries: Sequence[Entry]
) -> str:
    """A line a question, from the largest set that has records."""
    order = f"{title(orders[0].board)}. {in_short(orders[0])}" if orders else NOT_MEASURED
    lines = [f"- **{ORDER}** {order}"]
    for question in questions:
        measured = gathered(question, experiments, entries)
        said = " ".join(answers(question, measured[0])) if measured else ""
        lines.append(f"- **{question.title}** {said or NOT_MEASURED}")
    return "\n".join(lines)


def _introduction(way: str) -> str:
    return (
        f"Every number below is computed from the records and predictions in [`{way}entries/`]({way}entries/) and"
        f" [`{way}experiments/`]({way}experiments/); the board itself is [here]({way}README.md). Intervals are 95 %,"
        " over test clips and training seeds, as there; with fewer than"
        f" {LEAST_SEEDS} seeds they say little about training. What has no record says so."
    )

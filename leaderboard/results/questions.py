"""The questions that experiments answer: their records side by side, and the comparison each question is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.comparison import between_models
from leaderboard.board import Row, make_row
from leaderboard.columns import percent, with_interval
from leaderboard.entries import Entry
from leaderboard.experiments import CLIPS, QUESTIONS, Question, gathered, settings, varied
from leaderboard.markdown import escape, link, table
from leaderboard.results.words import NOT_MEASURED, p_value, points

PRECISION = "precision"
OF_AN_OPTIMISER = ("learning_rate", "weight_decay")
"""What no two optimisers share a good value of: each is tried with its own."""


LEAST_SIZES = 3
"""A power law is fitted to no fewer sizes of train."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Test error of one model by clips of each class that it learnt from, smallest first."""

    name: str
    rows: tuple[Row, ...]

    @property
    def exponent(self) -> float | None:
        """The b of error ∝ clips^-b, by least squares in the logarithms; None for too few sizes, or no errors."""
        clips = [row.entry.train_per_class for row in self.rows]
        errors = [row.test_error for row in self.rows]
        if len(set(clips)) < LEAST_SIZES or min(errors) == 0:
            return None
        return -float(np.polyfit(np.log(clips), np.log(errors), 1)[0])


def all_questions(experiments: Sequence[Entry]) -> list[Question]:
    """Those that are known, then whatever else has a folder."""
    known = [question.folder for question in QUESTIONS]
    others = sorted({entry.group for entry in experiments} - set(known))
    return [*QUESTIONS, *(Question(folder=name, title=f"Also tried: {name}") for name in others)]


def section(question: Question, experiments: Sequence[Entry], board: Sequence[Entry], way: str) -> list[str]:
    """A question's records, and what they say; or that there are none."""
    parts = [question.about] if question.about else []
    measured = gathered(question, experiments, board)
    if not measured:
        return [*parts, f"{NOT_MEASURED} Its records will stand in `leaderboard/experiments/{question.folder}/`."]
    for entries in measured:
        data, clips = entries[0].record.dataset, len(entries[0].label)
        parts += [
            f"### {escape(f'{data.release}, {data.size}')}: {clips:,} test clips",
            _side_by_side(entries, experiments, way),
            "\n".join(f"- {sentence}" for sentence in answers(question, entries)),
        ]
    return [part for part in parts if part]


def answers(question: Question, entries: Sequence[Entry]) -> list[str]:
    """What records tested on the same clips say to a question, a sentence each, in Markdown."""
    if question.setting == CLIPS:
        return [law for curve in curves(entries) if (law := _law(curve))]
    if not question.setting:
        chance = 1 - 1 / len(entries[0].record.dataset.classes)
        below = sum(make_row(entry).interval.high < chance for entry in entries)
        told = f"{below} of {len(entries)} records are below chance, {percent(chance)} %, by their whole interval."
        return [told, *_against_the_board(question, entries)]
    return _compared(question, entries)


def curves(entries: Sequence[Entry]) -> list[Curve]:
    """One curve a model and input that was trained on two sizes of train or more."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(f"{entry.record.model}, {entry.record.input}", []).append(entry)
    found = []
    for name, members in sorted(groups.items()):
        ordered = sorted(members, key=lambda entry: (entry.train_per_class, entry.group, entry.name))
        if len({entry.train_per_class for entry in ordered}) > 1:
            found.append(Curve(name=name, rows=tuple(make_row(entry) for entry in ordered)))
    return found


def _side_by_side(entries: Sequence[Entry], experiments: Sequence[Entry], way: str) -> str:
    """The records by model and test error, with the settings in which records of a model differ."""
    names = varied(entries)
    rows = sorted(map(make_row, entries), key=lambda row: (row.model, row.test_error))
    lines = []
    for row in rows:
        values = settings(row.entry)
        kind = "experiments" if any(row.entry is one for one in experiments) else "entries"
        lines.append(
            [
                link(row, way, kind),
                *(escape(str(values.get(name, "–"))) for name in names),
                with_interval(row.test_error, row.interval),
                percent(row.valid_error),
                percent(row.train_error),
                str(row.seeds),
            ]
        )
    headings = ["model", *map(escape, names), "test % (95 %)", "valid %", "train %", "seeds"]
    return table(headings, [False] * (1 + len(names)) + [True] * 4, lines)


def _compared(question: Question, entries: Sequence[Entry]) -> list[str]:
    """Each record against the one of its model that differs in the question's setting alone and has its base value.

    Number formats may differ, where no record has the same; then the sentence says so.
    """
    said = []
    for entry in entries:
        values = settings(entry)
        wanted = {**values, question.setting: question.base}
        bases = [
            one
            for one in entries
            if one.record.model == entry.record.model and _without_format(settings(one)) == _without_format(wanted)
        ]
        if question.setting not in values or not bases or entry in bases:
            continue
        said.append(_difference(entry, min(bases, key=lambda one: settings(one) != wanted), question.setting))
    return said


def _against_the_board(question: Question, entries: Sequence[Entry]) -> list[str]:
    """Each experiment against every entry of its model that differs from it in one setting, of whichever name.

    Optimisers may differ in their rates and decays too; then the sentence says so.
    """
    said = []
    for entry in entries:
        for base in entries:
            if entry.group != question.folder or base.group == question.folder:
                continue
            differing = [name for name in varied([entry, base]) if name != PRECISION]
            if "optimiser" in differing:
                differing = [name for name in differing if name not in OF_AN_OPTIMISER]
            if entry.record.model == base.record.model and len(differing) == 1:
                said.append(_difference(entry, base, differing[0]))
    return said


def _difference(entry: Entry, base: Entry, name: str) -> str:
    """What a setting does, in a sentence, by two records that differ in it and at most in what the sentence excepts."""
    mine, theirs = settings(entry), settings(base)
    excepted = {PRECISION: "number format"}
    if name == "optimiser":
        excepted |= {one: one.replace("_", " ") for one in OF_AN_OPTIMISER}
    apart = [
        f"{words} ({mine.get(one)} against {theirs.get(one)})"
        for one, words in excepted.items()
        if mine.get(one) != theirs.get(one)
    ]
    but = f" but the {', '.join(apart)}" if apart else ""
    found = between_models(entry.wrong, base.wrong, entry.label)
    return (
        f"{escape(entry.record.model)}, `{name}={mine.get(name)}` against `{name}={theirs.get(name)}`, all else"
        f" equal{but}, on the same clips: **{points(found)}** points of test error, p {p_value(found.p)}."
    )


def _without_format(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != PRECISION}


def _law(curve: Curve) -> str:
    """The power law of a curve; nothing where it has too few sizes."""
    b = curve.exponent
    if b is None:
        return ""
    return (
        f"{escape(curve.name)}: error ∝ clips^−{b:.2f}, by least squares over {len(curve.rows)} records; twice the"
        f" clips leave {percent(2**-b)} % of the errors."
    )

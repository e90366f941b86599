"""Experiments: records that answer a question and are no rows of the board, and what sets them apart.

They lie in `experiments/<question>/<name>/`, laid out like entries. A question also draws on the board's entries of
the same models, tested on the same clips, so that the usual setting needs no second record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.recipe import whole
from leaderboard.entries import Entry

CLIPS = "clips a class"
"""The setting that says on how many clips of each class of train a record was trained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a folder of experiments is about.

    Attributes:
        folder: its name.
        title: the question.
        about: why it is asked, a sentence or two of Markdown.
        models: whose entries on the board belong to it, beside those of the models that have experiments.
        setting: what is compared, by the name that `settings` has for it; "" where rows only stand side by side.
        base: the value of the setting that the others are compared with.
    """

    folder: str
    title: str
    about: str = ""
    models: tuple[str, ...] = ()
    setting: str = ""
    base: Any = None


QUESTIONS = (
    Question(
        folder="two-streams",
        title="Why did two-streams stay at chance?",
        about="The thesis has the temporal network at 88 % on valid and 90 % on train. Chance is 90 %: it did not learn"
        " even its training clips.",
        models=("two_streams",),
    ),
    Question(
        folder="indexing",
        title="Does the displaced indexing rescue the relation network?",
        about="As printed, the thesis's equations displace both frames, so that no displacement between them is ever"
        " measured (`indexing=printed`); meant is the second frame alone (`indexing=displaced`, our default).",
        models=("relation_network", "cross_correlation"),
        setting="indexing",
        base="printed",
    ),
    Question(
        folder="input",
        title="What does the form of the input do?",
        about="`rgb` is each clip standardised by its own channel means and deviations; `pixels` is [-1, 1]; `centred`"
        " is `rgb` less its mean over time; `difference` is from frame to frame.",
        setting="input",
        base="rgb",
    ),
    Question(
        folder="window",
        title="How much of a clip must LTC see at once?",
        about="LTC sees all 32 frames (`window=0`); with `window=16` or `window=8` it is C3D on parts of it, whose"
        " logits are averaged. The recipe is the one that was tuned for all frames.",
        setting="window",
        base=0,
    ),
    Question(
        folder="training-size",
        title="How do error and training-set size relate?",
        about="`--train-per-class N` learns from the first N clips of each class; valid and test stay whole.",
        setting=CLIPS,
    ),
)


def settings(entry: Entry) -> dict[str, Any]:
    """Everything a record was made with that an experiment may vary, by name; lists as texts."""
    config = entry.record.config
    own = {name: value for name, value in whole(config.training).items() if name != "train_per_class"}
    found = {CLIPS: entry.train_per_class, "input": entry.record.input, **own, **config.model}
    return {name: str(value) if isinstance(value, list | dict) else value for name, value in found.items()}


def varied(entries: Sequence[Entry]) -> list[str]:
    """The settings in which entries of one model differ, in the order of `settings`."""
    by_model: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        by_model.setdefault(entry.record.model, []).append(settings(entry))
    names = [
        name
        for rows in by_model.values()
        for name in dict.fromkeys(name for row in rows for name in row)
        if any(row.get(name) != rows[0].get(name) for row in rows)
    ]
    return list(dict.fromkeys(names))


def gathered(question: Question, experiments: Sequence[Entry], board: Sequence[Entry]) -> list[list[Entry]]:
    """The records of a question, a list for each test split, largest train first; empty if it has not been measured.

    Measured is a question whose records differ, within a model, in its setting; one without a setting, any that has
    an experiment.
    """
    own = [entry for entry in experiments if entry.group == question.folder]
    groups: dict[str, list[Entry]] = {}
    for entry in own:
        groups.setdefault(entry.record.dataset.splits.test.fingerprint, []).append(entry)
    for entry in board:
        fingerprint = entry.record.dataset.splits.test.fingerprint
        models = {*question.models, *(known.record.model for known in groups.get(fingerprint, []))}
        if entry.record.model in models and entry not in groups.get(fingerprint, []):
            groups.setdefault(fingerprint, []).append(entry)
    measured = [
        rows
        for rows in groups.values()
        if (question.setting in varied(rows) if question.setting else any(entry in own for entry in rows))
    ]
    return sorted(measured, key=lambda rows: -max(entry.record.dataset.splits.train.clips for entry in rows))

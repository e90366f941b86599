"""What an entrant says of an entry, one JSON file: `submission.json`. It holds no score.

    submission, problems = parse(text, "submission.json")    # every problem at once; None if there is one

Texts are one printable line that starts with a letter, a digit or ( and holds no backquote, no `](` and none of
`<>|\\`: no spreadsheet takes them for a formula, and no page for a tag, whoever forgets to escape them.

Version 1 describes classification; version 2 adds tasks whose entries are frames, and their `view`. A submission of
version 1 reads as one of version 2 without a view.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any

from benchmark.errors import RecordError
from benchmark.record import Count, Hash, Input, Name
from benchmark.schema import Number, Text, Whole, build, decode
from benchmark.submission.problems import every_problem
from benchmark.submission.views import CLASSIFICATION, GENERATION, PREDICTION, TASKS, VIEWS, View

FILE = "submission.json"
SUBMISSION_VERSION = 2
LARGEST_BYTES = 64 * 2**10
"""Of submission.json."""
MOST_CLIPS = 100_000
"""In a test split."""
MOST_SEEDS = 20
MOST_FRAME_SEEDS = 5
"""Of entries of frames, which are large."""
MOST_AUTHORS = 50
FORMS = {CLASSIFICATION: ("npz", "csv"), PREDICTION: ("npz", "h5"), GENERATION: ("npz", "h5")}
"""Endings of a seed's file, by task."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A line of text that no table, page or terminal can take for anything else.

    Composed as Unicode's NFC has it, with at most two marks on a letter, and without characters that cannot be seen.
    """

    longest: int = 200
    least: int = 1

    def __str__(self) -> str:
        return (
            f"plain text of {self.least} to {self.longest} characters that starts with a letter, a digit or (, without"
            " unseen characters, ]( and < > | \\ `"
        )

    def read(self, value: Any) -> str | None:
        """The value, or None if it is not allowed."""
        if value == "" and self.least == 0:
            return ""
        if not isinstance(value, str) or not len(value) <= self.longest or not value.isprintable():
            return None
        if value != value.strip() or not unicodedata.is_normalized("NFC", value) or _invisible(value):
            return None
        return value if re.fullmatch(r"(?!_|.*\]\()[\w(][^<>|\\`]*", value) else None


@dataclass(frozen=True, slots=True)
class Url:
    """An address on the web; nothing that a page could run."""

    longest: int = 300

    def __str__(self) -> str:
        return f"an address that starts with https:// or http://, of at most {self.longest} characters, or null"

    def read(self, value: Any) -> str | None:
        """The value, or None if it is not allowed."""
        pattern = r"https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?(/[A-Za-z0-9._~/%?=&+#:@,;-]*)?"
        good = isinstance(value, str) and len(value) <= self.longest and re.fullmatch(pattern, value)
        return value if good else None


Contact = Annotated[
    str,
    Text(
        r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9][A-Za-z0-9.-]*|https://[A-Za-z0-9][A-Za-z0-9._~/-]*",
        "an e-mail address or a page that starts with https://,",
        200,
    ),
]
Line = Annotated[str, Plain()]
Remark = Annotated[str, Plain(1_000, 0)]


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """Who entered what; `bench submit prepare --about FILE` reads the same fields from a file of theirs."""

    group: Name
    """Who entered it: the folder's parent."""
    entry: Name
    """The folder's name."""
    authors: tuple[Line, ...]
    contact: Contact
    method: Annotated[str, Plain(64)]
    """What the row is called."""
    description: Remark
    """Of the method, perhaps empty."""
    paper: Annotated[str, Url()] | None
    code: Annotated[str, Url()] | None
    extra_data: Remark
    """What was learnt from beside the train split; empty if nothing was."""
    input: Input
    """What the model sees: `rgb`, `flow_farneback` …"""
    parameters: Count
    """Of all stages."""
    flops_per_clip: Count | None
    """One forward pass: of a clip's class, of its predicted frames, of one sample; null if nobody counted."""
    hardware: Line
    """What one training ran on."""
    training_hours: Annotated[float, Number(0, 1e7)]
    """Of one seed."""
    tuning_trials: Count
    """Configurations that were tried before this one was chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSplit:
    """The test split that the predictions are of, as its manifest has it."""

    release: Name
    size: Name
    """`full`, `mini` or `tiny` where it has as many clips; else `own`."""
    clips: Annotated[int, Whole(1, MOST_CLIPS)]
    fingerprint: Hash


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedFile:
    """One training from scratch, and the file of its predictions beside submission.json."""

    seed: Count
    predictions: Name
    sha256: Hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """All that submission.json says."""

    submission_version: Annotated[int, Whole(SUBMISSION_VERSION, SUBMISSION_VERSION)]
    task: Annotated[str, Text("|".join(TASKS), "classification, prediction or generation,", 14)]
    view: View | None
    """Of the frames; null of classification, which sends none."""
    about: About
    test: EvaluationSplit
    seeds: tuple[SeedFile, ...]


def predictions_names(seed: int, task: str) -> tuple[str, ...]:
    """What the file of a seed's predictions, or samples, may be called."""
    return tuple(f"predictions-seed{seed}.{form}" for form in FORMS[task])


def task_in(text: str) -> str:
    """The task that a submission names, be it in order or not; classification where it names none."""
    try:
        document = decode(text, FILE)
    except RecordError:
        return CLASSIFICATION
    task = document.get("task") if isinstance(document, dict) else None
    return task if isinstance(task, str) and task in TASKS else CLASSIFICATION


def parse(text: str, where: str = FILE) -> tuple[Submission | None, list[str]]:
    """Reads submission.json, and says everything that is wrong with it, a sentence each; None if anything is."""
    try:
        document = decode(text, where)
        version = document.get("submission_version") if isinstance(document, dict) else None
        if type(version) is int and version == 1 and "view" not in document:
            document |= {"submission_version": SUBMISSION_VERSION, "view": None}
        problems = every_problem(Submission, document, where)
        made = None if problems else build(Submission, document, where)
    except RecordError as error:
        return None, [str(error)]
    problems += [] if made is None else _contradictions(made, where)
    return None if problems else made, problems


def _contradictions(made: Submission, where: str) -> list[str]:
    """What is wrong with fields that are each in order."""
    problems = []
    if made.view not in (views := VIEWS[made.task] or (None,)):
        expected = ", or ".join("null" if view is None else str(view) for view in views)
        found = "null" if made.view is None else made.view
        problems.append(f"{where}: view is {found}: expected {expected}, as every entry of {made.task} has it")
    for name, count, most in (
        ("about.authors", len(made.about.authors), MOST_AUTHORS),
        ("seeds", len(made.seeds), MOST_SEEDS if made.task == CLASSIFICATION else MOST_FRAME_SEEDS),
    ):
        if not 1 <= count <= most:
            problems.append(f"{where}: {name} is a list of {count}: expected 1 to {most}")
    numbers = [one.seed for one in made.seeds]
    if len(set(numbers)) < len(numbers):
        problems.append(f"{where}: seeds holds the seeds {numbers}: expected every seed once")
    for i, one in enumerate(made.seeds):
        if one.predictions not in (names := predictions_names(one.seed, made.task)):
            expected = " or ".join(names)
            problems.append(f"{where}: seeds[{i}].predictions is {one.predictions}: expected {expected}")
    return problems


def _invisible(text: str) -> bool:
    """Whether a letter carries more than two marks, or a character is one that fonts show as nothing."""
    kinds = [unicodedata.category(character) for character in text]
    stacked = any(all(kind[0] == "M" for kind in kinds[i : i + 3]) for i in range(len(kinds) - 2))
    return stacked or any(character in "\u115f\u1160\u3164\uffa0\u2800" for character in text)

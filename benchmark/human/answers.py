"""What a person answered: the file that the page gives, and the result that is made of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark.data import ClipDataset
from benchmark.errors import RecordError
from benchmark.human.ask import asked
from benchmark.human.result import HUMAN_VERSION, Answer, HumanResult
from benchmark.record import Amount, Count, Line, Name, Positive
from benchmark.record_file import LARGEST_BYTES
from benchmark.schema import Text, Whole, parse

ANSWERS_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """One answer, with the name of its class; `seconds` from the clip's first frame, all visits together."""

    clip_id: Line
    answer: Line
    seconds: Amount


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """The file that the page gives when all clips are answered."""

    answers_version: Annotated[int, Whole(ANSWERS_VERSION, ANSWERS_VERSION)]
    release: Name
    split: Annotated[str, Text("valid", '"valid"', 5)]
    fingerprint: Line
    clips_per_class: Positive
    seed: Count
    answers: tuple[Given, ...]


def read_answers(path: Path) -> Answers:
    """Reads the file at `path`.

    Raises:
        RecordError: it is not as the page writes it.
        OSError: it cannot be read.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise RecordError(f"{path}: more than {LARGEST_BYTES} bytes: expected the answers of a page of `bench human`")
    try:
        return parse(Answers, path.read_text("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None


def score(given: Answers, dataset: ClipDataset, size: str, where: str) -> HumanResult:
    """Puts the true labels beside the answers.

    Args:
        given: all answers of one page.
        dataset: the split that the page was made of.
        size: its name, for the result.
        where: names the file in messages.

    Raises:
        RecordError: the answers are of other clips than the page of that seed asks for, or not one for each of them.
        ConfigError: as `asked`.
    """
    manifest = dataset.manifest
    for name in ("release", "fingerprint"):
        here, there = getattr(given, name), getattr(manifest, name)
        if here != there:
            raise RecordError(
                f"{where}: {name} is {here}: expected {there}, that of the split that was given; "
                "score it on the data its page was made of, with --release, --size, --data or --on"
            )
    labels = {
        dataset.clip_ids[number]: int(dataset.labels[number])
        for number in asked(dataset, given.clips_per_class, given.seed)
    }
    codes = {name: label for label, name in enumerate(manifest.classes)}
    for i, one in enumerate(given.answers):
        if one.clip_id not in labels:
            raise RecordError(
                f"{where}: answers[{i}].clip_id is {one.clip_id}: expected one of the {len(labels)} clips on the "
                f"page of seed {given.seed}"
            )
        if one.answer not in codes:
            raise RecordError(f"{where}: answers[{i}].answer is {one.answer}: expected one of {', '.join(codes)}")
    (clip_id, times), *_ = Counter(one.clip_id for one in given.answers).most_common(1) or [("", 0)]
    if times > 1:
        raise RecordError(f"{where}: answers holds {clip_id} {times} times: expected one answer to every clip")
    missing = [name for name in labels if name not in {one.clip_id for one in given.answers}]
    if missing:
        raise RecordError(
            f"{where}: answers lacks {len(missing)} of the page's {len(labels)} clips, {missing[0]} for one: "
            "expected one answer to every clip; go on with the page, which keeps what was answered"
        )
    return HumanResult(
        human_version=HUMAN_VERSION,
        release=manifest.release,
        size=size,
        fingerprint=manifest.fingerprint,
        split_clips=len(dataset),
        classes=manifest.classes,
        clips_per_class=given.clips_per_class,
        seed=given.seed,
        answers=tuple(
            Answer(clip_id=one.clip_id, label=labels[one.clip_id], answer=codes[one.answer], seconds=one.seconds)
            for one in given.answers
        ),
    )

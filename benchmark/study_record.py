"""What a study found, one JSON file: `study.json`. Of its findings each study has its own form.

Version 1 had no `study_version`; it reads as one of version 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark.errors import RecordError
from benchmark.record import Amount, Count, Environment, Name, Remark
from benchmark.record_file import read_text, write_checked
from benchmark.schema import Setting, Whole, build, decode

STUDY_VERSION = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySeed:
    """One run of a study from its start, and how long it took."""

    seed: Count
    findings: dict[str, Setting]
    seconds: Amount


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A study, over all its seeds; `config` is the resolved one."""

    study_version: Annotated[int, Whole(STUDY_VERSION, STUDY_VERSION)]
    study: Name
    source: Remark
    config: dict[str, Setting]
    seeds: tuple[StudySeed, ...]
    environment: Environment


def parse(text: str, where: str = "study.json") -> Study:
    """Reads a study of any version; `where` names it in messages.

    Raises:
        RecordError: the first bad field, with its path, what was got and what was expected.
    """
    document = decode(text, where)
    if isinstance(document, dict) and "study_version" not in document:
        document["study_version"] = STUDY_VERSION
    made = build(Study, document, where)
    _check(made, where)
    return made


def read(path: Path) -> Study:
    """Reads the study at `path`.

    Raises:
        RecordError: as `parse`; also for a file that is missing, too large, or not UTF-8.
        OSError: it cannot be read.
    """
    return parse(read_text(path), str(path))


def write(made: Study, path: Path) -> Study:
    """Checks a study as `read` would, writes it, whole or not at all, and returns it as `read` will.

    Raises:
        RecordError: it would be refused when read; nothing is written.
        OSError: it cannot be written.
    """
    return write_checked(made, path, _check)


def _check(made: Study, where: str) -> None:
    numbers = [one.seed for one in made.seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        raise RecordError(f"{where}: seeds holds the seeds {numbers}: expected one or more, each once")

"""Files of records of any task: read where they are not too large, refused where they contradict themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmark.errors import RecordError
from benchmark.schema import build, decode, dump, shown
from dynamics_gen.files import write_whole

LARGEST_BYTES = 16 * 2**20

T = TypeVar("T")


def task_of(path: Path) -> str:
    """The task that the record at `path` says it is of; nothing else of it is checked.

    Raises:
        RecordError: the file is no record at all.
        OSError: the file cannot be read.
    """
    document = decode(read_text(path), str(path))
    task = document.get("task") if isinstance(document, dict) else None
    if not isinstance(task, str):
        raise RecordError(f'{path}: task is {shown(task)}: expected a text, such as "classification"')
    return task


def require_classifier(path: Path) -> None:
    """Refuses the record at `path` unless it says that it is of a classifier.

    Raises:
        RecordError: it is of another task, or no record at all.
        OSError: the file cannot be read.
    """
    if (task := task_of(path)) != "classification":
        raise RecordError(f"{path}: task is {task}: expected a run of a classifier")


def read_text(path: Path) -> str:
    """The text of a record's file.

    Raises:
        RecordError: the file is missing, over 16 MiB, or not UTF-8.
        OSError: the file cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise RecordError(f"{path}: {path.stat().st_size} bytes: expected a record of at most {LARGEST_BYTES}")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file: expected the record.json of a run or an entry") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None


def parse_checked(kind: type[T], text: str, where: str, check: Callable[[T, str], None]) -> T:
    """Reads a record of any task, a dataclass `kind`, and has `check` refuse one that contradicts itself.

    Raises:
        RecordError: the first bad field, with its path, what was got and what was expected.
    """
    made = build(kind, decode(text, where), where)
    check(made, where)
    return made


def write_checked(made: T, path: Path, check: Callable[[T, str], None]) -> T:
    """Writes a record of any task, whole or not at all, unless it would be refused when read.

    Raises:
        RecordError: it would; nothing is written.
        OSError: the file cannot be written.
    """
    checked = build(type(made), dataclasses.asdict(made), str(path))  # type: ignore[call-overload]
    check(checked, str(path))
    write_whole(path, dump(checked).encode("utf-8"))
    return checked

"""Whose folder is whose: no two entries of one name, and a pull request that adds one entry and touches no other."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import RecordError
from benchmark.schema import shown
from benchmark.submission import result
from benchmark.submission.files import read_plain_text
from benchmark.submission.schema import FILE, LARGEST_BYTES, Submission, parse
from dynamics_gen.files import file_sha256

ENTRIES = "entries"
"""Name of the folder that holds `<group>/<entry>/`."""


def name_problems(folder: Path, submission: Submission) -> list[str]:
    """Whether a folder is called as its submission says, and shares its name with no other entry, a sentence each.

    Two names are one if they differ in the case of letters alone: some file systems hold them to be.
    """
    place = folder.resolve()
    about, where = submission.about, folder / FILE
    problems = []
    for field, found, expected in (
        ("group", about.group, place.parent.name),
        ("entry", about.entry, place.name),
    ):
        if found != expected:
            problems.append(
                f"{where}: about.{field} is {found}: expected {shown(expected)}, as the folder is called, which is"
                " <group>/<entry>"
            )
    if place.parent.parent.name != ENTRIES:
        return problems
    for group in sorted(place.parent.parent.iterdir()):
        if group.name != place.parent.name and _same(group.name, place.parent.name):
            problems.append(f"{folder}: there is the group {shown(group.name)} already: expected another name, or that")
    for other in sorted(place.parent.iterdir()):
        if other.name == place.name:
            continue
        if _same(other.name, place.name):
            problems.append(f"{folder}: there is the entry {shown(other.name)} already: expected another name")
        elif (theirs := submission_in(other)) is not None and _one_row(theirs, submission):
            problems.append(
                f"{where}: about.method is {shown(about.method)}, as in this group's {_shown(other.name)} on this test"
                " split: expected another name"
            )
    return problems


def change_problems(folder: Path, base: Path) -> list[str]:
    """Whether the entries around a folder are those of `base` and this one is new, a sentence each.

    Args:
        folder: `<entries>/<group>/<entry>`, as a pull request has it.
        base: the folder `entries` of the branch that it is to join.

    Raises:
        RecordError: `base` is no folder.
        OSError: a file cannot be read.
    """
    if not base.is_dir():
        raise RecordError(f"{base}: no such folder: expected `entries` of the branch that the entry is to join")
    place = folder.resolve()
    head, own = place.parent.parent, f"{place.parent.name}/{place.name}/"
    before, after = dict(_files(base)), dict(_files(head))
    problems = []
    if any(name.startswith(own) for name in before):
        problems.append(f"{folder}: there is such an entry already: expected a new one, since entries are not edited")
    if f"{own}{result.FILE}" in after:
        problems.append(f"{folder / result.FILE}: is the host's to write: expected none in a new entry")
    for name in sorted(before.keys() | after.keys()):
        if name.startswith(own):
            continue
        if name not in after:
            problems.append(f"{head / name}: was removed: expected every other entry as it was")
        elif name not in before:
            problems.append(f"{head / _shown(name)}: was added: expected one entry at a time, {own}")
        elif not _equal(before[name], after[name]):
            problems.append(f"{head / name}: was changed: expected every other entry as it was")
    return problems


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """Every file below a folder, links unfollowed, by its path in it."""
    for at, folders, names in os.walk(root, followlinks=False):
        for name in (*names, *(name for name in folders if (Path(at) / name).is_symlink())):
            path = Path(at) / name
            yield path.relative_to(root).as_posix(), path


def _equal(one: Path, other: Path) -> bool:
    if one.is_symlink() or other.is_symlink() or not (one.is_file() and other.is_file()):
        return False
    return one.stat().st_size == other.stat().st_size and file_sha256(one) == file_sha256(other)


def submission_in(folder: Path) -> Submission | None:
    """What an entry says of itself, if it says it in order; `check` tells what is wrong where it does not."""
    try:
        return parse(read_plain_text(folder / FILE, LARGEST_BYTES))[0]
    except (RecordError, OSError):
        return None


def _one_row(one: Submission, other: Submission) -> bool:
    alike = (one.task, one.view, one.test) == (other.task, other.view, other.test)
    return alike and _same(one.about.method, other.about.method)


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _shown(name: str) -> str:
    return shown(name).strip('"')

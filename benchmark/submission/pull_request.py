"""A pull request that brings an entry: read out of git as data, and held against the branch that it is to join.

Nothing of it is checked out. Its files are taken from git's store by their hashes, so that no filter, attribute, hook
or submodule of a stranger's comes into effect, and what looks at them is the code of the base.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import RecordError
from benchmark.schema import shown
from benchmark.submission import result, said
from benchmark.submission.check import check
from benchmark.submission.files import MOST_FILES
from benchmark.submission.ownership import submission_in
from benchmark.submission.schema import FILE, Submission
from benchmark.submission.split import OpenedSplit

ENTRIES = "leaderboard/entries"
"""Where entries are in the repository."""

PLAIN = "100644"
"""Git's mode of a file that is no link and cannot be run."""

SECONDS = 120
"""For one call of git."""

_PLACE = re.compile(rf"{ENTRIES}/([A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*)/([A-Za-z0-9][A-Za-z0-9_.-]*)")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One file that a pull request adds, removes or changes."""

    path: str
    status: str
    """Git's letter: A for a new file."""
    mode: str
    """That it has afterwards."""
    blob: str
    """Hash of its bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """What is to be said of a pull request; it is in order if it has no problems."""

    head: str
    entry: str
    """`<group>/<entry>`; empty where it brings none, or several."""
    problems: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    """The files of the entry, where it could be looked into."""
    split: OpenedSplit | None = None
    """The one that the entry answers for, of those that were given."""

    @property
    def comment(self) -> str:
        """For the pull request, in Markdown; what strangers wrote stands in a block of code."""
        if not self.problems:
            return f"The entry `{self.entry}` is in order at {self.head}; it will be scored.\n"
        lines = "\n".join(f"problem: {problem}" for problem in self.problems)
        return f"Not in order at {self.head}:\n\n~~~~~~~~ text\n{lines}\n~~~~~~~~\n"


def review(repository: Path, base: str, head: str, splits: Sequence[OpenedSplit] = ()) -> Review:
    """Looks at what `head` adds to `base`, without labels; neither is checked out.

    Args:
        repository: a clone that has both commits.
        base: hash of the commit that the pull request is to join.
        head: hash of its own newest commit.
        splits: the test splits that this host scores; without any, ids are compared with none.

    Raises:
        RecordError: a commit is not there, or git fails.
    """
    changes = changes_between(repository, base, head)
    problems = [sentence for change in changes[:MOST_FILES] if (sentence := _problem(change))]
    if not changes:
        problems.append("nothing is changed: expected a new entry")
    if len(changes) > MOST_FILES:
        problems.append(f"{len(changes):,} files are changed: expected one entry, of at most {MOST_FILES} files")
    places = sorted({found[1] for change in changes if (found := _PLACE.fullmatch(change.path))})
    if len(places) > 1:
        problems.append(f"{len(places)} entries are changed, {shown(places[0])} first: expected one at a time")
    if problems or len(places) != 1:
        return Review(head=head, entry=places[0] if len(places) == 1 else "", problems=tuple(problems))
    with tempfile.TemporaryDirectory() as work:
        entries = Path(work) / "entries"
        _sketch(repository, base, entries)
        folder = entries / places[0]
        if folder.exists():
            there = "there is such an entry already: expected a new one, since entries are not edited"
            return Review(head=head, entry=places[0], problems=(f"{places[0]}: {there}",))
        extract(repository, changes, folder)
        split = _split_of(submission_in(folder), splits)
        checked = check(folder, split)
        problems = [problem.replace(f"{entries}/", "") for problem in checked.problems]
    if splits and split is None and checked.submission is not None:
        known = ", ".join(f"{one.test.release} {one.test.size}" for one in splits)
        problems.append(f"{places[0]}/{FILE}: test is none of the splits that are scored here: expected {known}")
    return Review(head=head, entry=places[0], problems=tuple(problems), changes=tuple(changes), split=split)


def changes_between(repository: Path, base: str, head: str) -> list[Change]:
    """The files that differ between where `head` left `base` and `head`, by path.

    Raises:
        RecordError: a commit is not there, or git fails.
    """
    for commit in (base, head):
        if not _COMMIT.fullmatch(commit):
            raise RecordError(f"{shown(commit)} is no commit: expected its whole hash, in hexadecimal")
        git(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    left = git(repository, "merge-base", base, head).decode().split()[0]
    fields = git(repository, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", left, head).split(b"\0")
    found = []
    for what, path in zip(fields[0:-1:2], fields[1::2], strict=True):
        _, mode, _, blob, status = what.decode("ascii").split()
        found.append(Change(path=path.decode("utf-8", "backslashreplace"), status=status, mode=mode, blob=blob))
    return found


def extract(repository: Path, changes: Sequence[Change], folder: Path) -> None:
    """Writes new files of an entry into its folder, which is made.

    Raises:
        RecordError: one is larger than any that an entry has.
        OSError: it cannot be written.
    """
    sizes = {change.path: int(git(repository, "cat-file", "-s", change.blob)) for change in changes}
    for path, size in sizes.items():
        if size > said.LARGEST_BYTES:
            raise RecordError(f"{shown(path)} has {size:,} bytes: expected at most {said.LARGEST_BYTES:,}")
    folder.mkdir(parents=True)
    for change in changes:
        (folder / Path(change.path).name).write_bytes(git(repository, "cat-file", "blob", change.blob))


def git(repository: Path, *words: str) -> bytes:
    """What git prints.

    Raises:
        RecordError: it fails, or takes too long.
    """
    command = ["git", "--no-replace-objects", "-C", str(repository), *words]
    try:
        return subprocess.run(command, capture_output=True, check=True, timeout=SECONDS).stdout
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise RecordError(f"git {words[0]} failed in {repository}: {shown(told[-1])}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RecordError(f"git {words[0]} could not be run in {repository}: {error}") from None


def _problem(change: Change) -> str:
    """What is wrong with a change, whatever is in the file; empty if nothing is."""
    where = shown(change.path)
    place = _PLACE.fullmatch(change.path)
    if not place:
        return f"{where} is changed: expected a new entry, {ENTRIES}/<group>/<entry>/, and nothing else"
    if change.status != "A":
        return f"{where} is there already: expected a new entry, since entries are not edited"
    if change.mode != PLAIN:
        return f"{where} has git's mode {change.mode}: expected {PLAIN}, a plain file"
    if place[2] == result.FILE:
        return f"{where} is the host's to write: expected none in a new entry"
    return ""


def _sketch(repository: Path, base: str, entries: Path) -> None:
    """The folders of the base's entries, with what each says of itself: enough to compare names with."""
    entries.mkdir()
    for line in git(repository, "ls-tree", "-r", "-z", base, "--", f"{ENTRIES}/").split(b"\0")[:-1]:
        what, path = line.decode("utf-8").split("\t", 1)
        mode, _, blob = what.split()
        target = entries / Path(path).relative_to(ENTRIES)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.name == FILE and mode == PLAIN:
            target.write_bytes(git(repository, "cat-file", "blob", blob))


def _split_of(submission: Submission | None, splits: Sequence[OpenedSplit]) -> OpenedSplit | None:
    if submission is None:
        return None
    return next((one for one in splits if one.test.fingerprint == submission.test.fingerprint), None)

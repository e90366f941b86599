"""`bench table`: reads the board's folder, checks it, writes its README.md and leaderboard.csv, returns what to print.

A command calls `main` lazily and prints what it returns; errors are `DynamicsError` and `OSError`:

    from leaderboard.table import main
    click.echo(main(Path("leaderboard"), runs, check))
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from dynamics_gen.files import write_whole
from leaderboard.board import make_boards
from leaderboard.entries import read_entries, read_runs
from leaderboard.errors import BoardError
from leaderboard.frame_markdown import sections
from leaderboard.frame_rows import read_entered_boards, read_frame_boards
from leaderboard.markdown import page
from leaderboard.people import read_people
from leaderboard.reference import read_references
from leaderboard.spreadsheet import sheet
from leaderboard.submissions import read_submissions
from leaderboard.terminal import screen


def main(root: Path, runs: Path | None, check: bool) -> str:
    """Does what `bench table [--runs DIR] [--check]` does.

    Args:
        root: the board's folder, with `entries/` and `reference/`: `leaderboard` in a checkout.
        runs: a folder of local runs to print among the entries; they are not written to the table.
        check: write nothing, and fail if the table is not what the records say.

    Returns:
        What to print: with boxes and colour, cut to the window, if stdout is a terminal; else plain and whole.

    Raises:
        RecordError: an entry or a reference file is malformed, altered or contradicts itself; or a submission's result
            is not what predictions and labels say.
        BoardError: `root` or `runs` is missing, entries disagree, or the table is stale.
        OSError: a file cannot be read or written.
    """
    entries, references = read_entries(root), read_references(root)
    submissions = read_submissions(root, entries)
    boards = make_boards(entries, submissions)
    frames = read_entered_boards(root)
    files = {
        root / "README.md": page(boards, references, sections(frames)),
        root / "leaderboard.csv": sheet(boards, references),
    }
    for path, text in files.items():
        if check:
            compare(path, text, "bench table")
        else:
            write_whole(path, text.encode("utf-8"))
    human = []
    if runs is not None:
        boards = make_boards(entries + read_runs(runs), submissions)
        human = read_people(runs)
        shown = read_frame_boards(root, runs)
        frames = [one for one in shown if one.kind.entered or any(row.local for row in one.rows)]
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    return screen(boards, references, width=width, colour=terminal, human=human, frames=frames)


def compare(path: Path, expected: str, command: str) -> None:
    """Holds a generated file against what it must be.

    Raises:
        BoardError: it is missing or another; `command` writes it.
    """
    try:
        found = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise BoardError(f"{path} is missing: run `{command}` and commit it") from None
    if found == expected:
        return
    pairs = zip(found.splitlines(), expected.splitlines(), strict=False)
    same = next(
        (i for i, (a, b) in enumerate(pairs) if a != b), min(len(found.splitlines()), len(expected.splitlines()))
    )
    raise BoardError(
        f"{path} is not what the records say, from line {same + 1} on: run `{command}` and commit what it writes"
    )

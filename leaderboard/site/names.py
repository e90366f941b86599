"""Where an entry's page lies in the site, and by what name scripts know its rows and points."""

from __future__ import annotations

import re
from urllib.parse import quote

from leaderboard.board import Board
from leaderboard.entries import Entry


def file_of(entry: Entry) -> str:
    """The path of its page below the site's folder; that of a local run, whose name has a slash, is as deep."""
    return f"runs/{entry.name}.html" if entry.local else f"entries/{entry.group}/{entry.name}.html"


def key(entry: Entry) -> str:
    """One for each entry of the site."""
    return f"{entry.group}/{entry.name}"


def address(file: str) -> str:
    """A file's path as links have it."""
    return quote(file)


def anchor(board: Board) -> str:
    """The place of a board on the first page; two of one name are of different test splits."""
    return re.sub(r"[^\w-]", "-", f"{board.task}-{board.release}-{board.size}-{board.fingerprint[:8]}")


def board_title(board: Board) -> str:
    """A board's heading, as text."""
    return f"{board.task.capitalize()}, {board.release}, {board.size}"

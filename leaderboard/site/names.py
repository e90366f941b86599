"""Where an entry's page lies in the site, and by what name scripts know its rows and points."""

from __future__ import annotations

import re
from urllib.parse import quote

from leaderboard.board import Board, Row


def file_of(row: Row) -> str:
    """The path of its page below the site's folder; that of a local run, whose name has a slash, is as deep."""
    return f"runs/{row.name}.html" if row.local else f"entries/{row.group}/{row.name}.html"


def key(row: Row) -> str:
    """One for each entry of the site."""
    return f"{row.group}/{row.name}"


def address(file: str) -> str:
    """A file's path as links have it."""
    return quote(file)


def anchor(board: Board) -> str:
    """The place of a board on the first page; two of one name are of different test splits."""
    return re.sub(r"[^\w-]", "-", f"{board.task}-{board.release}-{board.size}-{board.fingerprint[:8]}")

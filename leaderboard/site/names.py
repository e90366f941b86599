"""Where an entry's page lies in the site, and by what name scripts know its rows and points."""

from __future__ import annotations

import re
from urllib.parse import quote

from leaderboard.board import Board, Row
from leaderboard.frames import FrameBoard, FrameRow


def file_of(row: Row | FrameRow) -> str:
    """The path of its page below the site's folder; that of a local run, whose name has a slash, is as deep."""
    if isinstance(row, FrameRow):
        return f"{row.place}.html"
    return f"runs/{row.name}.html" if row.local else f"entries/{row.group}/{row.name}.html"


def key(row: Row | FrameRow) -> str:
    """One for each entry of the site."""
    return row.place if isinstance(row, FrameRow) else f"{row.group}/{row.name}"


def way_from(file: str) -> str:
    """From a page to the site's folder."""
    return "../" * file.count("/")


def address(file: str) -> str:
    """A file's path as links have it."""
    return quote(file)


def anchor(board: Board | FrameBoard) -> str:
    """The place of a board on the first page; two of one name are of different test splits, or judged otherwise."""
    if isinstance(board, Board):
        said = f"{board.task}-{board.release}-{board.size}-{board.fingerprint[:8]}"
    else:
        kind, split = board.kind, board.kind.split
        seen = f"{kind.view.form}-{kind.view.frames}-{kind.view.image_size}-{kind.labels or 'all'}"
        judged = f"{kind.context}-{kind.horizon}-{kind.draws}-{kind.features.sha256[:8]}"
        said = f"{kind.task}-{split.release}-{split.size}-{split.fingerprint[:8]}-{seen}-{judged}"
    return re.sub(r"[^\w-]", "-", said)

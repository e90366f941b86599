"""`bench table --html DIR`: reads the board's folder and writes the whole site, which any host can publish as it is.

A command calls `build` lazily and prints what it returns; errors are `DynamicsError` and `OSError`:

    from leaderboard.site.build import build
    click.echo(build(Path("leaderboard"), Path("site")))
"""

from __future__ import annotations

from pathlib import Path

from leaderboard.board import Board, Row, make_boards
from leaderboard.entries import read_entries, read_runs
from leaderboard.frame_rows import read_frame_boards
from leaderboard.frame_submissions import SubmittedFrames
from leaderboard.frames import FrameBoard, FrameRow
from leaderboard.reference import read_references
from leaderboard.results.predictors import Predicted
from leaderboard.site.boards import SPREADSHEET, front_page
from leaderboard.site.entry import entry_page
from leaderboard.site.folder import write_site
from leaderboard.site.generator import generator_page
from leaderboard.site.names import file_of
from leaderboard.site.pictures import picture_files
from leaderboard.site.predictor import predictor_page
from leaderboard.site.shell import assets
from leaderboard.site.submitted import submitted_page
from leaderboard.site.submitted_frames import submitted_frames_page
from leaderboard.spreadsheet import sheet
from leaderboard.submissions import Submitted, read_submissions


def build(root: Path, target: Path, runs: Path | None = None) -> str:
    """Writes the site of the board at `root` to `target`; the same records give the same bytes.

    Args:
        root: the board's folder: `leaderboard` in a checkout.
        target: the site's folder, which is replaced as a whole; what is no site of ours is refused.
        runs: a folder of local runs to show among the entries.

    Returns:
        What to print: how much was written, and which file to open.

    Raises:
        RecordError: a record or a reference file is malformed, altered or contradicts itself; or a submission's result
            is not what predictions and labels say.
        BoardError: `root` or `runs` is missing, or entries disagree.
        SiteError: `target` holds something else, or a picture is none.
        OSError: a file cannot be read or written.
    """
    entries = read_entries(root)
    submissions = read_submissions(root, entries)
    boards = make_boards(entries + (read_runs(runs) if runs is not None else []), submissions)
    references, frames = read_references(root), read_frame_boards(root, runs)
    files = assets() | picture_files(row for board in frames for row in board.rows)
    files["index.html"] = front_page(boards, references, frames)
    files[SPREADSHEET] = sheet(boards, references).encode("utf-8")
    for board in boards:
        for row in board.rows:
            files[file_of(row)] = row_page(row, board)
    for board in frames:
        for row in board.rows:
            files[file_of(row)] = frame_row_page(row, board)
    write_site(target, files)
    shown = sum(len(board.rows) for board in (*boards, *frames))
    size = sum(map(len, files.values())) / 1e6
    return f"{target}: {shown} entries, {len(files)} files, {size:.1f} MB; open {target / 'index.html'}"


def row_page(row: Row, board: Board) -> bytes:
    """The whole page of a row, of a record's or of a submission's."""
    if isinstance(row.source, Submitted):
        return submitted_page(row, row.source, board)
    return entry_page(row, board)


def frame_row_page(row: FrameRow, board: FrameBoard) -> bytes:
    """The whole page of a row of a board of frames, of a predictor's, of a generator's or of an entry of frames."""
    if isinstance(row.source, SubmittedFrames):
        return submitted_frames_page(row, row.source, board)
    if isinstance(row.source, Predicted):
        return predictor_page(row, row.source, board)
    return generator_page(row, row.source, board)

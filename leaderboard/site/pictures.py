"""Pictures of committed runs, which the site publishes as they are, once they are what their names say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from leaderboard.frame_submissions import SubmittedFrames
from leaderboard.frames import FrameRow
from leaderboard.results.generators import PICTURES, pictures_of
from leaderboard.results.predictors import Predicted
from leaderboard.site.errors import SiteError
from leaderboard.site.sent import SENT, picture_of

LARGEST_BYTES = 4 * 2**20
"""Of a picture."""
BEGINNINGS = {".png": (b"\x89PNG\r\n\x1a\n",), ".gif": (b"GIF87a", b"GIF89a")}


def shown_pictures(row: FrameRow) -> list[tuple[str, str]]:
    """What pictures of the first seed show, by one word each, and their files, which lie in the row's folder."""
    if isinstance(row.source, SubmittedFrames):
        return []  # nobody sends pictures: they are drawn from the frames
    if not isinstance(row.source, Predicted):
        return pictures_of(row.source)
    stem = f"filmstrips-seed{row.source.record.seeds[0].seed}"
    files = [("filmstrips", f"{stem}.png"), ("moving", f"{stem}.gif")]
    return [(name, file) for name, file in files if file in row.source.pictures]


def picture_files(rows: Iterable[FrameRow]) -> dict[str, bytes]:
    """The pictures that pages of rows show, by their path in the site.

    Raises:
        SiteError: one is no picture but something else by that name, as a link to another file, or too large.
        OSError: a file cannot be read.
    """
    files = {}
    for row in rows:
        if isinstance(row.source, SubmittedFrames):
            files[f"{row.place}/{SENT}"] = picture_of(row.source.frames.frames)
        else:
            files |= {f"{row.place}/{file}": _picture(row.folder / file) for _, file in shown_pictures(row)}
    return files


def _picture(path: Path) -> bytes:
    kind = path.suffix[1:].upper()
    if path.is_symlink() or not path.is_file():
        raise SiteError(f"{path} is a link or no file: expected a {kind}; copy the picture itself there")
    if path.stat().st_size > LARGEST_BYTES:
        raise SiteError(f"{path} has {path.stat().st_size:,} bytes: expected a picture of at most {LARGEST_BYTES:,}")
    content = path.read_bytes()
    if not content.startswith(BEGINNINGS[path.suffix]):
        raise SiteError(f"{path} does not begin like a {kind}: expected the picture that `bench run` wrote")
    return content


SHOWS = PICTURES | {
    "filmstrips": "true frames above, predicted ones below; the line stands between what was given and what is"
    " predicted",
    "moving": "the same, moving: true clips above, predicted ones below; the bar between them has the line's colour"
    " while frames are predicted",
}
"""What each picture shows."""

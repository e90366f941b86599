"""Entries of frames on their boards and pages: the host's numbers, ranks by interval, and what entrants say as text."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from framed import build_frames_split, enter_frames, write_made_up_result
from PIL import Image
from site_board import HOSTILE, Parsed

from benchmark.errors import RecordError
from benchmark.submission import any_result, result
from benchmark.submission.frames_result import Bounds, GenerationResult, PredictionResult
from benchmark.submission.views import GENERATION, PREDICTION
from leaderboard.frame_markdown import plain, sections
from leaderboard.frame_rows import read_entered_boards, read_frame_boards, submitted_frames_row
from leaderboard.frame_submissions import SubmittedFrames, read_frame_submissions
from leaderboard.frames import FrameBoard, make_frame_boards
from leaderboard.site.build import build, frame_row_page
from leaderboard.site.sent import picture_of
from leaderboard.table import main

PIXELS = 3 * 32 * 32


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board's folder with an entry of prediction and one of generation, with results as a host would write them."""
    folder = tmp_path_factory.mktemp("sent")
    split = build_frames_split(folder / "data" / "test")
    for task, entry in ((PREDICTION, "again"), (GENERATION, "noise")):
        path = enter_frames(folder / "board" / "entries", split, task, seeds=3, entry=entry)
        write_made_up_result(path)
    (folder / "board" / "reference").mkdir()
    return folder / "board"


@pytest.fixture(scope="module")
def entries(root: Path) -> dict[str, SubmittedFrames]:
    """Both entries, by task."""
    return {one.result.task: one for one in read_frame_submissions(root)}


def boards_of(*entries: SubmittedFrames) -> list[FrameBoard]:
    """Their boards."""
    return make_frame_boards(submitted_frames_row(one, Path("nowhere")) for one in entries)


def with_errors(entry: SubmittedFrames, name: str, low: float, high: float) -> SubmittedFrames:
    """The entry of prediction by another name, with other bounds of its squared error, and errors between them."""
    found = entry.result
    assert isinstance(found, PredictionResult)
    steps = (fmean((low, high)),) * found.view.frames
    seeds = tuple(
        replace(one, scores=replace(one.scores, errors=replace(one.scores.errors, mse=steps))) for one in found.seeds
    )
    return replace(entry, name=name, result=replace(found, seeds=seeds, interval=Bounds(low=low, high=high)))


def test_rows_are_what_the_host_found(root: Path, entries: dict[str, SubmittedFrames]) -> None:
    """Errors are sums over a frame, with their interval; the clips are those that were predicted."""
    prediction, generation = read_entered_boards(root)
    (row,), found = prediction.rows, entries[PREDICTION].result
    assert isinstance(found, PredictionResult)
    assert row.scores["mse"].mean == pytest.approx(PIXELS * fmean(found.values))
    assert row.scores["mse"].interval == pytest.approx((PIXELS * found.interval.low, PIXELS * found.interval.high))
    assert row.scores["ssim"].mean == pytest.approx(fmean(fmean(one.scores.errors.ssim) for one in found.seeds))
    assert row.scores["lost"].mean == pytest.approx(fmean(one.scores.motion.lost[-1] for one in found.seeds))
    assert (prediction.kind.split.clips, prediction.kind.steps, row.rank, row.made_per_s) == (30, 10, 1, None)
    (row,), made = generation.rows, entries[GENERATION].result
    assert isinstance(made, GenerationResult)
    assert made.interval is not None
    assert row.scores["frechet"].mean == pytest.approx(fmean(made.values))
    assert row.scores["frechet"].interval == (made.interval.low, made.interval.high)
    assert row.scores["frechet_of_train"].mean == made.of_train.frechet
    assert row.scores["failed"].mean == pytest.approx(fmean(one.scores.failed or 0.0 for one in made.seeds))
    assert generation.title == "Generation, standard, own: clips of 16 frames of 32×32, as they were sent"


def test_rows_whose_intervals_overlap_share_a_rank(entries: dict[str, SubmittedFrames]) -> None:
    """As on boards of classifiers: with the first of a rank, not with a neighbour; one of two seeds has no rank."""
    entry = entries[PREDICTION]
    rows = [with_errors(entry, *named) for named in (("a", 0.01, 0.03), ("b", 0.02, 0.05), ("c", 0.04, 0.06))]
    few = with_errors(entry, "d", 0.001, 0.002)
    few = replace(few, result=replace(few.result, seeds=few.result.seeds[:2]))
    (board,) = boards_of(*rows, few)
    assert [(row.name, row.rank) for row in board.rows] == [("d", None), ("a", 1), ("b", 1), ("c", 3)]
    headings, _, cells = plain(board)
    assert [row[headings.index("rank")] for row in cells] == ["–", "1", "1", "3"]
    assert cells[1][headings.index("MSE")] == f"{PIXELS * 0.02:.2f} ({PIXELS * 0.01:.2f}–{PIXELS * 0.03:.2f})"


def test_results_of_other_true_frames_are_refused(root: Path, tmp_path: Path) -> None:
    """Two entries of one fingerprint whose hosts measured other true clips cannot both be right."""
    copy = tmp_path / "board"
    shutil.copytree(root, copy)
    folder = copy / "entries" / "my-group" / "again"
    other = copy / "entries" / "my-group" / "other"
    shutil.copytree(folder, other)
    text = (other / "submission.json").read_text()
    (other / "submission.json").write_text(text.replace('"again"', '"other"').replace("My net (v2)", "My net (v3)"))
    found = any_result.read(folder / result.FILE)
    assert isinstance(found, PredictionResult)
    digest = hashlib.sha256((other / "submission.json").read_bytes()).hexdigest()
    moved = replace(found.motion_of_data, class_agreement=0.5 * found.motion_of_data.class_agreement + 0.1)
    any_result.write(replace(found, submission_sha256=digest, motion_of_data=moved), other / result.FILE)
    with pytest.raises(RecordError, match=r"other/result\.json: speaks of other true frames than .* my-group/again"):
        read_frame_submissions(copy)


def test_table_and_site_show_them(root: Path, tmp_path: Path) -> None:
    """`bench table` prints and writes both boards; the site has their pages, and a picture of what was sent."""
    copy = tmp_path / "board"
    shutil.copytree(root, copy)
    printed = main(copy, None, check=False)
    text = unescape((copy / "README.md").read_text())
    for board in read_frame_boards(copy):
        assert board.title in printed
        assert f"## {board.title}" in text
        assert f"]({board.rows[0].place}/)" in text
    build(copy, tmp_path / "site")
    for name in ("again", "noise"):
        page = (tmp_path / "site" / "entries" / "my-group" / f"{name}.html").read_text()
        assert f'src="{name}/sent.png"' in page
        assert (tmp_path / "site" / "entries" / "my-group" / name / "sent.png").read_bytes().startswith(b"\x89PNG")
        assert f"entries/my-group/{name}.html" in (tmp_path / "site" / "index.html").read_text()


def test_pages_have_what_the_host_found_and_the_entrant_says(entries: dict[str, SubmittedFrames]) -> None:
    """The numbers of the row, names, hashes, and the command that scores again."""
    for entry in entries.values():
        (board,) = boards_of(entry)
        page = Parsed(frame_row_page(board.rows[0], board).decode())
        for said in ("My net (v2)", "Ada Lovelace, José Ñuñez", "ada@example.org", entry.result.truth_sha256):
            assert said in page.text
        assert entry.result.salt in page.text
        assert f"bench submit score leaderboard/entries/my-group/{entry.name} --check --data" in page.text


def saying(entry: SubmittedFrames, text: str) -> FrameBoard:
    """The board of an entry whose entrant says this in every field."""
    about = replace(entry.submission.about, method=text, description=text, hardware=text, authors=(text,))
    (board,) = boards_of(replace(entry, submission=replace(entry.submission, about=about)))
    return board


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_entrants_stay_texts(entries: dict[str, SubmittedFrames], text: str) -> None:
    """Even such as `check` would refuse: the page of either task has the elements it always has, the table no tag."""
    for entry in entries.values():
        plain_page, page = (
            Parsed(frame_row_page(board.rows[0], board).decode())
            for board in (saying(entry, "plain"), saying(entry, text))
        )
        assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain_page.elements]
        assert [list(attributes) for _, attributes in page.elements] == [
            list(attributes) for _, attributes in plain_page.elements
        ]
        assert page.text.count(text) >= 4
        assert not set("<`") & set(sections([saying(entry, text)])[2])


def test_picture_shows_what_was_sent() -> None:
    """A clip a row, moments from first to last, enlarged without blur; single frames fill rows of eight."""
    clips = np.zeros((100, 10, 32, 32, 3), np.uint8)
    clips[:, :, :, :, 0] = np.arange(10)[None, :, None, None] * 20
    drawn = np.asarray(Image.open(io.BytesIO(picture_of(clips))))
    assert drawn.shape == (8 * 130, 8 * 130, 3)
    assert [drawn[64, 64 + 130 * column, 0] for column in (0, 7)] == [0, 180]
    assert drawn[64, 129].tolist() == [255] * 3
    frames = np.arange(128, dtype=np.uint8)[:, None, None, None, None] * np.ones((1, 1, 64, 64, 3), np.uint8)
    sheet = np.asarray(Image.open(io.BytesIO(picture_of(frames))))
    assert sheet.shape == (8 * 130, 8 * 130, 3)
    assert (sheet[10, 10, 0], sheet[-10, -10, 0]) == (0, 127)

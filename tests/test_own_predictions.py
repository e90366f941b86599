"""Predictors on a user's own clips: learnt and scored without a simulator's word, and any clips continued."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from click.testing import CliRunner
from moving_squares import MODEL, square_video
from PIL import Image
from predictor_model import PREDICTOR

import dynamics_gen
from benchmark import cli
from benchmark.prediction import record
from benchmark.prediction.contract import CONTEXT
from dynamics_gen.cli import main
from leaderboard.frame_columns import columns_of
from leaderboard.frame_rows import read_frame_boards
from leaderboard.site.build import frame_row_page

FRAMES = 24
README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def films(folder: Path, names: list[str], frames: int = FRAMES, side: int = 16) -> Path:
    """GIFs of wobbling squares under these names; returns the folder."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        iio.imwrite(folder / name, square_video(rng, 2 * (k % 3), frames, side), duration=100, loop=0)
    return folder


def imported(folder: Path, out: Path, *flags: str) -> str:
    """What `dynamics-gen import-video` prints."""
    done = CliRunner().invoke(main, ["import-video", str(folder), "--out", str(out), *flags])
    assert done.exit_code == 0, done.output
    return done.output


def bench(*words: object) -> str:
    """What `bench` prints."""
    done = CliRunner().invoke(cli.main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def refused(*words: object) -> str:
    """What `bench` says when it refuses, in a line."""
    done = CliRunner().invoke(cli.main, [str(word) for word in words])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit), done.exception
    return done.output


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`labelled`, of a table of three classes, and `bare`, of no table; a predictor and a classifier beside them."""
    root = tmp_path_factory.mktemp("own")
    counts = {"train": 12, "valid": 6, "test": 6}
    files = {split: [f"{split}/{k}.gif" for k in range(count)] for split, count in counts.items()}
    clips = films(root / "clips", [file for split in files.values() for file in split])
    with (root / "labels.csv").open("w", newline="") as file:
        rows = [(file, "abc"[k % 3], split) for split, names in files.items() for k, file in enumerate(names)]
        csv.writer(file).writerows([("file", "label", "split"), *rows])
    shape = ["--frames", str(FRAMES), "--image-size", "16"]
    imported(clips, root / "labelled", "--labels", str(root / "labels.csv"), *shape)
    for split in counts:
        said = imported(clips / split, root / "bare", "--split", split, *shape)
        assert f"{root / 'bare' / split}: {counts[split]} unlabelled clips" in said
    (root / "tiny_predictor.py").write_text(PREDICTOR)
    (root / "tiny_net.py").write_text(MODEL)
    return root


@pytest.fixture(scope="module")
def finished(own: Path) -> tuple[Path, str]:
    """The folder of a run on the labelled clips, and what it printed."""
    words = ["run", own / "tiny_predictor.py", "--on", own / "labelled", "--size", "tiny", "--epochs", 1, "--seeds", 2]
    said = bench(*words, "--runs", own / "runs")
    return own / "runs" / "tiny_predictor" / "labelled", said


def test_a_predictor_learns_own_clips(own: Path, finished: tuple[Path, str]) -> None:
    """Frames and sets of clips are compared; of the motion, nothing is said, in record, line, board and page."""
    folder, said = finished
    made = record.read(folder / "record.json")
    assert (made.dataset.release, made.dataset.size, made.view.frames) == ("labelled", "own", FRAMES)
    for seed in made.seeds:
        scores = seed.test
        assert scores.motion is None
        assert scores.motion_of_data is None
        assert all(len(getattr(scores.single, metric)) == FRAMES - CONTEXT for metric in record.METRICS)
        assert scores.frechet > 0
        assert 0 <= scores.coverage <= 1
    assert "tiny_predictor on labelled own: mean squared error" in said
    assert "pixels off" not in said
    boards = read_frame_boards(Path(__file__).parent.parent / "leaderboard", own / "runs")
    (board,) = [one for one in boards if one.kind.split.release == "labelled"]
    headings = [column.heading for column in columns_of(board)]
    assert {"MSE", "SSIM", "Fréchet", "coverage"} <= set(headings)
    assert not {"off, px", "lost %", "class %"} & set(headings)
    html = frame_row_page(board.rows[0], board).decode()
    assert "Errors frame by frame" in html
    assert "off, px" not in html


def test_a_rule_is_scored_on_unlabelled_clips(own: Path, tmp_path: Path) -> None:
    """One class, `unlabelled`, is enough for whoever needs none; a classifier is told so."""
    bench("run", "copy_last", "--on", own / "bare", "--size", "tiny", "--set", "image_size=16", "--runs", tmp_path)
    made = record.read(tmp_path / "copy_last" / "bare" / "record.json")
    assert made.dataset.classes == ("unlabelled",)
    assert made.seeds[0].test.motion is None
    said = refused("run", own / "tiny_net.py", "--on", own / "bare", "--size", "tiny", "--runs", tmp_path)
    assert "bare/train has clips of one class, unlabelled: expected two or more to tell apart" in said


def test_a_run_on_own_clips_continues_them(own: Path, finished: tuple[Path, str], tmp_path: Path) -> None:
    """Any folder of a fitting shape; its own test has to be named, since nobody knows where it lies."""
    words = ["predict", finished[0], "--model", own / "tiny_predictor.py", "--out", tmp_path / "mine.png"]
    assert "clips of your own: expected --clips with their folder" in refused(*words)
    said = bench(*words, "--clips", own / "bare" / "valid", "--count", 2)
    assert said.split() == [str(tmp_path / "mine.png"), str(tmp_path / "mine.gif")]
    with Image.open(tmp_path / "mine.gif") as moving:
        assert moving.n_frames == FRAMES  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def rule(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `runs` holds a rule's run on the benchmark."""
    root = tmp_path_factory.mktemp("rule")
    words = ["run", "constant_velocity", "--size", "tiny", "--set", "image_size=32", "--data", tiny_data]
    bench(*words, "--runs", root / "runs")
    return root


def drawn(out: Path, rows: int) -> None:
    """Checks a filmstrip of so many clips, and the GIF beside it."""
    with Image.open(out) as still, Image.open(out.with_suffix(".gif")) as moving:
        assert still.height == rows * 2 * (96 + 2) + (rows - 1) * 8
        assert moving.n_frames == 32  # type: ignore[attr-defined]


def test_the_readme_continues_own_clips(rule: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines as they stand, at size tiny: a folder of files without labels becomes a filmstrip and a GIF."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(rule / "runs")
    clips = films(tmp_path / "clips", ["a.gif", "more/b.GIF", "c.gif"], frames=40, side=48)
    (clips / "notes.txt").write_text("not a film")
    (clips / ".hidden.gif").write_bytes(b"not a film either")
    found = re.search(r"^    dynamics-gen (import-video clips .*?) +#.*\n    bench (predict .*)$", README, re.MULTILINE)
    assert found is not None
    done = CliRunner().invoke(main, found[1].split())
    assert done.exit_code == 0, done.output
    assert "data/mine/test: 3 unlabelled clips" in done.output
    assert dynamics_gen.open("data/mine/test").video_shape == (32, 64, 64, 3)
    assert bench(*found[2].replace("standard-mini", "standard-tiny").split()).split() == ["mine.png", "mine.gif"]
    drawn(tmp_path / "mine.png", 3)


def test_labels_do_not_matter_to_a_continuation(rule: Path, tmp_path: Path) -> None:
    """Clips that were imported with a table are continued too."""
    clips = films(tmp_path / "clips", ["a.gif", "b.gif"], frames=32, side=48)
    (tmp_path / "labels.csv").write_text("file,label\na.gif,one\nb.gif,two\n")
    imported(clips, tmp_path / "mine", "--split", "test", "--labels", str(tmp_path / "labels.csv"))
    run = rule / "runs" / "constant_velocity" / "standard-tiny"
    bench("predict", run, "--clips", tmp_path / "mine" / "test", "--out", tmp_path / "mine.png")
    drawn(tmp_path / "mine.png", 2)


def test_too_few_own_clips_are_told_before_anything_is_learnt(own: Path, tmp_path: Path) -> None:
    """Five of test have no five neighbours each, and clips of 12 frames too few to predict."""
    few = films(tmp_path / "few", [f"{k}.gif" for k in range(5)])
    for name in ("train", "valid"):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / name).symlink_to(own / "bare" / name)
    imported(few, tmp_path / "mine", "--split", "test", "--frames", str(FRAMES), "--image-size", "16")
    for model in (own / "tiny_predictor.py", "gan"):
        said = refused("run", model, "--on", tmp_path / "mine", "--size", "tiny", "--runs", tmp_path / "runs")
        assert "mine/test has 5 clips: expected 6 or more" in said
        assert not list((tmp_path / "runs").rglob("*.safetensors"))
    for name in ("train", "valid", "test"):
        flags = ["--split", name, "--frames", "12", "--image-size", "16"]
        imported(own / "clips" / name, tmp_path / "short", *flags)
    said = refused("run", own / "tiny_predictor.py", "--on", tmp_path / "short", "--size", "tiny", "--runs", tmp_path)
    assert "has clips of 12 frames, expected 20 or more: import them anew with --frames 32" in said

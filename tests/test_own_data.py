"""Every model trains on imported videos: other classes, other shapes, the same run, record, pictures and table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from click.testing import CliRunner
from moving_squares import MODEL, square_video

import dynamics_gen
from benchmark import cli, predictions, record
from dynamics_gen.cli import main
from leaderboard import table

CLASSES = ("left", "middle", "right")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of small GIFs in train, valid and test, imported into `own/squares`; a model beside them."""
    root = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    rows = [("file", "label", "split")]
    for split, count in (("train", 24), ("valid", 6), ("test", 9)):
        for k in range(count):
            name = f"{split}-{k}.gif"
            iio.imwrite(root / name, square_video(rng, 2 * (k % 3), 8, 16), duration=100, loop=0)
            rows.append((name, CLASSES[k % 3], split))
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    flags = ["--labels", root / "labels.csv", "--out", root / "squares", "--frames", 8, "--image-size", 16]
    done = CliRunner().invoke(main, ["import-video", str(root), *map(str, flags)])
    assert done.exit_code == 0, done.output
    (root / "tiny_net.py").write_text(MODEL)
    return root


def run(own: Path, model: str, runs: Path, *flags: str) -> record.Record:
    """One `bench run` on the imported data, in the recipe of size tiny."""
    words = ["run", model, "--on", str(own / "squares"), "--size", "tiny", "--runs", str(runs), "--no-augment", *flags]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 0, done.output
    assert "on squares own:" in done.output
    assert "path" not in done.output.splitlines()[-1].split(";")[0]
    return record.read(runs / Path(model).stem / "squares" / "record.json")


def test_a_model_learns_imported_classes(own: Path, tmp_path: Path) -> None:
    """It is chosen and tested, and its record says on what; the table shows it beside no other data's rows."""
    made = run(own, str(own / "tiny_net.py"), tmp_path, "--epochs", "12")
    assert (made.dataset.release, made.dataset.size, made.dataset.classes) == ("squares", "own", CLASSES)
    assert made.dataset.fps == 10
    scores = made.seeds[0].scores.test
    assert np.array(scores.confusion).shape == (3, 3)
    assert scores.error < 0.34
    assert scores.error_path is None
    folder = tmp_path / "tiny_net" / "squares"
    said = predictions.read(folder / "predictions-seed0.npz", made.seeds[0].predictions_sha256)
    assert said.scores(CLASSES) == scores
    assert (folder / "confusion.png").stat().st_size > 1_000
    printed = table.main(Path(__file__).parent.parent / "leaderboard", tmp_path, True)
    assert "classification, squares, own: 9 test clips" in printed


@pytest.mark.parametrize("model", ["conv3d", "convlstm", "conv3d_convlstm"])
def test_every_committed_model_takes_imported_data(own: Path, tmp_path: Path, model: str) -> None:
    """One epoch each."""
    made = run(own, model, tmp_path, "--epochs", "1")
    assert made.dataset.splits.train.clips == 24


def test_imported_data_have_estimated_flow_and_no_exact_one(own: Path, tmp_path: Path) -> None:
    """The one trains a model; the other is one sentence, before anything is trained."""
    words = ["run", str(own / "tiny_net.py"), "--on", str(own / "squares"), "--size", "tiny", "--runs", str(tmp_path)]
    done = CliRunner().invoke(cli.main, [*words, "--epochs", "1", "--input", "flow_farneback"])
    assert done.exit_code == 0, done.output
    assert record.read(tmp_path / "tiny_net" / "squares-flow_farneback" / "record.json").input == "flow_farneback"
    done = CliRunner().invoke(cli.main, [*words, "--input", "flow_exact"])
    assert done.exit_code == 1
    assert "squares/train has no exact flow (the split was imported from video files" in done.output
    assert done.output.rstrip().endswith("try --input flow_farneback")


def test_a_person_may_be_asked_about_imported_classes(own: Path, tmp_path: Path) -> None:
    """A page of three classes, answered here by a rule (the last of six wrong); a row under its own name."""
    valid = dynamics_gen.open(own / "squares" / "valid")
    words = ["human", "--on", str(own / "squares"), "--clips", "2", "--out", str(tmp_path / "page.html")]
    assert CliRunner().invoke(cli.main, words).exit_code == 0
    described = json.loads((tmp_path / "page.html").read_text().split('id="data">')[1].split("</script>")[0])
    assert (described["classes"], described["about"]) == (list(CLASSES), [])
    numbers = [valid.clip_ids.index(clip["clip_id"]) for clip in described["clips"]]
    said = [CLASSES[valid.labels[number]] for number in numbers[:-1]] + [CLASSES[valid.labels[numbers[-1]] - 1]]
    file = {name: described[name] for name in ("release", "fingerprint", "clips_per_class", "seed")} | {
        "answers_version": 1,
        "split": "valid",
        "answers": [
            {"clip_id": valid.clip_ids[number], "answer": answer, "seconds": 2}
            for number, answer in zip(numbers, said, strict=True)
        ],
    }
    (tmp_path / "answers.json").write_text(json.dumps(file))
    words = ["human", "score", str(tmp_path / "answers.json"), "--on", str(own / "squares"), "--runs", str(tmp_path)]
    done = CliRunner().invoke(cli.main, words)
    assert "human on squares own: 16.7 % error on 6 clips" in done.output
    assert (tmp_path / "human" / "squares" / "human.json").exists()
    printed = table.main(Path(__file__).parent.parent / "leaderboard", tmp_path, True)
    assert "squares, own" in printed


def test_audit_says_that_there_is_nothing_to_ask(own: Path) -> None:
    """One sentence: imported clips have no trajectories."""
    done = CliRunner().invoke(cli.main, ["audit", str(own / "squares")])
    assert done.exit_code == 1
    assert "has no trajectories and drawn parameters to ask: an audit needs simulated clips" in done.output


def test_what_is_missing_or_does_not_fit_is_said(own: Path, tmp_path: Path) -> None:
    """A split that is not there, or is of other clips, before anything is trained."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(own / "squares" / "train")
    words = ["run", str(own / "tiny_net.py"), "--on", str(tmp_path / "data"), "--runs", str(tmp_path / "runs")]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 1
    assert "has no finished split valid: expected train, valid and test" in done.output
    flags = ["--labels", own / "labels.csv", "--out", tmp_path / "other", "--frames", 4, "--image-size", 16]
    done = CliRunner().invoke(main, ["import-video", str(own), *map(str, flags)])
    for name in ("valid", "test"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "other" / name)
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 1
    assert "expected squares of (8, 16, 16, 3), as train" in done.output

"""The host's side for frames: every number is computed from what was sent, the clips of test, and those of train."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from framed import build_rendered, enter_frames
from submitted import edit, npz, put

import dynamics_gen
from benchmark.errors import RecordError
from benchmark.generation.views import View as SplitView
from benchmark.generation.views import shrunk
from benchmark.submission import any_result, result
from benchmark.submission import score as scoring
from benchmark.submission.any_result import headline
from benchmark.submission.command import submit
from benchmark.submission.frames_result import GenerationResult, PredictionResult
from benchmark.submission.score import compare, score, score_any
from benchmark.submission.score_frames import interval_of_errors, interval_of_seeds
from benchmark.submission.scored import read_scored, read_scored_frames
from benchmark.submission.split import OpenedSplit, open_split
from benchmark.submission.views import GENERATION
from leaderboard.submissions import read_submissions


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedSplit:
    """A rendered test split of two clips a class, with train beside it."""
    return open_split(build_rendered(tmp_path_factory.mktemp("data"), train=3, test=2))


@pytest.fixture(scope="module")
def told(opened: OpenedSplit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An entry of prediction with its result: the truth, and the last frame again, a little brighter."""
    folder = enter_frames(tmp_path_factory.mktemp("told") / "entries", opened.folder, seeds=2)
    put(folder, "predictions-seed0.npz", npz(clip_id=opened.clip_id, frames=true_frames(opened)[:, 10:20]))
    any_result.write(score_any(folder, opened), folder / result.FILE)
    return folder


@pytest.fixture(scope="module")
def made(opened: OpenedSplit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An entry of generation with its result: clips of train, clips of test with a little noise, and one clip only."""
    folder = enter_frames(tmp_path_factory.mktemp("made") / "entries", opened.folder, GENERATION, seeds=3)
    train = dynamics_gen.open(opened.folder.parent / "train")
    places = np.linspace(0, len(train) - 1, 20).round().astype(int)
    seen = SplitView(train, "clips", 16, 32).read_videos(places)
    copies = SplitView(dynamics_gen.open(opened.folder), "clips", 16, 32).read_videos(slice(None))
    noise = np.random.default_rng(0).integers(0, 3, copies.shape, np.uint8)
    for seed, videos in enumerate((seen, np.minimum(copies, 253) + noise, np.zeros_like(seen))):
        put(folder, f"predictions-seed{seed}.npz", npz(frames=np.concatenate([videos] * 13)[:256]))
    any_result.write(score_any(folder, opened), folder / result.FILE)
    return folder


def true_frames(opened: OpenedSplit) -> np.ndarray:
    """The clips of the split in the order of their ids, at 32×32."""
    whole = dynamics_gen.open(opened.folder)
    return shrunk(whole.read_videos(np.argsort(whole.clip_ids)), 32)


def test_errors_are_those_of_the_frames_that_came(told: Path, opened: OpenedSplit) -> None:
    """Computed here in whole numbers: nothing is wrong with the truth, and the last frame is wronger with each step."""
    found = any_result.read(told / result.FILE)
    assert isinstance(found, PredictionResult)
    truth, last = (one.scores for one in found.seeds)
    assert truth.clips == 20
    assert set(truth.errors.mse) == set(truth.errors.mae) == {0.0}
    assert truth.errors.ssim == pytest.approx([1.0] * 10)
    videos = true_frames(opened).astype(float)
    difference = (videos[:, 10:20] - np.minimum(videos[:, 9:10], 250) - 1) / 255
    assert last.errors.mse == pytest.approx(np.square(difference).mean(axis=(0, 2, 3, 4)), rel=1e-5)
    assert last.errors.mae == pytest.approx(np.abs(difference).mean(axis=(0, 2, 3, 4)), rel=1e-5)
    assert last.errors.mse[-1] > last.errors.mse[0] > 0
    assert headline(found).mean == pytest.approx(np.mean([one.scores.errors.mse for one in found.seeds]))


def test_motion_is_that_of_the_object(told: Path) -> None:
    """Of the truth it is the data's own; the last frame stands still, and what it shows falls behind."""
    found = any_result.read(told / result.FILE)
    assert isinstance(found, PredictionResult)
    truth, last = (one.scores.motion for one in found.seeds)
    assert truth == found.motion_of_data
    assert last.speed == pytest.approx(0, abs=0.05)
    assert last.error[-1] > last.error[0] > truth.error[0]
    assert truth.error[-1] < 2
    assert truth.class_agreement >= last.class_agreement


def test_samples_are_compared_as_a_set(made: Path) -> None:
    """Clips of train get what train gets; copies of test are too near and are told; one clip alone has no spread."""
    found = any_result.read(made / result.FILE)
    assert isinstance(found, GenerationResult)
    train, copies, same = (one.scores for one in found.seeds)
    assert train == found.of_train
    assert train.samples == 20
    assert train.copied == pytest.approx(0.05)
    assert copies.copied == 1
    assert copies.frechet < train.frechet / 2
    assert same.frechet > 2 * train.frechet
    assert same.spread == pytest.approx(0, abs=1e-6)
    assert same.failed == 1
    assert headline(found).values == (train.frechet, copies.frechet, same.frechet)


def test_a_result_is_read_back_with_its_entry(told: Path, made: Path) -> None:
    """By the reader of its task alone; each is bound to its files and splits by hashes."""
    for folder, kind, seeds in ((told, PredictionResult, 2), (made, GenerationResult, 3)):
        read = read_scored_frames(folder)
        assert isinstance(read.result, kind)
        assert len(read.frames) == seeds
        assert read.result.board == "open"
        with pytest.raises(RecordError, match=r"expected one of classification"):
            read_scored(folder)
    found = read_scored_frames(told)
    assert found.frames[0].clip_id is not None
    assert (np.diff(np.argsort(found.frames[0].clip_id)) == 1).all()


def test_the_board_of_classes_passes_over_frames(told: Path, tmp_path: Path) -> None:
    """They are no rows of it, and no reason to fail."""
    shutil.copytree(told.parent.parent, tmp_path / "entries")
    assert read_submissions(tmp_path, []) == []


def test_scoring_again_says_the_same(made: Path, opened: OpenedSplit) -> None:
    """`--check` finds nothing to say; what the command prints is the headline."""
    done = CliRunner().invoke(submit, ["score", str(made), "--data", str(opened.folder), "--check"])
    assert done.exit_code == 0, done.output
    assert f"{headline(any_result.read(made / result.FILE)).mean:.4g} Fréchet distance (95 %: " in done.stdout


@pytest.mark.parametrize(("change", "good"), [(0.05, False), (1e-7, True)])
def test_a_number_that_was_touched_is_found(
    change: float, good: bool, told: Path, opened: OpenedSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is; what another machine rounds otherwise is no change."""
    true = any_result.read(told / result.FILE)
    monkeypatch.setattr(scoring, "score_any", lambda *_: true)
    document = json.loads((told / result.FILE).read_text())
    document["seeds"][1]["scores"]["motion"]["lost"][3] += change
    (tmp_path / result.FILE).write_text(json.dumps(document))
    if good:
        assert compare(tmp_path, opened) == any_result.read(tmp_path / result.FILE)
        return
    with pytest.raises(RecordError, match=r"seeds is not what predictions and labels say: score the entry again"):
        compare(tmp_path, opened)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"truth_sha256": "0" * 64}, "truth_sha256 is not of its splits under its salt"),
        ({"salt": "0" * 64}, "truth_sha256 is not of its splits under its salt"),
        ({"interval": {"low": 0.0, "high": 1e-9}}, "interval is from 0.0 to 1e-09: expected the mean"),
        ({"board": "hidden"}, 'board is "hidden": expected "open", since the frames of every test split are published'),
        ({"task": "classification"}, "error_interval is missing|view is no known field"),
        ({"task": GENERATION}, "motion_of_data is no known field"),
        ({"view": {"frames": 16, "image_size": 32}}, "view is 16 frames of 32×32 pixels: expected 10 frames"),
        ({"seeds": []}, "seeds holds the seeds"),
        ({"rank": 1}, "rank is no known field"),
        ({"submission_sha256": "0" * 64}, "is of another submission.json, or other predictions"),
        ({"predictions_sha256": "0" * 64}, "is of another submission.json, or other predictions"),
    ],
)
def test_a_result_that_was_touched_is_refused(
    changes: dict[str, Any], sentence: str, told: Path, tmp_path: Path
) -> None:
    """By what it says of itself and of the files beside it."""
    folder = tmp_path / "entries" / "my-group" / "mine"
    shutil.copytree(told, folder)
    document = json.loads((folder / result.FILE).read_text())
    (folder / result.FILE).write_text(json.dumps(document | changes))
    with pytest.raises(RecordError, match=sentence):
        read_scored_frames(folder)


def test_results_that_contradict_themselves_are_not_written(told: Path, made: Path, tmp_path: Path) -> None:
    """Steps of another number, samples of another number, an interval of a single seed."""
    first, second = (any_result.read(folder / result.FILE) for folder in (told, made))
    assert isinstance(first, PredictionResult)
    assert isinstance(second, GenerationResult)
    seed = first.seeds[0]
    short = replace(seed.scores, errors=replace(seed.scores.errors, mse=(0.0,)))
    for wrong, sentence in (
        (replace(first, seeds=(replace(seed, scores=short), *first.seeds[1:])), "has not 10 steps"),
        (replace(second, of_train=replace(second.of_train, samples=3)), "other numbers of samples"),
        (replace(second, seeds=second.seeds[:1], interval=second.interval), "interval "),
    ):
        with pytest.raises(RecordError, match=sentence):
            any_result.write(wrong, tmp_path / "result.json")
    assert not (tmp_path / "result.json").exists()


def test_frames_are_scored_beside_train_alone(told: Path, opened: OpenedSplit, tmp_path: Path) -> None:
    """Without a train split beside, or with labels, or by the scorer of classes, nothing is scored."""
    shutil.copytree(opened.folder, tmp_path / "copied" / "test")
    folder = tmp_path / "entries" / "my-group" / "mine"
    shutil.copytree(told, folder)
    (folder / result.FILE).unlink()
    with pytest.raises(RecordError, match=r"frames are scored beside those of train.*build it with `dynamics-gen"):
        score_any(folder, open_split(tmp_path / "copied" / "test"))
    with pytest.raises(RecordError, match="is an entry of prediction, which needs no labels: leave --labels out"):
        score_any(folder, opened, labels=tmp_path / "labels.csv")
    (folder / "predictions-seed1.npz").unlink()
    with pytest.raises(RecordError, match=r"predictions-seed1.npz: no such file"):
        score(folder, opened)


def test_intervals_have_closed_forms_where_there_is_one() -> None:
    """Of equal errors the error; over seeds, Student's t; of one seed, none; never below zero."""
    labels = np.arange(40) % 10
    flat = interval_of_errors(np.full((3, 40), 0.25), labels)
    assert (flat.low, flat.high) == (0.25, 0.25)
    drawn = np.random.default_rng(0).gamma(2, 0.01, (3, 40))
    bounds = interval_of_errors(drawn, labels)
    reach = 1.96 * drawn.mean(axis=0).std(ddof=1) / 40**0.5
    assert bounds.low < drawn.mean() - 0.5 * reach < drawn.mean() + 0.5 * reach < bounds.high
    assert interval_of_seeds([1.0]) is None
    t = interval_of_seeds([4.0, 5.0, 6.0])
    assert t is not None
    assert (t.low, t.high) == pytest.approx((5 - 4.3027 / 3**0.5, 5 + 4.3027 / 3**0.5), abs=1e-3)
    low = interval_of_seeds([0.1, 9.0])
    assert low is not None
    assert low.low == 0


def test_only_the_host_writes_a_result(told: Path, tmp_path: Path) -> None:
    """A new description makes the old result void."""
    folder = tmp_path / "entries" / "my-group" / "mine"
    shutil.copytree(told, folder)
    edit(folder, about__description="corrected")
    with pytest.raises(RecordError, match=r"is of another submission.json, or other predictions"):
        read_scored_frames(folder)
    (folder / result.FILE).unlink()
    with pytest.raises(RecordError, match=r"has no result.json"):
        read_scored_frames(folder)

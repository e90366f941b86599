"""A whole run of a model that is fitted: candidates, choice, test, record, and going on after a stop."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fitted_model import MODEL
from moving_squares import MemorySplit, build_squares

import dynamics_gen
from benchmark import predictions, record, spec
from benchmark.choice import read_choice
from benchmark.errors import ModelError, TrainingError
from benchmark.lessons import CLIPS_A_CHUNK, Shown
from benchmark.parts import PartOfSplit
from benchmark.plan import Options, make_plan
from benchmark.run import run_model
from dynamics_gen.errors import ConfigError
from leaderboard import table


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 80 / 20 / 30 clips. Never change it."""
    return build_squares(tmp_path_factory.mktemp("squares"))


def run(squares: Path, folder: Path, text: str = MODEL, **wishes: object) -> record.Record:
    """One run at size tiny of a model's text, in `folder`."""
    folder.mkdir(exist_ok=True)
    model = folder / "nearest.py"
    model.write_text(text)
    options = Options(size="tiny", data=squares, runs=folder / "runs", workers=1, **wishes)  # type: ignore[arg-type]
    done = run_model(make_plan(spec.find(str(model)), options), options, say=lambda line: None)
    assert done is not None  # this process is the first
    return done


def results(folder: Path) -> Path:
    """Where the run of `folder` left its results."""
    return folder / "runs" / "nearest" / "standard-tiny"


def test_run_records_itself_like_any_other(squares: Path, tmp_path: Path) -> None:
    """Candidates stand where epochs do, the best on valid is chosen, predictions and record agree, FLOPs are null."""
    made = run(squares, tmp_path, seeds=2)
    folder = results(tmp_path)
    assert record.read(folder / "record.json") == made
    assert [seed.seed for seed in made.seeds] == [0, 1]
    for seed in made.seeds:
        errors = [row.valid_error for row in seed.history]
        assert len(errors) == 3
        assert errors[0] == pytest.approx(0.9)  # chance, by construction
        assert seed.chosen_epoch == 2
        assert seed.scores.valid.error == errors[1] == errors[2] < 0.5
        assert seed.history[0].train_loss == pytest.approx(np.log(10))
        said = predictions.read(folder / seed.predictions, seed.predictions_sha256)
        assert said.scores() == seed.scores.test
        assert [name.decode() for name in said.clip_id] == dynamics_gen.open(squares / "dynamics-tiny/test").clip_ids
        assert seed.training_clips_per_s > 0
        assert seed.wall_time_s >= sum(row.seconds for row in seed.history)
    assert made.seeds[0].predictions_sha256 != made.seeds[1].predictions_sha256
    assert (made.parameters, made.flops_per_clip) == (10 * 16 * 16 * 3, None)
    assert (made.config.model, made.config.training) == ({"frame": 0, "sharpness": 1e-3}, {})
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "record.json",
        "curve.png",
        "confusion.png",
        "reliability.png",
        "predictions-seed0.npz",
        "predictions-seed1.npz",
        "seed-0",
        "seed-1",
    }
    assert {path.name for path in (folder / "seed-1").iterdir()} == {
        "choice.json",
        "configuration.json",
        "valid-predictions.npz",
    }


def test_board_shows_what_was_not_counted_as_a_dash(squares: Path, tmp_path: Path) -> None:
    """A row of a record without FLOPs is made like any other."""
    run(squares, tmp_path)
    line = next(
        line
        for line in table.main(Path(__file__).parent.parent / "leaderboard", tmp_path / "runs", True).splitlines()
        if "nearest" in line
    )
    assert " – " in line


def test_test_split_is_opened_after_every_choice(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test is booby-trapped: until all seeds' choices are written, whoever opens it fails the run."""
    choices = [results(tmp_path) / f"seed-{seed}" / "choice.json" for seed in range(2)]
    opened, real = [], dynamics_gen.open

    def trap(path: Path) -> object:
        opened.append(path.name)
        assert path.name != "test" or all(read_choice(choice).epoch == 2 for choice in choices)
        return real(path)

    monkeypatch.setattr(dynamics_gen, "open", trap)
    run(squares, tmp_path, seeds=2)
    assert opened == ["train", "valid", "test"]


def test_labels_are_not_shown_to_who_judges(squares: Path) -> None:
    """Frames and trajectories are all that a split shows, and of them only what was declared."""
    split = dynamics_gen.open(squares / "dynamics-tiny" / "valid")
    frames, motion = Shown(split, "rgb"), Shown(split, "trajectory")
    assert not {"labels", "paths", "speeds", "clip_ids"} & set(dir(frames))
    np.testing.assert_array_equal(frames.videos(slice(3, 5)), split.read_videos([3, 4]))
    np.testing.assert_array_equal(motion.column("position"), split.column("position"))
    with pytest.raises(ModelError, match="the column position of clips were asked for by a model whose INPUT is 'rgb'"):
        frames.column("position")
    with pytest.raises(ModelError, match="frames of clips were asked for by a model whose INPUT is 'trajectory'"):
        motion.videos(slice(1))
    with pytest.raises(ModelError, match="the column label was asked for: the input trajectory has position"):
        motion.column("label")


def test_clips_without_trajectories_say_so() -> None:
    """A user's own videos have none."""
    split = MemorySplit(10)
    split.manifest.content = {"fps": 16}
    split.columns, split.directory = ("label",), "kth"  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"kth has no column angular_velocity, .* choose a model that sees frames"):
        Shown(split, "trajectory")


def brightness(videos: np.ndarray) -> np.ndarray:
    """Mean of each clip."""
    return videos.mean(axis=(1, 2, 3, 4))


def test_processes_describe_what_one_does(tmp_path: Path) -> None:
    """Chunks come back in order, whoever made them."""
    data = build_squares(tmp_path, per_class=(12, 1, 1))
    split = dynamics_gen.open(data / "dynamics-tiny" / "train")
    assert len(split) > 2 * CLIPS_A_CHUNK
    alone, shared = (np.concatenate(Shown(split, "rgb", workers=n).describe(brightness)) for n in (1, 2))
    np.testing.assert_array_equal(alone, brightness(split.read_videos(slice(None))))
    np.testing.assert_array_equal(shared, alone)


def test_part_of_a_split_is_shown_like_a_split(squares: Path) -> None:
    """Of its clips, its frames alone, also after the way to another process; trajectories are cut as frames are."""
    split = dynamics_gen.open(squares / "dynamics-tiny" / "train")
    part = pickle.loads(pickle.dumps(PartOfSplit(split, frames=(2, 5))))  # noqa: S301
    frames, motion = Shown(part, "rgb"), Shown(part, "trajectory")
    assert (frames.shape, motion.shape, frames.fps) == ((3, 16, 16, 3), (3, 16, 16, 3), 16.0)
    expected = split.read_videos(slice(None))[:, 2:5]
    np.testing.assert_array_equal(frames.videos(slice(7, 9)), expected[7:9])
    np.testing.assert_array_equal(np.concatenate(frames.describe(brightness)), brightness(expected))
    np.testing.assert_array_equal(motion.column("orientation"), split.column("orientation")[:, 2:5])


def test_what_seeds_share_is_made_once(squares: Path) -> None:
    """`once` remembers by key."""
    clips = Shown(dynamics_gen.open(squares / "dynamics-tiny" / "valid"), "rgb")
    made: list[str] = []
    for key in ("a", "b", "a"):
        assert clips.once(key, lambda key=key: made.append(key) or key) == key
    assert made == ["a", "b"]


def test_finished_run_is_kept_unless_overwritten(squares: Path, tmp_path: Path) -> None:
    """Without a flag it is refused; --resume leaves it, or adds seeds; another configuration is named."""
    first = run(squares, tmp_path)
    written = (results(tmp_path) / "record.json").stat().st_mtime_ns
    with pytest.raises(TrainingError, match="holds an earlier run"):
        run(squares, tmp_path)
    assert run(squares, tmp_path, resume=True) == first
    assert (results(tmp_path) / "record.json").stat().st_mtime_ns == written
    more = run(squares, tmp_path, resume=True, seeds=2)
    assert [seed.seed for seed in more.seeds] == [0, 1]
    assert more.seeds[0].predictions_sha256 == first.seeds[0].predictions_sha256
    with pytest.raises(TrainingError, match=r"model\.sharpness = 0\.001, and now model\.sharpness is 0\.5"):
        run(squares, tmp_path, resume=True, settings={"sharpness": "0.5"})
    assert len(run(squares, tmp_path, overwrite=True, settings={"sharpness": "0.5"}).seeds) == 1


def test_killed_run_goes_on_to_the_same_result(squares: Path, tmp_path: Path) -> None:
    """SIGKILL while the second seed is fitted: the first one's choice is kept, the end is an undisturbed run's."""
    slow = MODEL.replace(
        "    for sign in",
        "    import os, time\n    time.sleep(seed * float(os.environ.get('SLOW', 0)))\n    for sign in",
    )
    model = tmp_path / "nearest.py"
    model.write_text(slow)
    command = [sys.executable, "-m", "benchmark", "run", str(model), "--size", "tiny", "--seeds", "2"]
    command += ["--data", str(squares), "--runs", str(tmp_path / "runs"), "--workers", "1"]
    process = subprocess.Popen(command, env={**os.environ, "SLOW": "60"}, stderr=subprocess.PIPE, text=True)
    choice = results(tmp_path) / "seed-0" / "choice.json"
    deadline = time.monotonic() + 60
    while not choice.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert read_choice(choice).epoch == 2
    assert not (results(tmp_path) / "record.json").exists()
    with pytest.raises(TrainingError, match="holds an earlier run"):
        run(squares, tmp_path, slow, seeds=2)
    resumed = run(squares, tmp_path, slow, seeds=2, resume=True)
    whole = run(squares, tmp_path / "whole", slow, seeds=2)
    for one, other in zip(resumed.seeds, whole.seeds, strict=True):
        assert one.predictions_sha256 == other.predictions_sha256
        assert one.scores == other.scores


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("yield Fitted", "if False: yield Fitted", "fit of nearest offers nothing: expected one candidate or more"),
        ("yield Fitted", "pass  #", "fit of nearest gives NoneType: expected it to yield candidates"),
        ("return likelihood / ", "return 2 * likelihood / ", "nearest on train"),
        (
            "return likelihood / ",
            "return likelihood[:, :3] / ",
            r"nearest on train gives .* \(80, 3\): expected \(80, 10\)",
        ),
    ],
)
def test_what_is_no_candidate_is_refused(squares: Path, tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """In one sentence, before anything is chosen."""
    assert old in MODEL
    with pytest.raises(ValueError, match=sentence):
        run(squares, tmp_path, MODEL.replace(old, new))
    assert not list(results(tmp_path).rglob("choice.json"))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'INPUT = "rgb"',
            'INPUT = "difference"',
            "INPUT is 'difference' in .*, which defines fit: expected one of rgb",
        ),
        (
            "def fit(",
            "def build(): pass\n\n\ndef fit(",
            "defines build and fit: a model of classification needs one",
        ),
        ("def fit(", "def learn(", "does not define build or fit"),
        ('SOURCE = "tests"', 'SOURCE = "tests"\nTRAINING = {"*": {"epochs": 3}}', "TRAINING in .* has no effect"),
    ],
)
def test_file_that_cannot_be_fitted_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """What contradicts itself is told when the file is loaded."""
    assert old in MODEL
    path = tmp_path / "nearest.py"
    path.write_text(MODEL.replace(old, new))
    with pytest.raises(ModelError, match=sentence):
        spec.load(spec.find(str(path)))


def test_recipe_is_not_silently_ignored(squares: Path, tmp_path: Path) -> None:
    """A flag that would have no effect is refused."""
    with pytest.raises(ConfigError, match=r"nearest is not trained .* so --epochs, --batch-size would have no effect"):
        run(squares, tmp_path, training={"epochs": 3, "batch_size": 4, "augment": None})

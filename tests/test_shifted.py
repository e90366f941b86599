"""`bench evaluate`: the chosen weights, as they are, on other test sets; the record says what they scored."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from fitted_model import MODEL as FITTED
from moving_squares import FRAMES, MODEL, SIDE, build_squares, square_clips
from safetensors.torch import load_file

import dynamics_gen
from benchmark import cli, predictions, record, spec
from benchmark.chosen import window_starts
from benchmark.errors import ModelError, RecordError, TrainingError
from benchmark.plan import Options, make_plan
from benchmark.run import run_model
from benchmark.shifted import Wishes, evaluate_run, shifted_releases
from dynamics_gen.config import RELEASES, BuildConfig
from dynamics_gen.errors import ConfigError, UnknownNameError
from dynamics_gen.generate import build_split


def build_shifted(data: Path, release: str, frames: int = FRAMES, side: int = SIDE) -> Path:
    """Builds the test split of a release from made-up clips: at equal length, those of the plain one."""
    config = BuildConfig(release=RELEASES[release], split="test", per_class=3, image_size=side, frames=frames)
    folder = data / f"dynamics-{release}-tiny" / "test"
    build_split(config, folder, workers=1, source=square_clips)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with plain splits and two shifted ones. Never change it."""
    folder = build_squares(tmp_path_factory.mktemp("squares"))
    build_shifted(folder, "camera")
    build_shifted(folder, "long", frames=2 * FRAMES)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A user's own model."""
    (tmp_path / "tiny_net.py").write_text(MODEL)
    return tmp_path / "tiny_net.py"


@pytest.fixture
def run(model: Path, data: Path, tmp_path: Path) -> Path:
    """The folder of a finished run of two seeds."""
    train(model, data, tmp_path / "runs")
    return tmp_path / "runs" / "tiny_net" / "standard-tiny"


def train(model: Path, data: Path, runs: Path, **wishes: object) -> record.Record:
    """A run of two seeds."""
    settings = {"seeds": 2, "settings": {"strides": "2,1"}, **wishes}
    options = Options(size="tiny", data=data, runs=runs, **settings)  # type: ignore[arg-type]
    done = run_model(make_plan(spec.find(str(model)), options), options, say=lambda line: None)
    assert done is not None  # this process is the first
    return done


def evaluate(run: Path, data: Path, *releases: str, **wishes: object) -> record.Record:
    """One evaluation, by the model's file that the fixture wrote."""
    wishes = {"model": run.parents[2] / "tiny_net.py", "data": data, **wishes}
    return evaluate_run(run, Wishes(releases=releases, **wishes), say=lambda line: None)  # type: ignore[arg-type]


def bench(*words: str | Path) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], prog_name="bench")


def test_same_clips_get_the_same_scores(run: Path, data: Path) -> None:
    """Put to clips that are those of test, the weights say to the bit what they said of test."""
    before = record.read(run / "record.json")
    after = evaluate(run, data, "camera")
    assert dataclasses.replace(after, shifted=()) == before
    (camera,) = after.shifted
    assert (camera.release, camera.frames, camera.windows) == ("camera", FRAMES, 1)
    assert camera.split.fingerprint == dynamics_gen.open(data / "dynamics-camera-tiny/test").manifest.fingerprint
    assert [one.scores for one in camera.seeds] == [seed.scores.test for seed in before.seeds]
    for one, seed in zip(camera.seeds, before.seeds, strict=True):
        said = predictions.read(run / one.predictions, one.predictions_sha256)
        assert np.array_equal(said.probabilities, predictions.read(run / seed.predictions).probabilities)
        assert said.scores() == one.scores
    assert record.read(run / "record.json") == after


def test_long_clips_are_averaged_over_windows(run: Path, data: Path) -> None:
    """Two windows, each standardised by itself: the mean of what a plain forward pass says of both halves."""
    (long,) = evaluate(run, data, "long").shifted
    assert (long.frames, long.windows) == (2 * FRAMES, 2)
    network = torch.nn.Sequential(
        torch.nn.Conv3d(3, 4, 3, stride=2, padding=1),
        torch.nn.BatchNorm3d(4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool3d((1, 4, 4)),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(64, 10),
    ).eval()
    weights = load_file(run / "seed-1" / "chosen.safetensors")
    network.load_state_dict({name.removeprefix("network/"): value for name, value in weights.items()})
    split = dynamics_gen.open(data / "dynamics-long-tiny" / "test")
    videos = torch.from_numpy(split.read_videos(slice(None))).double()
    expected = torch.zeros(len(split), 10)
    for half in videos.split(FRAMES, dim=1):
        mean, deviation = half.mean((1, 2, 3), keepdim=True), half.std((1, 2, 3), keepdim=True, correction=0)
        clips = ((half - mean) / deviation).permute(0, 4, 1, 2, 3).float()
        with torch.no_grad():
            expected += network(clips).softmax(1) / 2
    said = predictions.read(run / long.seeds[1].predictions)
    np.testing.assert_allclose(said.probabilities, expected.numpy(), atol=1e-4)


def test_flow_is_seen_as_in_training(model: Path, data: Path, tmp_path: Path) -> None:
    """A run on flow, of a part of train, is put to flow: made for the set, cut into the same windows."""
    wishes = {"input": "flow_farneback", "training": {"train_per_class": 5}}
    made = train(model, data, tmp_path / "runs", **wishes)
    run = tmp_path / "runs" / "tiny_net" / "standard-tiny-5-per-class-flow_farneback"
    camera, long = evaluate(run, data, "camera", "long").shifted
    assert made.seeds[0].scores.train.clips == 50
    assert [one.scores for one in camera.seeds] == [seed.scores.test for seed in made.seeds]
    assert (long.windows, long.seeds[0].scores.clips) == (2, 30)


@pytest.mark.parametrize(
    ("frames", "window", "starts"),
    [(32, 32, [0]), (64, 32, [0, 32]), (48, 32, [0, 16]), (65, 32, [0, 16, 33]), (33, 32, [0, 1]), (3, 1, [0, 1, 2])],
)
def test_windows_cover_the_clip(frames: int, window: int, starts: list[int]) -> None:
    """As few as reach from the first frame to the last, evenly spread."""
    assert window_starts(frames, window) == starts
    assert set().union(*(range(start, start + window) for start in starts)) == set(range(frames))


def test_clips_that_are_too_short_are_refused() -> None:
    """There is nothing to fill them with."""
    with pytest.raises(ConfigError, match="clips of 24 frames: expected at least the 32 that the run was trained on"):
        window_starts(24, 32)


def test_scores_are_added_and_replaced(run: Path, data: Path) -> None:
    """A second set joins the first, in the order of the releases; the same one again takes its own place."""
    evaluate(run, data, "long")
    both = evaluate(run, data, "camera")
    assert [one.release for one in both.shifted] == ["camera", "long"]
    again = evaluate(run, data, "camera", "long")
    assert [(one.release, one.seeds) for one in again.shifted] == [(one.release, one.seeds) for one in both.shifted]


def test_more_seeds_ask_for_another_evaluation(model: Path, run: Path, data: Path) -> None:
    """A record made anew speaks of no shifted set, and no file of one is left."""
    evaluate(run, data, "camera")
    assert len(list(run.glob("predictions-camera-*"))) == 2
    more = train(model, data, run.parents[1], seeds=3, resume=True)
    assert more.shifted == ()
    assert not list(run.glob("predictions-camera-*"))
    assert len(evaluate(run, data, "camera").shifted[0].seeds) == 3


def test_missing_split_is_built_after_saying_so(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test split of the release alone, at the run's size and the release's own length."""
    built = []

    def build(config: BuildConfig, directory: Path, workers: int, progress: object) -> None:
        built.append((config.release.name, config.split, config.per_class, config.frames, directory, workers))
        raise KeyboardInterrupt

    monkeypatch.setattr("dynamics_gen.generate.build_split", build)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        evaluate_run(
            run,
            Wishes(releases=("tempo",), data=data, workers=3, model=run.parents[2] / "tiny_net.py"),
            said.append,
        )
    assert built == [("tempo", "test", 5, 32, data / "dynamics-tempo-tiny" / "test", 3)]
    assert "dynamics-tempo-tiny/test is not there: building its 50 clips, in " in said[0]


def test_shifted_is_all_but_standard_and_its_own() -> None:
    """Nine for a run on standard, eight for one on hard."""
    assert set(shifted_releases("standard")) == set(RELEASES) - {"standard"}
    assert set(shifted_releases("hard")) == set(RELEASES) - {"standard", "hard"}


def test_what_cannot_be_evaluated_is_refused(run: Path, data: Path, tmp_path: Path) -> None:
    """In one sentence, and the record stays as it was."""
    before = (run / "record.json").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (other / "record.json").write_text(json.dumps({"task": "prediction", "record_version": 1}))
    with pytest.raises(RecordError, match="task is prediction: expected a run of a classifier"):
        evaluate(other, data, "camera")
    with pytest.raises(UnknownNameError, match="unknown release 'soft'"):
        evaluate(run, data, "soft")
    with pytest.raises(ConfigError, match="the run was trained on standard and has its test scores"):
        evaluate(run, data, "standard")
    with pytest.raises(UnknownNameError, match="unknown model 'tiny_net'"):
        evaluate(run, data, "camera", model=None)
    (tmp_path / "other_net.py").write_text(MODEL)
    with pytest.raises(ModelError, match=r"is a run of tiny_net: got the file of other_net"):
        evaluate(run, data, "camera", model=tmp_path / "other_net.py")
    build_shifted(tmp_path, "clutter", side=32)
    with pytest.raises(ConfigError, match=r"holds clutter with frames of 32 pixels: expected clutter with .* of 16"):
        evaluate(run, tmp_path, "clutter")
    (tmp_path / "dynamics-appearance-tiny").symlink_to(data / "dynamics-camera-tiny")
    with pytest.raises(ConfigError, match="holds camera with frames of 16 pixels: expected appearance"):
        evaluate(run, tmp_path, "appearance")
    assert (run / "record.json").read_bytes() == before


def test_weights_that_were_not_chosen_are_refused(run: Path, data: Path) -> None:
    """A choice of another epoch than the record's, of something else than weights, or weights of another run."""
    path = run / "seed-0" / "choice.json"
    choice = json.loads(path.read_text())
    path.write_text(json.dumps({**choice, "epoch": 7}))
    with pytest.raises(TrainingError, match="chose epoch 7: expected"):
        evaluate(run, data, "camera")
    path.write_text(json.dumps(choice))
    kept = run / "seed-0" / "valid-predictions.npz"
    kept.write_bytes((run / "seed-0" / "chosen.safetensors").read_bytes())
    path.write_text(json.dumps({**choice, "weights": kept.name}))
    with pytest.raises(TrainingError, match=r"names valid-predictions.npz: expected chosen.safetensors, which a run"):
        evaluate(run, data, "camera")
    path.write_text(json.dumps(choice))
    (run / "seed-0" / "chosen.safetensors").write_bytes((run / "seed-1" / "chosen.safetensors").read_bytes())
    with pytest.raises(TrainingError, match="are not the weights that"):
        evaluate(run, data, "camera")


TRAJECTORY = (
    FITTED.replace('INPUT = "rgb"', 'INPUT = "trajectory"')
    .replace("np.concatenate(clips.describe(first_frames))", 'clips.column("position").reshape(len(clips), -1)')
    .replace("(0, 1, 1)", "(1,)")
    .replace("sharpness: float = 1e-3", "sharpness: float = 1.0")
)
"""The same model, which looks at all places of the window."""


def train_fitted(folder: Path, data: Path, text: str = FITTED) -> Path:
    """The folder of a finished run of two seeds of a model that is fitted."""
    folder.mkdir(exist_ok=True)
    (folder / "nearest.py").write_text(text)
    options = Options(size="tiny", data=data, runs=folder / "runs", seeds=2, workers=1)
    run_model(make_plan(spec.find(str(folder / "nearest.py")), options), options, say=lambda line: None)
    return folder / "runs" / "nearest" / "standard-tiny"


def evaluate_fitted(run: Path, data: Path, *releases: str) -> record.Record:
    """One evaluation, by the model's file as it is now."""
    return evaluate(run, data, *releases, model=run.parents[2] / "nearest.py", workers=1)


def nearest(train: np.ndarray, labels: np.ndarray, asked: np.ndarray, seed: int, sharpness: float) -> np.ndarray:
    """What the model says of rows of numbers, worked out in one go."""
    table = train + np.random.default_rng(seed).normal(size=(len(train), 1))
    means = np.array([table[labels == label].mean(axis=0) for label in range(10)])
    likelihood = np.exp(-sharpness * ((asked[:, None] - means) ** 2).mean(axis=2))
    return likelihood / likelihood.sum(axis=1, keepdims=True)


def test_fitted_model_is_fitted_anew(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put to the clips of test, it says what it said of test; train and valid are opened once for all seeds."""
    run = train_fitted(tmp_path, data)
    before = record.read(run / "record.json")
    opened, real = [], dynamics_gen.open
    monkeypatch.setattr(dynamics_gen, "open", lambda path: opened.append(path.parts[-2:]) or real(path))
    after = evaluate_fitted(run, data, "camera", "long")
    assert sorted(opened) == [
        ("dynamics-camera-tiny", "test"),
        ("dynamics-long-tiny", "test"),
        ("dynamics-tiny", "train"),
        ("dynamics-tiny", "valid"),
    ]
    assert dataclasses.replace(after, shifted=()) == before
    camera, _ = after.shifted
    assert [one.scores for one in camera.seeds] == [seed.scores.test for seed in before.seeds]
    assert camera.environment.precision == before.environment.precision == "its own"
    for one, seed in zip(camera.seeds, before.seeds, strict=True):
        said = predictions.read(run / one.predictions, one.predictions_sha256)
        assert np.array_equal(said.probabilities, predictions.read(run / seed.predictions).probabilities)


@pytest.mark.parametrize(("text", "sharpness"), [(FITTED, 1e-3), (TRAJECTORY, 1.0)])
def test_fitted_model_sees_windows_as_networks_do(data: Path, tmp_path: Path, text: str, sharpness: float) -> None:
    """Of clips twice as long, the mean of what it says of both halves, in frames and in trajectories."""
    run = train_fitted(tmp_path, data, text)
    (long,) = evaluate_fitted(run, data, "long").shifted
    assert (long.frames, long.windows) == (2 * FRAMES, 2)

    def rows(split: dynamics_gen.ClipDataset, start: int) -> np.ndarray:
        window = slice(start, start + FRAMES)
        if text == FITTED:
            return split.read_videos(slice(None))[:, window][:, 0].reshape(len(split), -1).astype(float)
        return split.column("position")[:, window].reshape(len(split), -1).astype(float)

    train, test = dynamics_gen.open(data / "dynamics-tiny/train"), dynamics_gen.open(data / "dynamics-long-tiny/test")
    for one in long.seeds:
        learnt = rows(train, 0), train.labels
        halves = [nearest(*learnt, rows(test, start), one.seed, sharpness) for start in (0, FRAMES)]
        said = predictions.read(run / one.predictions).probabilities
        np.testing.assert_allclose(said, np.mean(halves, axis=0), atol=1e-6)
        assert np.abs(halves[0] - halves[1]).max() > 1e-4


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "means) ** 2).mean",
            "means) ** 2 * 1.5).mean",
            r"seed 0 .*, gives 0 of 20 clips .* up to 0\.\d+ off: expec",
        ),
        ("-sign *", "sign *", r"seed 0 of nearest, fitted anew, gives [1-9]\d* of 20 clips of valid other classes"),
        ("(0, 1, 1)", "(0,)", "fit of nearest offers fewer candidates than the 2 up to the chosen one"),
    ],
)
def test_fitted_model_that_says_something_else_is_refused(
    data: Path, tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    """Of valid, which was kept: other classes, other probabilities, or no such candidate; the record stays."""
    run = train_fitted(tmp_path, data)
    before = (run / "record.json").read_bytes()
    assert old in FITTED
    (tmp_path / "nearest.py").write_text(FITTED.replace(old, new))
    with pytest.raises(TrainingError, match=sentence):
        evaluate_fitted(run, data, "camera")
    assert (run / "record.json").read_bytes() == before


def test_fitted_model_needs_the_clips_it_was_fitted_to(data: Path, tmp_path: Path) -> None:
    """Other clips under the same name are refused, and missing ones that the defaults would not give again."""
    run = train_fitted(tmp_path / "run", data)
    other = build_squares(tmp_path / "other", per_class=(4, 2, 3))
    shutil.copytree(data / "dynamics-camera-tiny", other / "dynamics-camera-tiny")
    with pytest.raises(ConfigError, match=r"train has the fingerprint [0-9a-f]{12}…: expected [0-9a-f]{12}…, that of"):
        evaluate_fitted(run, other, "camera")
    shutil.rmtree(other / "dynamics-tiny")
    asked = r"`dynamics-gen --split train --size tiny --release standard --image-size 16 --frames 8 --out "
    with pytest.raises(ConfigError, match=f"the record's data were not built with the defaults: build it with {asked}"):
        evaluate_fitted(run, other, "camera")
    (run / "seed-1" / "valid-predictions.npz").unlink()
    with pytest.raises(TrainingError, match=r"seed-1/choice.json is not a choice that can be read"):
        evaluate_fitted(run, data, "camera")


def test_setting_that_the_model_lost_is_refused(run: Path, data: Path) -> None:
    """The sentence names the commit that made the record."""
    path = run.parents[2] / "tiny_net.py"
    path.write_text(path.read_text().replace("width: int = 4", "breadth: int = 4").replace("config.width", "4"))
    with pytest.raises(ModelError, match=r"has settings that tiny_net no longer takes .*'width'.* go back to the com"):
        evaluate(run, data, "camera")


def test_command_prints_a_line_a_release(run: Path, data: Path, model: Path) -> None:
    """Mean error, and where the record is; without a release it says what it needs."""
    done = bench("evaluate", run, "--release", "camera", "--release", "long", "--data", data, "--model", model)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["tiny_net on camera", "tiny_net on long"]
    assert all(line.endswith(str(run / "record.json")) for line in lines)
    assert (run / "reliability.png").exists()
    refused = bench("evaluate", run, "--data", data)
    assert refused.exit_code == 2
    assert "say what to put it to: --release NAME, or --shifted" in refused.stderr


def test_shifted_flag_names_every_other_release(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the user's device, data and workers passed on; what is named twice is scored once."""
    asked = []

    def stand_in(folder: Path, wishes: Wishes, say: object) -> record.Record:
        asked.append((folder, wishes))
        return record.read(folder / "record.json")

    monkeypatch.setattr("benchmark.shifted.evaluate_run", stand_in)
    flags = ["--shifted", "--release", "camera", "--device", "cpu", "--data", "elsewhere", "--workers", "3"]
    assert bench("evaluate", run, *flags).exit_code == 0
    ((folder, wishes),) = asked
    assert folder == run
    assert sorted(wishes.releases) == sorted(set(RELEASES) - {"standard"})
    assert (wishes.device, wishes.data, wishes.workers, wishes.model) == ("cpu", Path("elsewhere"), 3, None)

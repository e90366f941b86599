"""`prepare RUN` of predictors and generators: frames from the weights that were chosen, and what the record says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from framed import build_rendered
from generator_model import GENERATOR
from submitted import ABOUT

import dynamics_gen
from benchmark import spec
from benchmark.errors import RecordError, TrainingError
from benchmark.generation import run as generation_run
from benchmark.generation.pictures import grey_levels
from benchmark.generation.record import Scores as GenerationScores
from benchmark.generation.saved import open_run
from benchmark.generation.scores import TEST_SEED
from benchmark.generation.views import shrunk
from benchmark.plan import Options, make_plan
from benchmark.prediction import run as prediction_run
from benchmark.prediction.record import Errors, Motion
from benchmark.prediction.record import Scores as PredictionScores
from benchmark.submission.check import check
from benchmark.submission.command import submit
from benchmark.submission.prepare import prepare_run
from benchmark.submission.split import OpenedSplit, open_split
from benchmark.submission.views import CLIPS, PREDICTION, View

ERRORS = Errors(mse=(0.1,) * 22, mae=(0.1,) * 22, psnr=(10.0,) * 22, ssim=(0.5,) * 22)
MOTION = Motion(
    error=(1.0,) * 22,
    lost=(0.0,) * 22,
    split=(0.0,) * 22,
    speed=None,
    speed_kept=None,
    came_back=None,
    class_agreement=0.5,
)
PREDICTED = PredictionScores(
    clips=50,
    single=ERRORS,
    best=None,
    mean=None,
    samples=1,
    frechet=1.0,
    frechet_shuffled=1.0,
    frechet_of_train=0.5,
    density=1.0,
    coverage=1.0,
    motion=MOTION,
    motion_of_data=MOTION,
)
MADE = GenerationScores(
    samples=50,
    frechet=1.0,
    frechet_of_train=1.0,
    precision=1.0,
    recall=1.0,
    density=1.0,
    coverage=1.0,
    spread=1.0,
    reconstruction=None,
    nats=None,
    error=None,
    failed=None,
    failed_by_cause={},
    failed_of_data=None,
    agreement={},
    agreement_of_data={},
)

TOLD = {name: ABOUT[name] for name in ("group", "authors", "contact", "tuning_trials")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder at size tiny, whose train and valid are smaller still."""
    data = tmp_path_factory.mktemp("data")
    build_rendered(data / "dynamics-tiny", train=1, valid=1, test=5)
    return data


@pytest.fixture(scope="module")
def opened(data: Path) -> OpenedSplit:
    """Its test split."""
    return open_split(data / "dynamics-tiny" / "test")


@pytest.fixture(scope="module", autouse=True)
def unscored() -> Iterator[None]:
    """Runs are neither scored nor drawn: an entry is made of their weights."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(prediction_run.scores, "score", lambda *_: (PREDICTED, 1.0))
        patched.setattr(prediction_run.pictures, "all_of", lambda *_: ())
        patched.setattr(generation_run.scores, "score", lambda *_: (MADE, 1.0))
        patched.setattr(generation_run.pictures, "all_of", lambda *_: ())
        patched.setattr(generation_run.pictures, "sheet", lambda *_: None)
        patched.setattr(generation_run.pictures, "curves", lambda *_: None)
        yield


def options(data: Path, runs: Path, **settings: str) -> Options:
    """Of one run at size tiny, of one epoch where there are any."""
    return Options(size="tiny", data=data, runs=runs, settings=settings)


@pytest.fixture(scope="module")
def copied(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the rule that stands still, at 32×32."""
    wishes = options(data, tmp_path_factory.mktemp("runs"), image_size="32")
    prediction_run.run_predictor(planned := make_plan(spec.find("copy_last"), wishes), wishes, say=lambda line: None)
    return planned.folder.path


@pytest.fixture(scope="module")
def generated(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A user's own generator of clips: its file, and a finished run of two seeds."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "tiny_gan.py").write_text(
        GENERATOR.replace('INPUT = "frames"', 'INPUT = "clips"').replace(
            "    width: int", "    frames: int = 16\n    width: int"
        )
    )
    wishes = replace(options(data, folder / "runs", image_size="32"), seeds=2, training={"epochs": 1})
    generation_run.run_generator(
        planned := make_plan(spec.find(str(folder / "tiny_gan.py")), wishes), wishes, say=lambda line: None
    )
    return folder / "tiny_gan.py", planned.folder.path


def test_a_predictor_predicts_what_an_entry_has(copied: Path, opened: OpenedSplit, tmp_path: Path) -> None:
    """Ten frames after the context of each clip, at the run's size, and what the record says of the model."""
    folder = prepare_run(copied, TOLD, tmp_path, opened, "cpu")
    checked = check(folder, opened)
    assert checked.problems == []
    assert checked.submission is not None
    assert (checked.task, checked.submission.view) == (PREDICTION, View(frames=10, image_size=32))
    about = checked.submission.about
    assert (about.entry, about.method, about.input, about.parameters) == ("copy_last-tiny", "copy_last", "rgb", 0)
    (found,) = checked.frames.values()
    whole = dynamics_gen.open(opened.folder)
    last = shrunk(whole.read_videos(np.argsort(whole.clip_ids))[:, 9:10], 32)
    assert np.array_equal(found.sorted().frames, np.repeat(last, 10, axis=1))


def test_a_generator_makes_what_an_entry_has(generated: tuple[Path, Path], opened: OpenedSplit, tmp_path: Path) -> None:
    """As many samples as the view has, other ones of each seed, always from the draws that a record's scores are of."""
    model, run = generated
    folder = prepare_run(run, TOLD, tmp_path / "a", None, "cpu", model)
    checked = check(folder, opened)
    assert checked.problems == []
    assert checked.submission is not None
    assert checked.submission.view == CLIPS
    one, other = (found.frames for found in checked.frames.values())
    assert one.shape == (256, 16, 32, 32, 3)
    assert not np.array_equal(one, other)
    assert one[0].tobytes() != one[1].tobytes()
    for seed, samples in enumerate((one, other)):
        drawn = open_run(run, seed, torch.device("cpu"), model).learner.samples(256, None, TEST_SEED)
        assert np.array_equal(np.concatenate([grey_levels(clips) for clips, _ in drawn]), samples)


def test_the_command_says_what_a_run_lacks(copied: Path, opened: OpenedSplit, tmp_path: Path) -> None:
    """A predictor has yet to see the clips; a task is not to be chosen; with both, the folder is made and checked."""
    (tmp_path / "about.json").write_text(json.dumps(TOLD))
    words = ["prepare", str(copied), "--about", str(tmp_path / "about.json"), "--entries", str(tmp_path / "entries")]
    done = CliRunner().invoke(submit, words)
    assert done.exit_code == 1, done.output
    assert "has yet to see the clips: give its test split with --data data/dynamics-mini/test" in done.stderr
    done = CliRunner().invoke(submit, [*words, "--task", "generation"])
    assert done.exit_code == 2
    assert "--task is for --predictions: the record of a RUN says its own" in done.stderr
    done = CliRunner().invoke(submit, [*words, "--data", str(opened.folder), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(submit, ["check", str(tmp_path / "entries" / "my-group" / "copy_last-tiny")])
    assert done.stdout.endswith(
        ": in order; 1 seed of prediction, 10 frames of 32×32 pixels, on 50 clips of test, standard tiny; give --data"
        " to compare their ids with the split's\nfewer than three seeds get a row, but no rank\n"
    )
    done = CliRunner().invoke(submit, ["prepare", "--predictions", "x.npz", "--task", "prophecy"])
    assert done.exit_code != 0
    assert "prophecy" in done.stderr


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_size": 16}, "is of 10 frames of 16×16 pixels: expected 10 frames of 64×64 pixels, or 10 frames of"),
        ({"frames": 16}, "has seen 16 of 32 frames: expected a predictor that sees every frame"),
    ],
)
def test_runs_of_other_views_are_refused(
    changes: dict[str, int], sentence: str, copied: Path, opened: OpenedSplit, tmp_path: Path
) -> None:
    """Before anything is computed."""
    document = json.loads((copied / "record.json").read_text())
    document["view"] |= changes
    if "frames" in changes:
        for seed in document["seeds"]:
            errors = seed["test"]["single"]
            seed["test"]["single"] = {name: values[:6] for name, values in errors.items()}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.json").write_text(json.dumps(document))
    with pytest.raises(RecordError) as caught:
        prepare_run(tmp_path / "run", TOLD, tmp_path / "entries", opened, "cpu")
    assert sentence in str(caught.value)


def test_a_run_of_another_test_split_is_refused(copied: Path, opened: OpenedSplit, tmp_path: Path) -> None:
    """Its predictions would be of other clips than its record is of."""
    other = replace(opened, test=replace(opened.test, fingerprint="0" * 64))
    with pytest.raises(TrainingError, match=r"has the fingerprint 000000000000…: expected .*, that of the run"):
        prepare_run(copied, TOLD, tmp_path, other, "cpu")

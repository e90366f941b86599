"""A whole run of a predictor on real shards: protocol, record, filmstrips, rules, going on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from predictor_model import PREDICTOR

import dynamics_gen
from baselines.predictors import constant_velocity, copy_last, mean_of_context
from benchmark import spec
from benchmark.cli import main
from benchmark.data import Clips
from benchmark.errors import ModelError, RecordError, TrainingError
from benchmark.generation import frozen
from benchmark.generation.metrics import frechet_distance
from benchmark.generation.views import View
from benchmark.plan import Options, make_plan
from benchmark.prediction import record
from benchmark.prediction.contract import CONTEXT
from benchmark.prediction.run import run_predictor
from dynamics_gen.errors import ConfigError

STEPS = 32 - CONTEXT


def run(model: str | Path, data: Path, runs: Path, **wishes: Any) -> record.Record:
    """One run at size tiny."""
    options = Options(size="tiny", data=data, runs=runs, **wishes)
    return run_predictor(make_plan(spec.find(str(model)), options), options, say=lambda line: None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own predictor."""
    path = tmp_path_factory.mktemp("model") / "tiny_predictor.py"
    path.write_text(PREDICTOR)
    return path


@pytest.fixture(scope="module")
def finished(model: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, record.Record]:
    """The runs and the record of a model of two seeds. Never change them."""
    runs = tmp_path_factory.mktemp("runs")
    return runs, run(model, tiny_data, runs, seeds=2)


def test_run_records_itself_and_leaves_filmstrips(finished: tuple[Path, record.Record]) -> None:
    """The record reads back; every step has its errors; the pictures open and move."""
    runs, made = finished
    folder = runs / "tiny_predictor" / "standard-tiny"
    assert record.read(folder / "record.json") == made
    assert (made.view.frames, made.view.image_size, made.context, made.horizon) == (32, 16, 10, 10)
    assert made.parameters == 6 * 3 * 9 + 3
    assert made.flops_per_frame == 2 * 6 * 3 * 9 * 16 * 16
    for seed in made.seeds:
        errors = [row["valid_mse"] for row in seed.history]
        assert seed.chosen_by == "mse"
        assert seed.chosen_epoch == 1 + int(np.argmin(errors))
        assert seed.test.motion is not None
        assert seed.test.motion_of_data is not None
        assert len(seed.test.single.mse) == len(seed.test.motion.error) == STEPS
        assert seed.test.best is None
        assert seed.test.motion_of_data.error[-1] < seed.test.motion.error[-1]
        assert seed.test.frechet_shuffled > 0
        with Image.open(folder / f"filmstrips-seed{seed.seed}.png") as still:
            still.verify()
        with Image.open(folder / f"filmstrips-seed{seed.seed}.gif") as moving:
            assert moving.n_frames == 32  # type: ignore[attr-defined]
    assert made.seeds[0].weights_sha256 != made.seeds[1].weights_sha256


def test_distance_of_train_is_that_of_as_many_clips(finished: tuple[Path, record.Record], tiny_data: Path) -> None:
    """Every second clip of train against all of test, whatever was predicted."""
    _, made = finished
    told = frozen.features_of("clips", torch.device("cpu"))
    rows = {}
    for name, places in (("train", np.linspace(0, 99, 50).round().astype(int)), ("test", np.arange(50))):
        whole = dynamics_gen.open(tiny_data / "dynamics-tiny" / name)
        clips = Clips(View(whole, "clips", 32, 16), torch.device("cpu"), "pixels")
        rows[name] = np.concatenate([told(batch.clips).double().numpy() for batch in clips.batches([places])])
    expected = frechet_distance(rows["test"], rows["train"])
    assert expected > 0
    assert [seed.test.frechet_of_train for seed in made.seeds] == pytest.approx([expected] * 2, rel=1e-3)


def test_finished_runs_are_left_alone_and_test_does_not_choose(
    finished: tuple[Path, record.Record], model: Path, tiny_data: Path
) -> None:
    """The same command gives the same record; another configuration is refused."""
    runs, made = finished
    assert run(model, tiny_data, runs, seeds=2, resume=True) == made
    with pytest.raises(TrainingError, match="resume with the old value"):
        run(model, tiny_data, runs, seeds=2, resume=True, training={"learning_rate": 0.5})


def test_a_model_that_draws_is_scored_on_several_continuations(model: Path, tiny_data: Path, tmp_path: Path) -> None:
    """The best is no worse than one; the pixels' mean has less squared error; the Fréchet distance chooses."""
    made = run(model, tiny_data, tmp_path, settings={"noise": "0.1"})
    scores = made.seeds[0].test
    assert made.stochastic
    assert made.seeds[0].chosen_by == "frechet"
    assert scores.samples == 10
    assert scores.best is not None
    assert scores.mean is not None
    assert np.mean(scores.best.mse) <= np.mean(scores.single.mse)
    assert np.mean(scores.best.ssim) >= np.mean(scores.single.ssim)
    assert np.mean(scores.mean.mse) < np.mean(scores.single.mse)


def test_rules_need_no_training(tiny_data: Path, tmp_path: Path) -> None:
    """They are judged on valid and scored on test; the settings of a recipe would have no effect."""
    made = run("copy_last", tiny_data, tmp_path, settings={"image_size": "32"})
    assert made.parameters == made.flops_per_frame == 0
    assert made.config.training == {}
    scores = made.seeds[0].test
    assert scores.motion is not None
    assert scores.motion_of_data is not None
    assert scores.motion.speed == pytest.approx(0, abs=0.05)
    assert scores.motion.error[-1] > scores.motion.error[0] > scores.motion_of_data.error[0]
    with pytest.raises(ConfigError, match="copy_last is not trained step by step, so --epochs would have no effect"):
        run("copy_last", tiny_data, tmp_path / "other", training={"epochs": 3})


def test_commands_run_predictors(tiny_data: Path, tmp_path: Path) -> None:
    """`bench run` prints where the object went, and where the record is."""
    words = ["run", "mean_of_context", "--size", "tiny", "--data", str(tiny_data), "--runs", str(tmp_path)]
    result = CliRunner().invoke(main, [*words, "--set", "image_size=16"])
    assert result.exit_code == 0, result.output
    assert "mean_of_context on standard tiny: object" in result.output


def test_predict_continues_any_clips(
    finished: tuple[Path, record.Record], model: Path, tiny_data: Path, tmp_path: Path
) -> None:
    """`bench predict` draws clips of the run's test, or of another split; a wrong seed is told."""
    run_folder = finished[0] / "tiny_predictor" / "standard-tiny"
    words = ["predict", str(run_folder), "--model", str(model), "--data", str(tiny_data), "--out"]
    whole = CliRunner().invoke(main, [*words, str(tmp_path / "a.png")])
    assert whole.exit_code == 0, whole.output
    assert whole.output.split() == [str(tmp_path / "a.png"), str(tmp_path / "a.gif")]
    valid = [str(tmp_path / "b.png"), "--count", "2", "--clips", str(tiny_data / "dynamics-tiny" / "valid")]
    other = CliRunner().invoke(main, [*words, *valid])
    assert other.exit_code == 0, other.output
    with Image.open(tmp_path / "a.png") as one, Image.open(tmp_path / "b.png") as two:
        assert one.height > 2 * two.height
        assert one.width == two.width
    wrong = CliRunner().invoke(main, [*words, str(tmp_path / "c.png"), "--seed", "7"])
    assert wrong.exit_code == 1
    assert "has the seeds [0, 1]: got --seed 7" in wrong.output


def test_a_predictor_that_says_too_little_is_refused(model: Path, tiny_data: Path, tmp_path: Path) -> None:
    """With what it gave and what was expected."""
    with pytest.raises((ModelError, RuntimeError), match=r"expected 10 frames|must match"):
        run(model, tiny_data, tmp_path, settings={"short": "true"})


@pytest.mark.parametrize("change", ["steps", "best", "epoch"])
def test_records_that_contradict_themselves_are_refused(
    finished: tuple[Path, record.Record], tmp_path: Path, change: str
) -> None:
    """Before anything is written."""
    made = finished[1]
    seed = made.seeds[0]
    test = seed.test
    if change == "steps":
        seed = dataclasses.replace(
            seed, test=dataclasses.replace(test, single=dataclasses.replace(test.single, mse=()))
        )
    elif change == "best":
        seed = dataclasses.replace(seed, test=dataclasses.replace(test, best=test.single))
    else:
        seed = dataclasses.replace(seed, chosen_epoch=99)
    with pytest.raises(RecordError):
        record.write(dataclasses.replace(made, seeds=(seed,)), tmp_path / "record.json")
    assert not (tmp_path / "record.json").exists()


def moving_square(velocity: tuple[int, int], frames: int = 20, side: int = 32) -> torch.Tensor:
    """A bright square on a dark field, whole pixels a frame: [1, 3, T, H, W] in [-1, 1]."""
    clip = torch.full((1, 3, frames, side, side), -0.5)
    for step in range(frames):
        x, y = 4 + velocity[0] * step, 6 + velocity[1] * step
        clip[:, :, step, y : y + 4, x : x + 4] = 0.75
    return (clip * 127.5 + 127.5).round() / 127.5 - 1


@pytest.mark.parametrize("velocity", [(1, 0), (1, 1)])
def test_constant_velocity_is_right_where_velocity_is_constant(velocity: tuple[int, int]) -> None:
    """To rounding, also of places that the object uncovers."""
    clip = moving_square(velocity)
    said = constant_velocity.predict(constant_velocity.Config(), clip[:, :, :CONTEXT], 10)
    assert (said - clip[:, :, CONTEXT:]).abs().mean() < 0.01


def test_other_rules_stand_still() -> None:
    """At the last frame, and at the mean of all."""
    clip = moving_square((1, 0))
    context = clip[:, :, :CONTEXT]
    last = copy_last.predict(copy_last.Config(), context, 3)
    mean = mean_of_context.predict(mean_of_context.Config(), context, 3)
    for step in range(3):
        torch.testing.assert_close(last[:, :, step], context[:, :, -1])
        torch.testing.assert_close(mean[:, :, step], context.mean(2))

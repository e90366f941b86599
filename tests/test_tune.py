"""Tuning: the same draws for every model, chosen on valid alone, every trial kept."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from moving_squares import MODEL, build_squares

import dynamics_gen
from benchmark import cli, trials, tune
from benchmark.errors import RecordError, StoppedError, TrainingError
from benchmark.plan import Options
from benchmark.spec import find
from benchmark.train import fit
from benchmark.trials import Trial
from benchmark.tune import Budget, draw, tune_model
from dynamics_gen.errors import ConfigError

COMMITTED = Path(__file__).parent.parent / "docs" / "tuning.csv"


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 40 clips of train and 10 of valid, and no test split at all. Never change it."""
    whole = build_squares(tmp_path_factory.mktemp("squares"), per_class=(4, 1, 1))
    data = tmp_path_factory.mktemp("blind")
    (data / "dynamics-tiny").mkdir()
    for split in ("train", "valid"):
        (data / "dynamics-tiny" / split).symlink_to(whole / "dynamics-tiny" / split)
    return data


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A user's own model."""
    (tmp_path / "tiny_net.py").write_text(MODEL)
    return tmp_path / "tiny_net.py"


def searched(model: Path, squares: Path, folder: Path, **budget: int) -> Trial:
    """Trials of one epoch on tiny data, in `folder/tuning.csv`."""
    options = Options(size="tiny", data=squares, runs=folder / "runs", device="cpu")
    budget = {"trials": 3, "epochs": 1, **budget}
    return tune_model(find(str(model)), Budget(**budget), options, folder / "tuning.csv", say=lambda line: None)


def test_draws_depend_on_seed_and_number_alone() -> None:
    """The model has no part in them; they lie in their ranges, and rates are as a person would type them."""
    drawn = [draw(0, number) for number in range(200)]
    assert drawn == [draw(0, number) for number in range(200)]
    assert draw(1, 0) != draw(0, 0)
    rates = np.array([one["learning_rate"] for one in drawn])
    decays = np.array([one["weight_decay"] for one in drawn])
    assert all(3e-4 <= rate <= 1e-2 and rate == float(f"{rate:.1e}") for rate in rates)
    assert all(1e-3 <= decay <= 0.3 for decay in decays)
    assert np.log(rates).mean() == pytest.approx(np.log(3e-4 * 1e-2) / 2, abs=0.2)  # log-uniform: half the logarithms
    assert {one["label_smoothing"] for one in drawn} == {0.0, 0.1}


def test_every_trial_is_trained_as_drawn_and_kept(model: Path, squares: Path, tmp_path: Path) -> None:
    """A line each with all settings; the winner has the lowest error on valid."""
    won = searched(model, squares, tmp_path)
    found = trials.read(tmp_path / "tuning.csv")
    assert [trial.trial for trial in found] == [0, 1, 2]
    for trial in found:
        assert {name: getattr(trial, name) for name in trials.TUNED} == draw(0, trial.trial)
        assert (trial.model, trial.size, trial.epochs, trial.batch_size) == ("tiny_net", "tiny", 1, 10)
        assert trial.chosen_epoch == 1
        assert trial.seconds > 0
        assert trial.train == dynamics_gen.open(squares / "dynamics-tiny" / "train").manifest.fingerprint
    assert len({trial.learning_rate for trial in found}) == 3
    assert won.valid_error == min(trial.valid_error for trial in found if trial.valid_error is not None)
    assert not list(tmp_path.rglob("checkpoint.pt"))


def test_test_split_is_neither_built_nor_opened(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none in the folder; train and valid are all that is asked for."""
    opened, real = [], dynamics_gen.open
    monkeypatch.setattr(dynamics_gen, "open", lambda path: (opened.append(path.name), real(path))[1])
    monkeypatch.setattr("dynamics_gen.generate.build_split", lambda *of, **more: pytest.fail("something was built"))
    searched(model, squares, tmp_path)
    assert opened == ["train", "valid"]
    assert not (squares / "dynamics-tiny" / "test").exists()


def test_finished_trials_are_not_run_again(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the second of three, it goes on there, and ends with the trials of an undisturbed search."""
    calls = []

    def interrupted(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tune, "fit", interrupted)
    with pytest.raises(StoppedError, match=r"finished trials are in .*tuning.csv; the same command goes"):
        searched(model, squares, tmp_path)
    assert len(trials.read(tmp_path / "tuning.csv")) == 1
    searched(model, squares, tmp_path)
    assert len(calls) == 4
    searched(model, squares, tmp_path)
    assert len(calls) == 4
    whole = tmp_path / "whole"
    searched(model, squares, whole)
    results = [
        [(trial.trial, trial.valid_error) for trial in trials.read(folder / "tuning.csv")]
        for folder in (tmp_path, whole)
    ]
    assert results[0] == results[1]
    searched(model, squares, tmp_path, epochs=2)  # another budget is other trials
    assert len(trials.read(tmp_path / "tuning.csv")) == 6


def test_loss_that_is_not_finite_is_a_trial_that_lost(model: Path, squares: Path, tmp_path: Path) -> None:
    """It is in the table without an error; where none is left, the sentence says so."""
    model.write_text(MODEL.replace("nn.Flatten(),", "nn.Flatten(), nn.Threshold(1e9, float('nan')),"))
    with pytest.raises(TrainingError, match="no trial of tiny_net kept its loss finite: try more --trials"):
        searched(model, squares, tmp_path)
    found = trials.read(tmp_path / "tuning.csv")
    assert [(trial.valid_error, trial.chosen_epoch) for trial in found] == [(None, 0)] * 3
    finite = dataclasses.replace(found[0], valid_error=0.9)
    assert trials.best([*found, finite]) is finite


def bench(*words: str | Path) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], prog_name="bench")


def test_command_prints_the_best_as_the_line_of_the_file(model: Path, squares: Path, tmp_path: Path) -> None:
    """It parses; put into the model's file it is what `bench run` trains with; other settings stay."""
    words = ["tune", model, "--size", "tiny", "--data", squares, "--runs", tmp_path / "runs", "--device", "cpu"]
    words += ["--table", tmp_path / "tuning.csv", "--trials", "2", "--epochs", "1", "--seed", "3", "--workers", "1"]
    result = bench(*words)
    assert result.exit_code == 0, result.output
    found = trials.read(tmp_path / "tuning.csv")
    assert [trial.seed for trial in found] == [3, 3]
    won = trials.best(found)
    assert won is not None
    head, line = result.stdout.splitlines()
    assert head == f"tiny_net: {100 * (won.valid_error or 0):.1f} % wrong on valid, the best of 2 trials"
    model.write_text(re.sub(r"(?m)^TRAINING = .*$", line, MODEL))
    training = find(str(model)).training
    assert training["*"] == {**draw(3, won.trial), "epochs": 3, "precision": "32-true"}
    assert training["tiny"] == {"epochs": 2}
    assert "tiny_net trial 2/2: " in result.stderr


def test_literal_goes_before_what_the_model_said_of_a_size() -> None:
    """A rate that the file sets for one size would else still hold there."""
    won = trial()
    own = {"*": {"augment": True}, "mini": {"learning_rate": 1.0, "epochs": 12}, "tiny": {"weight_decay": 1.0}}
    name, equals, value = trials.literal(won, own).partition(" = ")
    assert (name, equals) == ("TRAINING", " = ")
    assert ast.literal_eval(value) == {
        "*": {"augment": True, "learning_rate": 0.002, "weight_decay": 0.01, "label_smoothing": 0.1},
        "mini": {"epochs": 12},
    }
    assert "'" not in value


def trial(**changes: Any) -> Trial:
    """Any trial."""
    settings: dict = {
        "model": "net",
        "release": "standard",
        "size": "mini",
        "seed": 0,
        "trial": 0,
        "epochs": 12,
        "batch_size": 32,
        "optimiser": "adamw",
        "learning_rate": 0.002,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "warmup": 1.0,
        "gradient_clip": 0.0,
        "augment": True,
        "config": '{"width": 16, "name": "a, b"}',
        "train": "0" * 64,
        "valid": "1" * 64,
        "precision": "32-true",
        "valid_error": 0.25,
    }
    return Trial(**settings | changes)


def test_table_reads_back(tmp_path: Path) -> None:
    """Numbers, texts with commas, true and false, and an error that there is not; lines are only added."""
    written = [trial(), trial(trial=1, valid_error=None, augment=False, seconds=1.5)]
    path = tmp_path / "docs" / "tuning.csv"
    before = b""
    for one in written:
        trials.append(one, path)
        assert path.read_bytes().startswith(before)
        before = path.read_bytes()
    assert trials.read(path) == written
    assert trials.read(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("model,", "network,", "the columns are network, release"),
        (",32,", ",many,", "line 2: batch_size is 'many'"),
        (",True,", ",perhaps,", "line 2: augment is 'perhaps'"),
        ("net,standard", "net", "line 2: 22 cells: expected 23; remove the line"),
    ],
)
def test_table_that_is_damaged_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """With the line and the column."""
    trials.append(trial(), tmp_path / "tuning.csv")
    text = (tmp_path / "tuning.csv").read_text()
    assert old in text
    (tmp_path / "tuning.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(RecordError, match=sentence):
        trials.read(tmp_path / "tuning.csv")


def test_committed_trials_are_what_was_drawn() -> None:
    """Nobody tuned by hand: the settings of every line follow from its seed and number; no trial stands twice."""
    assert COMMITTED.exists()
    found = trials.read(COMMITTED)
    for one in found:
        assert {name: getattr(one, name) for name in trials.TUNED} == draw(one.seed, one.trial)
    assert not any(one.is_of(other) for place, one in enumerate(found) for other in found[:place])


@pytest.mark.parametrize(("wishes", "sentence"), [({"trials": 0}, "trials is 0"), ({"seed": -1}, "seed is -1")])
def test_budget_that_is_none_is_refused(wishes: dict, sentence: str) -> None:
    """Before any work is done."""
    with pytest.raises(ConfigError, match=f"{sentence}: expected a whole number from"):
        Budget(**wishes)

"""A whole run on real shards: record, protocol, and going on after whatever stopped it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import MODEL, build_squares
from safetensors.numpy import load_file

import dynamics_gen
from benchmark import choice, machine, predictions, record, spec
from benchmark.choice import read_choice
from benchmark.classification import Classification
from benchmark.data import Batch
from benchmark.errors import StoppedError, TrainingError
from benchmark.plan import Options, make_plan
from benchmark.run import run_model
from dynamics_gen.errors import ConfigError, ShardError

SLOW_MODEL = MODEL.replace("        nn.Flatten(),", "        nn.Flatten(), Pause(),") + (
    "\n\nclass Pause(nn.Module):\n    def forward(self, x):\n        import os, time\n\n"
    "        time.sleep(float(os.environ.get('STEP_S', '0')))\n        return x\n"
)
"""The same model; the environment may slow it down, which changes no number."""


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 80 / 20 / 30 clips. Never change it."""
    return build_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A user's own model."""
    path = tmp_path / "tiny_net.py"
    path.write_text(SLOW_MODEL)
    return path


def run(model: Path, squares: Path, runs: Path, **wishes: object) -> record.Record:
    """One run at size tiny, of 6 epochs in batches of 10 unless told otherwise."""
    training = {"epochs": 6, "batch_size": 10, **wishes.pop("training", {})}  # type: ignore[dict-item]
    options = Options(size="tiny", data=squares, runs=runs, training=training, **wishes)  # type: ignore[arg-type]
    done = run_model(make_plan(spec.find(str(model)), options), options, say=lambda line: None)
    assert done is not None  # this process is the first
    return done


def weights(runs: Path, seed: int = 0) -> dict[str, np.ndarray]:
    """A run's chosen weights."""
    return load_file(runs / "tiny_net" / "standard-tiny" / f"seed-{seed}" / "chosen.safetensors")


def test_run_learns_and_records_itself(model: Path, squares: Path, tmp_path: Path) -> None:
    """The record reads back, agrees with the predictions beside it, and beats chance by far."""
    made = run(model, squares, tmp_path, seeds=2)
    folder = tmp_path / "tiny_net" / "standard-tiny"
    assert record.read(folder / "record.json") == made
    assert [seed.seed for seed in made.seeds] == [0, 1]
    train = dynamics_gen.open(squares / "dynamics-tiny" / "train")
    assert made.dataset.splits.train.fingerprint == train.manifest.fingerprint
    for seed in made.seeds:
        assert seed.scores.test.error < 0.5
        said = predictions.read(folder / seed.predictions, seed.predictions_sha256)
        assert said.scores() == seed.scores.test
        assert [name.decode() for name in said.clip_id] == dynamics_gen.open(squares / "dynamics-tiny/test").clip_ids
        errors = [row.valid_error for row in seed.history]
        assert seed.chosen_epoch == 1 + errors.index(min(errors))
        assert seed.scores.valid.error == pytest.approx(min(errors))
        assert seed.training_clips_per_s > 0
        assert seed.peak_memory_bytes > 1e6
    assert made.config.training["learning_rate"] == 0.01
    assert made.config.model["strides"] == [2, 2]
    assert (made.parameters, made.environment.precision) == (3 * 4 * 27 + 4 + 8 + 64 * 10 + 10, "32-true")
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
    settings = json.loads((folder / "seed-1" / "configuration.json").read_text())
    assert (settings["seed"], settings["model"]["width"]) == (1, 4)
    assert np.any(weights(tmp_path, 0)["network/0.weight"] != weights(tmp_path, 1)["network/0.weight"])


def test_test_split_is_opened_after_every_choice(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test is booby-trapped: until all seeds' choices are written, whoever opens it fails the run."""
    choices = [tmp_path / "tiny_net" / "standard-tiny" / f"seed-{seed}" / "choice.json" for seed in range(2)]
    opened, real = [], dynamics_gen.open

    def trap(path: Path) -> object:
        opened.append(path.name)
        assert path.name != "test" or all(read_choice(choice) for choice in choices)
        return real(path)

    monkeypatch.setattr(dynamics_gen, "open", trap)
    run(model, squares, tmp_path, seeds=2)
    assert opened == ["train", "valid", "test"]


def test_flow_of_test_is_made_after_every_choice(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While epochs are chosen, there is flow beside train and valid alone."""
    data = build_squares(tmp_path / "data", per_class=(4, 1, 1))

    def made() -> list[str]:
        return sorted(path.parent.name for path in data.glob("dynamics-tiny/*/flow_farneback*"))

    seen, real = [], choice.write_choice

    def noted(*details: object) -> None:
        seen.append(made())
        real(*details)  # type: ignore[arg-type]

    monkeypatch.setattr("benchmark.stages.write_choice", noted)
    result = run(model, data, tmp_path / "runs", input="flow_farneback", seeds=2, training={"epochs": 1})
    assert seen == [["train", "valid"]] * 2
    assert made() == ["test", "train", "valid"]
    assert result.input == "flow_farneback"


def test_training_does_not_depend_on_test(model: Path, squares: Path, tmp_path: Path) -> None:
    """With a test split that cannot be opened, training and choice are done, and the same."""
    run(model, squares, tmp_path / "whole")
    blind = tmp_path / "blind" / "dynamics-tiny"
    blind.mkdir(parents=True)
    for split in ("train", "valid"):
        (blind / split).symlink_to(squares / "dynamics-tiny" / split)
    (blind / "test").mkdir()
    (blind / "test" / "manifest.json").write_text("no manifest")
    with pytest.raises(ShardError):
        run(model, blind.parent, tmp_path / "blind-runs")
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "blind-runs")
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_same_command_gives_the_same_numbers(model: Path, squares: Path, tmp_path: Path) -> None:
    """Every score and loss, and every predicted probability."""
    one, other = (run(model, squares, tmp_path / name) for name in ("one", "other"))
    assert one.seeds[0].scores == other.seeds[0].scores
    assert one.seeds[0].predictions_sha256 == other.seeds[0].predictions_sha256
    assert [row.train_loss for row in one.seeds[0].history] == [row.train_loss for row in other.seeds[0].history]


def start(model: Path, squares: Path, runs: Path, *flags: str) -> subprocess.Popen[str]:
    """The real command, slowed to 20 ms a forward pass, once it has finished two epochs."""
    command = [sys.executable, "-m", "benchmark", "run", str(model), "--size", "tiny", "--data", str(squares)]
    command += ["--runs", str(runs), "--epochs", "6", "--batch-size", "10", *flags]
    environment = {**os.environ, "STEP_S": "0.02"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2/6:" in line:
            return process
    pytest.fail(f"the run ended early: {process.wait()}")


def resumes_to_the_same_bits(model: Path, squares: Path, folder: Path, precision: str) -> None:
    """The stopped run in `folder`, resumed, ends where an undisturbed one does."""
    settings = {"precision": precision, "augment": True}
    resumed = run(model, squares, folder, resume=True, training=settings)
    whole = run(model, squares, folder.with_name("whole"), training=settings)
    one, other = weights(folder), weights(folder.with_name("whole"))
    assert all(np.array_equal(one[key], other[key]) for key in other)
    assert resumed.seeds[0].predictions_sha256 == whole.seeds[0].predictions_sha256
    assert resumed.seeds[0].scores == whole.seeds[0].scores
    assert len(resumed.seeds[0].history) == 6


def test_killed_run_resumes_to_the_same_bits(model: Path, squares: Path, tmp_path: Path) -> None:
    """SIGKILL in the third epoch; the same command with --resume ends in the weights of an undisturbed run."""
    process = start(model, squares, tmp_path / "killed", "--precision", "bf16-mixed", "--augment")
    time.sleep(0.1)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "tiny_net" / "standard-tiny" / "record.json").exists()
    resumes_to_the_same_bits(model, squares, tmp_path / "killed", "bf16-mixed")


def test_interrupted_run_says_how_to_go_on(model: Path, squares: Path, tmp_path: Path) -> None:
    """Ctrl-C: one sentence, exit 1, no traceback; and --resume goes on to the same end."""
    process = start(model, squares, tmp_path / "stopped", "--precision", "32-true", "--augment")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: stopped in epoch 3 of 6: the checkpoint of epoch 2 is kept; the same command with --resume" in said
    assert "Traceback" not in said
    resumes_to_the_same_bits(model, squares, tmp_path / "stopped", "32-true")


def test_finished_run_is_kept_unless_overwritten(model: Path, squares: Path, tmp_path: Path) -> None:
    """Without a flag it is refused; --resume leaves it; --overwrite makes it anew; more seeds are added."""
    first = run(model, squares, tmp_path)
    with pytest.raises(TrainingError, match=r"holds an earlier run: use --resume .* --overwrite .* or --runs"):
        run(model, squares, tmp_path)
    assert run(model, squares, tmp_path, resume=True) == first
    more = run(model, squares, tmp_path, resume=True, seeds=2)
    assert [seed.seed for seed in more.seeds] == [0, 1]
    assert more.seeds[0].predictions_sha256 == first.seeds[0].predictions_sha256
    assert run(model, squares, tmp_path, resume=True, seeds=1) == more
    other = run(model, squares, tmp_path, overwrite=True, training={"epochs": 2})
    assert len(other.seeds) == 1
    assert len(other.seeds[0].history) == 2
    assert not (tmp_path / "tiny_net" / "standard-tiny" / "predictions-seed1.npz").exists()


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"training": {"epochs": 9}}, "training.epochs = 6, and now training.epochs is 9"),
        ({"training": {"learning_rate": 0.5}}, "training.learning_rate = 0.01"),
        ({"training": {"precision": "bf16-mixed"}}, "training.precision = 32-true"),
        ({"settings": {"width": "8"}}, "model.width = 4, and now model.width is 8"),
    ],
)
def test_changed_configuration_is_not_resumed(
    model: Path, squares: Path, tmp_path: Path, wishes: dict, field: str
) -> None:
    """The sentence names the field that differs, and nothing is lost."""
    before = run(model, squares, tmp_path)
    with pytest.raises(TrainingError, match=field):
        run(model, squares, tmp_path, resume=True, **wishes)
    assert record.read(tmp_path / "tiny_net" / "standard-tiny" / "record.json") == before


def test_record_names_what_a_run_was_trained_on(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where it was tested; and of several devices all, in the order of their use."""
    for name, seeds, found in (("one", 1, "one"), ("other", 1, "one"), ("another", 2, "one and another")):
        monkeypatch.setattr(machine, "device_name", lambda device, name=name: name)
        made = run(model, squares, tmp_path, resume=True, seeds=seeds)
        assert made.environment.device == found
        (tmp_path / "tiny_net" / "standard-tiny" / "record.json").unlink()


def test_other_data_are_not_resumed(model: Path, squares: Path, tmp_path: Path) -> None:
    """Clips that differ are another configuration."""
    run(model, squares, tmp_path)
    other = build_squares(tmp_path / "other", per_class=(8, 3, 3))
    with pytest.raises(TrainingError, match=r"trained with data\.valid = "):
        run(model, other, tmp_path, resume=True)


def test_train_may_be_cut_to_some_clips_of_each_class(model: Path, squares: Path, tmp_path: Path) -> None:
    """As many of each class are learnt from and no more, in a folder of their own; valid and test stay whole."""
    made = run(model, squares, tmp_path, training={"train_per_class": 3})
    assert made.config.training["train_per_class"] == 3
    assert [sum(row) for row in made.seeds[0].scores.train.confusion] == [3] * 10
    train = dynamics_gen.open(squares / "dynamics-tiny" / "train")
    assert made.dataset.splits.train == record.Split(clips=30, fingerprint=train.manifest.fingerprint)
    assert (made.dataset.splits.valid.clips, made.dataset.splits.test.clips) == (20, 30)
    assert record.read(tmp_path / "tiny_net" / "standard-tiny-3-per-class" / "record.json") == made
    with pytest.raises(ConfigError, match="train has 8 clips of a class: expected at least the 9 asked for"):
        run(model, squares, tmp_path, training={"train_per_class": 9})


def test_another_release_in_the_folder_is_refused(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data that are not what was asked for are not trained on."""
    real = dynamics_gen.open

    def renamed(path: Path) -> object:
        split = real(path)
        object.__setattr__(split.manifest, "release", "hard")
        return split

    monkeypatch.setattr(dynamics_gen, "open", renamed)
    with pytest.raises(ConfigError, match="holds the release hard, and standard was asked for"):
        run(model, squares, tmp_path)


def test_two_runs_do_not_share_a_folder(model: Path, squares: Path, tmp_path: Path) -> None:
    """The second is refused at once, also with --resume; the first goes on."""
    planned = make_plan(spec.find(str(model)), Options(size="tiny", runs=tmp_path))
    with planned.folder.locked(), pytest.raises(TrainingError, match="is in use by another run"):
        run(model, squares, tmp_path, resume=True)


def test_full_disk_leaves_the_last_checkpoint(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file; with room again, the run goes on to the same end."""
    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        run(model, squares, tmp_path)
    monkeypatch.undo()
    assert str(caught.value.filename).endswith("checkpoint.pt")
    assert not list(tmp_path.rglob("*.tmp"))
    assert len(run(model, squares, tmp_path, resume=True).seeds[0].history) == 6


def test_too_little_memory_of_a_gpu_is_one_sentence(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how much was wanted and what to try, not which processes are there; epochs that are over are kept."""
    real, steps = Classification.training_step, []
    told = (
        "CUDA out of memory. Tried to allocate 54.00 MiB. GPU 0 has a capacity of 79.18 GiB of which 27.00 MiB is free"
    )

    def full(learner: Classification, batch: Batch, progress: float) -> Mapping[str, torch.Tensor]:
        steps.append(progress)
        if len(steps) == 20:  # of 8 an epoch
            raise torch.cuda.OutOfMemoryError(f"{told}. Process 557 has 66.00 MiB memory in use. Process 845 has more.")
        return real(learner, batch, progress)

    monkeypatch.setattr(Classification, "training_step", full)
    with pytest.raises(TrainingError) as caught:
        run(model, squares, tmp_path)
    assert str(caught.value).startswith(f"{told}: what was finished is kept; leave the GPU to this run and go on with")
    assert len(run(model, squares, tmp_path, resume=True).seeds[0].history) == 6
    assert steps[20] == pytest.approx(2 / 6)


def test_stop_outside_training_says_so_too(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while clips are read or scored."""

    def interrupted(path: Path) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(dynamics_gen, "open", interrupted)
    with pytest.raises(StoppedError, match="what was finished is kept; the same command with --resume goes on"):
        run(model, squares, tmp_path)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_run_on_a_gpu_learns_as_well(model: Path, squares: Path, tmp_path: Path, precision: str) -> None:
    """The device is found, clips live there, and the result says so; a run stopped there goes on there."""
    made = run(model, squares, tmp_path, training={"precision": precision, "augment": False})
    assert made.environment.device == torch.cuda.get_device_name()
    assert made.seeds[0].scores.test.error < 0.5
    assert made.seeds[0].peak_memory_bytes > 80 * 8 * 16 * 16 * 3
    (tmp_path / "tiny_net" / "standard-tiny" / "record.json").unlink()
    again = run(model, squares, tmp_path, resume=True, training={"precision": precision, "augment": False})
    assert again.seeds[0].scores == made.seeds[0].scores

"""A whole run of a generator on real shards: protocol, record, pictures, going on after a stop, commands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from generator_model import GENERATOR
from moving_squares import build_squares
from PIL import Image
from safetensors.numpy import load_file

import dynamics_gen
from benchmark import spec
from benchmark.choice import read_choice
from benchmark.cli import main
from benchmark.errors import CollapseError, ModelError, RecordError, TrainingError
from benchmark.generation import record
from benchmark.generation.run import run_generator
from benchmark.generation.show import show_interpolations, show_reconstructions, show_samples
from benchmark.plan import Options, make_plan
from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import ConfigError
from dynamics_gen.generate import build_split


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 80 / 20 / 30 clips. Never change it."""
    return build_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A user's own generator."""
    path = tmp_path / "tiny_gan.py"
    path.write_text(GENERATOR)
    return path


@pytest.fixture(scope="session")
def finished(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, record.Record]:
    """The model's file, the folder of a finished run of two seeds, and its record. Never change them."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "tiny_gan.py"
    path.write_text(GENERATOR)
    made = run(path, squares, folder / "runs", seeds=2)
    return path, folder / "runs" / "tiny_gan" / "standard-tiny", made


def run(model: Path, squares: Path, runs: Path, **wishes: object) -> record.Record:
    """One run at size tiny, of 3 epochs unless told otherwise."""
    training = {"epochs": 3, **wishes.pop("training", {})}  # type: ignore[dict-item]
    options = Options(size="tiny", data=squares, runs=runs, training=training, **wishes)  # type: ignore[arg-type]
    return run_generator(make_plan(spec.find(str(model)), options), options, say=lambda line: None)


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture that opens."""
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def weights(folder: Path, seed: int = 0) -> dict[str, np.ndarray]:
    """A run's chosen weights."""
    return load_file(folder / f"seed-{seed}" / "chosen.safetensors")


def test_run_records_itself_and_leaves_pictures(finished: tuple[Path, Path, record.Record]) -> None:
    """The record reads back; scores are of as many samples as test has frames; every picture opens."""
    _, folder, made = finished
    assert record.read(folder / "record.json") == made
    assert made.view == record.View(form="frames", frames=1, image_size=16)
    assert [seed.seed for seed in made.seeds] == [0, 1]
    for seed in made.seeds:
        assert seed.test.samples == 4 * 30
        assert seed.test.reconstruction is not None
        assert seed.test.reconstruction.psnr > 10
        assert 0 <= seed.test.precision <= 1
        values = [row["valid_frechet"] for row in seed.history]
        assert seed.chosen_epoch == 1 + values.index(min(values))
        assert {"train_judged_real", "valid_judged_real", "valid_samples_judged_real"} <= seed.history[0].keys()
        assert {record.TRAIN_IN_PLAY, record.VALID_IN_PLAY, record.SAMPLES_IN_PLAY} <= seed.history[0].keys()
        assert len(list((folder / f"seed-{seed.seed}" / "samples").glob("epoch-*.png"))) == 3
        for name in ("samples", "reconstructions", "interpolations"):
            assert picture_size(folder / f"{name}-seed{seed.seed}.png")[0] > 100
        sheets = sorted((folder / f"seed-{seed.seed}" / "samples").glob("epoch-*.png"))
        rows = [np.asarray(Image.open(sheet))[: 2 * 16 + 2] for sheet in sheets]
        assert np.array_equal(np.asarray(Image.open(folder / f"epochs-seed{seed.seed}.png")), np.concatenate(rows))
    assert picture_size(folder / "curves.png") == (640, 400)
    pixels = 3 * 16 * 16
    encoder, decoder, critic = pixels * 4 + 4, 5 * 32 + 33 * pixels, pixels * 32 + 32 + 33
    assert made.parameters == encoder + decoder + critic
    assert made.flops_per_sample == 2 * (4 * 32 + 32 * pixels)
    assert np.any(weights(folder, 0)["network/encoder.weight"] != weights(folder, 1)["network/encoder.weight"])


def test_samples_come_from_averaged_weights(finished: tuple[Path, Path, record.Record]) -> None:
    """Both sets of weights are saved, and they differ."""
    saved = weights(finished[1])
    assert {name.partition("/")[0] for name in saved} == {"network", "averaged"}
    assert np.any(saved["network/encoder.weight"] != saved["averaged/encoder.weight"])


def test_test_split_is_opened_after_every_choice(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens test earlier finds a choice missing."""
    opened = []

    def trap(path: Path) -> object:
        if Path(path).name == "test":
            for seed in (0, 1):
                read_choice(tmp_path / "tiny_gan" / "standard-tiny" / f"seed-{seed}" / "choice.json")
        opened.append(Path(path).name)
        return real(path)

    real = dynamics_gen.open
    monkeypatch.setattr(dynamics_gen, "open", trap)
    run(model, squares, tmp_path, seeds=2)
    assert opened == ["train", "valid", "test"]


def test_killed_run_resumes_to_the_same_weights(model: Path, squares: Path, tmp_path: Path) -> None:
    """Players, their Adams and the average go on bit for bit after kill -9."""
    run(model, squares, tmp_path / "whole", training={"epochs": 4})
    command = [sys.executable, "-m", "benchmark", "run", str(model), "--size", "tiny", "--data", str(squares)]
    command += ["--runs", str(tmp_path / "killed"), "--epochs", "4"]
    process = subprocess.Popen(command, env={**os.environ, "STEP_S": "0.03"}, stderr=subprocess.DEVNULL)
    folder = tmp_path / "killed" / "tiny_gan" / "standard-tiny"
    deadline = time.monotonic() + 120
    while not (folder / "seed-0" / "samples" / "epoch-0002.png").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "record.json").exists()
    run(model, squares, tmp_path / "killed", training={"epochs": 4}, resume=True)
    whole, killed = (weights(tmp_path / name / "tiny_gan" / "standard-tiny") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(np.array_equal(whole[name], killed[name]) for name in whole)


def test_resume_refuses_another_configuration(
    model: Path, squares: Path, tmp_path: Path, finished: tuple[Path, Path, record.Record]
) -> None:
    """Weights of two recipes never mix."""
    runs = tmp_path / "runs"
    shutil.copytree(finished[1], runs / "tiny_gan" / "standard-tiny")
    with pytest.raises(TrainingError, match=r"trained with training.learning_rate = 0.002, and now .* is 0.1"):
        run(model, squares, runs, resume=True, training={"learning_rate": 0.1})


def test_collapse_stops_the_run(squares: Path, tmp_path: Path) -> None:
    """A generator that makes one picture is told of, by name of what happened."""
    path = tmp_path / "constant.py"
    constant = "torch.zeros(count, self.latent, device=self.encoder.weight.device)"
    path.write_text(GENERATOR.replace("torch.randn(count, self.latent, device=self.encoder.weight.device)", constant))
    with pytest.raises(CollapseError, match=r"for 10 epochs they lie 0\.0 % as far apart as held-out clips"):
        run(path, squares, tmp_path, training={"epochs": 11, "batch_size": 320})


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"training": {"label_smoothing": 0.1}}, "--label-smoothing would have no effect"),
        ({"input": "rgb"}, "--input would have no effect"),
        ({"devices": 2}, "leave out --devices"),
        ({"settings": {"image_size": "5"}}, "frames of 16×16 pixels were to be shrunk to 5"),
    ],
)
def test_wishes_without_effect_are_refused(
    wishes: dict[str, object], message: str, model: Path, squares: Path, tmp_path: Path
) -> None:
    """No flag is taken in silence."""
    with pytest.raises(ConfigError, match=message):
        run(model, squares, tmp_path, **wishes)


def test_network_without_the_contract_is_refused(model: Path, squares: Path, tmp_path: Path) -> None:
    """What is missing is said before anything is trained."""
    model.write_text(GENERATOR.replace("def sample(", "def make("))
    with pytest.raises(ModelError, match="Tiny is no generator: expected players, losses and sample"):
        run(model, squares, tmp_path)


def test_players_that_share_weights_are_refused(model: Path, squares: Path, tmp_path: Path) -> None:
    """Two optimisers on one weight would undo each other."""
    model.write_text(GENERATOR.replace("list(self.critic.parameters())", "makers"))
    with pytest.raises(ModelError, match="players discriminator, generator have 12 weights, 6 of them different"):
        run(model, squares, tmp_path)


def test_a_saved_run_samples_reconstructs_and_interpolates(
    squares: Path, tmp_path: Path, finished: tuple[Path, Path, record.Record]
) -> None:
    """The record and the weights are enough to draw the very pictures of the run again, and new ones."""
    model, folder, _ = finished
    common = {"seed": 0, "device": "cpu", "model": model}
    drawn = [
        show_samples(folder, count=20, draws=n, npz=tmp_path / f"{n}.npz", out=tmp_path / f"{n}.png", **common)  # type: ignore[arg-type]
        for n in (0, 0, 1)
    ]
    first, again, other = (np.load(npz)["samples"] for _, npz in drawn)
    assert first.shape == (20, 1, 16, 16, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    for show, name, extra in (
        (show_reconstructions, "reconstructions", {"count": 64}),
        (show_interpolations, "interpolations", {}),
    ):
        path = show(folder, data=squares, out=tmp_path / name, **extra, **common)  # type: ignore[operator]
        assert path.read_bytes() == (folder / f"{name}-seed0.png").read_bytes()


def test_pictures_of_other_data_are_refused(
    squares: Path, tmp_path: Path, finished: tuple[Path, Path, record.Record]
) -> None:
    """Reconstructions are of the clips that the record names."""
    model, folder, _ = finished
    other = build_squares(tmp_path, per_class=(1, 1, 2))
    with pytest.raises(TrainingError, match=r"has the fingerprint .* expected .* that of the run"):
        show_reconstructions(folder, count=4, data=other, seed=0, out=None, device="cpu", model=model)
    with pytest.raises(TrainingError, match=r"has the seeds \[0, 1\]: got --seed 7"):
        show_interpolations(folder, data=squares, seed=7, out=None, device="cpu", model=model)


def test_altered_record_is_refused(tmp_path: Path, finished: tuple[Path, Path, record.Record]) -> None:
    """A chosen epoch that was never trained does not pass."""
    text = (finished[1] / "record.json").read_text()
    path = tmp_path / "record.json"
    path.write_text(text.replace('"chosen_epoch": ', '"chosen_epoch": 9'))
    with pytest.raises(RecordError, match="expected an epoch of its history"):
        record.read(path)


def test_every_player_follows_its_own_loss_from_one_forward_pass(model: Path) -> None:
    """One step equals plain gradients of each loss with respect to its player's weights, both from the old weights."""
    from benchmark.data import Batch
    from benchmark.generation.frozen import features_of
    from benchmark.generation.learner import Generation
    from benchmark.recipe import Training
    from benchmark.world import ALONE

    module, device = spec.load(spec.find(str(model))).module, torch.device("cpu")
    torch.manual_seed(0)
    network = module.build(module.Config(averaging=0.0), (1, 3, 16, 16))
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    clips = torch.rand(8, 3, 1, 16, 16) * 2 - 1
    batch = Batch(clips=clips, labels=torch.zeros(8, dtype=torch.int64))
    torch.manual_seed(1)
    losses = network.losses(batch, 0.0)
    mine = torch.autograd.grad(losses["discriminator"], list(network.critic.parameters()), retain_graph=True)
    theirs = torch.autograd.grad(losses["generator"], list(network.decoder.parameters()))
    recipe = Training(learning_rate=0.01, weight_decay=0.0)
    learner = Generation(network, recipe, ALONE.fabric(device, "32-true"), features_of("frames", device))
    torch.manual_seed(1)
    noted = learner.training_step(batch, 0.0)
    torch.testing.assert_close(noted["loss"], (losses["discriminator"] + losses["generator"]).detach())
    for names, gradients, rate in ((network.critic, mine, 0.01), (network.decoder, theirs, 0.02)):
        prefix = "critic" if names is network.critic else "decoder"
        for (name, weight), gradient in zip(names.named_parameters(), gradients, strict=True):
            step = rate * gradient / (gradient.abs() + 1e-8)  # Adam's first
            torch.testing.assert_close(weight.detach(), before[f"{prefix}.{name}"] - step, atol=1e-6, rtol=1e-4)


def test_the_commands_write_what_they_say(
    squares: Path, tmp_path: Path, finished: tuple[Path, Path, record.Record]
) -> None:
    """`sample`, `reconstruct` and `interpolate` print the files that they wrote."""
    model, folder, _ = finished
    for words in (
        ["sample", str(folder), "--count", "9", "--npz", str(tmp_path / "nine.npz")],
        ["reconstruct", str(folder), "--data", str(squares)],
        ["interpolate", str(folder), "--data", str(squares), "--seed", "1"],
    ):
        out = tmp_path / f"{words[0]}.png"
        result = CliRunner().invoke(main, [*words, "--model", str(model), "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert str(out) in result.output
        assert picture_size(out)[0] > 50
    assert np.load(tmp_path / "nine.npz")["samples"].shape == (9, 1, 16, 16, 3)


def test_few_labels_are_given_and_the_error_chooses(tmp_path: Path) -> None:
    """A model with LABELS is given so many frames of train with their values, and scored on all of test."""
    data = tmp_path / "data"
    for split, clips in (("train", 2), ("valid", 1), ("test", 1)):
        config = BuildConfig(split=split, per_class=clips, image_size=32, frames=4)
        build_split(config, data / "dynamics-tiny" / split, workers=1)
    wishes = {"image_size": "32", "width": "0.1", "labels": "30"}
    options = Options(size="tiny", data=data, runs=tmp_path, settings=wishes, training={"batch_size": 20})
    made = run_generator(make_plan(spec.find("semi_supervised_ali"), options), options, say=lambda line: None)
    (seed,) = made.seeds
    assert (made.labels, made.config.model["labels"], seed.chosen_by) == ("shape", 30, "error")
    assert seed.test.error is not None
    assert seed.test.agreement == {}
    assert {"train_labelled_error", "valid_error"} <= seed.history[0].keys()
    options = Options(size="tiny", data=data, runs=tmp_path / "b", settings={**wishes, "labels": "81"})
    with pytest.raises(ConfigError, match="got labels=81, expected from 1 to the 80 of train"):
        run_generator(make_plan(spec.find("semi_supervised_ali"), options), options, say=lambda line: None)

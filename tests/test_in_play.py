"""Curves of a discriminator: train, valid and samples in one mode, the game's own, which nothing is learnt from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from moving_squares import MemorySplit
from test_generators_page import made
from torch import Tensor

from baselines.generators import ali, learned_inverse, rali_single
from benchmark import plots
from benchmark.checkpoint import Checkpoint
from benchmark.data import Clips
from benchmark.generation import in_play, pictures
from benchmark.generation.frozen import features_of
from benchmark.generation.learner import SAMPLE_SEED, Generation
from benchmark.generation.record import SAMPLES_IN_PLAY, TRAIN_IN_PLAY, VALID_IN_PLAY
from benchmark.generation.views import View
from benchmark.recipe import Training
from benchmark.train import fit
from benchmark.world import ALONE

CPU = torch.device("cpu")
RECIPE = Training(epochs=3, batch_size=8, learning_rate=2e-3, weight_decay=0.0, warmup=0.0, precision="32-true")
DROPPED: dict[str, Any] = {"image_size": 32, "width": 0.05, "latent": 4, "dropout": 0.5}


def split(clips: int, seed: int = 0, *, form: str = "frames") -> Clips:
    """Clips of squares, 32 pixels a side; of `frames`, four of each clip."""
    return Clips(View(MemorySplit(clips, seed=seed, side=32), form, 8, 32), CPU, "pixels")


def learner(module: Any = ali, shape: tuple[int, int, int, int] = (1, 3, 32, 32), **settings: Any) -> Generation:
    """Fresh, of ALI with dropout and batch norm unless told otherwise; torch's generator is seeded."""
    torch.manual_seed(0)
    network = module.build(module.Config(**(DROPPED | settings)), shape)
    return Generation(network, RECIPE, ALONE.fabric(CPU, "32-true"), features_of(module.INPUT, CPU))


def trained(folder: Path, one: Generation, train: Clips, valid: Clips) -> Checkpoint:
    """Its finished state."""
    folder.mkdir()
    return fit(one, train, valid, RECIPE, 0, folder / "checkpoint.pt", {}, lambda event: None)


def drawn(history: list[dict[str, float]], monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """The lines of `curves`, by what they are called."""
    found: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: found.append(figure))
    one = made("ali", 40.0)
    seed = dataclasses.replace(one.seeds[0], history=tuple(history))
    pictures.curves(dataclasses.replace(one, seeds=(seed,)), Path("unused"))
    return {line.get_label(): list(line.get_ydata()) for line in found[0].axes[0].get_lines()}


def test_on_the_same_clips_the_curves_of_train_and_valid_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a discriminator with dropout and batch norm; what is noted in training and in evaluation is not."""
    history = trained(tmp_path / "a", learner(), split(6), split(6)).history
    lines = drawn(history, monkeypatch)
    assert list(lines) == ["train", "valid", "samples"]
    assert len(lines["train"]) == RECIPE.epochs
    assert lines["train"] == lines["valid"] != lines["samples"]
    assert [row["train_judged_real"] for row in history] != [row["valid_judged_real"] for row in history]


def test_other_clips_have_another_curve(tmp_path: Path) -> None:
    """Train's is of as many clips as valid's, whichever of the two has more."""
    for name, clips, held_out in (("more", 8, 4), ("fewer", 4, 8)):
        rows = trained(tmp_path / name, learner(), split(clips), split(held_out, seed=1)).history
        assert [row[TRAIN_IN_PLAY] for row in rows] != [row[VALID_IN_PLAY] for row in rows]
        assert all(
            (16 * row[of]).is_integer() for row in rows for of in (TRAIN_IN_PLAY, VALID_IN_PLAY, SAMPLES_IN_PLAY)
        )


@pytest.mark.parametrize(
    ("clips", "others", "batch_size", "batches", "size"),
    [(100, 30, 8, 3, 8), (30, 100, 8, 3, 8), (5, 9, 8, 1, 5), (5000, 4000, 32, 31, 32), (3000, 3000, 2000, 1, 2000)],
)
def test_as_many_clips_of_either_split_play_in_whole_batches(
    clips: int, others: int, batch_size: int, batches: int, size: int
) -> None:
    """From first to last, none twice; about a thousand at most."""
    found = in_play.places(clips, others, batch_size)
    assert [len(batch) for batch in found] == [size] * batches
    rows = np.concatenate(found)
    assert rows[0] == 0
    assert rows[-1] == clips - 1
    assert len(set(rows.tolist())) == len(rows)


def test_shares_are_those_that_the_losses_note() -> None:
    """In training mode, a mean over the batches, from the same draws, with the noise and the averages of the step."""
    clips = split(16, form="clips")
    settings = {"width": 2, "noise": 0.5, "averaging": 0.9, "gradient_penalty": 1.0}
    one = learner(rali_single, clips.shape, **settings)
    batches = list(clips.batches(in_play.places(16, 16, 8)))
    for batch in batches:
        one.training_step(batch, 0.25)
    found = one.compare(clips, clips)
    torch.manual_seed(SAMPLE_SEED)
    network: Any = one.network.train()
    noted = [network.losses(batch, 0.25) for batch in batches]
    for key, share in (
        (TRAIN_IN_PLAY, in_play.REAL),
        (VALID_IN_PLAY, in_play.REAL),
        (SAMPLES_IN_PLAY, in_play.SAMPLES),
    ):
        assert found[key] == pytest.approx(sum(float(loss[share]) for loss in noted) / 2)


def test_a_run_that_is_compared_ends_in_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, statistics and torch's generator among them: the game that is watched teaches nothing."""
    settings = {"width": 2, "noise": 0.5, "spectral_norm": True, "gradient_penalty": 1.0}
    train, valid = split(20, form="clips"), split(9, seed=1, form="clips")
    watched = trained(tmp_path / "watched", learner(rali_single, train.shape, **settings), train, valid)
    monkeypatch.setattr(Generation, "compare", lambda self, train, valid: {})
    alone = trained(tmp_path / "alone", learner(rali_single, train.shape, **settings), train, valid)
    assert TRAIN_IN_PLAY in watched.history[-1]
    assert TRAIN_IN_PLAY not in alone.history[-1]
    assert watched.modules["network"].keys() == alone.modules["network"].keys()
    for name, value in alone.modules["network"].items():
        assert torch.equal(watched.modules["network"][name], value), name
    assert torch.equal(watched.random["cpu"], alone.random["cpu"])


def test_where_nobody_plays_there_is_no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a phase without a game, and without a discriminator; the curve ends where the game did."""
    clips, found = split(4), []
    one = learner(learned_inverse)
    for progress in (0.0, 0.99):
        one.progress = progress
        before = {name: value.clone() for name, value in one.network.state_dict().items()}
        found.append({"epoch": len(found) + 1.0, "valid_frechet": 1.0, **one.compare(clips, clips)})
        assert all(torch.equal(value, before[name]) for name, value in one.network.state_dict().items())
    assert set(found[0]) - set(found[1]) == {TRAIN_IN_PLAY, VALID_IN_PLAY, SAMPLES_IN_PLAY}
    assert [len(values) for values in drawn(found, monkeypatch).values()] == [1, 1, 1]


def test_weights_are_put_back_where_the_game_fails() -> None:
    """Also those that it had moved."""
    network = torch.nn.BatchNorm1d(2)

    def losses(batch: Any) -> dict[str, Tensor]:
        network(torch.randn(4, 2))
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        in_play.shares(network, losses, list(split(2).batches([np.arange(2)])))
    assert network.num_batches_tracked == 0
    assert torch.equal(network.running_mean, torch.zeros(2))  # type: ignore[arg-type]


def test_records_of_two_modes_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those from before the curves were of one mode."""
    row = {"epoch": 1.0, "valid_frechet": 1.0, "train_judged_real": 0.5, "valid_judged_real": 0.75}
    assert drawn([row], monkeypatch) == {"train, in training": [50.0], "valid, in evaluation": [75.0]}

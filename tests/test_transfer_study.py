"""The study of transfer: on planted features, whose worth is known, and the whole of it on a real run."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines import fine_tuning, linear_probe
from baselines.linear_probe import choices
from baselines.pooled_features import CLIPS_A_BATCH, SETTLING, Colours, Pooled, features, settled
from baselines.studies import transfer
from baselines.studies.transfer import Config, tables_of
from benchmark import spec
from benchmark.data import Clips, sequential
from benchmark.errors import ModelError, RecordError, TrainingError
from benchmark.plan import Options, make_plan
from benchmark.prediction import record
from benchmark.prediction.run import run_predictor
from benchmark.prediction.saved import open_run
from benchmark.record import Settings
from benchmark.study import run_study
from dynamics_gen.errors import ConfigError

CPU = torch.device("cpu")
FRAMES, SIDE = 8, 24
SIZES = {"train": 300, "valid": 60, "test": 100}
PATTERNS = np.random.default_rng(0).choice([-1.0, 1.0], (10, SIDE, SIDE, 3))
ONE_MOMENT = Pooled(1, 1)
RECIPE = fine_tuning.Recipe(steps=40, batch_size=16, rates=(1e-4, 1e-3))


class NoisySplit:
    """Noise, in whose every frame there is a faint pattern, that of the clip's class."""

    def __init__(self, clips: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.labels = np.arange(clips) % 10
        self.video_shape = (FRAMES, SIDE, SIDE, 3)
        noise = 20 * rng.normal(size=(clips, *self.video_shape))
        self.videos = (128 + noise + 1.2 * PATTERNS[self.labels][:, None]).clip(0, 255).round().astype(np.uint8)
        self.manifest: Any = SimpleNamespace(release="standard")
        self.directory, self.clip_ids = Path("memory"), [str(clip) for clip in range(clips)]

    def __len__(self) -> int:
        return len(self.labels)

    def read_videos(self, indices: Any, out: np.ndarray | None = None) -> np.ndarray:
        """As the reader of shards."""
        if out is None:
            return self.videos[indices]
        out[:] = self.videos[indices]
        return out

    def column(self, name: str) -> np.ndarray:
        """Something else to tell."""
        return self.labels % {"path": 2, "speed": 5}[name]


class Templates(nn.Module):
    """A network that holds each frame against ten patterns."""

    def __init__(self, patterns: np.ndarray) -> None:
        super().__init__()
        flat = patterns.transpose(0, 3, 1, 2).reshape(10, -1)
        self.patterns = nn.Parameter(torch.from_numpy(flat / np.linalg.norm(flat, axis=1, keepdims=True)).float())

    def represent(self, clips: Tensor) -> Tensor:
        """How far each frame is like each pattern."""
        return (clips.transpose(1, 2).flatten(2) @ self.patterns.T).transpose(1, 2)[..., None, None]


KNOWN = Templates(PATTERNS)
UNKNOWN = Templates(np.random.default_rng(1).normal(size=PATTERNS.shape))


@pytest.fixture(scope="module")
def splits() -> dict[str, NoisySplit]:
    """Three of them. Never change them."""
    return {name: NoisySplit(clips, seed) for seed, (name, clips) in enumerate(SIZES.items())}


@pytest.fixture(scope="module")
def clips(splits: dict[str, NoisySplit]) -> dict[str, Clips]:
    """The same, as networks see them. Never change them."""
    return {name: Clips(split, CPU, "pixels") for name, split in splits.items()}


def probed(network: nn.Module, splits: dict[str, Any], clips: dict[str, Clips], target: str) -> list[float]:
    """Errors of a linear probe."""
    found = {name: features(network, ONE_MOMENT, split) for name, split in clips.items()}
    return linear_probe.measure(tables_of(found, splits, 10)[target], 80, 3, 0)["errors"]


def test_a_probe_tells_features_that_show_the_class_from_random_ones(splits: Any, clips: dict[str, Clips]) -> None:
    """None is wrong where features are likenesses to the classes' own patterns; of random patterns little is learnt."""
    for target in transfer.TARGETS:
        assert np.mean(probed(KNOWN, splits, clips, target)) < 0.02
    assert np.mean(probed(UNKNOWN, splits, clips, "class")) > 0.6


def test_fine_tuning_from_weights_that_solve_the_task_beats_random_ones(clips: dict[str, Clips]) -> None:
    """By the same budget and on the same labels, for every choice of these; what it started from stays."""
    chosen = choices(SIZES["train"], 120, 2, 0)
    before = copy.deepcopy(UNKNOWN.state_dict())
    known = fine_tuning.measure(KNOWN, ONE_MOMENT, clips, chosen, RECIPE, 0)
    unknown = fine_tuning.measure(UNKNOWN, ONE_MOMENT, clips, chosen, RECIPE, 0)
    assert max(known["errors"]) < 0.15
    assert min(unknown["errors"]) > 0.5
    assert torch.equal(before["patterns"], UNKNOWN.patterns)


def test_fine_tuning_moves_the_network_and_comes_out_the_same_again(clips: dict[str, Clips]) -> None:
    """All weights learn; the same seed gives the same ones, bit for bit; and labels seen often are known by heart."""
    rows = choices(SIZES["train"], 20, 1, 0)[0]
    recipe = fine_tuning.Recipe(steps=100, batch_size=16, rates=(0.01,))
    one, other = (fine_tuning.tune(UNKNOWN, ONE_MOMENT, clips["train"], rows, 0.01, recipe, 5)[0] for _ in range(2))
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name])
    assert isinstance(one.network, Templates)
    assert not torch.equal(one.network.patterns, UNKNOWN.patterns)
    (batch,) = clips["train"].batches([rows])
    assert torch.equal(one(batch.clips).argmax(1), batch.labels)


def test_the_rate_is_chosen_on_valid(clips: dict[str, Clips]) -> None:
    """One that spoils what was known is left, whichever comes first."""
    chosen = choices(SIZES["train"], 60, 1, 0)
    for rates in ((0.1, 1e-4), (1e-4, 0.1)):
        recipe = fine_tuning.Recipe(steps=20, batch_size=16, rates=rates)
        assert fine_tuning.measure(KNOWN, ONE_MOMENT, clips, chosen, recipe, 0)["rate"] == 1e-4


def test_features_keep_the_order_of_time_and_places() -> None:
    """Means over stretches and quarters of the frame, as written out; of pixels, colours of half the resolution."""
    maps = torch.arange(2 * 3 * 8 * 4 * 4).float().reshape(2, 3, 8, 4, 4)
    network: Any = SimpleNamespace(represent=lambda clips: maps)
    found = Pooled(4, 2)(network, torch.zeros(2))
    assert found.shape == (2, 4, 3 * 4)
    assert found[1, 2, 5] == maps[1, 1, 4:6, :2, 2:].mean()
    assert Pooled(9, 5)(network, torch.zeros(2)).shape == (2, 8, 3 * 16)  # no more than there are
    shown = Pooled(4, 2)(Colours(4), maps)
    assert torch.equal(shown[0, 3], maps[0, :, 6].unfold(1, 2, 2).unfold(2, 2, 2).mean((-1, -2)).flatten())


def test_settled_norms_have_the_statistics_of_train(clips: dict[str, Clips]) -> None:
    """Their means over batches, not those they start with; momentum is as it was; without norms all stays."""

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm3d(3, momentum=0.2)

        def represent(self, clips: Tensor) -> Tensor:
            return self.norm(clips)

    network = settled(Normed(), clips["train"])
    order = sequential(len(clips["train"]), CLIPS_A_BATCH)[:SETTLING]
    means = torch.stack([batch.clips.mean((0, 2, 3, 4)) for batch in clips["train"].batches(order)])
    norm: Any = network.norm
    torch.testing.assert_close(norm.running_mean, means.mean(0))
    assert norm.momentum == 0.2
    assert not network.training
    assert settled(KNOWN, clips["train"]) is KNOWN


@pytest.fixture(scope="module")
def runs(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of a narrow `drnet`, and its record as if it were of a rule. Never change it."""
    folder = tmp_path_factory.mktemp("runs")
    narrow = {"image_size": "16", "width": "0.05", "hidden": "8", "content": "4"}
    options = Options(size="tiny", data=tiny_data, runs=folder, settings=narrow, training={"epochs": 1})
    made = run_predictor(make_plan(spec.find("drnet"), options), options, say=lambda line: None)
    rule = replace(made, model="copy_last", config=Settings(model={"image_size": 16}, training={}))
    (folder / "copy_last" / "standard-tiny").mkdir(parents=True)
    record.write(rule, folder / "copy_last" / "standard-tiny" / "record.json")
    return folder


def study(runs: Path, data: Path, out: Path, resume: bool = False, **settings: object) -> dict[str, Any]:
    """One run of the study."""
    few = {"models": "drnet", "draws": 2, "components": 4, "tuned_draws": 2, "steps": 2, "rates": "0.001,0.01"}
    wishes = {"runs": runs, "data": data, "size": "tiny", "labels": "20,100,5000", "tuned_labels": "20,5000", **few}
    options = Options(
        runs=out, resume=resume, settings={name: str(value) for name, value in (wishes | settings).items()}
    )
    return run_study(make_plan(spec.find("transfer"), options), options, say=lambda line: None)


def test_every_way_and_state_of_the_weights_has_a_row(
    runs: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers above what train has are left out, all of train is one choice; what is finished is not made again."""
    made = study(runs, tiny_data, tmp_path)
    rows = made["seeds"][0]["findings"]["rows"]
    keys = [(row["way"], row["target"], row["features"], row["weights"], row["labels"]) for row in rows]
    kinds = (("pixels", ""), ("drnet", "trained"), ("drnet", "untrained"))
    expected = {("probe", t, *kind, n) for t in transfer.TARGETS for kind in kinds for n in (20, 100)}
    expected |= {("fine-tuned", "class", *kind, 20) for kind in kinds[1:]}
    assert set(keys) == expected
    assert len(keys) == len(expected)
    for row in rows:
        assert len(row["errors"]) == (1 if row["labels"] == 100 else 2)
        assert all(0 <= error <= 1 for error in row["errors"])
        assert row["clips_per_s"] > 0
        assert row["image_size"] == 16
        assert row.get("inputs", 32) == 8 * 4
        assert row.get("rate", 0.01) in (0.001, 0.01)
    (kept,) = tmp_path.rglob("rows.json")
    content = json.loads(kept.read_text())
    assert content["rows"] == rows
    path = next(tmp_path.rglob("study.json"))
    path.unlink()
    kept.write_text(json.dumps({**content, "rows": rows[:-1]}))
    monkeypatch.setattr(transfer, "features", None)  # no probe is made again
    again = study(runs, tiny_data, tmp_path, resume=True)["seeds"][0]["findings"]["rows"]
    assert [{**row, "clips_per_s": 0} for row in again] == [{**row, "clips_per_s": 0} for row in rows]


def test_a_finished_run_is_opened_as_it_was_chosen_and_as_it_set_out(runs: Path) -> None:
    """The chosen weights are those of the file; the untrained ones those that the seed draws."""
    from safetensors.torch import load_file

    opened = open_run(runs / "drnet" / "standard-tiny", CPU)
    assert opened.shape == (32, 3, 16, 16)
    stored = load_file(opened.planned.folder.weights(0))
    trained, untrained = opened.trained(0), opened.untrained(0)
    assert all(torch.equal(value, stored[f"network/{name}"]) for name, value in trained.state_dict().items())
    torch.manual_seed(0)
    fresh = opened.planned.model.module.build(opened.planned.config, opened.shape).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in untrained.state_dict().items())
    assert not torch.equal(trained.pose.head[0].weight, untrained.pose.head[0].weight)  # type: ignore[union-attr, index]
    with pytest.raises(TrainingError, match=r"has the seeds \[0\]: got seed 3"):
        opened.trained(3)


def test_what_is_missing_is_named(runs: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is not there, a rule, a network without features, numbers that measure nothing."""
    with pytest.raises(RecordError, match=r"simvp.standard-tiny.record\.json: no such file"):
        study(runs, tiny_data, tmp_path / "a", models="drnet,simvp")
    with pytest.raises(ModelError, match="is of copy_last, a rule, which has no weights"):
        study(runs, tiny_data, tmp_path / "b", models="copy_last")
    monkeypatch.setattr(transfer, "Represents", int)  # no network is one
    with pytest.raises(ModelError, match="drnet has no features to show: expected a network with `represent`"):
        study(runs, tiny_data, tmp_path / "c", labels="")
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"draws": 0}, "got draws 0, expected 1 or more"),
        ({"labels": (1,)}, "expected numbers above 1"),
        ({"models": ()}, "got no models"),
        ({"batch_size": 1}, "got batch_size 1, expected 2 or more"),
        ({"rates": ()}, "expected one or more numbers in"),
    )
    for settings, words in refused:
        with pytest.raises(ConfigError, match=words):
            Config(**settings)

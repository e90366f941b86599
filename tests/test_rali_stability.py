"""The study of recurrent ALI's stability: one factor at a time, kept as it goes, collapses told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from baselines.generators import rali_single
from baselines.studies import rali_stability
from baselines.studies.rali_stability import REFERENCE, Config, variants
from benchmark import spec
from benchmark.generation import learner, record
from benchmark.plan import Options, make_plan
from benchmark.study import run_study
from dynamics_gen.errors import ConfigError


def study(data: Path, out: Path, **settings: object) -> dict[str, Any]:
    """One run of the study, on few and small clips."""
    wishes = {
        "data": data,
        "size": "tiny",
        "frames": 8,
        "width": 2,
        "epochs": 2,
        "few_per_class": 2,
        "batch_size": 10,
        **settings,
    }
    options = Options(runs=out, resume=True, settings={name: str(value) for name, value in wishes.items()})
    made = run_study(make_plan(spec.find("rali_stability"), options), options, say=lambda line: None)
    return {row["name"]: row for row in made["seeds"][0]["findings"]["rows"]}


def test_each_variant_differs_in_one_factor() -> None:
    """From the reference, in one setting of the model or the recipe, which the model knows and does not have anyway."""
    model = rali_single.Config()
    for name, variant in variants(100).items():
        changed = {**variant.settings, **variant.training}
        assert len(changed) == (name != REFERENCE), name
        assert all(getattr(model, setting) != value for setting, value in variant.settings.items()), name
        assert set(variant.training) <= {"train_per_class"}


def test_variants_are_scored_and_kept(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those asked for, with the reference; finished ones are not trained again; few data are few, and seen as often."""
    found = study(tiny_data, tmp_path, factors="few data", epochs=1)
    assert list(found) == [REFERENCE, "few data"]
    for row in found.values():
        assert row["collapsed_after"] is None
        assert row["scores"]["failed"] is not None
        assert "valid_samples_judged_real" in row["history"][0]
        assert {record.TRAIN_IN_PLAY, record.VALID_IN_PLAY, record.SAMPLES_IN_PLAY} <= row["history"][0].keys()
    clips = {name: [epoch["train_clips"] for epoch in row["history"]] for name, row in found.items()}
    assert (len(clips[REFERENCE]), len(clips["few data"])) == (1, 5)
    assert clips[REFERENCE][0] == 5 * clips["few data"][0]
    assert sum(clips[REFERENCE]) == sum(clips["few data"])
    (kept,) = tmp_path.rglob("rows.json")
    assert [row["name"] for row in json.loads(kept.read_text())["rows"]] == list(found)
    assert len(list(tmp_path.rglob("samples-seed0.png"))) == 2
    (finished,) = tmp_path.rglob("study.json")
    finished.unlink()
    monkeypatch.setattr(rali_stability, "_outcome", None)  # nothing is left to do
    assert study(tiny_data, tmp_path, factors="few data", epochs=1) == found


def test_every_suspect_of_the_thesis_is_taken_out() -> None:
    """The data, the GAN, ALI and the recurrent networks."""
    suspects = [name for name, variant in variants(100).items() if variant.about == "suspect"]
    assert suspects == ["few data", "no adversary", "no inference", "no recurrence"]


def test_without_an_adversary_the_same_is_scored(tmp_path: Path, tiny_data: Path) -> None:
    """By the same criterion, on the same clips, in a study that had finished without it; nobody is judged."""
    before = study(tiny_data, tmp_path, factors="few data", epochs=1)
    found = study(tiny_data, tmp_path, factors="few data,no adversary", epochs=1)
    assert list(found) == [REFERENCE, "few data", "no adversary"]
    assert {name: found[name] for name in before} == before
    reference, alone = found[REFERENCE], found["no adversary"]
    assert alone["scores"]["failed_by_cause"].keys() == reference["scores"]["failed_by_cause"].keys()
    assert alone["scores"]["failed_of_data"] == reference["scores"]["failed_of_data"]
    assert alone["scores"]["samples"] == reference["scores"]["samples"]
    assert alone["history"][0]["train_clips"] == reference["history"][0]["train_clips"]
    assert not any("judged_real" in key for key in alone["history"][0])
    assert {"train_squared_error", "train_divergence", "valid_frechet"} <= alone["history"][0].keys()


def test_a_collapse_is_an_outcome(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's history up to it is told, and the study goes on."""
    monkeypatch.setattr(learner, "COLLAPSED_SPREAD", 1e9)
    monkeypatch.setattr(learner, "UNBORN_EPOCHS", 2)
    found = study(tiny_data, tmp_path, factors="few data")
    for row in found.values():
        assert row["scores"] is None
        assert row["collapsed_after"] == len(row["history"]) == 1


def test_a_factor_that_is_none_is_named() -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match="got the factors weather, expected some of reference, few data"):
        Config(factors=("weather",))

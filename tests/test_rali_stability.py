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
from benchmark.generation import learner
from benchmark.plan import Options, make_plan
from benchmark.study import run_study
from dynamics_gen.errors import ConfigError


def study(data: Path, out: Path, **settings: object) -> dict[str, Any]:
    """One run of the study, on few and small clips."""
    wishes = {"data": data, "size": "tiny", "frames": 8, "width": 2, "epochs": 2, "few_per_class": 4, **settings}
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
    """Those asked for, with the reference; finished ones are not trained again; few data are few."""
    found = study(tiny_data, tmp_path, factors="few data")
    assert list(found) == [REFERENCE, "few data"]
    for row in found.values():
        assert row["collapsed_after"] is None
        assert len(row["history"]) == 2
        assert row["scores"]["failed"] is not None
        assert "valid_samples_judged_real" in row["history"][0]
    assert found[REFERENCE]["history"][0]["train_clips"] > found["few data"]["history"][0]["train_clips"]
    (kept,) = tmp_path.rglob("rows.json")
    assert [row["name"] for row in json.loads(kept.read_text())["rows"]] == list(found)
    assert len(list(tmp_path.rglob("samples-seed0.png"))) == 2
    (finished,) = tmp_path.rglob("study.json")
    finished.unlink()
    monkeypatch.setattr(rali_stability, "_outcome", None)  # nothing is left to do
    assert study(tiny_data, tmp_path, factors="few data") == found


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

"""The study of few labels, on real runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from baselines.linear_probe import COSTS
from baselines.studies import few_labels
from baselines.studies.few_labels import Config
from benchmark import spec
from benchmark.errors import ModelError, RecordError
from benchmark.generation.run import run_generator
from benchmark.plan import Options, make_plan
from benchmark.study import run_study
from dynamics_gen.errors import ConfigError


@pytest.fixture(scope="module")
def runs(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of `gan`."""
    folder = tmp_path_factory.mktemp("runs")
    options = Options(
        size="tiny", data=tiny_data, runs=folder, settings={"image_size": "16", "width": "0.1"}, training={"epochs": 1}
    )
    run_generator(make_plan(spec.find("gan"), options), options, say=lambda line: None)
    return folder


def study(
    runs: Path, data: Path, out: Path, say: Callable[[str], None] = lambda line: None, **settings: object
) -> dict:
    """One run of the study."""
    few = {"models": "gan", "draws": 2, "components": 12, "clip_components": 6}
    wishes = {"runs": runs, "data": data, "size": "tiny", **few, **settings}
    options = Options(runs=out, settings={name: str(value) for name, value in wishes.items()})
    return run_study(make_plan(spec.find("few_labels"), options), options, say=say)


def test_every_target_kind_and_number_has_a_row(runs: Path, tiny_data: Path, tmp_path: Path) -> None:
    """Numbers above what train has are left out, which is said; what is finished is not made again."""
    lines: list[str] = []
    found = study(runs, tiny_data, tmp_path, lines.append, labels="40,80,100000")["seeds"][0]["findings"]["rows"]
    assert any(line.endswith("path, gan, 100,000 labels: left out, for train has 100") for line in lines)
    kinds = [(row["target"], row["features"], row["labels"]) for row in found]
    expected = {(t, f, n) for t in ("shape", "path", "speed") for f in ("pixels", "gan") for n in (40, 80)}
    assert set(kinds) == expected
    assert len(kinds) == len(expected)
    for row in found:
        assert len(row["errors"]) == 2
        assert all(0 < error < 1 for error in row["errors"])
        assert row["cost"] in COSTS
        assert row["inputs"] == (12 if row["target"] == "shape" else 8 * 6)
    folder = tmp_path / "few_labels"
    (kept,) = folder.rglob("rows.json")
    assert json.loads(kept.read_text())["rows"] == found


def test_what_is_missing_is_named(runs: Path, tiny_data: Path, tmp_path: Path) -> None:
    """A run that is not there, a model without features, numbers that measure nothing."""
    with pytest.raises(RecordError, match=r"vae.standard-tiny.record\.json: no such file"):
        study(runs, tiny_data, tmp_path, models="vae")
    with pytest.raises(ConfigError, match="got draws 0, expected 1 or more"):
        Config(draws=0)
    with pytest.raises(ConfigError, match="expected one or more numbers above 0"):
        Config(labels=())


def test_a_network_without_features_is_refused(
    runs: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what a model must have."""
    monkeypatch.setattr(few_labels, "Represents", int)  # no network is one
    with pytest.raises(ModelError, match="gan has no features to show: expected a model with `represent`"):
        study(runs, tiny_data, tmp_path)

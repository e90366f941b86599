"""The committed sizes of the models are what the models have."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark import figures, spec
from benchmark.errors import ModelError
from benchmark.figures import Figures

MODELS = spec.list_models()


@pytest.mark.parametrize("one", MODELS, ids=lambda one: one.name)
def test_committed_figures_are_what_the_model_gives(one: spec.Description) -> None:
    """Also that a model without figures has none to give; `bench list --measure` writes them anew."""
    assert figures.read(figures.path()).get(one.name) == figures.measure(one)


def test_figures_are_of_models_that_exist() -> None:
    """None is left of one that is gone."""
    assert figures.read(figures.path()).keys() <= {one.name for one in MODELS}


def test_figures_are_those_of_a_closed_form(tmp_path: Path) -> None:
    """One convolution of 1×1×1 and one linear layer, counted by hand."""
    (tmp_path / "tiny.py").write_text(
        '"""Tiny."""\n\nfrom dataclasses import dataclass\n\nfrom torch import nn\n\n'
        'TASK = "classification"\nINPUT = "difference"\nSOURCE = "tests"\n'
        "\n\n@dataclass(frozen=True, kw_only=True)\nclass Config:\n    width: int = 2\n\n\n"
        "def build(config, shape, classes):\n"
        "    return nn.Sequential(nn.Conv3d(shape[1], config.width, 1, stride=(1, 64, 64)), nn.Flatten(),\n"
        "        nn.Linear(config.width * shape[0], classes))\n"
    )
    found = figures.measure(spec.find(str(tmp_path / "tiny.py")))
    assert found == Figures(parameters=3 * 2 + 2 + 62 * 10 + 10, flops_per_clip=2 * (31 * 3 * 2 + 62 * 10))


def test_model_that_is_no_network_has_no_figures(tmp_path: Path) -> None:
    """What a classifier without gradients builds is not counted."""
    (tmp_path / "rule.py").write_text(
        '"""A rule."""\n\nfrom dataclasses import dataclass\n\nTASK = "classification"\n'
        'INPUT = "rgb"\nSOURCE = "tests"\n'
        "\n\n@dataclass(frozen=True, kw_only=True)\nclass Config:\n    width: int = 2\n\n\n"
        "def fit(config, train, valid, seed):\n    yield 3\n"
    )
    assert figures.measure(spec.find(str(tmp_path / "rule.py"))) is None


def test_file_reads_back_and_is_in_order(tmp_path: Path) -> None:
    """By name, a line each; no file, no figures."""
    made = {name: Figures(parameters=size, flops_per_clip=2 * size) for size, name in enumerate("cab")}
    figures.write(made, tmp_path / "figures.json")
    assert figures.read(tmp_path / "figures.json") == made
    assert [line[2] for line in (tmp_path / "figures.json").read_text().splitlines()[1:-1]] == ["a", "b", "c"]
    assert figures.read(tmp_path / "none.json") == {}


@pytest.mark.parametrize("text", ["", "[]", '{"a": {"parameters": 3}}', '{"a": 3}'])
def test_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    """With how to write it anew."""
    (tmp_path / "figures.json").write_text(text)
    with pytest.raises(ModelError, match=r"holds no figures .*: write it anew with bench list --measure"):
        figures.read(tmp_path / "figures.json")

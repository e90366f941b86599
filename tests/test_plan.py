"""A run resolved before anything is written, and missing splits built."""

from __future__ import annotations

from pathlib import Path

import pytest
from moving_squares import MODEL

from benchmark import spec
from benchmark.generation.attributes import width
from benchmark.plan import Options, build_missing, make_plan
from dynamics_gen import console
from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import ConfigError, UnknownNameError
from dynamics_gen.shapes import FAMILIES


@pytest.fixture
def described(tmp_path: Path) -> spec.Description:
    """A user's own model."""
    (tmp_path / "tiny_net.py").write_text(MODEL)
    return spec.find(str(tmp_path / "tiny_net.py"))


def test_plan_resolves_model_recipe_and_folder(described: spec.Description, tmp_path: Path) -> None:
    """Nothing is left to be found out later, and nothing is written."""
    options = Options(size="tiny", runs=tmp_path / "runs", training={"batch_size": 4}, settings={"width": "6"})
    planned = make_plan(described, options)
    assert planned.config.width == 6
    assert (planned.training.batch_size, planned.training.epochs, planned.training.learning_rate) == (4, 2, 0.01)
    assert planned.folder.path == tmp_path / "runs" / "tiny_net" / "standard-tiny"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "target", "values"),
    [("rali", "", 4), ("rgan", "speed", 4), ("ali", "", len(FAMILIES)), ("gan", "path", 4)],
)
def test_few_labels_may_be_of_another_attribute(name: str, target: str, values: int) -> None:
    """Which one is in the plan, that what is told, built and recorded follows; without a wish it is the file's."""
    model = spec.find(f"semi_supervised_{name}")
    planned = make_plan(model, Options(size="tiny", settings={"target": target} if target else {}))
    assert planned.model.description.known == (target or model.labels,)
    assert width(planned.model.description.known) == values
    with pytest.raises(ConfigError, match="got target 'size', expected shape or path or speed"):
        make_plan(model, Options(size="tiny", settings={"target": "size"}))


def test_learner_is_a_function_of_the_seed(described: spec.Description) -> None:
    """The same weights for the same seed, whatever was drawn before; others for another."""
    planned = make_plan(described, Options(size="tiny"))
    first, again, other = (planned.learner(seed, (8, 3, 16, 16), 10).network[0].weight for seed in (0, 0, 1))  # type: ignore[index]
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("wishes", "error", "sentence"),
    [
        ({"seeds": 0}, ConfigError, "seeds is 0: expected a whole number from 1"),
        ({"size": "huge"}, UnknownNameError, "unknown size 'huge'"),
        ({"release": "soft"}, UnknownNameError, "unknown release 'soft'"),
        ({"resume": True, "overwrite": True}, ConfigError, "resume and overwrite were both asked for"),
    ],
)
def test_wish_that_cannot_be_met_is_refused(wishes: dict, error: type[Exception], sentence: str) -> None:
    """Before any work is done."""
    with pytest.raises(error, match=sentence):
        Options(**wishes)


def test_missing_splits_are_built_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is announced with its size and duration; the user's number of workers is passed on."""
    built: list[tuple[BuildConfig, Path, int]] = []

    def build_split(config: BuildConfig, directory: Path, workers: int, progress: object) -> None:
        built.append((config, directory, workers))

    monkeypatch.setattr("dynamics_gen.generate.build_split", build_split)
    data = tmp_path / "dynamics-mini"
    (data / "valid").mkdir(parents=True)
    (data / "valid" / "manifest.json").write_text("{}")
    said: list[str] = []
    build_missing(Options(size="mini", workers=3, data=tmp_path), said.append)
    assert [(config.split, config.per_class, folder, workers) for config, folder, workers in built] == [
        ("train", 500, data / "train", 3),
        ("test", 50, data / "test", 3),
    ]
    assert "building its 5,000 clips, in " in said[0]
    assert len(said) == 2


def test_duration_is_told_in_round_figures() -> None:
    """Seconds, then minutes."""
    assert [console.duration(s) for s in (3, 45, 600)] == ["a few seconds", "about 45 s", "about 10 minutes"]

"""The programs that measure speed run, and print what they promise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from moving_squares import MODEL, build_squares

from benchmark import machine

FOLDER = Path(__file__).parent.parent / "benchmarks"


def program(name: str) -> ModuleType:
    """One of the files of `benchmarks`."""
    found = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """A split of 40 clips, a model beside it."""
    (tmp_path / "tiny_net.py").write_text(MODEL)
    return build_squares(tmp_path, per_class=(4, 1, 1)) / "dynamics-tiny" / "train"


@pytest.fixture(autouse=True)
def unchanged_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set in this process stays for every test after."""
    monkeypatch.setattr(machine, "keep_freed_memory", lambda: True)


def test_models_are_measured_in_every_precision_and_format(squares: Path, tmp_path: Path) -> None:
    """Six lines, each with a pace and the ratio to the first, which is 1."""
    words = [str(tmp_path / "tiny_net.py"), "--data", str(squares), "--device", "cpu", "--batch-size", "8"]
    done = CliRunner().invoke(program("models").main, [*words, "--rounds", "2", "--steps", "2"], catch_exceptions=False)
    head, title, *lines = done.output.splitlines()
    assert head.startswith(machine.device_name(machine.choose_device("cpu")))
    assert "tiny_net" in title
    assert "batches of 8" in title
    variants = [tuple(line.replace("channels last: ", "").split()[:2]) for line in lines]
    assert variants == [(p, f) for p in ("32-true", "bf16-mixed") for f in ("batch", "weights", "neither")]
    assert float(lines[0].split()[-1]) == 1.0
    for line in lines:
        pace, unit, ratio = line.split()[-3:]
        assert float(pace.replace(",", "")) > 0
        assert unit == "clips/s"
        assert float(ratio) > 0


def test_models_are_measured_in_one_precision_alone(squares: Path, tmp_path: Path) -> None:
    """Three lines of what was asked for, the first with a ratio of 1; the other format is not even checked."""
    words = [str(tmp_path / "tiny_net.py"), "--data", str(squares), "--device", "cpu", "--batch-size", "8"]
    timed = ["--precision", "32-true", "--rounds", "1", "--steps", "1"]
    done = CliRunner().invoke(program("models").main, [*words, *timed], catch_exceptions=False)
    lines = done.output.splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["32-true"] * 3
    assert float(lines[0].split()[-1]) == 1.0


def test_classifiers_that_are_networks_are_measured_where_none_is_named() -> None:
    """Neither those that are fitted, nor generators, predictors and studies, which see other clips."""
    names = {one.name for one in program("models").classifiers()}
    assert {"conv3d", "two_streams", "composite_lstm"} <= names
    assert names.isdisjoint({"idt", "tracker", "ali", "feature_flow", "copy_last", "transfer"})


def test_loader_is_measured_against_a_ready_batch(squares: Path, tmp_path: Path) -> None:
    """Four lines; the ready batch is the measure of the others."""
    words = ["--model", str(tmp_path / "tiny_net.py"), "--data", str(squares), "--rounds", "2", "--steps", "1"]
    done = CliRunner().invoke(program("loader").main, words, catch_exceptions=False)
    lines = done.output.splitlines()[1:]
    assert [line[:22].strip() for line in lines] == [
        "one ready batch",
        "kept in memory",
        "kept, with symmetries",
        "read as needed",
    ]
    assert "1.000 of ready (processor time 1.000)" in lines[0]


def test_coverage_is_counted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row a setting, and the ranges over them; what is covered is a share of the draws."""
    monkeypatch.setattr("sys.argv", ["coverage.py", "--draws", "2", "--clips", "50"])
    module = program("coverage")
    module.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(module.CENTRES) * len(module.DEVIATIONS) + 2 + len(module.DEVIATIONS)
    assert lines[1].split()[:3] == ["50", "0.0012", "0.00"]
    assert {float(value) for line in lines[1:21] for value in line.split()[3:6]} <= {0.0, 0.5, 1.0}


def test_truth_of_the_simulation_is_its_mean() -> None:
    """The quadrature against a million draws of one clip each."""
    module = program("coverage")
    rng, label = np.random.default_rng(0), np.arange(100_000) % 10
    errors = [module.draw(rng, module.clips(rng, label, -1.5), 1, 0.0).mean() for _ in range(10)]
    assert np.mean(errors) == pytest.approx(module.true_error(-1.5, 0.0), abs=0.002)

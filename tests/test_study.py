"""Studies: experiments of their own, run for each seed, finished once, and told of in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark import spec
from benchmark.cli import main
from benchmark.errors import ModelError, StoppedError, TrainingError
from benchmark.plan import Options, make_plan
from benchmark.study import run_study
from dynamics_gen.errors import ConfigError

STUDY = '''"""A study for tests."""

from dataclasses import dataclass

TASK = "study"
INPUT = "points"
SOURCE = "tests"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    points: int = 3
    stopped: bool = False


def study(config, seed, folder, device, say):
    visits = folder / "visits"
    visits.write_text((visits.read_text() if visits.exists() else "") + "x")
    if config.stopped:
        raise KeyboardInterrupt
    say(f"seed {seed} is at work")
    return {"answer": config.points + seed}
'''


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A user's own study."""
    path = tmp_path / "my_study.py"
    path.write_text(STUDY)
    return path


def run(study: Path, runs: Path, **wishes: Any) -> dict[str, Any]:
    """One run."""
    options = Options(runs=runs, **wishes)
    return run_study(make_plan(spec.find(str(study)), options), options, say=lambda line: None)


def test_findings_settings_and_machine_stand_in_one_file(study: Path, tmp_path: Path) -> None:
    """Each seed has its folder, its findings and its time."""
    made = run(study, tmp_path, seeds=2, settings={"points": "5"})
    assert json.loads((tmp_path / "my_study" / "study.json").read_text()) == made
    assert [(one["seed"], one["findings"]) for one in made["seeds"]] == [(0, {"answer": 5}), (1, {"answer": 6})]
    assert made["config"] == {"points": 5, "stopped": False}
    assert made["environment"]["precision"] == "32-true"


def test_finished_study_is_not_run_again(study: Path, tmp_path: Path) -> None:
    """--resume prints what is there; other settings are refused; --overwrite starts again."""
    first = run(study, tmp_path)
    assert run(study, tmp_path, resume=True) == first
    visits = tmp_path / "my_study" / "seed-0" / "visits"
    assert visits.read_text() == "x"
    with pytest.raises(TrainingError, match="holds an earlier run: use --resume"):
        run(study, tmp_path)
    with pytest.raises(TrainingError, match="is of points = 3, and now points is 4"):
        run(study, tmp_path, resume=True, settings={"points": "4"})
    assert run(study, tmp_path, overwrite=True, settings={"points": "4"})["seeds"][0]["findings"] == {"answer": 4}


GROWING = '''"""A study for tests, of several parts."""

import dataclasses
from dataclasses import dataclass

from benchmark.study import KeptRows

TASK = "study"
INPUT = "points"
SOURCE = "tests"
GROWS = "parts"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    parts: tuple[str, ...] = ()
    points: int = 3


def study(config, seed, folder, device, say):
    kept = KeptRows(folder / "rows.json", dataclasses.asdict(config), GROWS)
    for part in config.parts or ("a", "b", "c"):
        if part not in [row["part"] for row in kept.rows]:
            say(part)
            kept.add({"part": part})
    return {"rows": kept.rows}
'''


def test_more_may_be_asked_of_a_finished_study(tmp_path: Path) -> None:
    """What it has is kept, and the rest made; less, others, or other settings are refused."""
    study = tmp_path / "growing.py"
    study.write_text(GROWING)

    def grown(parts: str, **settings: str) -> list[str]:
        said: list[str] = []
        options = Options(runs=tmp_path, resume=True, settings={"parts": parts, **settings})
        made = run_study(make_plan(spec.find(str(study)), options), options, said.append)
        assert made["config"]["parts"] == [part for part in parts.split(",") if part]
        assert json.loads((tmp_path / "growing" / "study.json").read_text()) == made
        return [line for line in said if len(line) == 1]

    assert grown("a") == ["a"]
    assert grown("a") == []
    assert grown("a,b") == ["b"]
    for parts, settings in (("b", {}), ("b,c", {}), ("a,b,c", {"points": "4"})):
        with pytest.raises(TrainingError, match="start again with --overwrite"):
            grown(parts, **settings)
    assert grown("") == ["c"]
    with pytest.raises(TrainingError, match="start again with --overwrite"):
        grown("a,b,c")


def test_stopped_study_says_how_to_go_on(study: Path, tmp_path: Path) -> None:
    """What the study kept stays, and the same command takes it up."""
    with pytest.raises(StoppedError, match="the same command with --resume goes on"):
        run(study, tmp_path, settings={"stopped": "true"})
    assert not (tmp_path / "my_study" / "study.json").exists()
    spent = tmp_path / "my_study" / "seed-0" / "seconds.json"
    spent.write_text(str(float(spent.read_text()) + 100))
    made = run(study, tmp_path, resume=True)
    assert (tmp_path / "my_study" / "seed-0" / "visits").read_text() == "xx"
    assert 100 <= made["seeds"][0]["seconds"] < 110


def test_a_study_has_no_recipe(study: Path, tmp_path: Path) -> None:
    """Flags of training are refused, not ignored; and it sees what studies see."""
    with pytest.raises(ConfigError, match=r"a model of study, for which --epochs would have no effect"):
        run(study, tmp_path, training={"epochs": 3})
    study.write_text(STUDY.replace('"points"', '"rgb"'))
    with pytest.raises(ModelError, match="expected one of points, frames, clips"):
        run(study, tmp_path)


def test_the_command_runs_studies_but_all_leaves_them_out(study: Path, tmp_path: Path) -> None:
    """`bench run` of one prints where its findings are; `all` has none."""
    from benchmark.several import described

    result = CliRunner().invoke(main, ["run", str(study), "--runs", str(tmp_path / "runs")])
    assert result.exit_code == 0, result.output
    assert f"my_study: {tmp_path / 'runs' / 'my_study' / 'study.json'}" in result.output
    found = {one.task for one in described(["all"], ("classification", "generation"))}
    assert found == {"classification", "generation"}

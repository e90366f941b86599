"""The commands that the site tells: those of committed records are taken, and resolve to the recorded configuration."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from site_board import BOARD, HOSTILE, predictor
from synthetic_records import make_record

from benchmark import cli, record, record_file, spec
from benchmark.generation import record as generation
from benchmark.plan import Options, make_plan
from benchmark.prediction import record as prediction
from benchmark.recipe import Training, whole
from benchmark.reproduction.command import reproduce
from leaderboard.site.reproduce import commands, rerun

OF_FRAMES = ("generators", "predictors")
PATHS = sorted(path for kind in ("entries/*", *OF_FRAMES) for path in BOARD.glob(f"{kind}/*/record.json"))


def words_of(command: str) -> list[str]:
    """The words that a shell makes of a command, which may go on behind a backslash."""
    return shlex.split(command.replace(" \\\n", " "))


@pytest.fixture(scope="module")
def models() -> dict[str, spec.Description]:
    """Those of the package, by name."""
    return {one.name: one for one in spec.list_models()}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.name)
def test_command_resolves_to_the_recorded_configuration(path: Path, models: dict[str, spec.Description]) -> None:
    """`bench run` takes every word, and plans the recorded model, data, seeds, settings and recipe."""
    task = record_file.task_of(path)
    check_command({"prediction": prediction, "generation": generation}.get(task, record).read(path), models)


@pytest.mark.parametrize("name", ["copy_last", "simvp"])
def test_command_of_a_predictor_is_taken(models: dict[str, spec.Description], name: str) -> None:
    """Of a rule, which has no recipe, and of a network with settings of its own."""
    plan = make_plan(models[name], Options(size="mini", settings={"image_size": "32"}))
    config = record.Settings(model=json.loads(json.dumps(plan.settings)), training=json.loads(json.dumps(plan.recipe)))
    assert (config.model["image_size"], bool(config.training)) == (32, name == "simvp")
    check_command(replace(predictor(name), config=config), models)


def check_command(made: Any, models: dict[str, spec.Description]) -> None:
    """Parses the command of a record as a shell and `bench run` do, and plans it."""
    *before, line = commands(made)
    assert before == [f"git checkout {made.environment.commit}"] * (
        re.fullmatch("[0-9a-f]{40}", made.environment.commit) is not None
    )
    bench, run, *words = words_of(line)
    assert (bench, run) == ("bench", "run")
    wishes = cli.run.make_context("run", words).params
    (model,) = wishes.pop("models")
    training = {one.name: wishes.pop(one.name) for one in fields(Training)}
    options = Options(training=training, **wishes)
    assert (options.release, options.size, options.seeds) == (
        made.dataset.release,
        made.dataset.size,
        len(made.seeds),
    )
    plan = make_plan(models[model], options)
    settings, recipe = json.loads(json.dumps([plan.settings, plan.recipe]))
    assert {name: settings.get(name) for name in made.config.model} == made.config.model
    assert recipe == whole(made.config.training)
    if made.task == "classification" and made.config.training:
        assert plan.model.description.input == made.input


@pytest.mark.parametrize("text", [*HOSTILE, "$(touch x) `id` ; rm -rf ~ && 'a' \\", "--help"])
def test_hostile_settings_are_quoted(text: str) -> None:
    """A shell reads back the very words: a value is an argument, whatever it holds, and a name is none of another."""
    made, _ = make_record()
    config = replace(made.config, model={text: text, "listed": [1, 2.5]}, training={})
    environment = replace(made.environment, commit=text)
    (line,) = commands(replace(made, config=config, environment=environment))
    assert words_of(line)[-4:] == ["--set", f"{text}={text}", "--set", "listed=1,2.5"]


def test_data_of_another_seed_are_built_first() -> None:
    """Into a folder of their own, which the run is told of; own videos are a folder."""
    made, _ = make_record()
    made = replace(made, dataset=replace(made.dataset, seed=7, release="hard"))
    _, build, run = commands(made)
    assert build == ("dynamics-gen --split all --release hard --size mini --seed 7 --out data-7/dynamics-hard-mini")
    assert run.startswith("bench run conv3d --release hard --size mini --data data-7 --seeds 3 ")
    own = replace(made, dataset=replace(made.dataset, release="kth", size="own"))
    assert commands(own)[-1].startswith("bench run conv3d --on data/kth --seeds 3 ")


def test_a_record_is_rerun_by_one_command() -> None:
    """Of a classifier on data that can be built; the command takes the words, also of a folder with odd ones."""
    made, _ = make_record()
    for folder in ("leaderboard/entries/ours/conv3d-mini", "runs/it's $(mine)/standard-mini"):
        bench, command, *words = words_of(rerun(made, folder))
        assert (bench, command) == ("bench", "reproduce")
        assert reproduce.make_context("reproduce", words).params["record"] == Path(folder)
    assert rerun(replace(made, dataset=replace(made.dataset, size="own")), "runs/mine/kth") == ""
    generator = generation.read(BOARD / "generators" / "ali-mini" / "record.json")
    assert rerun(generator, "leaderboard/generators/ali-mini") == ""

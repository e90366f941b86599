"""How to make a record again: the command, written from its resolved configuration and quoted for a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from benchmark.generation.record import Record as GeneratorRecord
from benchmark.prediction.record import Record as PredictorRecord
from benchmark.recipe import OF_CLASSIFIERS
from benchmark.record import Dataset, Record
from dynamics_gen.config import SIZES, directory_name

AnyRecord: TypeAlias = Record | GeneratorRecord | PredictorRecord

"""Fields of the recipe that `bench run` refuses for other tasks."""
WIDTH = 96


def commands(record: AnyRecord) -> list[str]:
    """The lines that rerun a record: the code as it was, if that is known; the data, if they are not usual; the run.

    Whatever the record says is an argument and nothing else, also where it holds quotes or `$`.
    """
    commit = record.environment.commit
    lines = [["git", "checkout", commit]] if re.fullmatch("[0-9a-f]{40}", commit) else []
    build, data = _data(record.dataset)
    words = ["bench", "run", record.model, *data, "--seeds", str(1 + max(seed.seed for seed in record.seeds))]
    training = record.config.training
    if not isinstance(record, Record):
        training = {name: value for name, value in training.items() if name not in OF_CLASSIFIERS}
    elif training:
        words += ["--input", record.input]
    words += [*_recipe(training), *_settings(record.config.model)]
    return [_continued(line) for line in [*lines, *([build] if build else []), words]]


def rerun(record: AnyRecord, folder: str) -> str:
    """The one command that trains a classifier's record anew and compares; "" for what it cannot rebuild."""
    known = isinstance(record, Record) and record.dataset.size in SIZES
    return shlex.join(["bench", "reproduce", folder]) if known else ""


def _continued(words: Sequence[str]) -> str:
    """The words of a command, quoted; after `WIDTH` characters it goes on in a new line, before an option."""
    lines = [""]
    for place, word in enumerate(words):
        said = shlex.join(words[place : place + 2]) if word.startswith("--") else shlex.quote(word)
        if len(lines[-1]) + len(said) > WIDTH and word.startswith("--"):
            lines.append("   ")
        lines[-1] += f" {shlex.quote(word)}" if lines[-1] else shlex.quote(word)
    return " \\\n".join(lines)


def _data(dataset: Dataset) -> tuple[list[str], list[str]]:
    """What builds a dataset that `bench run` would not build itself, and how `bench run` is told of it."""
    if dataset.size not in SIZES:
        return [], ["--on", f"data/{dataset.release}"]
    named = ["--release", dataset.release, "--size", dataset.size]
    if not dataset.seed:
        return [], named
    folder = f"data-{dataset.seed}"
    out = f"{folder}/{directory_name(dataset.release, dataset.size)}"
    build = ["dynamics-gen", "--split", "all", *named, "--seed", str(dataset.seed), "--out", out]
    return build, [*named, "--data", folder]


def _recipe(training: Mapping[str, Any]) -> list[str]:
    """Options of `bench run`, which are named as the recipe's fields are."""
    words = []
    for name, value in training.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value != 0 or name != "train_per_class":  # 0 stands for all, and is not typed
            words += [f"--{flag}", str(value)]
    return words


def _settings(model: Mapping[str, Any]) -> list[str]:
    """The model's own, as `--set` reads them; one that is null is its default, and cannot be typed."""
    return [word for name, value in model.items() if value is not None for word in ("--set", f"{name}={_typed(value)}")]


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(_typed, value)) if isinstance(value, list) else str(value)

"""Files of every version ever written are still read: `tests/records/` holds one of each, never to be edited."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import benchmark.generation.record as generation
import benchmark.prediction.record as prediction
from benchmark import record, study_record
from benchmark.errors import RecordError
from benchmark.human import answers
from benchmark.human import result as human
from benchmark.reproduction import result as reproduction
from benchmark.schema import dump
from benchmark.submission import any_result, frames_result, schema
from dynamics_gen.classes import CLASSES
from leaderboard import reference

RECORDS = Path(__file__).parent / "records"


def read_submission(path: Path) -> schema.Submission:
    """A submission in order."""
    made, problems = schema.parse(path.read_text("utf-8"), str(path))
    if made is None:
        raise RecordError("; ".join(problems))
    return made


READERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "answers": (answers.read_answers, "answers_version"),
    "generation": (generation.read, "record_version"),
    "generation_result": (any_result.read, "result_version"),
    "human": (human.read, "human_version"),
    "prediction": (prediction.read, "record_version"),
    "prediction_result": (any_result.read, "result_version"),
    "record": (record.read, "record_version"),
    "reference": (reference.read, "reference_version"),
    "reproduction": (reproduction.read, "reproduction_version"),
    "result": (any_result.read, "result_version"),
    "study": (study_record.read, "study_version"),
    "submission": (read_submission, "submission_version"),
}
"""How a file of each kind is read, and the field that holds its version."""

NOW = {
    "answers": answers.ANSWERS_VERSION,
    "generation": generation.RECORD_VERSION,
    "generation_result": frames_result.RESULT_VERSION,
    "human": human.HUMAN_VERSION,
    "prediction": prediction.RECORD_VERSION,
    "prediction_result": frames_result.RESULT_VERSION,
    "record": record.RECORD_VERSION,
    "reference": reference.REFERENCE_VERSION,
    "reproduction": reproduction.REPRODUCTION_VERSION,
    "result": any_result.result.RESULT_VERSION,
    "study": study_record.STUDY_VERSION,
    "submission": schema.SUBMISSION_VERSION,
}
KEPT = sorted(path.stem for path in RECORDS.glob("*.json"))
LACKS_VERSION = {"study-1"}


def without_floor(seeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Seeds of a predictor whose records did not yet say how far clips of train are."""
    return [seed | {"test": seed["test"] | {"frechet_of_train": None}} for seed in seeds]


ADDED: dict[str, dict[str, Any]] = {
    "prediction-1": {"record_version": 2, "seeds": without_floor},
    "record-1": {"record_version": 2, "shifted": []},
    "record-1-unnamed_classes": {"record_version": 2, "shifted": [], "dataset": {"classes": list(CLASSES)}},
    "result-1": {"result_version": 2, "calibration_error": None},
    "study-1": {"study_version": 2},
    "submission-1": {"submission_version": 2, "view": None},
}
"""What reading adds to a file of an earlier version, or makes of what it has."""


def kind_and_version(name: str) -> tuple[str, int]:
    """Of a file, `kind-version.json` or `kind-version-variant.json`."""
    kind, version, *_ = name.split("-")
    return kind, int(version)


def test_one_file_of_every_version_is_kept() -> None:
    """Whoever raises a version keeps a file of the new one; none that was kept may go."""
    expected = {(kind, version) for kind, now in NOW.items() for version in range(1, now + 1)}
    assert {kind_and_version(name) for name in KEPT} == expected
    assert {kind_and_version(name) for name in ADDED} == expected - set(NOW.items())


@pytest.mark.parametrize("name", KEPT)
def test_file_says_which_version_it_is(name: str) -> None:
    """In a field of its own; the first studies had none."""
    kind, version = kind_and_version(name)
    document = json.loads((RECORDS / f"{name}.json").read_text())
    assert document.get(READERS[kind][1]) == (None if name in LACKS_VERSION else version)


@pytest.mark.parametrize("name", KEPT)
def test_every_version_is_read_as_todays(name: str, tmp_path: Path) -> None:
    """Nothing of it is lost, what it did not have is as stated here, and what is written of it reads back the same."""
    kind, _ = kind_and_version(name)
    read, field = READERS[kind]
    made = read(RECORDS / f"{name}.json")
    assert getattr(made, field) == NOW[kind]
    document = json.loads((RECORDS / f"{name}.json").read_text())
    for key, value in ADDED.get(name, {}).items():
        before = document.get(key)
        document[key] = value(before) if callable(value) else before | value if isinstance(value, dict) else value
    assert json.loads(dump(made)) == document
    (tmp_path / f"{kind}.json").write_text(dump(made))
    assert read(tmp_path / f"{kind}.json") == made


@pytest.mark.parametrize("kind", sorted(READERS))
def test_other_versions_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    """What was never written, or is not yet known, is not guessed at."""
    read, field = READERS[kind]
    document = json.loads((RECORDS / f"{kind}-{NOW[kind]}.json").read_text())
    path = tmp_path / f"{kind}.json"
    for wrong in (0, None, "1", True, 99):
        path.write_text(json.dumps(document | {field: wrong}))
        with pytest.raises(RecordError, match=rf"{re.escape(str(path))}: {field} is "):
            read(path)


def test_newer_field_in_an_older_file_is_refused(tmp_path: Path) -> None:
    """A record of version 1 with what version 2 brought is neither."""
    document = json.loads((RECORDS / "record-1.json").read_text())
    path = tmp_path / "record.json"
    path.write_text(json.dumps(document | {"shifted": []}))
    with pytest.raises(RecordError, match="record_version is 1: expected "):
        record.read(path)

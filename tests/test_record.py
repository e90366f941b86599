"""The record: what is written is read back; what is missing, mistyped or contradicts itself is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_records import LABELS, make_record

from benchmark import record, record_file
from benchmark.errors import RecordError
from benchmark.record import Scores, parse
from benchmark.schema import dump
from dynamics_gen.classes import CLASSES, ROTATION, factors

TEXT = dump(make_record(errors=(0.3,), epochs=1, shifted=("camera",))[0])


def document() -> dict[str, Any]:
    """A record as plain JSON values, of one seed and one epoch."""
    return json.loads(TEXT)


def refusal(changed: object) -> str:
    """What the document is refused with."""
    with pytest.raises(RecordError) as caught:
        parse(json.dumps(changed))
    return str(caught.value)


def fields(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value with a fixed meaning; of a confusion matrix the first count only."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict) and path[-1:] not in [("libraries",), ("model",), ("training",)]:
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value[:1]))
    for key, inner in items:
        yield (*path, key)
        yield from fields(inner, (*path, key))


def spelt(path: tuple[str | int, ...]) -> str:
    """The path as messages spell it."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def change(path: tuple[str | int, ...], edit: Callable[[Any, Any], None]) -> dict[str, Any]:
    """A document whose value at `path` went through `edit(container, key)`."""
    changed = document()
    container: Any = changed
    for key in path[:-1]:
        container = container[key]
    edit(container, path[-1])
    return changed


PATHS = list(fields(document()))


def test_record_is_read_back_equal(tmp_path: Path) -> None:
    """Writing and reading changes nothing, and leaves nothing else in the folder."""
    made, _ = make_record()
    written = record.write(made, tmp_path / "record.json")
    assert record.read(tmp_path / "record.json") == written == made
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_tuples_in_settings_are_returned_as_they_will_be_read(tmp_path: Path) -> None:
    """`write` returns what `read` gives, also where JSON has no type of its own."""
    made, _ = make_record()
    made = replace(made, config=record.Settings(model={"kernel": (3, 3)}, training={}))
    assert record.write(made, tmp_path / "record.json") == record.read(tmp_path / "record.json")


def test_every_field_is_covered() -> None:
    """The three tests below look at all of the record: some eighty places."""
    assert len(PATHS) > 75
    assert ("seeds", 0, "scores", "test", "confusion", 0, 0) in PATHS


@pytest.mark.parametrize("path", [path for path in PATHS if isinstance(path[-1], str)], ids=spelt)
def test_missing_field_is_refused_by_name(path: tuple[str | int, ...]) -> None:
    """Whatever is left out is told with its path."""
    assert refusal(change(path, lambda container, key: container.pop(key))) == f"record.json: {spelt(path)} is missing"


MEANINGFUL = {"note": "", "source": "", "train_loss": -1, "flops_per_clip": None}
"""What is wrong elsewhere and right in these fields."""


@pytest.mark.parametrize("wrong", [None, "", -1, [[]], {"x": 1}], ids=repr)
def test_mistyped_field_is_refused_by_name(wrong: Any) -> None:
    """Null, an empty text, a negative number, odd lists and objects pass nowhere that they mean nothing."""
    paths = [path for path in PATHS if MEANINGFUL.get(str(path[-1]), ...) != wrong]
    if isinstance(wrong, dict):  # the settings are free
        paths = [path for path in paths if path not in (("config", "model"), ("config", "training"))]
    assert len(paths) > 75
    for path in paths:
        changed = change(path, lambda container, key: container.__setitem__(key, wrong))
        assert refusal(changed).startswith(f"record.json: {spelt(path)}")


@pytest.mark.parametrize(
    "path",
    [path[:-1] for path in PATHS if path[-1] in ("model", "train", "clips", "seed", "epoch", "device", "note")],
    ids=spelt,
)
def test_unknown_field_is_refused_by_name(path: tuple[str | int, ...]) -> None:
    """A field of another version, or a slip of the pen, is told at every level."""
    if path == ("config",) or not path:
        changed = {**document(), "rank": 1}
        assert refusal(changed).startswith("record.json: rank is no known field: expected record_version, ")
        return
    changed = change((*path, "rank"), lambda container, key: container.__setitem__(key, 1))
    assert refusal(changed).startswith(f"record.json: {spelt(path)}.rank is no known field: expected ")


def contradiction(path: str, value: Any) -> str:
    """What a document is refused with when the value at `path`, dotted, is `value`."""
    keys = tuple(int(key) if key.isdigit() else key for key in path.split("."))
    return refusal(change(keys, lambda container, key: container.__setitem__(key, value)))


@pytest.mark.parametrize("name", ["error", "error_path", "error_speed"])
def test_score_that_the_confusion_matrix_does_not_have_is_refused(name: str) -> None:
    """The matrix is what was counted; a rate beside it must be its own."""
    said = document()["seeds"][0]["scores"]["test"][name]
    sentence = contradiction(f"seeds.0.scores.test.{name}", said + 0.001)
    assert sentence.startswith(f"record.json: seeds[0].scores.test.{name} is {said + 0.001}: expected {said}")


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("record_version", 3, "record_version is 3: expected 1 to 2, those that this version of the benchmark reads"),
        ("record_version", 0, "record_version is 0: expected 1 to 2"),
        ("record_version", "1", 'record_version is "1": expected 1 to 2'),
        ("record_version", 1, "record_version is 1: expected a whole number from 2 to 2"),
        ("metric_version", 7, "metric_version is 7: expected a whole number from 1 to 1"),
        ("task", "generation", 'task is "generation": expected "classification"'),
        ("model", "../up", 'model is "../up": expected a name'),
        ("seeds", [], "seeds is a list of 0: expected at least one seed"),
        ("seeds.0.chosen_epoch", 2, "seeds[0].chosen_epoch is 2: expected an epoch of its history, from 1 to 1"),
        ("seeds.0.history", [], "seeds[0].history holds a list of 0 epochs"),
        ("seeds.0.predictions", "other.npz", 'seeds[0].predictions is "other.npz": expected "predictions-seed0.npz"'),
        ("seeds.0.predictions_sha256", "AB" * 32, "seeds[0].predictions_sha256 is "),
        ("seeds.0.scores.valid.clips", 199, "seeds[0].scores.valid.clips is 199: expected 200, as in dataset.splits"),
        ("seeds.0.scores.train.clips", 201, "seeds[0].scores.train.clips is 201: expected 200 at most"),
        ("seeds.0.scores.train.clips", 199, "seeds[0].scores.train.confusion counts 200 clips: expected 199"),
        ("seeds.0.scores.test.confusion.3", [1] * 9, "seeds[0].scores.test.confusion has 10 rows of [9, 10] counts"),
        ("seeds.0.scores.test.confusion.3.4", 400, "seeds[0].scores.test.confusion counts "),
        ("shifted.0.release", "standard", "shifted holds the releases standard: expected each once, and not standard"),
        ("shifted.0.seeds.0.seed", 7, "shifted[0].seeds holds the seeds [7]: expected those of the record"),
        ("shifted.0.seeds.0.predictions", "predictions-seed0.npz", "shifted[0].seeds[0].predictions is "),
        ("shifted.0.split.clips", 100, "shifted[0].seeds[0].scores.clips is 200: expected 100, as in split"),
        ("shifted.0.seeds.0.scores.error", 0.0, "shifted[0].seeds[0].scores.error is 0.0: expected "),
    ],
)
def test_contradiction_is_refused(path: str, value: Any, sentence: str) -> None:
    """Each field may be in order and the record still impossible."""
    assert contradiction(path, value).startswith(f"record.json: {sentence}")


def test_seed_that_stands_twice_is_refused() -> None:
    """Two rows of one seed are no two measurements."""
    changed = document()
    changed["seeds"] *= 2
    assert refusal(changed) == "record.json: seeds holds the seeds [0, 0]: expected every seed once"


def test_record_of_version_1_reads_as_one_without_shifted_sets(tmp_path: Path) -> None:
    """What was written before there were any; written again, it is a record of today's version."""
    old = document()
    old["record_version"] = 1
    del old["shifted"]
    read = parse(json.dumps(old))
    assert (read.record_version, read.shifted) == (record.RECORD_VERSION, ())
    assert replace(parse(TEXT), shifted=()) == read
    assert record.write(read, tmp_path / "record.json") == record.read(tmp_path / "record.json")
    assert json.loads((tmp_path / "record.json").read_text())["record_version"] == record.RECORD_VERSION


def test_release_that_stands_twice_among_the_shifted_is_refused() -> None:
    """A set has one score a seed."""
    changed = document()
    changed["shifted"] *= 2
    assert "shifted holds the releases camera, camera: expected each once" in refusal(changed)


def test_history_out_of_order_is_refused() -> None:
    """Epochs follow one another."""
    changed = document()
    changed["seeds"][0]["history"] *= 2
    assert "history holds a list of 2 epochs: expected at least one, in rising order" in refusal(changed)


def test_train_may_be_scored_on_a_part() -> None:
    """Valid and test are scored whole; train need not be."""
    changed = document()
    changed["dataset"]["splits"]["train"]["clips"] = 100_000
    assert parse(json.dumps(changed)).seeds[0].scores.train.clips == len(LABELS)


def test_bad_record_is_not_written(tmp_path: Path) -> None:
    """What would be refused when read never reaches the disk, and an older record stays."""
    made, _ = make_record()
    path = tmp_path / "record.json"
    record.write(made, path)
    before = path.read_bytes()
    diverged = replace(made.seeds[0], history=(replace(made.seeds[0].history[0], train_loss=float("nan")),))
    with pytest.raises(RecordError, match="train_loss is NaN: expected a number"):
        record.write(replace(made, seeds=(diverged,)), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_file_that_is_no_record_is_refused_with_its_path(tmp_path: Path) -> None:
    """Missing, not UTF-8 and oversized files are told apart."""
    path = tmp_path / "record.json"
    with pytest.raises(RecordError, match=rf"^{re.escape(str(path))}: no such file"):
        record.read(path)
    path.write_bytes(b'{"model": "\xff"}')
    with pytest.raises(RecordError, match="not UTF-8 text"):
        record.read(path)
    with path.open("wb") as file:
        file.truncate(record_file.LARGEST_BYTES + 1)
    with pytest.raises(RecordError, match=f"expected a record of at most {record_file.LARGEST_BYTES}"):
        record.read(path)


def test_scores_are_those_counted_clip_by_clip() -> None:
    """The vectorised scores equal plain counting over factors."""
    rng = np.random.default_rng(0)
    true, said = rng.integers(0, 10, 500), rng.integers(0, 10, 500)
    scores = Scores.from_labels(true, said)
    pairs = [(factors(int(a)), factors(int(b))) for a, b in zip(true, said, strict=True)]
    assert scores.error == pytest.approx(np.mean(true != said))
    assert scores.error_path == pytest.approx(np.mean([a[0] != b[0] for a, b in pairs]))
    assert scores.error_speed == pytest.approx(np.mean([a[1] != b[1] for a, b in pairs]))
    assert np.array(scores.confusion)[true[0]].sum() == np.sum(true == true[0])


def test_rotation_is_a_path_and_a_speed_of_its_own() -> None:
    """Mistaking rotation for anything else is wrong in both factors; two constants share their speed."""
    both = Scores.from_labels([ROTATION], [0])
    assert (both.error, both.error_path, both.error_speed) == (1, 1, 1)
    path_only = Scores.from_labels([CLASSES.index("linear_constant")], [CLASSES.index("sinusoidal_constant")])
    assert (path_only.error, path_only.error_path, path_only.error_speed) == (1, 1, 0)


@pytest.mark.parametrize("counts", [np.zeros((10, 10)), np.ones((9, 9))])
def test_counts_without_a_score_are_refused(counts: np.ndarray) -> None:
    """No clips, or another number of classes."""
    with pytest.raises(ValueError, match="has no score"):
        Scores.from_confusion(counts)

"""`score`: every number of a result is computed from predictions and labels, and no other gets in."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from submitted import build_test_split, edit, enter, guesses, npz, put

import dynamics_gen
from benchmark.errors import RecordError
from benchmark.statistics import mean_error_interval
from benchmark.submission import result
from benchmark.submission.command import submit
from benchmark.submission.score import compare, score
from benchmark.submission.scored import read_scored
from benchmark.submission.split import OpenedSplit, open_split
from dynamics_gen import hidden
from dynamics_gen.classes import CLASSES, factors
from dynamics_gen.errors import ShardError

SALT = "5a" * 32


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedSplit:
    """A small open test split. Never change it."""
    return open_split(build_test_split(tmp_path_factory.mktemp("data") / "test"))


@pytest.fixture
def entry(opened: OpenedSplit, tmp_path: Path) -> Path:
    """An entry in order."""
    return enter(tmp_path / "entries", opened.folder)


def confusion(folder: Path, seed: int, labels: dict[str, int]) -> list[list[int]]:
    """Counts of a seed's predictions, clip by clip."""
    counts = [[0] * len(CLASSES) for _ in CLASSES]
    with np.load(folder / f"predictions-seed{seed}.npz") as archive:
        for name, row in zip(archive["clip_id"].tolist(), archive["probabilities"].tolist(), strict=True):
            counts[labels[name.decode()]][row.index(max(row))] += 1
    return counts


def labels_of(folder: Path) -> dict[str, int]:
    """The labels of a split that has them."""
    split = dynamics_gen.open(folder)
    return dict(zip(split.clip_ids, split.labels.tolist(), strict=True))


def test_scores_are_those_of_predictions_and_labels(entry: Path, opened: OpenedSplit) -> None:
    """Error, errors by factor and confusion, counted here clip by clip, in the dataset's labels."""
    labels = labels_of(opened.folder)
    found = score(entry, opened)
    assert (found.board, found.test) == ("open", opened.test)
    for seed, one in enumerate(found.seeds):
        counts = confusion(entry, seed, labels)
        assert [list(row) for row in one.scores.confusion] == counts
        pairs = [(true, said, counts[true][said]) for true in range(10) for said in range(10)]
        assert one.scores.error == sum(n for true, said, n in pairs if true != said) / 30
        assert one.scores.error_path == sum(n for true, said, n in pairs if factors(true)[0] != factors(said)[0]) / 30
        assert one.scores.error_speed == sum(n for true, said, n in pairs if factors(true)[1] != factors(said)[1]) / 30
        assert 0 < one.scores.error < 1


def test_the_interval_is_that_of_the_board(entry: Path, opened: OpenedSplit) -> None:
    """Over clips in the order of their ids, from the same draws as a record's."""
    labels = labels_of(opened.folder)
    names = sorted(labels)
    true = np.array([labels[name] for name in names])
    wrong = []
    for seed in range(3):
        answers = guesses(opened.folder, seed)
        said = dict(zip(answers.clip_id.tolist(), answers.probabilities.argmax(axis=1).tolist(), strict=True))
        wrong.append([said[name.encode()] != labels[name] for name in names])
    expected = mean_error_interval(np.array(wrong), true, np.random.default_rng(0))
    assert score(entry, opened).error_interval.interval == expected


def test_what_an_entrant_says_changes_no_score(entry: Path, opened: OpenedSplit) -> None:
    """Another description, other scores nowhere: the numbers are the same."""
    before = score(entry, opened, salt=SALT)
    edit(entry, about__parameters=1, about__training_hours=0, about__description="error 0.1 %", about__tuning_trials=0)
    after = score(entry, opened, salt=SALT)
    assert after.submission_sha256 != before.submission_sha256
    assert (after.seeds, after.error_interval) == (before.seeds, before.error_interval)
    text = (entry / "submission.json").read_text()
    (entry / "submission.json").write_text(text.replace('"task"', '"error": 0.001, "task"'))
    with pytest.raises(RecordError, match="error is no known field"):
        score(entry, opened)


def test_hashes_bind_predictions_and_labels_under_a_drawn_salt(entry: Path, opened: OpenedSplit) -> None:
    """Computed here from their canonical forms; every result has a salt of its own, and other hashes for it."""
    one, other = score(entry, opened), score(entry, opened)
    assert one.salt != other.salt
    assert len(bytes.fromhex(one.salt)) == 32
    assert one.predictions_sha256 != other.predictions_sha256
    lines = "".join(
        f"{seed},{hashlib.sha256((entry / f'predictions-seed{seed}.npz').read_bytes()).hexdigest()}\n"
        for seed in range(3)
    )
    assert one.predictions_sha256 == hashlib.sha256(f"{one.salt}\n{lines}".encode()).hexdigest()
    lines = "".join(f"{name},{label}\n" for name, label in sorted(labels_of(opened.folder).items()))
    assert one.labels_sha256 == hashlib.sha256(f"{one.salt}\n{lines}".encode()).hexdigest()


def test_a_hidden_test_is_scored_by_the_hosts_labels(secret: Path, tmp_path: Path) -> None:
    """Ids from the published folder, labels from the private file; its hash is the commitment, its salt stays away."""
    opened = open_split(secret / "public")
    folder = enter(tmp_path, opened.folder)
    found = score(folder, opened, secret / "private" / "labels.csv")
    assert found.board == "hidden"
    stated = json.loads((secret / "public" / "commitment.json").read_text())
    assert found.labels_sha256 == stated["sha256"]
    assert found.test.fingerprint == stated["fingerprint"]
    labels = labels_of(secret / "private" / "test")
    for seed, one in enumerate(found.seeds):
        assert [list(row) for row in one.scores.confusion] == confusion(folder, seed, labels)
    result.write(found, folder / "result.json")
    opening = json.loads((secret / "private" / "opening.json").read_text())
    assert opening["salt"] not in (folder / "result.json").read_text()


def test_labels_that_the_commitment_does_not_hold_are_refused(secret: Path, tmp_path: Path) -> None:
    """A host cannot change a label after the fact, nor score without one, nor with the private clips."""
    opened = open_split(secret / "public" / "test")
    folder = enter(tmp_path / "entries", opened.folder)
    private = Path(shutil.copytree(secret / "private", tmp_path / "private"))
    labels = hidden.read_labels(private / "labels.csv")
    name = next(iter(labels))
    (private / "labels.csv").write_bytes(hidden.labels_csv(labels | {name: (labels[name] + 1) % 10}))
    with pytest.raises(ShardError, match="do not match"):
        score(folder, opened, private / "labels.csv")
    with pytest.raises(RecordError, match="is a hidden test set: give its labels with --labels"):
        score(folder, opened)
    with pytest.raises(RecordError, match="is the private folder of a hidden test set: expected the published one"):
        open_split(private / "test")


def test_an_entry_for_the_open_test_is_none_for_the_hidden_one(secret: Path, entry: Path) -> None:
    """Labels that anybody can derive say nothing about clips that nobody knows."""
    with pytest.raises(RecordError, match=r"first of \d+ problems"):
        score(entry, open_split(secret / "public"), secret / "private" / "labels.csv")


def test_labels_given_for_an_open_test_must_be_its_own(entry: Path, opened: OpenedSplit, tmp_path: Path) -> None:
    """They are in the dataset; a file that says the same is no matter, another is a mistake."""
    labels = labels_of(opened.folder)
    (tmp_path / "same.csv").write_bytes(hidden.labels_csv(labels))
    assert score(entry, opened, tmp_path / "same.csv", SALT) == score(entry, opened, None, SALT)
    (tmp_path / "other.csv").write_bytes(hidden.labels_csv(dict.fromkeys(labels, 0)))
    with pytest.raises(RecordError, match="leave --labels out, that test is open"):
        score(entry, opened, tmp_path / "other.csv")


def test_an_entry_that_is_not_in_order_is_not_scored(entry: Path, opened: OpenedSplit) -> None:
    """The first problem is told, and where to see all; no result is written."""
    (entry / "predictions-seed1.npz").unlink()
    (entry / "stray").write_bytes(b"")
    done = CliRunner().invoke(submit, ["score", str(entry), "--data", str(opened.folder)])
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: {entry}/predictions-seed1.npz: no such file; it is the first of 2 problems,"
        " `bench submit check` names all\n"
    )
    assert not (entry / "result.json").exists()


def test_the_command_writes_what_it_prints(entry: Path, opened: OpenedSplit) -> None:
    """A line with error, interval and board; the same numbers are read back; then `--check` finds nothing to say."""
    words = ["score", str(entry), "--data", str(opened.folder)]
    done = CliRunner().invoke(submit, words)
    assert done.exit_code == 0, done.output
    found = result.read(entry / "result.json")
    mean = sum(one.scores.error for one in found.seeds) / 3
    assert done.stdout.startswith(f"{entry}: {100 * mean:.1f} % test error (95 %: ")
    assert done.stdout.endswith(f" %) on the open test, standard own; {entry}/result.json\n")
    before = (entry / "result.json").read_bytes()
    assert CliRunner().invoke(submit, [*words, "--check"]).exit_code == 0
    assert (entry / "result.json").read_bytes() == before
    done = CliRunner().invoke(submit, ["check", str(entry), "--data", str(opened.folder)])
    assert done.exit_code == 0, done.output


def test_a_stale_result_is_replaced_by_scoring_again(entry: Path, opened: OpenedSplit) -> None:
    """Of another description or other predictions it is refused by whoever reads it, not by the host."""
    result.write(score(entry, opened), entry / "result.json")
    edit(entry, about__description="corrected")
    with pytest.raises(RecordError, match=r"result.json: is of another submission.json, or other predictions"):
        read_scored(entry)
    result.write(score(entry, opened), entry / "result.json")
    read = read_scored(entry)
    assert read.submission.about.description == "corrected"
    for one, answers in zip(read.result.seeds, read.said, strict=True):
        assert np.array_equal(answers.clip_id, opened.clip_id)
        assert one.scores.error == (answers.probabilities.argmax(axis=1) != opened.labels).mean()


def tampered(entry: Path, **changes: Any) -> None:
    """Changes fields of result.json; `seeds__0__scores` is a field of an item."""
    document = json.loads((entry / "result.json").read_text())
    for name, value in changes.items():
        *outer, last = (int(part) if part.isdigit() else part for part in name.split("__"))
        target = document
        for part in outer:
            target = target[part]
        target[last] = value
    (entry / "result.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeds__0__scores__error": 0.0}, r"seeds\[0\].scores are not those of their confusion matrix"),
        ({"seeds__0__sha256": "0" * 64}, "is of another submission.json, or other predictions"),
        ({"salt": "0" * 64}, "is of another submission.json, or other predictions"),
        ({"test__fingerprint": "0" * 64}, "is of another submission.json, or other predictions"),
        ({"error_interval__low": 0.0, "error_interval__high": 0.01}, "error_interval is from 0.0 to 0.01: expected"),
        ({"board": "secret"}, 'board is "secret": expected "open" or "hidden"'),
        ({"seeds__0__scores__confusion": [[1]]}, r"seeds\[0\].scores.confusion is none"),
        ({"seeds": []}, "seeds holds the seeds"),
        ({"rank": 1}, "rank is no known field"),
    ],
)
def test_a_result_that_was_touched_is_refused(
    changes: dict[str, Any], sentence: str, entry: Path, opened: OpenedSplit
) -> None:
    """Without labels, by what it says of itself and of the files beside it."""
    result.write(score(entry, opened), entry / "result.json")
    assert read_scored(entry).result == result.read(entry / "result.json")
    tampered(entry, **changes)
    with pytest.raises(RecordError, match=sentence):
        read_scored(entry)


def test_a_better_matrix_is_refused_where_classes_were_said_otherwise(entry: Path, opened: OpenedSplit) -> None:
    """How often each class was said is known without labels: a forged matrix of right answers does not fit."""
    found = score(entry, opened)
    result.write(found, entry / "result.json")
    right = [[3 * int(true == said) for said in range(10)] for true in range(10)]
    scores = {"clips": 30, "error": 0.0, "error_path": 0.0, "error_speed": 0.0, "confusion": right}
    tampered(entry, seeds__1__scores=scores)
    with pytest.raises(RecordError, match=r"the confusion matrix of seed 1 is not of predictions-seed1.npz"):
        read_scored(entry)


@pytest.mark.parametrize("field", ["error_interval__high", "labels_sha256", "board"])
def test_with_labels_every_change_is_found(field: str, entry: Path, opened: OpenedSplit) -> None:
    """Also those that agree with all that is public."""
    result.write(score(entry, opened), entry / "result.json")
    compare(entry, opened)
    tampered(entry, **{field: {"error_interval__high": 1.0, "labels_sha256": "0" * 64, "board": "hidden"}[field]})
    name = field.partition("__")[0]
    with pytest.raises(RecordError, match=f"{name} is not what predictions and labels say"):
        compare(entry, opened)


def test_a_result_is_written_whole_or_not_at_all(entry: Path, opened: OpenedSplit) -> None:
    """One that would be refused when read leaves what was there, and no other file."""
    made = score(entry, opened)
    result.write(made, entry / "result.json")
    before = sorted((path.name, path.read_bytes()) for path in entry.iterdir())
    with pytest.raises(RecordError):
        result.write(replace(made, seeds=()), entry / "result.json")
    assert sorted((path.name, path.read_bytes()) for path in entry.iterdir()) == before


def test_of_equal_probabilities_the_first_class_counts(entry: Path, opened: OpenedSplit) -> None:
    """As in a record: whoever says the same of all classes says the first."""
    uniform = np.full((30, 10), 0.1, np.float32)
    put(entry, "predictions-seed0.npz", npz(clip_id=opened.clip_id, probabilities=uniform))
    assert score(entry, opened).seeds[0].scores.error == 0.9


def test_an_entry_without_a_result_has_no_row(entry: Path) -> None:
    """Only the host makes one."""
    with pytest.raises(RecordError, match=r"has no result.json: expected what `bench submit score` writes"):
        read_scored(entry)

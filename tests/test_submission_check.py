"""`check`: an entry in order passes; of one that is not, every problem is named in one pass."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from submitted import build_test_split, csv, describe, edit, enter, guesses, npz, put

from benchmark.errors import RecordError
from benchmark.submission import said
from benchmark.submission.check import check
from benchmark.submission.split import OpenedSplit, open_split


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small open test split. Never change it."""
    return build_test_split(tmp_path_factory.mktemp("data") / "test")


@pytest.fixture(scope="module")
def opened(split: Path) -> OpenedSplit:
    """The same, opened."""
    return open_split(split)


@pytest.fixture
def entry(split: Path, tmp_path: Path) -> Path:
    """An entry in order, to spoil."""
    return enter(tmp_path / "entries", split)


def problems(folder: Path, opened: OpenedSplit | None = None) -> list[str]:
    """What is wrong, without the folder's path."""
    return [one.removeprefix(f"{folder}/").removeprefix(f"{folder}: ") for one in check(folder, opened).problems]


@pytest.mark.parametrize("form", ["npz", "csv"])
def test_an_entry_in_order_has_no_problem(form: str, split: Path, opened: OpenedSplit, tmp_path: Path) -> None:
    """In either form, with the split and without, whatever the order of clips."""
    folder = enter(tmp_path, split, form=form)
    assert problems(folder) == problems(folder, opened) == []
    checked = check(folder, opened)
    assert list(checked.said) == [f"predictions-seed{seed}.{form}" for seed in range(3)]
    for seed, found in enumerate(checked.said.values()):
        expected = guesses(split, seed).sorted()
        assert np.array_equal(found.sorted().clip_id, expected.clip_id)
        assert np.array_equal(found.sorted().probabilities, expected.probabilities)


def test_every_problem_is_named_in_one_pass(entry: Path, opened: OpenedSplit) -> None:
    """A bad field, an altered file, a missing one, a stray one and a false distribution: five sentences."""
    document = json.loads((entry / "submission.json").read_text())
    (entry / "notes.txt").write_text("hello")
    (entry / "predictions-seed1.npz").unlink()
    answers = guesses(opened.folder, 9)
    (entry / "predictions-seed0.npz").write_bytes(npz(clip_id=answers.clip_id, probabilities=answers.probabilities))
    third = guesses(opened.folder, 2)
    put(entry, "predictions-seed2.npz", npz(clip_id=third.clip_id, probabilities=third.probabilities * 2))
    edit(entry, test__release="hard")
    assert document["seeds"][0]["sha256"] == json.loads((entry / "submission.json").read_text())["seeds"][0]["sha256"]
    found = problems(entry, opened)
    assert len(found) == 5
    assert found[0].startswith("predictions-seed0.npz: its SHA-256 is ")
    assert found[1] == "predictions-seed1.npz: no such file"
    assert found[2].startswith("predictions-seed2.npz: probabilities of ")
    assert found[3].startswith('holds "notes.txt": expected submission.json and the predictions that it names')
    assert found[4] == f"submission.json: test.release is hard: expected standard, as in {opened.folder}"


def test_predictions_are_checked_though_the_description_is_not_in_order(entry: Path) -> None:
    """A slip in one file hides none in another."""
    edit(entry, about__contact="me")
    (entry / "predictions-seed2.npz").write_bytes(b"junk")
    found = problems(entry)
    assert [one.partition(" ")[0] for one in found] == ["submission.json:", "predictions-seed2.npz:"]


def test_missing_foreign_and_repeated_clips_are_counted(entry: Path, opened: OpenedSplit) -> None:
    """How many of each, and the first by name; ids are compared with the split's alone."""
    answers = guesses(opened.folder)
    ids = answers.clip_id.copy()
    first, second, third = ids[:3].tolist()
    ids[:3] = [b"stranger-1", b"stranger-2", ids[3]]
    put(entry, "predictions-seed0.npz", npz(clip_id=ids, probabilities=answers.probabilities))
    lost = min(first, second, third).decode()
    twice = ids[3].decode()
    assert problems(entry, opened) == [
        f'predictions-seed0.npz: clip_id holds "{twice}" more than once: expected every clip once',
        f'predictions-seed0.npz: "{lost}" and 2 more of the test split are missing: expected all 30 clips',
        'predictions-seed0.npz: clip_id holds "stranger-1" and 1 more, not of the test split',
    ]


def test_without_a_split_seeds_are_held_against_each_other(entry: Path, opened: OpenedSplit) -> None:
    """Other clips than the first seed has, or another number than the description says."""
    answers = guesses(opened.folder)
    ids = np.where(np.arange(30) == 4, b"stranger", answers.clip_id)
    put(entry, "predictions-seed1.npz", npz(clip_id=ids, probabilities=answers.probabilities))
    put(entry, "predictions-seed2.npz", npz(clip_id=ids[:9], probabilities=answers.probabilities[:9]))
    assert problems(entry) == [
        "predictions-seed1.npz: holds other clips than the first seed has: expected those of one split",
        "predictions-seed2.npz: holds 9 clips: expected 30, as in submission.json",
    ]


def test_an_entry_for_another_release_or_split_is_refused(entry: Path, opened: OpenedSplit, tmp_path: Path) -> None:
    """A release built from another seed is another test: its fingerprint differs, whatever its clips are called."""
    other = open_split(build_test_split(tmp_path / "other" / "test", seed=1))
    (found,) = problems(entry, other)
    assert found.startswith(f"submission.json: test.fingerprint is {opened.test.fingerprint}: expected ")
    edit(entry, test__release="standard-2", test__size="huge")
    assert [one[:50] for one in problems(entry)] == [
        "submission.json: test.release is standard-2: expec",
        "submission.json: test.size is huge: expected one o",
    ]


@pytest.mark.parametrize("field", ["group", "entry"])
def test_a_folder_is_called_as_its_description_says(field: str, entry: Path) -> None:
    """Nobody enters under the name of somebody else."""
    edit(entry, **{f"about__{field}": "google"})
    (found,) = problems(entry)
    assert found.startswith(f"submission.json: about.{field} is google: expected ")


def test_two_entries_of_one_name_are_refused(entry: Path, split: Path) -> None:
    """In letters of another case, which some file systems do not tell apart; for groups and entries alike."""
    enter(entry.parent.parent, split, entry="Mine", method="other")
    enter(entry.parent.parent, split, group="MY-group", method="other")
    assert problems(entry) == [
        'there is the group "MY-group" already: expected another name, or that',
        'there is the entry "Mine" already: expected another name',
    ]


def test_two_rows_of_one_name_are_refused(entry: Path, split: Path) -> None:
    """One group, one test split, one method: nobody could tell them apart. Other groups may call theirs so."""
    enter(entry.parent.parent, split, group="others")
    assert problems(entry) == []
    enter(entry.parent.parent, split, entry="second", method="MY net (v2)")
    (found,) = problems(entry)
    assert found.startswith(
        'submission.json: about.method is "My net (v2)", as in this group\'s second on this test split'
    )


def test_a_pull_request_adds_one_entry_and_touches_no_other(split: Path, tmp_path: Path) -> None:
    """Files of others that were changed, removed or added are named; the same entries beside a new one are in order."""
    base = tmp_path / "base" / "entries"
    theirs = enter(base, split, group="theirs", entry="old")
    head = tmp_path / "head" / "entries"
    shutil.copytree(base, head)
    folder = enter(head, split)
    assert check(folder, base=base).problems == []
    (head / "theirs" / "old" / "predictions-seed0.npz").write_bytes(b"worse")
    (head / "theirs" / "old" / "predictions-seed1.npz").unlink()
    (head / "theirs" / "old" / "extra").write_bytes(b"")
    place = folder.resolve().parent.parent / "theirs" / "old"
    assert check(folder, base=base).problems == [
        f"{place}/extra: was added: expected one entry at a time, my-group/mine/",
        f"{place}/predictions-seed0.npz: was changed: expected every other entry as it was",
        f"{place}/predictions-seed1.npz: was removed: expected every other entry as it was",
    ]
    assert theirs.is_dir()


def test_an_edit_of_an_entry_that_is_there_is_refused(split: Path, tmp_path: Path) -> None:
    """Also of one's own: what was scored stays what it was; a better one is a new entry."""
    base = tmp_path / "base" / "entries"
    enter(base, split)
    head = tmp_path / "head" / "entries"
    shutil.copytree(base, head)
    folder = head / "my-group" / "mine"
    edit(folder, about__description="better")
    assert check(folder, base=base).problems == [
        f"{folder}: there is such an entry already: expected a new one, since entries are not edited"
    ]


def test_a_new_entry_brings_no_result(split: Path, entry: Path, tmp_path: Path) -> None:
    """result.json is the host's to write; and one that is no result is refused in any case."""
    (tmp_path / "base").mkdir()
    (entry / "result.json").write_text("{}")
    found = check(entry, base=tmp_path / "base").problems
    assert found[0].startswith(f"{entry}/result.json: result_version is missing")
    assert found[1] == f"{entry}/result.json: is the host's to write: expected none in a new entry"


def test_a_link_to_an_entry_of_others_is_a_change(split: Path, tmp_path: Path) -> None:
    """An entry that was replaced by a link to the same bytes is no longer the entry."""
    base = tmp_path / "base" / "entries"
    theirs = enter(base, split, group="theirs", entry="old")
    head = tmp_path / "head" / "entries"
    shutil.copytree(base, head)
    folder = enter(head, split)
    copy = head / "theirs" / "old" / "predictions-seed0.npz"
    copy.unlink()
    copy.symlink_to(theirs / "predictions-seed0.npz")
    (found,) = check(folder, base=base).problems
    assert found.endswith("/theirs/old/predictions-seed0.npz: was changed: expected every other entry as it was")


def test_a_base_that_is_none_is_an_error(entry: Path, tmp_path: Path) -> None:
    """A mistake of the host is no problem of the entry."""
    with pytest.raises(RecordError, match="no such folder: expected `entries` of the branch"):
        check(entry, base=tmp_path / "nothing")


def test_folders_that_are_none_are_one_problem(entry: Path, tmp_path: Path) -> None:
    """Missing, a file, a link, or full of files."""
    (tmp_path / "link").symlink_to(entry)
    assert problems(tmp_path / "link") == ["is a symbolic link: expected the folder of an entry itself"]
    assert problems(tmp_path / "gone") == ["no such folder: expected one that `bench submit prepare` makes"]
    for number in range(200):
        (entry / f"{number}").write_bytes(b"")
    assert problems(entry) == ["holds more than 100 files: expected submission.json and predictions"]


def test_a_record_is_no_submission(tmp_path: Path) -> None:
    """Says what is missing."""
    folder = tmp_path / "g" / "e"
    folder.mkdir(parents=True)
    assert problems(folder) == ["submission.json: no such file: expected what `bench submit prepare` writes"]


def test_a_folder_may_be_named_from_within(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bench submit check .` knows what its folder is called."""
    monkeypatch.chdir(entry)
    assert check(Path()).problems == []
    assert os.fspath(Path()) == "."


def test_a_split_valid_is_no_test(tmp_path: Path) -> None:
    """Scores are of test."""
    with pytest.raises(RecordError, match="is the split valid: expected test"):
        open_split(build_test_split(tmp_path / "valid", split="valid"))


def test_a_table_is_read_to_the_last_digit(split: Path) -> None:
    """Every float32 comes back from its shortest decimal form."""
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(10), 30).astype(np.float32)
    answers = said.Said(clip_id=guesses(split).clip_id, probabilities=rows)
    path = split.parent / "t.csv"
    path.write_bytes(csv(answers))
    assert np.array_equal(said.read(path)[0].probabilities.astype(np.float32), rows)
    assert describe(split, {0: "00" * 32})["test"]["clips"] == 30

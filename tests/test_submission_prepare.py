"""`prepare`: a folder that `check` finds in order, from a run of ours or from anybody's arrays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from submitted import ABOUT, build_test_split, csv, guesses, npz
from synthetic_records import make_record, write_run

from benchmark.errors import RecordError
from benchmark.submission import said
from benchmark.submission.check import check
from benchmark.submission.command import submit
from benchmark.submission.prepare import prepare_files, prepare_run, read_about
from benchmark.submission.split import OpenedSplit, open_split

SAID_OF_A_RUN = {name: ABOUT[name] for name in ("group", "authors", "contact", "tuning_trials")}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedSplit:
    """A small open test split. Never change it."""
    return open_split(build_test_split(tmp_path_factory.mktemp("data") / "test"))


def run_command(*words: object) -> Result:
    """What `bench submit WORDS` does."""
    return CliRunner().invoke(submit, [str(word) for word in words])


def test_a_run_becomes_an_entry(tmp_path: Path) -> None:
    """Its record says all but who enters it and how often it was tuned; labels and scores stay behind."""
    made, files = make_record()
    write_run(tmp_path / "run", made, files)
    folder = prepare_run(tmp_path / "run", SAID_OF_A_RUN, tmp_path / "entries")
    assert folder == tmp_path / "entries" / "my-group" / "conv3d-mini"
    checked = check(folder)
    assert checked.problems == []
    assert checked.submission is not None
    about, test = checked.submission.about, checked.submission.test
    assert (about.method, about.input, about.parameters, about.flops_per_clip) == (
        "conv3d",
        "rgb",
        860_000,
        210_000_000,
    )
    assert about.training_hours == pytest.approx(60.5 / 3600, abs=1e-4)
    assert (test.release, test.size, test.clips) == ("standard", "mini", 200)
    assert test.fingerprint == made.dataset.splits.test.fingerprint
    for name, found in checked.said.items():
        assert np.array_equal(found.probabilities, files[name].probabilities)
        with np.load(folder / name) as archive:
            assert sorted(archive) == ["clip_id", "probabilities"]
    assert "error" not in (folder / "submission.json").read_text()


def test_what_is_said_comes_before_the_record(tmp_path: Path) -> None:
    """An entrant may call the method otherwise."""
    write_run(tmp_path / "run", *make_record())
    folder = prepare_run(tmp_path / "run", SAID_OF_A_RUN | {"method": "Ours", "entry": "v2"}, tmp_path / "entries")
    assert folder.name == "v2"
    assert json.loads((folder / "submission.json").read_text())["about"]["method"] == "Ours"


def test_extra_data_of_a_run_must_be_told(tmp_path: Path) -> None:
    """A record that says there were some, and not which, is no description."""
    made, files = make_record()
    write_run(tmp_path / "run", replace(made, tags=replace(made.tags, extra_data=True, note="")), files)
    with pytest.raises(RecordError, match="extra_data is null: expected plain text"):
        prepare_run(tmp_path / "run", SAID_OF_A_RUN, tmp_path / "entries")
    folder = prepare_run(tmp_path / "run", SAID_OF_A_RUN | {"extra_data": "Kinetics"}, tmp_path / "entries")
    assert json.loads((folder / "submission.json").read_text())["about"]["extra_data"] == "Kinetics"


@pytest.mark.parametrize(
    "kind",
    ["float64", "float16", "text ids", "more arrays", "column-major", "csv"],
)
def test_anybodys_arrays_become_an_entry(kind: str, opened: OpenedSplit, tmp_path: Path) -> None:
    """Ids as text or bytes, floats of any width and order, other arrays beside them, or a table."""
    answers = guesses(opened.folder)
    arrays: dict[str, Any] = {"clip_id": answers.clip_id, "probabilities": answers.probabilities}
    arrays |= {
        "float64": {"probabilities": answers.probabilities.astype(">f8")},
        "float16": {"probabilities": answers.probabilities.astype(np.float16)},
        "text ids": {"clip_id": answers.clip_id.astype(str)},
        "more arrays": {"label": np.zeros(30, int), "logits": answers.probabilities},
        "column-major": {"probabilities": np.asfortranarray(answers.probabilities)},
    }.get(kind, {})
    path = tmp_path / ("mine.csv" if kind == "csv" else "mine.npz")
    path.write_bytes(csv(answers) if kind == "csv" else npz(**arrays))
    folder = prepare_files([path], opened, ABOUT, tmp_path / "entries")
    checked = check(folder, opened)
    assert checked.problems == []
    (found,) = checked.said.values()
    assert np.array_equal(found.clip_id, answers.clip_id)
    assert found.probabilities == pytest.approx(answers.probabilities, abs=1e-3)
    assert np.array_equal(found.probabilities.argmax(axis=1), answers.probabilities.argmax(axis=1))


@pytest.mark.parametrize(
    ("names", "seeds"),
    [
        (("net-seed3.npz", "net-seed1.npz"), [3, 1]),
        (("a.npz", "b.npz"), [0, 1]),
        (("x/seed0.npz", "y/seed0.npz"), [0, 1]),
    ],
)
def test_seeds_are_read_off_the_names_or_counted(
    names: tuple[str, str], seeds: list[int], opened: OpenedSplit, tmp_path: Path
) -> None:
    """Where every name ends with another number that is it; else they are 0, 1, … in the order given."""
    paths = [tmp_path / name for name in names]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        said.write(guesses(opened.folder, number), path)
    folder = prepare_files(paths, opened, ABOUT, tmp_path / "entries")
    checked = check(folder, opened)
    assert checked.submission is not None
    assert [one.seed for one in checked.submission.seeds] == seeds
    for number, found in enumerate(checked.said.values()):
        assert np.array_equal(found.probabilities, guesses(opened.folder, number).probabilities)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"clip_id": None}, "has no array clip_id: expected clip_id and probabilities"),
        ({"clip_id": np.array(["é"] * 30)}, "clip_id is not ASCII: expected ids of the test split"),
        ({"clip_id": np.array([print] * 30, dtype=object)}, "not a readable .npz of plain arrays (Object arrays"),
        (
            {"clip_id": np.arange(30)},
            "clip_id is int64 (30,) and probabilities float32 (30, 10): expected text",
        ),
        ({"probabilities": np.ones((30, 9), np.float32)}, "clip_id is |S11 (30,) and probabilities float32 (30, 9)"),
        ({"probabilities": np.ones((30, 10), np.float32)}, 'probabilities of "'),
        ({"probabilities": np.ones((30, 10), int)}, "clip_id is |S11 (30,) and probabilities int64 (30, 10)"),
    ],
)
def test_arrays_that_are_no_predictions_are_refused(
    changes: dict[str, Any], sentence: str, opened: OpenedSplit, tmp_path: Path
) -> None:
    """With the file, what was found and what was expected; and no folder is made."""
    answers = guesses(opened.folder)
    arrays: dict[str, Any] = {"clip_id": answers.clip_id, "probabilities": answers.probabilities} | changes
    path = tmp_path / "mine.npz"
    path.write_bytes(npz(**{name: array for name, array in arrays.items() if array is not None}))
    with pytest.raises(RecordError) as caught:
        prepare_files([path], opened, ABOUT, tmp_path / "entries")
    assert str(caught.value).startswith(f"{path}: {sentence}")
    assert not (tmp_path / "entries").exists()


def test_files_that_are_no_arrays_are_refused(opened: OpenedSplit, tmp_path: Path) -> None:
    """A missing file, junk, and a single array."""
    junk, single = tmp_path / "junk.npz", tmp_path / "single.npy"
    junk.write_bytes(b"PK\x03\x04junk")
    np.save(single, np.ones(3))
    for path in (junk, single):
        with pytest.raises(RecordError, match=r"not a readable \.npz of plain arrays"):
            prepare_files([path], opened, ABOUT, tmp_path / "entries")
    with pytest.raises(RecordError, match=r"no such file: expected a \.npz or \.csv of predictions"):
        prepare_files([tmp_path / "gone.npz"], opened, ABOUT, tmp_path / "entries")


def test_everything_that_is_not_said_is_named_at_once(opened: OpenedSplit, tmp_path: Path) -> None:
    """In one sentence that says where to say it."""
    said.write(guesses(opened.folder), tmp_path / "mine.npz")
    with pytest.raises(RecordError) as caught:
        prepare_files([tmp_path / "mine.npz"], opened, {"group": "g"}, tmp_path / "entries")
    assert str(caught.value) == (
        "nothing says the entry, authors, contact, method, input, parameters, hardware, training_hours, tuning_trials:"
        " give it as options, or in a file with --about"
    )


def test_an_entry_that_is_there_is_not_overwritten(opened: OpenedSplit, tmp_path: Path) -> None:
    """And a failure leaves nothing behind."""
    said.write(guesses(opened.folder), tmp_path / "mine.npz")
    folder = prepare_files([tmp_path / "mine.npz"], opened, ABOUT, tmp_path / "entries")
    before = (folder / "submission.json").read_bytes()
    with pytest.raises(RecordError, match="is there already: choose another --entry, or remove it"):
        prepare_files([tmp_path / "mine.npz"], opened, ABOUT, tmp_path / "entries")
    many = [tmp_path / "mine.npz"] * 21
    with pytest.raises(RecordError, match="seeds is a list of 21: expected 1 to 20"):
        prepare_files(many, opened, ABOUT | {"entry": "many"}, tmp_path / "entries")
    assert (folder / "submission.json").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_about_may_be_a_part_and_is_checked(tmp_path: Path) -> None:
    """Fields may be missing there, none may be unknown, wrong or twice."""
    path = tmp_path / "about.json"
    path.write_text('{"group": "g", "tuning_trials": 3}')
    assert read_about(path) == {"group": "g", "tuning_trials": 3}
    path.write_text('{"grup": "g", "tuning_trials": -3}')
    with pytest.raises(RecordError, match=r"grup is no known field: .*; .*tuning_trials is -3: expected"):
        read_about(path)
    path.write_text('{"group": "a", "group": "b"}')
    with pytest.raises(RecordError, match="group stands twice"):
        read_about(path)


def test_the_command_takes_options_before_the_file(opened: OpenedSplit, tmp_path: Path) -> None:
    """`--about` and options together; what it prints ends with what to do next."""
    for seed in range(3):
        said.write(guesses(opened.folder, seed), tmp_path / f"mine-seed{seed}.npz")
    (tmp_path / "about.json").write_text(json.dumps(ABOUT))
    words = ["--about", tmp_path / "about.json", "--entries", tmp_path / "entries", "--data", opened.folder]
    names = [tmp_path / f"mine-seed{seed}.npz" for seed in range(3)]
    done = run_command("prepare", "--predictions", *names, *words, "--method", "Else", "--author", "A", "--author", "B")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "entries" / "my-group" / "mine"
    assert done.stdout == f"{folder}: commit this folder, and open a pull request that changes nothing else\n"
    about = json.loads((folder / "submission.json").read_text())["about"]
    assert about == ABOUT | {"method": "Else", "authors": ["A", "B"]}
    done = run_command("check", folder, "--data", opened.folder)
    assert done.stdout == f"{folder}: in order; 3 seeds on 30 clips of test, standard own; their ids are the split's\n"


def test_every_field_has_an_option_that_sets_it(opened: OpenedSplit, tmp_path: Path) -> None:
    """Without a file, options say all."""
    said.write(guesses(opened.folder), tmp_path / "mine.npz")
    words: list[object] = []
    expected = ABOUT | {"code": "https://x.org/code", "flops_per_clip": 7, "extra_data": "x", "description": "d"}
    for name, value in expected.items():
        flag = "--author" if name == "authors" else f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list) else [value]:
            words += [flag, one]
    done = run_command(
        "prepare", "--predictions", tmp_path / "mine.npz", "--data", opened.folder.parent, "--entries", tmp_path, *words
    )
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "my-group" / "mine" / "submission.json").read_text())["about"] == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--predictions", "a.npz"], "say which test split the predictions are of, with --data"),
        (["run", "another"], "got several arguments: expected one RUN, or --predictions before FILEs"),
    ],
)
def test_words_that_make_no_sense_are_wrong_usage(words: list[str], sentence: str) -> None:
    """With exit code 2."""
    done = run_command("prepare", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_a_prepared_entry_is_held_against_the_split(opened: OpenedSplit, tmp_path: Path) -> None:
    """A run on other data than those of --data is told at once, and what is wrong named."""
    write_run(tmp_path / "run", *make_record())
    (tmp_path / "about.json").write_text(json.dumps(SAID_OF_A_RUN))
    done = run_command(
        *("prepare", tmp_path / "run", "--about", tmp_path / "about.json"),
        *("--entries", tmp_path / "entries", "--data", opened.folder),
    )
    assert done.exit_code == 1
    assert "test.fingerprint is abab" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("ways named above: mend them and try again")
    assert list((tmp_path / "entries" / "my-group").iterdir()) == []

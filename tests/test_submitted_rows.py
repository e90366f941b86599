"""Entries of predictions alone on the board: ranked with those that have a record, held to known labels, inert."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from site_board import HOSTILE, Parsed
from submitted import build_test_split, edit, enter, guesses, npz, put
from synthetic_records import make_record, write_run

import dynamics_gen
from benchmark import predictions, record
from benchmark.errors import RecordError
from benchmark.statistics import mean_error_interval
from benchmark.submission import result
from benchmark.submission.result import salted_sha256
from benchmark.submission.score import score
from benchmark.submission.split import open_split
from leaderboard.board import Board, make_boards
from leaderboard.entries import read_entries, read_entry
from leaderboard.markdown import page
from leaderboard.results.command import main as make_results
from leaderboard.site.boards import front_page
from leaderboard.site.build import build
from leaderboard.spreadsheet import sheet
from leaderboard.submissions import Submitted, known_tests, read_submissions
from leaderboard.table import main
from leaderboard.terminal import screen

MINE = Path("entries/my-group/mine")
SECRET = Path("entries/their-group/secret")
RECORD = "entries/ours/conv3d"


def write_record(folder: Path, split: Path) -> None:
    """A record of three seeds on an open test split, right in about a fifth of its clips."""
    opened = dynamics_gen.open(split)
    truth = dict(zip(opened.clip_ids, opened.labels.tolist(), strict=True))
    made, files = make_record()
    for seed, name in enumerate(files):
        said = guesses(split, 10 + seed, right=0.2)
        names = [one.decode() for one in said.clip_id.tolist()]
        files[name] = predictions.make(names, [truth[one] for one in names], said.probabilities)
    test = record.Split(clips=len(opened), fingerprint=opened.manifest.fingerprint)
    data = replace(made.dataset, size="own", splits=replace(made.dataset.splits, test=test))
    seeds = tuple(replace(one, scores=replace(one.scores, test=files[one.predictions].scores())) for one in made.seeds)
    write_run(folder, replace(made, dataset=data, seeds=seeds), files)


def score_into(folder: Path, split: Path, labels: Path | None = None) -> None:
    """What `bench submit score` does."""
    result.write(score(folder, open_split(split), labels, salt="5a" * 32), folder / result.FILE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, secret: Path) -> Path:
    """A folder with a board, and an open test split; an entry for that and one for `secret`. Never change it."""
    root = tmp_path_factory.mktemp("made")
    split = build_test_split(root / "data" / "test")
    write_record(root / "board" / RECORD, split)
    score_into(enter(root / "board" / "entries", split), split)
    about = {"group": "their-group", "entry": "secret", "extra_data": "Kinetics"}
    folder = enter(root / "board" / "entries", secret / "public" / "test", 3, **about)
    score_into(folder, secret / "public" / "test", secret / "private" / "labels.csv")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """The board's folder, to be changed."""
    return shutil.copytree(made / "board", tmp_path / "board")


def boards_of(root: Path) -> list[Board]:
    """All boards of a folder."""
    entries = read_entries(root)
    return make_boards(entries, read_submissions(root, entries))


def restate(folder: Path, **changes: Any) -> None:
    """Changes fields of result.json, and has it be of the submission and the predictions that lie beside it."""
    document = json.loads((folder / result.FILE).read_text()) | changes
    submission = json.loads((folder / "submission.json").read_text())
    files = [(one["seed"], one["sha256"]) for one in submission["seeds"]]
    for one, (_, sha256) in zip(document["seeds"], files, strict=True):
        one["sha256"] = sha256
    document["predictions_sha256"] = salted_sha256(document["salt"], files)
    document["submission_sha256"] = hashlib.sha256((folder / "submission.json").read_bytes()).hexdigest()
    (folder / result.FILE).write_text(json.dumps(document))


def test_submission_is_ranked_beside_the_record_of_its_test(made: Path) -> None:
    """One board, by test error; every number of the row is computed here once more from predictions and labels."""
    board, *_ = boards_of(made / "board")
    assert [(row.rank, row.by, row.name, row.model) for row in board.rows] == [
        (1, "my-group", "mine", "My net (v2)"),
        (2, "ours", "conv3d", "conv3d"),
    ]
    first, second = board.rows
    assert second.record is not None
    assert first.record is None
    opened = open_split(made / "data" / "test")
    assert opened.labels is not None
    wrong = []
    for seed in range(3):
        with np.load(made / "board" / MINE / f"predictions-seed{seed}.npz") as archive:
            order = np.argsort(archive["clip_id"])
            wrong.append(archive["probabilities"][order].argmax(axis=1) != opened.labels)
    assert first.test_error == pytest.approx(np.mean(wrong))
    assert first.interval == mean_error_interval(np.array(wrong), opened.labels, np.random.default_rng(0))
    assert (first.seeds, first.parameters, first.flops_per_clip, first.device) == (3, 1_000, None, "one GPU")
    assert first.wall_time_s == 1.5 * 3_600
    assert first.valid_error is first.train_error is first.training_clips_per_s is None
    assert first.tags == ("scored by the host", "input rgb")


def test_hidden_test_is_a_board_of_its_own(made: Path) -> None:
    """Its title says so, wherever it is shown; an open board says that its labels are anybody's."""
    shown, apart = boards_of(made / "board")
    assert [shown.hidden, apart.hidden] == [False, True]
    (row,) = apart.rows
    assert (row.by, row.rank) == ("their-group", 1)
    assert row.tags == ("scored by the host", "extra data", "input rgb")
    stated = json.loads((made / "board" / SECRET / result.FILE).read_text())["error_interval"]
    assert (row.interval.low, row.interval.high) == (stated["low"], stated["high"])
    printed, written = screen([shown, apart], [], width=None, colour=False), page([shown, apart], [])
    site = Parsed(front_page([shown, apart], [], []).decode()).text
    for text in (printed, written, site):
        assert text.count("anyone can derive its labels") == 1
        assert text.count("the host alone holds its labels") == 1
    assert "## Classification, standard, own, hidden test\n" in written
    assert "classification, standard, own, hidden test: 20 test clips" in printed
    assert "Classification, standard, own, hidden test" in site


def test_table_shows_submissions_everywhere(root: Path, tmp_path: Path) -> None:
    """README.md, leaderboard.csv, the terminal, among local runs too, and the check agrees."""
    printed = main(root, None, check=False)
    assert main(root, None, check=True) == printed
    (line,) = [line for line in printed.splitlines() if "My net (v2)  my-group" in line]
    assert line.split()[0] == "1"
    assert line.endswith("scored by the host, input rgb")
    text = (root / "README.md").read_text("utf-8")
    assert "| 1 | [My net (v2)](entries/my-group/mine/) | my-group |" in text
    assert text.index("entries/my-group/mine/") < text.index(f"{RECORD}/")
    lines = {line["entry"]: line for line in csv.DictReader(io.StringIO((root / "leaderboard.csv").read_text()))}
    assert {name: line["kind"] for name, line in lines.items()} == {
        "mine": "submission, open test",
        "conv3d": "entry",
        "secret": "submission, hidden test",
    }
    assert (lines["mine"]["verified"], lines["mine"]["valid_error"], lines["mine"]["rank"]) == ("", "", "1")
    assert lines["mine"]["source"] == "https://arxiv.org/abs/1234.56789"
    assert lines["secret"]["note"] == "scored by the host; extra data: Kinetics"
    shutil.copytree(root / RECORD, tmp_path / "runs" / "conv3d" / "standard-own")
    assert "My net (v2)" in main(root, tmp_path / "runs", check=True)


def test_site_has_a_page_of_each_submission(root: Path, tmp_path: Path) -> None:
    """Led to from its row, which is found and sorted as the others are; what is missing has no number to sort by."""
    build(root, tmp_path / "site")
    front = Parsed((tmp_path / "site" / "index.html").read_text("utf-8"))
    rows = [attributes for name, attributes in front.elements if name == "tr" and "data-entry" in attributes]
    assert [(row["data-entry"], row["data-input"], row["data-seeds"]) for row in rows] == [
        ("my-group/mine", "rgb", "3"),
        ("ours/conv3d", "rgb", "3"),
        ("their-group/secret", "rgb", "3"),
    ]
    links = {str(attributes["href"]) for name, attributes in front.elements if name == "a"}
    assert {"entries/my-group/mine.html", f"{RECORD}.html", "entries/their-group/secret.html"} <= links
    shown = (tmp_path / "site" / "entries" / "my-group" / "mine.html").read_text("utf-8")
    apart = (tmp_path / "site" / "entries" / "their-group" / "secret.html").read_text("utf-8")
    assert "Calibration" in shown  # labels are known from the record beside it
    assert "Calibration" not in apart
    assert "hidden test" in apart


@pytest.mark.parametrize("left", [["submission.json"], ["submission.json", "predictions-seed0.npz"]])
def test_submission_without_a_result_stands_nowhere(root: Path, left: list[str]) -> None:
    """And is no error, whatever state it is in: the host has not scored it yet."""
    for path in (root / MINE).iterdir():
        if path.name not in left:
            path.unlink()
    before = [[row.name for row in board.rows] for board in boards_of(root)]
    assert before == [["conv3d"], ["secret"]]
    shutil.rmtree(root / MINE)
    assert [[row.name for row in board.rows] for board in boards_of(root)] == before


def better(folder: Path) -> None:
    """Makes every clip of seed 0 right, with as many clips said to be of each class, and an interval that fits."""
    document = json.loads((folder / result.FILE).read_text())
    counts = np.array(document["seeds"][0]["scores"]["confusion"]).sum(axis=0)
    document["seeds"][0]["scores"] |= {
        "error": 0.0,
        "error_path": 0.0,
        "error_speed": 0.0,
        "confusion": np.diag(counts).tolist(),
    }
    restate(folder, seeds=document["seeds"], error_interval={"low": 0.0, "high": 0.9})


def of_another_release(folder: Path) -> None:
    """Has the entry be of `hard`, to be alone on its board."""
    edit(folder, test__release="hard")
    restate(folder, test=json.loads((folder / "submission.json").read_text())["test"])


def of_other_clips(folder: Path) -> None:
    """Has it answer for clips by other names, scored as if they were those of the split."""
    for seed in range(3):
        with np.load(folder / f"predictions-seed{seed}.npz") as archive:
            arrays = {**archive, "clip_id": np.char.add(b"x", archive["clip_id"])}
        put(folder, f"predictions-seed{seed}.npz", npz(**arrays))
    restate(folder)


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (better, r"seeds\[0\].scores says an error of 0.0000: expected that of predictions and labels, 0\.\d{4}, with"),
        (
            lambda folder: restate(folder, error_interval={"low": 0.0, "high": 1.0}),
            r"error_interval is from 0.0000 to 1.0000: expected 0\.\d{4} to 0\.\d{4}, as predictions and labels say",
        ),
        (
            lambda folder: restate(folder, calibration_error=0.9999),
            r"calibration_error is 0.9999: expected 0\.\d{4}, as predictions and labels say",
        ),
        (
            lambda folder: restate(folder, board="hidden"),
            r"is of the hidden test of standard, own, 30 clips: expected the open one .* entries/ours/conv3d has it",
        ),
        (of_another_release, r"is of the open test of hard, own, 30 clips: expected the open one of standard, own, 30"),
        (of_other_clips, r"seed 0 answers for other clips than entries/ours/conv3d has"),
        (
            lambda folder: restate(folder, labels_sha256="0" * 64),
            r"labels_sha256 is not of the labels that entries/ours/conv3d has",
        ),
        (
            lambda folder: restate(folder, salt="0" * 64),
            r"labels_sha256 is not of the labels that entries/ours/conv3d has",
        ),
    ],
)
def test_result_that_predictions_and_labels_do_not_say_is_refused(
    root: Path, tamper: Callable[[Path], None], message: str
) -> None:
    """Where a record gives the labels, nothing in it is believed; nothing is written."""
    main(root, None, check=False)
    before = (root / "README.md").read_bytes()
    tamper(root / MINE)
    with pytest.raises(RecordError, match=message) as refused:
        main(root, None, check=False)
    assert "\n" not in str(refused.value)
    assert (root / "README.md").read_bytes() == before


def test_tampered_predictions_are_refused(root: Path) -> None:
    """Of a hidden test too: its result is not of them."""
    put(root / SECRET, "predictions-seed1.npz", (root / SECRET / "predictions-seed0.npz").read_bytes())
    with pytest.raises(RecordError, match=r"secret/result.json: is of another submission.json, or other predictions"):
        boards_of(root)


def enter_another(root: Path, secret: Path) -> Path:
    """A second entry on the hidden test."""
    folder = enter(root / "entries", secret / "public" / "test", group="a-group", entry="second")
    score_into(folder, secret / "public" / "test", secret / "private" / "labels.csv")
    return folder


def test_results_of_one_hidden_test_agree(root: Path, secret: Path) -> None:
    """Two entries stand together; one that names another commitment for the same clips is refused."""
    folder = enter_another(root, secret)
    assert [row.rank for row in boards_of(root)[1].rows] == [1, 1]
    restate(folder, labels_sha256="0" * 64)
    with pytest.raises(RecordError, match=r"secret/result.json: speaks of other clips or labels than .*second/result"):
        boards_of(root)


def test_seeds_of_one_result_have_the_same_labels(root: Path) -> None:
    """Also of a hidden test, where the labels themselves cannot be compared."""
    better(root / SECRET)
    with pytest.raises(RecordError, match="the confusion matrices of its seeds are of clips with other labels"):
        boards_of(root)


def test_folder_with_a_record_and_a_submission_is_refused(root: Path) -> None:
    """Nobody could say which of the two it is."""
    shutil.copy(root / RECORD / "record.json", root / MINE)
    with pytest.raises(RecordError, match=r"mine: holds submission.json and record.json: expected one of them"):
        main(root, None, check=False)


def test_results_are_of_records_alone(root: Path, tmp_path: Path) -> None:
    """Their page needs curves and settings, which no submission has."""
    make_results(root, tmp_path / "RESULTS.md", check=False)
    with_it = (tmp_path / "RESULTS.md").read_bytes()
    shutil.rmtree(root / MINE)
    make_results(root, tmp_path / "RESULTS.md", check=False)
    assert (tmp_path / "RESULTS.md").read_bytes() == with_it


def test_experiments_are_records_alone(root: Path) -> None:
    """A submission among them is a record that is missing."""
    shutil.copytree(root / MINE, root / "experiments" / "input" / "mine")
    with pytest.raises(RecordError, match=r"mine/record.json: no such file"):
        read_entries(root, "experiments")


def test_labels_of_shifted_sets_are_known_too(tmp_path: Path) -> None:
    """From the records that were put to them, by release."""
    write_run(tmp_path, *make_record(shifted=("camera", "long")))
    entry = read_entry(tmp_path, "ours", "a")
    known = known_tests([entry])
    assert [(one.split.release, one.split.size, one.split.clips) for one in known.values()] == [
        ("standard", "mini", 200),
        ("camera", "mini", 200),
        ("long", "mini", 200),
    ]
    assert [one.scored for one in known.values()] == [entry.test, *entry.shifted.values()]
    assert {one.by for one in known.values()} == {"entries/ours/a"}


def saying(made: Submitted, text: str) -> Submitted:
    """The entry with a text in every field that a row shows, also where reading would refuse it."""
    about = replace(made.submission.about, method=text, input=text, hardware=text, extra_data=text, paper=text)
    return replace(made, group=text, submission=replace(made.submission, about=about))


@pytest.mark.parametrize("text", [*HOSTILE, "[x](javascript:alert(1))", "a | b", "*b* _i_ `c` $m$ https://x.org @y"])
def test_texts_of_an_entrant_stay_texts(made: Path, text: str) -> None:
    """On the page, in the spreadsheet and on the site: they make no tag, link, cell or formula."""
    entries = read_entries(made / "board")
    (_, one) = read_submissions(made / "board", entries)
    boards, plain = make_boards([], [saying(one, text)]), make_boards([], [saying(one, "x")])
    render = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render
    written, usual = (render(page(found, [])) for found in (boards, plain))
    tags = re.compile(r"<[^>]*>")
    assert [tag.split()[0] for tag in tags.findall(written)] == [tag.split()[0] for tag in tags.findall(usual)]
    assert all(link.startswith("entries/") for link in re.findall(r'<td><a href="([^"]*)"', written))
    (line,) = csv.DictReader(io.StringIO(sheet(boards, [])))
    assert not any((value or "x")[0] in "=+-@" for value in line.values())
    assert line["model"].removeprefix("'") == text
    front, like = (Parsed(front_page(found, [], []).decode()) for found in (boards, plain))
    assert [name for name, _ in front.elements] == [name for name, _ in like.elements]
    assert [set(attributes) for _, attributes in front.elements] == [set(attributes) for _, attributes in like.elements]
    assert front.text.count(text) > 3

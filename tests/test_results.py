"""The results page: every number from a record, every question without records plainly open, nothing stale."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix
from synthetic_records import LABELS, make_record, write_run

from benchmark.calibration import calibration
from benchmark.comparison import between_models
from benchmark.record import Record, Scores
from dynamics_gen.classes import CLASSES, factors
from leaderboard.board import make_boards, make_row
from leaderboard.entries import Entry, read_entries, read_entry
from leaderboard.errors import BoardError
from leaderboard.experiments import CLIPS, QUESTIONS, gathered, varied
from leaderboard.reference import read_references
from leaderboard.results import breakdown
from leaderboard.results.command import main
from leaderboard.results.figures import SizePicture
from leaderboard.results.page import make_page
from leaderboard.results.questions import Curve, all_questions, answers, curves, section
from leaderboard.results.thesis import COUNTERPARTS, order_of

ROOT = Path(__file__).parent.parent
BOARD = ROOT / "leaderboard"
REFERENCES = read_references(BOARD)
INDEXING, SIZE = (next(one for one in QUESTIONS if one.folder == name) for name in ("indexing", "training-size"))


def changed(made: Record, per_class: int | None = None, **settings: Any) -> Record:
    """The record with another input, number format or other settings of the model, or trained on fewer clips."""
    form = settings.pop("input", made.input)
    training = dict(made.config.training)
    training |= {name: settings.pop(name) for name in ("precision", "optimiser", "learning_rate") if name in settings}
    config = replace(made.config, model={**made.config.model, **settings}, training=training)
    made = replace(made, input=form, config=config)
    if per_class is None:
        return made
    splits = replace(made.dataset.splits, train=replace(made.dataset.splits.train, clips=10 * per_class))
    train = Scores.from_labels(LABELS[: 10 * per_class], LABELS[: 10 * per_class])
    seeds = tuple(replace(seed, scores=replace(seed.scores, train=train)) for seed in made.seeds)
    return replace(made, dataset=replace(made.dataset, splits=splits), seeds=seeds)


def entered(folder: Path, model: str, error: float, seed: int = 0, **changes: Any) -> Entry:
    """An entry of three seeds, written and read back; its folder names its group and itself."""
    made, files = make_record(model, errors=(error,) * 3, rng_seed=seed, shifted=changes.pop("shifted", ()))
    write_run(folder, changed(made, **changes), files)
    return read_entry(folder, folder.parent.name, folder.name)


def text_of(parts: list[str]) -> str:
    """A section as it stands on the page."""
    return "\n\n".join(parts)


def cells(text: str, model: str) -> list[str]:
    """The cells of a model's row."""
    (row,) = [line for line in text.splitlines() if line.startswith(f"| [{model}](")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_page_without_records_measures_nothing() -> None:
    """Every section is there and says so; the only figures are the thesis's."""
    page = make_page([], [], REFERENCES, {}, [], "Not measured yet.", "leaderboard/")
    for question in QUESTIONS:
        assert f"## {question.title}" in page.text
    sections = page.text.split("\n## ")[2:]
    assert len(sections) == 8 + len(QUESTIONS)
    assert all("Not measured yet." in one for one in sections)
    assert page.text.split("## In short")[1].split("\n## ")[0].count("Not measured yet.") == 4 + len(QUESTIONS)
    assert page.pictures == {}
    assert "figures/" not in page.text


def test_order_is_compared_pair_by_pair(tmp_path: Path) -> None:
    """Four models, of which the last two stand the other way about: tau, verdicts, and who is missing."""
    errors = {"conv3d_convlstm": 0.1, "conv3d": 0.12, "convlstm": 0.8, "relation_network": 0.5}
    entries = [
        entered(tmp_path / "ours" / name, name.replace("-", "_"), error, seed=i)
        for i, (name, error) in enumerate(errors.items())
    ]
    (board,) = make_boards(entries)
    order = order_of(board, REFERENCES[0])
    assert order is not None
    assert [row.model for _, row in order.models] == list(errors)
    assert order.correlation.tau == pytest.approx((5 - 1) / 6)
    verdicts = {(pair.better, pair.worse): pair.verdict for pair in order.pairs}
    assert verdicts["conv3d_convlstm", "convlstm"] == verdicts["conv3d", "relation_network"] == "holds"
    assert verdicts["convlstm", "relation_network"] == "reversed"
    assert verdicts["conv3d_convlstm", "conv3d"] == "not told apart"
    found = between_models(entries[2].wrong, entries[3].wrong, LABELS)
    (last,) = [pair for pair in order.pairs if (pair.better, pair.worse) == ("convlstm", "relation_network")]
    assert last.difference.mean == pytest.approx(-found.mean)
    assert last.p >= found.p
    page = make_page(entries, [], REFERENCES, {}, [], "", "b/").text
    assert "Of 6 pairs, 4 hold, 1 are reversed, and 1 cannot be told apart. Not measured yet: Two-Streams." in page
    assert "![Errors of the models of table 5.2 in the thesis and here](b/figures/order.png)" in page
    assert "| [convlstm](b/entries/ours/convlstm/) | ours |" in page


def test_a_model_stands_by_its_entry_that_is_best_on_valid(tmp_path: Path) -> None:
    """Not by the one that is best on test."""
    lucky, files = make_record("conv3d", errors=(0.1,) * 3)
    worse = [replace(seed.scores, valid=make_record(errors=(0.6,))[0].seeds[0].scores.test) for seed in lucky.seeds]
    lucky = replace(lucky, seeds=tuple(replace(seed, scores=one) for seed, one in zip(lucky.seeds, worse, strict=True)))
    write_run(tmp_path / "lucky", lucky, files)
    entries = [
        read_entry(tmp_path / "lucky", "ours", "lucky"),
        entered(tmp_path / "ours" / "chosen", "conv3d", 0.3),
        entered(tmp_path / "ours" / "other", "convlstm", 0.5),
    ]
    (board,) = make_boards(entries)
    order = order_of(board, REFERENCES[0])
    assert order is not None
    assert [row.name for _, row in order.models] == ["chosen", "other"]
    assert order_of(make_boards(entries[:2])[0], REFERENCES[0]) is None


def test_counterparts_are_rows_of_the_thesis() -> None:
    """Names that match nothing would leave a model out for ever."""
    assert set(COUNTERPARTS) <= {row.model for row in REFERENCES[0].rows}


def test_errors_by_factor_are_those_counted_clip_by_clip(tmp_path: Path) -> None:
    """Of the clips of each path and each speed type, over all seeds."""
    entry = entered(tmp_path / "ours" / "a", "conv3d", 0.3)
    row = cells(text_of(breakdown.by_factor(make_boards([entry]), "")), "conv3d")
    for factor, first, count in ((0, 3, 4), (1, 7, 3)):
        for k in range(count):
            missed = [
                entry.wrong[seed, clip]
                for seed in range(3)
                for clip, label in enumerate(LABELS)
                if factors(int(label))[factor] == k
            ]
            assert row[first + k] == f"{100 * np.mean(missed):.1f}"


def test_most_frequent_confusions_are_those_of_the_counts(tmp_path: Path) -> None:
    """The largest shares off the diagonal, by scikit-learn's matrix."""
    entry = entered(tmp_path / "ours" / "a", "conv3d", 0.5)
    said = np.concatenate([one.probabilities.argmax(axis=1) for one in entry.test.seeds])
    shares = confusion_matrix(np.tile(LABELS, 3), said, labels=range(10), normalize="true")
    np.fill_diagonal(shares, 0)
    row = cells(text_of(breakdown.confusions(make_boards([entry]), "way/")), "conv3d")
    assert [cell.rsplit(" ", 1)[1] for cell in row[1:4]] == [
        f"{100 * share:.1f}" for share in sorted(shares.ravel())[:-4:-1]
    ]
    true, taken = (CLASSES.index(name.replace(" ", "_")) for name in row[1].rsplit(" ", 1)[0].split(" → "))
    assert shares[true, taken] == shares.max()
    assert row[4] == "[matrix](way/entries/ours/a/confusion.png)"


def test_calibration_is_that_of_the_predictions(tmp_path: Path) -> None:
    """Mean over seeds, and their range."""
    entry = entered(tmp_path / "ours" / "a", "conv3d", 0.3)
    scores = [calibration(said) for said in entry.test.seeds]
    row = cells(text_of(breakdown.calibrations(make_boards([entry]), "")), "conv3d")
    losses = [one.log_loss for one in scores]
    assert row[2] == f"{np.mean(losses):.3f} ({min(losses):.3f}–{max(losses):.3f})"
    assert row[1].startswith(f"{100 * np.mean([one.expected_error for one in scores]):.1f} (")
    assert row[3].startswith(f"{np.mean([one.brier for one in scores]):.3f} (")


def test_shifted_sets_are_compared_clip_by_clip(tmp_path: Path) -> None:
    """Errors on all, differences on pairs alone."""
    entry = entered(tmp_path / "ours" / "a", "conv3d", 0.3, shifted=("camera", "long"))
    text = text_of(breakdown.shifted(make_boards([entry]), ""))
    assert "| model | by | standard | camera | long |" in text
    difference = 100 * (entry.shifted["camera"].wrong.mean() - entry.wrong.mean())
    pairs = text.split("Clip by clip")[1]
    assert "| model | camera |" in pairs
    assert cells(pairs, "conv3d")[1].startswith(f"+{difference:.1f} (")


def test_what_differs_is_read_from_the_records(tmp_path: Path) -> None:
    """Within a model only: two models have different settings anyway."""
    one = entered(tmp_path / "x" / "one", "conv3d", 0.3)
    wide = entered(tmp_path / "x" / "wide", "conv3d", 0.3, width=32)
    few = entered(tmp_path / "x" / "few", "conv3d", 0.3, per_class=5)
    other = entered(tmp_path / "x" / "other", "convlstm", 0.3, cells=4)
    assert varied([one, other]) == []
    assert varied([one, wide, other]) == ["width"]
    assert varied([one, wide, few]) == [CLIPS, "width"]


def test_question_compares_what_differs_in_its_setting_alone(tmp_path: Path) -> None:
    """The displaced relation network against the printed one; one that is wider too is shown, not compared."""
    board = [entered(tmp_path / "ours" / "rn", "relation_network", 0.2, indexing="displaced")]
    experiments = [
        entered(tmp_path / "indexing" / "printed", "relation_network", 0.7, seed=1, indexing="printed"),
        entered(tmp_path / "indexing" / "wide", "relation_network", 0.4, seed=2, indexing="displaced", width=32),
    ]
    (entries,) = gathered(INDEXING, experiments, board)
    assert {entry.name for entry in entries} == {"rn", "printed", "wide"}
    (said,) = answers(INDEXING, entries)
    mean = board[0].wrong.mean() - experiments[0].wrong.mean()
    assert (
        f"`indexing=displaced` against `indexing=printed`, all else equal, on the same clips: **−{-100 * mean:.1f} ("
        in said
    )
    other = entered(tmp_path / "ours" / "other", "relation_network", 0.2, indexing="displaced", precision="bf16-mixed")
    (said,) = answers(INDEXING, [other, *experiments])
    assert "all else equal but the number format (bf16-mixed against 32-true), on the same clips: " in said
    text = text_of(section(INDEXING, experiments, board, "way/"))
    assert "| model | width | indexing | test % (95 %) |" in text
    assert "](way/experiments/indexing/printed/) | 16 | printed |" in text
    assert "](way/entries/ours/rn/) | 16 | displaced |" in text


def test_optimisers_are_compared_each_with_its_own_rate(tmp_path: Path) -> None:
    """The sentence says so; a rate by itself is compared too, and an optimiser with another network is not."""
    board = [entered(tmp_path / "ours" / "usual", "two_streams", 0.4, learning_rate=0.001)]  # older than the setting
    settings = {
        "sgd": {"optimiser": "sgd", "learning_rate": 0.1},
        "rate": {"learning_rate": 0.1},
        "wide": {"optimiser": "sgd", "width": 32},
    }
    question = next(one for one in QUESTIONS if one.folder == "two-streams")
    own = [
        entered(tmp_path / "two-streams" / name, "two_streams", 0.5, seed=place, **changes)
        for place, (name, changes) in enumerate(settings.items(), 1)
    ]
    said = text_of(section(question, own, board, "way/"))
    assert (
        "`optimiser=sgd` against `optimiser=adamw`, all else equal but the learning rate (0.1 against 0.001), on"
        in said
    )
    assert "`learning_rate=0.1` against `learning_rate=0.001`, all else equal, on" in said
    assert said.count(" points of test error") == 2


def test_question_needs_records_that_differ(tmp_path: Path) -> None:
    """One value of a setting answers nothing; on other clips it compares with nothing."""
    board = [entered(tmp_path / "ours" / "rn", "relation_network", 0.2, indexing="displaced")]
    assert gathered(INDEXING, [], board) == []
    assert "Not measured yet." in text_of(section(INDEXING, [], board, ""))
    printed = entered(tmp_path / "indexing" / "printed", "relation_network", 0.7, indexing="printed")
    data = printed.record.dataset
    splits = replace(data.splits, test=replace(data.splits.test, fingerprint="cd" * 32))
    elsewhere = replace(printed, record=replace(printed.record, dataset=replace(data, splits=splits)))
    assert gathered(INDEXING, [elsewhere], board) == []


def test_records_are_held_against_chance(tmp_path: Path) -> None:
    """A question without a setting asks whether anything was learnt at all."""
    (question,) = [one for one in QUESTIONS if one.folder == "two-streams"]
    experiments = [
        entered(tmp_path / "two-streams" / name, "two_streams", error, window=i)
        for i, (name, error) in enumerate({"a": 0.9, "b": 0.5}.items())
    ]
    (entries,) = gathered(question, experiments, [])
    chance = "1 of 2 records are below chance, 90.0 %, by their whole interval."
    assert answers(question, entries) == [chance]
    board = [entered(tmp_path / "ours" / "two_streams", "two_streams", 0.7, window=2)]
    (entries,) = gathered(question, experiments, board)
    told = answers(question, entries)
    assert told[0] == "2 of 3 records are below chance, 90.0 %, by their whole interval."
    assert [one.partition(", all")[0] for one in told[1:]] == [
        f"two\\_streams, `window={i}` against `window=2`" for i in (0, 1)
    ]
    assert ["**+" in told[1], "**−" in told[2]] == [True, True]


def test_folder_of_another_name_is_a_question_of_its_own(tmp_path: Path) -> None:
    """Whatever else was tried is shown after what was asked."""
    tried = entered(tmp_path / "dropout" / "half", "conv3d", 0.3, dropout=0.5)
    page = make_page(
        [entered(tmp_path / "ours" / "a", "conv3d", 0.2, dropout=0.0)], [tried], REFERENCES, {}, [], "", ""
    )
    assert [one.folder for one in all_questions([tried])] == [*(one.folder for one in QUESTIONS), "dropout"]
    section = page.text.split("## Also tried: dropout\n")[1]
    assert "](experiments/dropout/half/) | 0.5 |" in section
    assert "](entries/ours/a/) | 0.0 |" in section


def test_errors_that_follow_a_power_law_give_its_exponent(tmp_path: Path) -> None:
    """Error ∝ clips^-0.5 exactly; two sizes are too few."""
    row = make_row(entered(tmp_path / "x" / "a", "conv3d", 0.3))
    rows = []
    for clips in (500, 1_000, 2_000, 5_000):
        record = changed(row.entry.record, per_class=clips)
        rows.append(replace(row, source=replace(row.entry, record=record), test_error=0.6 * (clips / 500) ** -0.5))
    assert Curve(name="conv3d", rows=tuple(rows)).exponent == pytest.approx(0.5)
    assert Curve(name="conv3d", rows=tuple(rows[:2])).exponent is None
    assert Curve(name="conv3d", rows=(*rows[:3], replace(rows[3], test_error=0.0))).exponent is None


def test_training_size_is_drawn_with_the_board(tmp_path: Path) -> None:
    """Experiments of few clips and the board's entry of all are one curve; the sentence and the picture follow."""
    board = [entered(tmp_path / "ours" / "all", "conv3d", 0.1)]
    experiments = [
        entered(tmp_path / "training-size" / f"{size}", "conv3d", error, seed=size, per_class=size)
        for size, error in ((5, 0.6), (10, 0.3))
    ]
    (entries,) = gathered(SIZE, experiments, board)
    (curve,) = curves(entries)
    assert [row.entry.train_per_class for row in curve.rows] == [5, 10, 20]
    (said,) = answers(SIZE, entries)
    assert said.startswith(f"conv3d, rgb: error ∝ clips^−{curve.exponent:.2f}, by least squares over 3 records")
    page = make_page(board, experiments, REFERENCES, {}, [], "", "")
    assert "![Test error against clips of each class in train](figures/training-size.png)" in page.text
    ((name, *points),) = SizePicture((curve,)).numbers()
    assert name == "conv3d, rgb"
    assert [point[:2] for point in points] == [[r.entry.train_per_class, round(r.test_error, 6)] for r in curve.rows]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A board with two of the thesis's models and two sizes of train, its page written beside it."""
    root = tmp_path / "leaderboard"
    shutil.copytree(BOARD / "reference", root / "reference")
    for name, error in (("conv3d", 0.3), ("convlstm", 0.5)):
        entered(root / "entries" / "ours" / name, name, error)
    entered(root / "experiments" / "training-size" / "few", "conv3d", 0.6, per_class=5)
    main(root, tmp_path / "RESULTS.md", check=False)
    return root


def written(root: Path) -> dict[str, bytes]:
    """The page and the pictures."""
    files = [root.parent / "RESULTS.md", *sorted((root / "figures").iterdir())]
    return {path.name: path.read_bytes() for path in files}


def test_page_is_written_and_found_right(root: Path) -> None:
    """Links lead from the page to the board; the check agrees and writes nothing; writing again changes no byte."""
    before = written(root)
    assert set(before) == {"RESULTS.md", "order.png", "training-size.png"}
    for target in re.findall(r"\]\(([^)]*)\)", before["RESULTS.md"].decode()):
        if "/figures/" in target or (target.startswith("leaderboard/entries/ours/") and target.endswith("/")):
            assert (root.parent / target).exists(), target
    assert "are what the records say, with 2 pictures" in main(root, root.parent / "RESULTS.md", check=True)
    assert "are written" in main(root, root.parent / "RESULTS.md", check=False)
    assert written(root) == before
    for name in ("order.png", "training-size.png"):
        with Image.open(root / "figures" / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5


def test_edited_page_fails_the_check(root: Path) -> None:
    """The file, the line and the command are named."""
    page = root.parent / "RESULTS.md"
    page.write_text(page.read_text().replace("# Results", "# Our results", 1))
    with pytest.raises(
        BoardError, match=r"RESULTS.md is not what the records say, from line 3 on: run `bench results`"
    ):
        main(root, page, check=True)


@pytest.mark.parametrize("name", ["order.png", "training-size.png"])
def test_stale_picture_fails_the_check(root: Path, name: str) -> None:
    """One of other numbers, a broken one, a missing one; and one that no record asks for any more."""
    page, path = root.parent / "RESULTS.md", root / "figures" / name
    other = {"order.png": "training-size.png", "training-size.png": "order.png"}[name]
    for content in ((root / "figures" / other).read_bytes(), b"\x89PNG\r\n\x1a\n", None):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(BoardError, match=rf"{name} does not show what the records say: run `bench results`"):
            main(root, page, check=True)
        main(root, page, check=False)
    shutil.rmtree(root / {"order.png": "entries/ours/convlstm", "training-size.png": "experiments"}[name])
    picture = path.read_bytes()
    main(root, page, check=False)
    assert not path.exists()
    path.write_bytes(picture)
    with pytest.raises(BoardError, match=rf"{name} shows what no record says"):
        main(root, page, check=True)


def test_committed_page_is_what_the_records_say() -> None:
    """What `bench results --check` says in CI."""
    assert len(read_entries(BOARD)) >= 3
    main(BOARD, ROOT / "RESULTS.md", check=True)

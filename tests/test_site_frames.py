"""Boards and pages of predictors and generators: what their records say, by seed, by frame, and beside each other."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev

from hypothesis import given
from hypothesis import strategies as st
from site_board import BOARD, COSTS, FILMS, PREDICTORS, Parsed, predictor
from test_generators_page import made as generator
from test_site_pages import Page, read

from benchmark.generation.record import Network, View
from leaderboard.frame_columns import columns_of, texts
from leaderboard.frame_rows import generator_row, predictor_row, read_frame_boards
from leaderboard.frames import FrameBoard, Score, make_frame_boards
from leaderboard.results.generators import Made
from leaderboard.results.predictors import Predicted
from leaderboard.site.build import frame_row_page
from leaderboard.site.chart import linear, logarithmic
from leaderboard.site.frame_boards import frame_section
from leaderboard.site.names import anchor

pytest_plugins = ("site_fixtures",)

SIDE, STEPS = 32, 22
MSE = {name: [SIDE * SIDE * 3 * mse * (1 + STEPS) / 2 for mse in errors] for name, errors in PREDICTORS.items()}
"""Of each predictor's seeds: an error that rises by as much with every frame has the mean of its first and its last."""


def board_of(*rows: Predicted | Made) -> FrameBoard:
    """The one board of runs."""
    nowhere = Path("nowhere")
    made = [predictor_row(one, nowhere) if isinstance(one, Predicted) else generator_row(one, nowhere) for one in rows]
    (board,) = make_frame_boards(made)
    return board


def page_of(name: str, *others: str) -> Page:
    """The page of a predictor, on a board with others."""
    runs = [Predicted(name=one, record=predictor(one), pictures=FILMS) for one in (name, *others)]
    board = board_of(*runs)
    (row,) = [row for row in board.rows if row.name == name]
    return Page(frame_row_page(row, board).decode())


def table(page: Page, heading: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading is this, by their first cell."""
    (found,) = [one for one in page.tables if one[0][0] == heading]
    return {row[0]: row[1:] for row in found[1:]}


def test_rows_are_the_records_means_and_deviations(site: Path) -> None:
    """The least error first, each deviation below its mean, no deviation of one seed, dashes for what nobody has."""
    tables = read(site)["index.html"].tables
    (found,) = [one for one in tables if one[0][2] == "MSE" and len(one) == 1 + len(PREDICTORS)]
    headings, *rows = found
    assert [row[0] for row in rows] == ["simvp", "cdna", "feature_flow", "copy_last"]
    cells = {row[0]: dict(zip(headings, row, strict=True)) for row in rows}
    for name, errors in MSE.items():
        deviation = f"± {stdev(errors):.2f}" if len(errors) > 1 else ""
        assert cells[name]["MSE"] == f"{fmean(errors):.2f}{deviation}"
        assert cells[name]["MSE 1–10"].startswith(f"{fmean(errors) * 11 / (1 + STEPS):.2f}")
        assert cells[name]["seeds"] == str(len(errors))
        assert cells[name]["PSNR"].startswith("29.50")  # 40, 39, … 19
        assert cells[name]["off, px"].startswith("11.00")  # half a pixel a frame
        assert (cells[name]["lost %"][:4], cells[name]["class %"][:4]) == ("25.0", "29.0")
    assert (cells["simvp"]["tags"], cells["copy_last"]["tags"]) == ("self-reported", "self-reported, rule")
    assert [cells[name]["best of 10"] for name in ("simvp", "feature_flow")] == ["–", f"{3072 * 0.01 * 11.5:.2f}"]
    assert [cells[name]["frames/s"] for name in COSTS] == ["90 k", "2.5 k", "300", "0.5"]


def test_the_page_of_a_run_on_own_clips_says_nothing_of_motion() -> None:
    """Errors of frames and features are told; no row, column or curve of an object that nobody simulated."""
    whole = predictor("cdna")
    bare = [replace(seed, test=replace(seed.test, motion=None, motion_of_data=None)) for seed in whole.seeds]
    own = replace(whole, dataset=replace(whole.dataset, size="own"), seeds=tuple(bare))
    pages = []
    for made in (whole, own):
        board = board_of(Predicted(name="cdna", record=made, pictures=FILMS))
        html = frame_row_page(board.rows[0], board).decode()
        pages.append((html, [column.heading for column in columns_of(board)], table(Page(html), "frame")))
    (before, headings, steps), (after, fewer, shorter) = pages
    assert [one for one in headings if one not in fewer] == ["off, px", "lost %", "split %", "class %"]
    assert {step: cells[:4] for step, cells in steps.items()} == shorter
    for words in (
        "The object&#x27;s motion",
        "lost, % of clips",
        "found on true clips",
        "off at the end",
        "their class",
    ):
        assert (words in before, words in after) == (True, False), words


def test_only_what_compares_shares_a_board() -> None:
    """Another view, context, split, network or number of samples is another board; each has a place of its own."""
    nowhere, plain = Path("nowhere"), predictor("simvp")
    makes = generator("gan", 30.0)
    test = replace(plain.dataset.splits.test, fingerprint="cd" * 32)
    fewer = tuple(replace(seed, test=replace(seed.test, samples=10)) for seed in makes.seeds)
    predicted = [
        plain,
        predictor("simvp", 64),
        replace(plain, context=9),
        replace(plain, horizon=5),
        replace(plain, dataset=replace(plain.dataset, splits=replace(plain.dataset.splits, test=test))),
        replace(plain, features=Network(name="motion", sha256="1" * 64)),
    ]
    generated = [
        makes,
        generator("gan", 30.0, form="clips"),
        generator("gan", 30.0, labels="shape"),
        replace(makes, view=View(form="frames", frames=1, image_size=64)),
        replace(makes, seeds=fewer),
    ]
    rows = [predictor_row(Predicted(name=f"p{k}", record=one, pictures=()), nowhere) for k, one in enumerate(predicted)]
    rows += [generator_row(Made(name=f"g{k}", record=one, pictures=()), nowhere) for k, one in enumerate(generated)]
    boards = make_frame_boards([*rows, predictor_row(Predicted(name="p", record=plain, pictures=()), nowhere)])
    assert sorted(len(board.rows) for board in boards) == [1] * (len(rows) - 1) + [2]
    assert len({anchor(board) for board in boards}) == len(boards)
    assert [board.task for board in boards] == ["prediction"] * len(predicted) + ["generation"] * len(generated)
    assert {"clips of 16 frames of 32×32", "frames of 64×64", "frames of 32×32, few labels of shape"} <= {
        board.title.partition(": ")[2] for board in boards
    }


def test_columns_are_those_that_a_row_fills() -> None:
    """Reconstructions, nats and failures are told where a generator has them; what one lacks is a dash there."""
    board = board_of(
        Made(name="a", record=generator("ali", 30.0, seeds=2, psnr=12.5), pictures=()),
        Made(name="g", record=generator("gan", 40.0), pictures=()),
    )
    headings = [column.heading for column in columns_of(board)]
    assert {"PSNR", "features apart"} <= set(headings)
    assert not {"nats", "failed %", "error %"} & set(headings)
    ali, gan = [{column.heading: texts(column, row) for column in columns_of(board)} for row in board.rows]
    assert (ali["model"][0], ali["Fréchet"], ali["PSNR"]) == ("ali", ("30.5", "± 0.7"), ("12.5", "± 0.0"))
    assert (gan["Fréchet"], gan["PSNR"]) == (("40.0", ""), ("–", ""))


def test_what_others_know_of_a_row_is_shown() -> None:
    """An interval stands in place of the deviation, in the table and as the bar of the plot; costs may be unknown."""
    runs = [Predicted(name=name, record=predictor(name), pictures=()) for name in PREDICTORS]
    board = board_of(*runs)
    first = replace(
        board.rows[0], scores={"mse": Score(50.0, 1.0, (25.0, 100.0))}, flops=None, made_per_s=None, learnt_from=None
    )
    board = replace(board, rows=(first, *board.rows[1:]))
    said = {column.heading: texts(column, first) for column in columns_of(board)}
    assert said["MSE"] == ("50.00", "(25.00–100.00)")
    assert {said[name] for name in ("MAE", "GFLOPs/frame", "frames/s")} == {("–", "")}
    parameters, speed = re.findall("<figure>.*?</figure>", frame_section(board))
    assert [plot.count('class="point') for plot in (parameters, speed)] == [3, 3]  # a rule is a line; one has no speed
    (point,) = re.findall(r"<title>simvp: (.*?)</title><path d=\"M\S+ (\S+)V(\S+)\"", parameters)
    assert point[0] == "MSE 50.0 (25.0–100.0), 1.2 M"
    assert float(point[1]) > float(point[2])


def test_a_score_that_a_seed_lacks_is_none() -> None:
    """No mean is made of some of the seeds; of one there is no deviation."""
    assert Score.over([1.0, None]) is None
    assert Score.over([]) is None
    assert Score.over([3.0]) == Score(3.0, None)
    assert Score.over([1.0, 3.0]) == Score(2.0, math.sqrt(2))


def test_page_of_a_predictor_tells_every_seed() -> None:
    """By seed with mean and deviation, by frame, what it draws, and the motion beside that of true clips."""
    seeds = table(page_of("simvp"), "score")
    errors = MSE["simvp"]
    assert seeds["MSE"] == [f"{value:.2f}" for value in (*errors, fmean(errors), stdev(errors))]
    assert seeds["off in the last frame, px"] == ["11.00", "11.00", "11.00", "11.00", "0.00"]
    assert table(page_of("feature_flow"), "score")["MSE"] == [f"{MSE['feature_flow'][0]:.2f}"]
    frames = table(page_of("simvp"), "frame")
    assert list(frames) == ["1", "2", "5", "10", "15", "22"]
    assert frames["10"][0] == f"{3072 * 0.005 * 10:.2f}"
    assert frames["22"][4:7] == ["11.00", "0.22", "25.0"]
    motion = table(page_of("simvp"), "")
    assert motion["given their class, %"] == ["29.0", "96.6"]
    assert motion["speed kept, %"] == ["–", "–"]
    drawn = table(page_of("feature_flow"), "over all predicted frames")
    assert drawn["MSE"] == [f"{3072 * one * 11.5:.2f}" for one in (0.015, 0.01, 0.012)]
    assert "What it draws" not in page_of("simvp").text


def figures(text: str) -> dict[str, str]:
    """The charts of a page, by their captions."""
    return dict(re.findall(r"<figure><figcaption>(.*?)</figcaption>(<svg.*?</svg>)</figure>", text))


def test_curves_stand_beside_copy_lasts_and_the_trackers(site: Path) -> None:
    """A line for each seed; the rule's on every chart of errors but its own; the tracker's on those of motion."""
    for name, seeds in (("simvp", 3), ("cdna", 2), ("copy_last", 1)):
        charts = figures((site / "predictors" / f"{name}-mini.html").read_text("utf-8"))
        for caption in ("MSE, sum over a frame", "MAE, sum over a frame", "PSNR, dB", "SSIM"):
            assert charts[caption].count('class="line valid"') == seeds
            assert charts[caption].count('class="line other"') == (name != "copy_last")
        for caption in ("off, pixels of 64×64", "lost, % of clips"):
            kinds = [charts[caption].count(f'class="line {kind}"') for kind in ("valid", "train", "other")]
            assert kinds == [seeds, 1, 0]
    alone = (site / "predictors" / "copy_last-64.html").read_text("utf-8")
    assert 'class="line other"' not in alone


def test_curves_go_where_the_numbers_are() -> None:
    """From the first frame at the left to the last at the right, up by as much with every frame."""
    run = Predicted(name="simvp", record=predictor("feature_flow"), pictures=())
    chart = figures(frame_row_page(board_of(run).rows[0], board_of(run)).decode())["MSE, sum over a frame"]
    (line,) = re.findall(r'd="M([^"]*)" class="line valid"', chart)
    points = [tuple(map(float, point.split())) for point in line.split(" L")]
    assert len(points) == STEPS
    assert (points[0][0], points[-1][0]) == (44, 388)
    rises = [one[1] - other[1] for one, other in pairwise(points)]
    assert min(rises) > 0
    assert max(rises) - min(rises) < 0.21  # places are told to a tenth


def test_training_is_drawn_where_there_was_any(site: Path) -> None:
    """What was noted by epoch, of train and valid together, the chosen epoch on the chart of what chose it."""
    pages = site / "predictors"
    charts, rules = (figures((pages / f"{name}-mini.html").read_text("utf-8")) for name in ("simvp", "copy_last"))
    assert list(charts) == [*rules, "MSE", "loss"]
    assert len(rules) == 6
    assert [charts["MSE"].count(one) for one in ('class="line valid"', 'class="chosen"')] == [3, 3]
    assert [charts["loss"].count(one) for one in ('class="line train"', 'class="chosen"')] == [3, 0]


def test_films_are_shown_still_and_moving(site: Path) -> None:
    """The moving one only to who has not asked for less motion; both are files of the site; none without the files."""
    text = (site / "predictors" / "simvp-mini.html").read_text("utf-8")
    elements = [(name, found) for name, found in Parsed(text).elements if name in ("img", "source")]
    (strip, source, instead) = [found for _, found in elements]
    assert strip["src"] == instead["src"] == f"simvp-mini/{FILMS[0]}"
    assert (source["srcset"], source["media"]) == (f"simvp-mini/{FILMS[1]}", "(prefers-reduced-motion: no-preference)")
    assert all(found["alt"] for found in (strip, instead))
    for file in FILMS:
        assert (site / "predictors" / "simvp-mini" / file).is_file()
    bare = board_of(Predicted(name="simvp", record=predictor("simvp"), pictures=FILMS[1:]))
    assert "What it predicts" not in frame_row_page(bare.rows[0], bare).decode()


def test_generators_pages_have_curves_and_every_score(site: Path) -> None:
    """Each number that was noted while it learnt, and each score of its seed, that of true clips included."""
    page = read(site)["generators/ali-mini.html"]
    charts = figures((site / "generators" / "ali-mini.html").read_text("utf-8"))
    assert {"Fréchet", "loss", "discriminator", "generator", "judged real", "spread"} <= set(charts)
    assert all(charts["judged real"].count(f'class="line {kind}"') == 1 for kind in ("train", "valid"))
    scores = table(page, "score")
    assert scores["Fréchet"] == ["17.414"]
    assert {"Fréchet of train", "precision", "reconstruction: PSNR", "samples/s"} <= set(scores)


def test_what_conditional_models_are_told_is_beside_true_ones() -> None:
    """And why clips failed."""
    told = generator(
        "rali",
        30.0,
        form="clips",
        attributes=("path",),
        agreement={"path": 0.25},
        agreement_of_data={"path": 0.5},
        failed=0.125,
        failed_by_cause={"no object": 0.125},
    )
    board = board_of(Made(name="rali", record=told, pictures=()))
    page = Page(frame_row_page(board.rows[0], board).decode())
    assert table(page, "attribute") == {"path": ["0.25", "0.50"]}
    assert table(page, "cause") == {"no object": ["12.5"]}
    assert board.rows[0].tags == ("self-reported", "told path")


VALUES = st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), min_size=1, max_size=6)


@given(VALUES)
def test_axes_hold_their_values(values: list[float]) -> None:
    """Between the first tick and the last, which are few, rise, and are told apart."""
    axis = linear("", values)
    slack = 1e-9 * max(map(abs, values)) + 1e-9
    assert axis.low - slack <= min(values)
    assert max(values) <= axis.high + slack
    assert 2 <= len(axis.ticks) <= 9
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert [0 <= axis.share(value) <= 1 for value in values]
    if max(values) - min(values) > 1e-3 * max(map(abs, values)):
        assert len({axis.said(tick) for tick in axis.ticks}) == len(axis.ticks)


def test_ticks_are_round_numbers() -> None:
    """In thousands or thousandths where they are many or few; of time, in its own units."""
    axis = linear("error", [0.0012, 0.0031], zero=True)
    assert (axis.label, [axis.said(tick) for tick in axis.ticks]) == ("error ×10⁻³", ["0", "1", "2", "3", "4"])
    axis = linear("error", [12_000.0, 31_000.0])
    assert axis.label == "error ×10³"
    assert [axis.said(tick) for tick in axis.ticks] == ["10", "15", "20", "25", "30", "35"]
    assert linear("", [0.5], zero=True).low == 0
    assert logarithmic("", [10.0, 3_000.0], str).ticks == [10, 100, 1_000]
    assert logarithmic("", [1_400.0, 2_200.0], str).ticks == [1_500, 2_000, 3_000]
    assert logarithmic("", [1_300.0, 3_900.0], str, (1, 600), (1_200, 1_800, 3_600)).ticks == [1_200, 1_800, 3_600]


def test_committed_boards_are_read(tmp_path: Path) -> None:
    """Every committed run of either task has a row, in the order of what it is judged by."""
    shutil.copytree(BOARD / "generators", tmp_path / "generators")
    boards = read_frame_boards(tmp_path)
    assert {row.name for board in boards for row in board.rows} == {
        path.parent.name for path in BOARD.glob("generators/*/record.json")
    }
    for board in boards:
        scores = [row.leading.mean for row in board.rows if row.leading is not None]
        assert scores == sorted(scores)

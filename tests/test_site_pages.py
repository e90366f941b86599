"""The site's pages as files: complete, of the records alone, and leading nowhere but to each other."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from site_board import BOARD, ENTRIES, GENERATORS, PREDICTORS, predictor, write_predictor
from synthetic_records import make_record, write_run

from benchmark.errors import RecordError
from benchmark.record import Scores
from benchmark.statistics import Interval
from leaderboard.board import make_boards
from leaderboard.columns import COLUMNS, cells
from leaderboard.entries import read_entries
from leaderboard.errors import BoardError
from leaderboard.reference import read_references
from leaderboard.site.build import build
from leaderboard.site.errors import SiteError
from leaderboard.site.tables import VALUES
from leaderboard.submissions import read_submissions

pytest_plugins = ("site_fixtures",)


class Page(HTMLParser):
    """Addresses and places of a page, its tables as texts, and whether elements close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [str(found[name]) for name in ("href", "src", "srcset") if name in found]
        self.ids += [str(found["id"])] if "id" in found else []
        assert not any(name.startswith("on") or name == "style" for name in found), found
        if tag not in ("meta", "link", "input", "img", "source", "br"):
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def with_generators(board: Path) -> Path:
    """A board's folder with generators alone."""
    for name in GENERATORS:
        shutil.copytree(BOARD / "generators" / name, board / "generators" / name)
    return board


def read(site: Path) -> dict[str, Page]:
    """Every page, by its path."""
    return {path.relative_to(site).as_posix(): Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


def check_links(site: Path) -> None:
    """Every address leads to a file or a place of the site, but for papers; and to every page leads one."""
    pages, reached = read(site), {"index.html"}
    for name, page in pages.items():
        assert page.open == []
        assert len(set(page.ids)) == len(page.ids)
        for link in page.links:
            if link.startswith("https://arxiv.org/abs/") or link == "data:,":
                continue
            path, _, place = link.partition("#")
            target = os.path.normpath(Path(name).parent / unquote(path)) if path else name
            assert (site / target).is_file(), link
            assert not place or place in pages[target].ids, link
            reached.add(target)
    assert reached >= set(pages)


def test_every_entry_has_a_page_that_is_led_to(site: Path) -> None:
    """Entries, predictors and generators; no address leads to what is not there."""
    check_links(site)
    assert set(read(site)) == {
        "index.html",
        "entries/my-group/mine.html",
        *(f"entries/ours/{name}-mini.html" for name in ENTRIES),
        *(f"predictors/{name}-mini.html" for name in PREDICTORS),
        "predictors/copy_last-64.html",
        *(f"generators/{name}.html" for name in GENERATORS),
    }


def test_board_has_the_cells_of_the_table(site: Path, site_root: Path) -> None:
    """Row by row what `bench table` prints, in its order; below them the thesis's rows, marked."""
    entries = read_entries(site_root)
    (board,) = make_boards(entries, read_submissions(site_root, entries))
    headings, *rows = read(site)["index.html"].tables[0]
    assert headings == [column.heading for column in COLUMNS]
    assert rows[: len(board.rows)] == cells(board.rows)
    (thesis,) = read_references(site_root)
    (mark,), *references = rows[len(board.rows) :]
    assert mark.startswith("For comparison, not comparable: Table 5.2")
    assert thesis.source in mark
    assert [row[1] for row in references] == [row.model for row in thesis.rows]
    assert all("not comparable" in row[-1] for row in references)
    assert {row[headings.index("test error % (95 %)")] for row in references} == {"–"}
    assert [row[headings.index("valid %")] for row in references][:2] == ["36.0", "40.0"]


def test_columns_of_numbers_are_sorted_as_numbers() -> None:
    """Each heading that has a sort key is a column of the board, and each numeric column has one."""
    assert set(VALUES) == {column.heading for column in COLUMNS if column.numeric}


def test_entry_page_tells_what_its_predictions_say(site: Path, site_root: Path) -> None:
    """By class, the confusion matrix, by factor, by seed: computed here once more, in another way."""
    entry = next(one for one in read_entries(site_root) if one.name == "far-mini")
    page = read(site)["entries/ours/far-mini.html"]
    by_class, by_factor, confusion, shifted, seeds = page.tables
    wrong, label = entry.wrong, entry.label
    errors = [f"{100 * wrong[:, label == k].mean():.1f}" for k in range(10)]
    assert [row[1] for row in by_class[1:]] == errors
    said = np.stack([one.probabilities.argmax(axis=1) for one in entry.test.seeds])
    for k, row in enumerate(confusion[1:]):
        shares = [100 * (said[:, label == k] == j).mean() for j in range(10)]
        assert [float(cell or 0) for cell in row[1:]] == pytest.approx(shares, abs=0.51)
    assert [row[1:4] for row in by_factor[1:4]] == [errors[0:3], errors[3:6], errors[6:9]]
    assert by_factor[5][4] == errors[9]
    assert [row[0] for row in shifted[1:]] == ["standard", "camera"]
    assert [row[1] for row in seeds[1:]] == [f"{100 * one.mean():.1f}" for one in wrong]
    for text in (
        "bench run far --release standard --size mini --seeds 3 --input flow_farneback",
        "betas",
        "Linux-x86_64",
    ):
        assert text in page.text


def test_same_records_give_the_same_bytes(site: Path, site_root: Path, tmp_path: Path) -> None:
    """A site has no clock and no chance in it."""
    build(site_root, tmp_path / "again")
    files = [path.relative_to(site) for path in site.rglob("*") if path.is_file()]
    assert len(files) > 10
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (site / file).read_bytes(), file


def test_plots_have_a_point_for_each_row_that_has_the_cost(site: Path) -> None:
    """A rule, which has no parameters, is a line across there; whose cost nobody counted has no point."""
    text = (site / "index.html").read_text("utf-8")
    plots = re.findall(r"<figure>.*?<figcaption>(.*?)</figcaption>(.*?)</figure>", text)
    assert [(title, plot.count('class="point'), plot.count('class="level')) for title, plot in plots] == [
        ("Parameters", 5, 0),
        ("Computation", 3, 0),
        ("Training", 5, 0),
        ("Parameters", 3, 1),
        ("Speed", 4, 0),
        ("Parameters", 3, 0),
        ("Speed", 3, 0),
        ("Training", 3, 0),
    ]


def test_local_runs_stand_among_the_entries(tmp_path: Path) -> None:
    """Of every task, with a page and its pictures, and only where they are asked for; a classifier's without a rank."""
    board, runs = with_generators(tmp_path / "leaderboard"), tmp_path / "runs"
    write_run(runs / "mine" / "standard-mini", *make_record("mine", errors=(0.4, 0.4, 0.4)))
    write_predictor(runs / "simvp" / "standard-mini", predictor("simvp"))
    shutil.copytree(BOARD / "generators" / "ali-mini", runs / "ali" / "standard-mini")
    build(board, tmp_path / "site", runs)
    check_links(tmp_path / "site")
    pages = read(tmp_path / "site")
    classifiers, predictors, generators = pages["index.html"].tables
    assert [row[:3] for row in classifiers[1:]] == [["–", "mine", "this machine"]]
    assert [row[:2] for row in predictors[1:]] == [["simvp", "this machine"]]
    assert ["ali (ali/standard-mini)", "this machine"] in [row[:2] for row in generators[1:]]
    for name in ("mine", "simvp", "ali"):
        assert f"runs/{name}/standard-mini.html" in pages
    assert "entered by this machine as simvp/standard-mini." in pages["runs/simvp/standard-mini.html"].text
    build(board, tmp_path / "site")
    assert not (tmp_path / "site" / "runs").exists()


def test_board_without_entries_says_so(tmp_path: Path) -> None:
    """And one that is not there is told."""
    (tmp_path / "board").mkdir()
    build(tmp_path / "board", tmp_path / "site")
    assert "There are no entries yet." in read(tmp_path / "site")["index.html"].text
    with pytest.raises(BoardError, match="no such folder"):
        build(tmp_path / "nowhere", tmp_path / "site")


def test_other_classes_have_pages_too(tmp_path: Path) -> None:
    """Of somebody's own data: no factors, no thesis's figures beside them."""
    record, files = make_record("mine")
    classes = tuple(f"kind {k}" for k in range(10))

    def plain(scores: Scores) -> Scores:
        return replace(scores, error_path=None, error_speed=None)

    seeds = [
        replace(
            one, scores=replace(one.scores, **{s: plain(getattr(one.scores, s)) for s in ("train", "valid", "test")})
        )
        for one in record.seeds
    ]
    data = replace(record.dataset, classes=classes, release="kth", size="own")
    write_run(tmp_path / "entries" / "ours" / "mine", replace(record, seeds=tuple(seeds), dataset=data), files)
    build(tmp_path, tmp_path / "site")
    check_links(tmp_path / "site")
    by_class, confusion, _ = read(tmp_path / "site")["entries/ours/mine.html"].tables
    assert [row[0] for row in by_class[1:]] == list(classes) == [row[0] for row in confusion[1:]]


def test_bad_entry_leaves_the_site_alone(tmp_path: Path) -> None:
    """Nothing is written when anything is wrong."""
    board = tmp_path / "leaderboard"
    write_run(board / "entries" / "ours" / "near-mini", *make_record("near", errors=(0.1,)))
    build(board, tmp_path / "site")
    before = (tmp_path / "site" / "index.html").read_bytes()
    (board / "entries" / "ours" / "near-mini" / "predictions-seed0.npz").write_bytes(b"x")
    with pytest.raises(RecordError, match=r"predictions-seed0.npz: its SHA-256 is"):
        build(board, tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_bytes() == before


@pytest.mark.parametrize("ending", ["png", "gif"])
@pytest.mark.parametrize("kind", ["link", "text", "large"])
def test_picture_that_is_none_is_refused(tmp_path: Path, kind: str, ending: str) -> None:
    """A link would publish any file of the host's; a page by a picture's name, anything."""
    board = tmp_path / "leaderboard"
    write_predictor(board / "predictors" / "simvp-mini", predictor("simvp"))
    path = board / "predictors" / "simvp-mini" / f"filmstrips-seed0.{ending}"
    content = path.read_bytes()
    path.unlink()
    if kind == "link":
        (tmp_path / "secret").write_bytes(content)
        path.symlink_to(tmp_path / "secret")
    else:
        path.write_bytes(b"<script>alert(1)</script>" if kind == "text" else content + bytes(2**23))
    expected = {
        "link": "is a link or no file",
        "text": f"does not begin like a {ending.upper()}",
        "large": "expected a picture of at",
    }
    with pytest.raises(SiteError, match=rf"filmstrips-seed0.{ending} .*{expected[kind]}"):
        build(board, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_committed_board_makes_a_small_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page of it is led to, and takes less than a megabyte; pictures take some more. Intervals do not matter."""
    monkeypatch.setattr("leaderboard.board.mean_error_interval", lambda *_: Interval(low=0.0, high=1.0))
    said = build(BOARD, tmp_path / "site")
    assert said.startswith(f"{tmp_path / 'site'}: ")
    check_links(tmp_path / "site")
    assert sum(path.stat().st_size for path in (tmp_path / "site").rglob("*") if path.is_file()) < 60e6
    assert max(path.stat().st_size for path in (tmp_path / "site").rglob("*.html")) < 1e6


def test_runs_of_one_generator_are_told_apart(tmp_path: Path) -> None:
    """Two of a model, with other settings, stand with the names of their folders."""
    board = with_generators(tmp_path / "leaderboard")
    shutil.copytree(board / "generators" / "ali-mini", board / "generators" / "ali-longer")
    build(board, tmp_path / "site")
    check_links(tmp_path / "site")
    rows = read(tmp_path / "site")["index.html"].tables[-1]
    assert sorted(row[0] for row in rows[1:]) == ["ali (ali-longer)", "ali (ali-mini)", "gan", "vae"]

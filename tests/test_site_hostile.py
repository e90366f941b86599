"""Texts that would be more than text on a careless page: a parser and a browser find them as text, never obeyed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from site_board import BOARD, FILMS, HOSTILE, Parsed, predictor
from site_browsing import GENERATORS, PREDICTORS, column, heading, opened, quiet, shown
from synthetic_records import make_record, write_run
from test_generators_page import made as generator

from benchmark.record import Record
from leaderboard.board import make_boards
from leaderboard.entries import Entry, read_entry
from leaderboard.frame_rows import generator_row, predictor_row
from leaderboard.frames import FrameBoard, make_frame_boards
from leaderboard.reference import Reference, read_references
from leaderboard.results.generators import Made
from leaderboard.results.predictors import Predicted
from leaderboard.site.boards import front_page
from leaderboard.site.build import frame_row_page
from leaderboard.site.entry import entry_page
from leaderboard.site.names import file_of
from leaderboard.site.shell import assets

pytest_plugins = ("site_fixtures",)

TEXTS = (" ".join(HOSTILE), " ".join(reversed(HOSTILE)), HOSTILE[2])
"""All at once, in two orders, and one by itself."""


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """An entry of a classifier, whose texts are plain."""
    folder = tmp_path_factory.mktemp("entry")
    write_run(folder, *make_record("plain", errors=(0.3,), shifted=("camera",)))
    return read_entry(folder, "group", "plain")


def saying(made: Any, text: str) -> Any:
    """A record of any task that has this text wherever it can hold one, also where reading would refuse it."""
    if hasattr(made, "input"):
        of_task: dict[str, Any] = {"input": text}
    else:
        seeds = (replace(one, chosen_by=text, history=tuple(noted(text))) for one in made.seeds)
        of_task = {"features": replace(made.features, name=text), "seeds": tuple(seeds)}
    return replace(
        made,
        model=text,
        source=text,
        tags=replace(made.tags, note=text),
        config=replace(made.config, model={text: text, "x": [text, {text: text}]}, training={text: text}),
        environment=replace(
            made.environment,
            device=text,
            precision=text,
            commit=text,
            python=text,
            platform=text,
            libraries={text: text},
        ),
        dataset=replace(made.dataset, release=text, size=text, classes=tuple(f"{k}{text}" for k in range(10))),
        **of_task,
    )


def on_one_board(made: Record) -> Record:
    """The record, on the usual data, so that it stands beside others."""
    return replace(made, dataset=replace(made.dataset, release="standard", size="mini"))


def noted(text: str) -> list[dict[str, float]]:
    """What was noted of three epochs, of which one is named so."""
    return [{"epoch": float(k), f"valid_{text}": 0.5 / k, f"train_{text}": 1.0 / k} for k in range(1, 4)]


@dataclass(frozen=True)
class Pages:
    """The front page and every row's, by their paths."""

    files: dict[str, bytes]

    @property
    def elements(self) -> list[list[tuple[str, list[str]]]]:
        """Of each page, its elements and the names of their attributes, but for links to papers."""
        return [
            [(name, sorted(found)) for name, found in Parsed(content.decode()).elements if not is_paper(found)]
            for content in self.files.values()
        ]


def is_paper(attributes: dict[str, str | None]) -> bool:
    """Whether it is a link to arXiv."""
    return str(attributes.get("href")).startswith("https://arxiv.org/abs/")


def frame_boards(text: str) -> list[FrameBoard]:
    """Of three predictors, which draw, and of as many generators, all of whose texts and folders are named so."""
    told: dict[str, Any] = {"agreement": {text: 0.5}, "agreement_of_data": {text: 1.0}, "failed_by_cause": {text: 0.25}}
    predicts = saying(predictor("feature_flow"), text)
    makes = saying(generator("plain", 30.0, psnr=12.0, attributes=(text,), **told), text)
    rows = [
        predictor_row(Predicted(name=f"{text}-{k}", record=predicts, pictures=FILMS), Path("nowhere")) for k in range(3)
    ]
    rows += [
        generator_row(Made(name=f"{text}-{k}", record=makes, pictures=("samples-seed0.png",)), Path("nowhere"))
        for k in range(3)
    ]
    return make_frame_boards(rows)


def pages(entry: Entry, texts: tuple[str, ...]) -> Pages:
    """Of a site with three entries of these texts, with such predictors and generators, and with published figures."""
    (thesis,) = read_references(BOARD)
    said = texts if len(texts) == 3 else 3 * texts
    entries = [
        replace(entry, name=f"entry-{place}", record=on_one_board(saying(entry.record, text)))
        for place, text in enumerate(said)
    ]
    boards, frames = make_boards(entries), [board for text in texts for board in frame_boards(text)]
    files = assets() | {"index.html": front_page(boards, [hostile_reference(thesis, texts[0])], frames)}
    files |= {file_of(row): entry_page(row, board) for board in boards for row in board.rows}
    for place, board in enumerate(frames):
        files[f"{board.task}-{place}.html"] = frame_row_page(board.rows[0], board)
    return Pages({name: content for name, content in files.items() if name.endswith(".html")})


def hostile_reference(thesis: Reference, text: str) -> Reference:
    """A published table with that text everywhere."""
    rows = tuple(replace(row, model=text, note=text) for row in thesis.rows)
    return replace(thesis, name=text, title=text, source=text, mark=text, remark=text, rows=rows)


@pytest.fixture(scope="module")
def plain(entry: Entry) -> Pages:
    """What pages are made of where nothing is hostile."""
    return pages(entry, ("plain",))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_make_nothing(entry: Entry, plain: Pages, text: str) -> None:
    """Neither elements nor attributes, on the board, and on pages of entries, of predictors and of generators."""
    made = pages(entry, (text,))
    assert made.elements == plain.elements
    for content in made.files.values():
        assert Parsed(content.decode()).text.count(text) > 15


@pytest.fixture(scope="module")
def hostile(entry: Entry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of such entries, as files."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, content in (assets() | pages(entry, TEXTS).files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


ALLOWED = """
    const attributes = [...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames());
    return [
      window.evil === undefined,
      document.querySelectorAll('iframe, object, style, form:not(#filters), [style]').length,
      [...document.images].filter((one) => one.closest('figure.picture') === null).length,
      document.scripts.length,
      [...document.querySelectorAll('a')].map((one) => one.protocol).filter((one) => one !== 'file:'),
      attributes.filter((name) => /^on/.test(name)),
    ];"""


def test_hostile_texts_are_shown_and_never_obeyed(site_browser: Any, hostile: Path) -> None:
    """On the board, sorted and filtered: no element, no attribute and no link of theirs; nothing runs."""
    browser = site_browser
    opened(browser, hostile / "index.html")
    assert sorted(column(browser, "model")) == sorted(TEXTS)
    values = browser.execute_script("return [...document.getElementById('input').options].map((one) => one.value)")
    assert set(values) == {"", *TEXTS}
    assert browser.execute_script(ALLOWED) == [True, 0, 0, 1, [], []]
    for text in TEXTS:
        Select(browser.find_element(By.ID, "input")).select_by_index(values.index(text))
        assert column(browser, "model") == [text]
    browser.find_element(By.CSS_SELECTOR, "#filters button").click()
    for table in ("table.board", PREDICTORS, GENERATORS):
        for name in ("model", "device", "tags"):
            heading(browser, name, table).click()
    assert sorted(column(browser, "model")) == sorted(TEXTS)
    assert shown(browser, "section[data-board]") == 1 + 2 * len(TEXTS)
    assert browser.execute_script(ALLOWED) == [True, 0, 0, 1, [], []]
    assert quiet(browser)


@pytest.mark.parametrize("page", ["entries/group/entry-0.html", "prediction-0.html", "generation-1.html"])
def test_hostile_pages_are_read(site_browser: Any, hostile: Path, page: str) -> None:
    """The page of an entry, of a predictor, of a generator: nothing but papers is led to, and all is there to read."""
    opened(site_browser, hostile / page)
    assert site_browser.execute_script("return document.querySelector('h1').textContent") == TEXTS[0]
    found = site_browser.execute_script(ALLOWED)
    assert found[:4] + found[5:] == [True, 0, 0, 1, []]
    assert set(found[4]) == {"https:"}
    assert site_browser.execute_script("return document.body.textContent").count(TEXTS[0]) > 15


def test_policy_holds_even_where_escaping_failed(site_browser: Any, hostile: Path) -> None:
    """Scripts and styles in the page, attributes that run, frames, and pictures from elsewhere are all refused."""
    browser, path = site_browser, hostile / "broken.html"
    page = (hostile / "index.html").read_text("utf-8")
    evil = (
        "<script>window.evil = 1</script><img src=x onerror='window.evil = 2'><p id=styled style='color: red'>x</p>"
        "<img id=far src='https://evil.example/x.png'><iframe src='data:text/html,x'></iframe>"
        "<form action='https://evil.example'><button id=send>x</button></form><script src='https://evil.example/x.js'>"
        "</script>"
    )
    path.write_text(page.replace("</main>", f"{evil}</main>"), "utf-8")
    opened(browser, path)
    browser.find_element(By.ID, "send").click()
    assert browser.execute_script("return window.evil === undefined")
    assert browser.current_url == path.as_uri()
    styled = "return getComputedStyle(document.getElementById('styled')).color"
    assert browser.execute_script(styled) != "rgb(255, 0, 0)"
    # Not even our own script could turn a text into elements.
    script = "try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch (error) { return error.name; }"
    assert browser.execute_script(script) == "TypeError"
    said = " ".join(line["message"] for line in browser.get_log("browser"))
    for kind in ("script-src", "style-src", "img-src", "form-action"):
        assert kind in said
    assert "ERR_NAME_NOT_RESOLVED" not in said

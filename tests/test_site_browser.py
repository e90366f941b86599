"""The site in a real browser, from files: sorting, filtering, keys, a phone, the dark, and texts that stay texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from site_board import ENTRIES, HOSTILE, make_board
from synthetic_records import make_record, write_run

from leaderboard.board import make_boards
from leaderboard.entries import Entry, read_entry
from leaderboard.reference import Reference, read_references
from leaderboard.site.boards import front_page
from leaderboard.site.build import build
from leaderboard.site.entry import entry_page
from leaderboard.site.names import file_of
from leaderboard.site.shell import assets

TAB, ENTER, SPACE = "\ue004", "\ue007", "\ue00d"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a screen."""
    yield from chromium()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a small board."""
    folder = tmp_path_factory.mktemp("made")
    build(make_board(folder / "leaderboard"), folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of entries whose every text is hostile, also those that reading would refuse."""
    folder = tmp_path_factory.mktemp("hostile")
    files = assets()
    entries = [hostile_entry(folder / f"entry-{place}", place) for place in range(len(HOSTILE))]
    (thesis,) = read_references(make_board(folder / "leaderboard"))
    boards = make_boards(entries)
    files["index.html"] = front_page(boards, [hostile_reference(thesis)], [])
    for board in boards:
        for row in board.rows:
            files[file_of(row)] = entry_page(row, board)
    for name, content in files.items():
        path = folder / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "site"


def hostile_entry(folder: Path, place: int) -> Entry:
    """An entry with one of `HOSTILE` wherever a record or a folder has a text."""
    text = HOSTILE[place]
    write_run(folder, *make_record("plain", rng_seed=place, shifted=("camera",)))
    entry = read_entry(folder, "group", f"entry-{place}")
    made = entry.record
    record = replace(
        made,
        model=text,
        input=text,
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
        dataset=replace(made.dataset, classes=tuple(f"{k}{text}" for k in range(10))),
    )
    return replace(entry, record=record)


def hostile_reference(thesis: Reference) -> Reference:
    """A published table with such texts."""
    rows = tuple(replace(row, model=HOSTILE[0], note=HOSTILE[1]) for row in thesis.rows)
    return replace(
        thesis, name=HOSTILE[2], title=HOSTILE[1], source=HOSTILE[6], mark=HOSTILE[0], remark=HOSTILE[4], rows=rows
    )


def opened(browser: Any, path: Path, width: int = 1500, scheme: str = "light") -> None:
    """Opens a page in a window of that width; what was said on the console before is forgotten."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get_log("browser")
    browser.get(path.as_uri())


def column(browser: Any, heading: str, table: str = "table.board") -> list[str]:
    """The texts below a heading, of the rows that are shown."""
    script = """
        const table = document.querySelector(arguments[0]);
        const place = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === arguments[1]);
        const rows = [...table.tBodies[0].rows].filter((row) => row.offsetParent !== null);
        return rows.map((row) => row.cells[place].textContent);"""
    return browser.execute_script(script, table, heading)


def heading(browser: Any, text: str, table: str = "table.board") -> Any:
    """The button of a heading."""
    (found,) = [
        button for button in browser.find_elements(By.CSS_SELECTOR, f"{table} thead button") if button.text == text
    ]
    return found


def sorted_by(browser: Any) -> list[tuple[str, str]]:
    """What the board's headings say of their order."""
    cells = browser.find_elements(By.CSS_SELECTOR, "table.board th[aria-sort]")
    return [(cell.text, cell.get_attribute("aria-sort")) for cell in cells]


def press(browser: Any, *keys: str) -> None:
    """Keys, wherever the focus is."""
    ActionChains(browser).send_keys(*keys).perform()


def quiet(browser: Any) -> bool:
    """Whether nothing was said on the console, and nothing but files of the site was asked for."""
    names = browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(name.startswith("file:") for name in names), names
    assert browser.get_log("browser") == []
    return True


def test_headings_sort_by_number_and_back(browser: Any, site: Path) -> None:
    """Numbers by their size and not their text, up at the first click, down at the second; dashes stay last."""
    opened(browser, site / "index.html")
    assert sorted_by(browser) == [("test error % (95 %)", "ascending")]
    assert column(browser, "model") == ["near", "once", "middle", "far"]
    heading(browser, "parameters").click()
    assert column(browser, "parameters") == ["300", "45 k", "45 k", "2 M"]
    assert column(browser, "model")[0] == "middle"
    assert sorted_by(browser) == [("parameters", "ascending")]
    heading(browser, "parameters").click()
    assert column(browser, "parameters") == ["2 M", "45 k", "45 k", "300"]
    assert sorted_by(browser) == [("parameters", "descending")]
    heading(browser, "GFLOPs/clip").click()
    assert column(browser, "GFLOPs/clip") == ["0.005", "0.07", "1", "–"]
    heading(browser, "GFLOPs/clip").click()
    assert column(browser, "GFLOPs/clip") == ["1", "0.07", "0.005", "–"]
    heading(browser, "model").click()
    assert column(browser, "model") == sorted(ENTRIES)
    assert quiet(browser)


def test_other_tables_are_sorted_too(browser: Any, site: Path) -> None:
    """Shifted sets and generators, each by itself; the thesis's rows stay below the board's."""
    opened(browser, site / "index.html")
    shifted = "section table.sortable:not(.board)"
    heading(browser, "camera", shifted).click()
    heading(browser, "camera", shifted).click()
    assert column(browser, "model", shifted) == ["far", "middle", "near"]
    assert column(browser, "model") == ["near", "once", "middle", "far"]
    tables = browser.find_elements(By.CSS_SELECTOR, "table.sortable")
    before = [row.text for row in tables[-1].find_elements(By.CSS_SELECTOR, "tbody tr")]
    tables[-1].find_elements(By.CSS_SELECTOR, "thead button")[1].click()
    assert [row.text for row in tables[-1].find_elements(By.CSS_SELECTOR, "tbody tr")] == before[::-1]
    heading(browser, "valid %").click()
    references = browser.find_elements(By.CSS_SELECTOR, "table.board tbody.reference tr")
    assert references[1].text.startswith("– Conv3D + ConvLSTM thesis – 36.0")


def test_everything_works_by_keyboard(browser: Any, site: Path) -> None:
    """Tab goes from the way to the content over the filters to the headings; Enter and Space sort; focus is seen."""
    opened(browser, site / "index.html")
    press(browser, TAB)
    active = browser.switch_to.active_element
    assert active.text == "Skip to the content"
    assert active.rect["x"] >= 0
    seen = []
    for _ in range(60):
        press(browser, TAB)
        active = browser.switch_to.active_element
        seen.append(active.get_attribute("id") or active.text)
        if active.text == "train %":
            break
    assert [name for name in seen if name in ("find", "input", "seeds", "Show all")] == [
        "find",
        "input",
        "seeds",
        "Show all",
    ]
    press(browser, ENTER)
    assert sorted_by(browser) == [("train %", "ascending")]
    press(browser, SPACE)
    assert sorted_by(browser) == [("train %", "descending")]
    assert browser.switch_to.active_element.text == "train %"
    outline = "const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.outlineWidth"
    assert browser.execute_script(outline) == "solid2px"


def test_filters_leave_what_was_asked_for(browser: Any, site: Path) -> None:
    """By words in any column, by input, by seeds, and all together; rows of all tables and points of plots go along."""
    opened(browser, site / "index.html")
    shown = browser.find_element(By.ID, "shown")
    find = browser.find_element(By.ID, "find")
    assert shown.text == "4 of 4 entries"
    find.send_keys("NEAR verified")
    assert column(browser, "model") == ["near"]
    assert shown.text == "1 of 4 entries"
    script = "return [...document.querySelectorAll('.point')].filter((one) => one.getClientRects().length).length"
    assert browser.execute_script(script) == 3  # one in each of three plots
    assert column(browser, "model", "section table.sortable:not(.board)") == ["near"]
    find.clear()
    find.send_keys("nothing of that kind")
    assert (column(browser, "model"), shown.text) == ([], "0 of 4 entries")
    browser.find_element(By.CSS_SELECTOR, "#filters button").click()
    Select(browser.find_element(By.ID, "seeds")).select_by_visible_text("3 or more")
    assert column(browser, "model") == ["near", "middle", "far"]
    Select(browser.find_element(By.ID, "input")).select_by_visible_text("flow_farneback")
    assert column(browser, "model") == ["far"]
    heading(browser, "model").click()
    browser.find_element(By.CSS_SELECTOR, "#filters button").click()
    assert shown.text == "4 of 4 entries"
    assert column(browser, "model") == sorted(ENTRIES)
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody.reference tr")) == 7
    assert quiet(browser)


def test_row_leads_to_its_page_and_back(browser: Any, site: Path) -> None:
    """By its name, and by the crumb, which leads to the board's own place."""
    opened(browser, site / "index.html")
    browser.find_element(By.LINK_TEXT, "middle").click()
    assert browser.find_element(By.TAG_NAME, "h1").text == "middle"
    assert quiet(browser)
    browser.find_element(By.LINK_TEXT, "Classification, standard, mini").click()
    assert browser.current_url.startswith((site / "index.html").as_uri() + "#classification-standard-mini-")
    browser.find_element(By.LINK_TEXT, "ali").click()
    loaded = "return [...document.images].map((one) => { one.loading = 'eager'; return one.decode(); }).length"
    assert browser.execute_script(loaded) == 4
    sizes = browser.execute_async_script(
        "const done = arguments[0]; const all = [...document.images];"
        "Promise.all(all.map((one) => one.decode())).then(() => done(all.map((one) => one.naturalWidth)))"
    )
    assert all(sizes)
    assert quiet(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read_in_the_dark(browser: Any, site: Path, scheme: str) -> None:
    """No page is wider than 360 pixels; tables scroll by themselves; every text stands out from its ground."""
    for name in ("index.html", "entries/ours/far-mini.html", "generators/ali-mini.html"):
        opened(browser, site / name, 360, scheme)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 360, name
        assert browser.execute_script(CONTRAST) == [], name
        wide = browser.find_elements(By.CSS_SELECTOR, ".scroll")
        assert all(box.get_attribute("tabindex") == "0" for box in wide)
    opened(browser, site / "entries/ours/far-mini.html", 1500, scheme)
    script = """
        document.querySelectorAll('.confusion tbody td').forEach((cell, place) => {
          cell.className = `heat${place % 11}`;
          cell.textContent = place % 11;
        });"""
    browser.execute_script(script)
    assert browser.execute_script(CONTRAST) == []
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) > 380) == (scheme == "light")


CONTRAST = """
    const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const pixel = (colours) => {
      for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (rgb) => rgb.map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
      .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
    const faint = new Set();
    for (const one of document.querySelectorAll('main *, header *, footer *')) {
      const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      if (!own || one.getClientRects().length === 0 || one.closest('option')) continue;
      const grounds = [];
      for (let up = one; up !== null; up = up.parentElement) grounds.unshift(getComputedStyle(up).backgroundColor);
      const style = getComputedStyle(one);
      const ground = pixel(['white', ...grounds]);
      const text = pixel([`rgb(${ground})`, one.closest('svg') ? style.fill : style.color]);
      const [low, high] = [light(ground), light(text)].sort((a, b) => a - b);
      if ((high + 0.05) / (low + 0.05) < 4.5) faint.add(`${one.tagName} ${one.className} ${text} on ${ground}`);
    }
    return [...faint];"""
"""Every element with a text of its own whose contrast is below 4.5 (WCAG 2, level AA)."""


def test_hostile_texts_are_shown_and_never_obeyed(browser: Any, hostile: Path) -> None:
    """On the board and on entries' pages: no element, no attribute and no link of theirs; nothing runs."""
    allowed = (
        "return [window.evil === undefined,"
        " document.querySelectorAll('img, iframe, object, style, form:not(#filters), [style]').length,"
        " document.scripts.length,"
        " [...document.querySelectorAll('a')].map((one) => one.protocol).filter((one) => one !== 'file:'),"
        " [...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames()).filter((a) => /^on/.test(a))]"
    )
    opened(browser, hostile / "index.html")
    assert sorted(column(browser, "model")) == sorted(HOSTILE)
    assert set(browser.execute_script("return [...document.getElementById('input').options].map((o) => o.value)")) == {
        "",
        *HOSTILE,
    }
    assert browser.execute_script(allowed) == [True, 0, 1, [], []]
    for text in HOSTILE[:4]:
        Select(browser.find_element(By.ID, "input")).select_by_value(text)
        assert column(browser, "model") == [text]
        browser.find_element(By.CSS_SELECTOR, "#filters button").click()
    for name in ("model", "device", "tags"):
        heading(browser, name).click()
    assert sorted(column(browser, "model")) == sorted(HOSTILE)
    assert browser.execute_script(allowed) == [True, 0, 1, [], []]
    assert quiet(browser)
    for place, text in enumerate(HOSTILE):
        opened(browser, hostile / f"entries/group/entry-{place}.html")
        assert browser.execute_script("return document.querySelector('h1').textContent") == text
        found = browser.execute_script(allowed)
        papers = ["https:"] if text.startswith("arXiv") else []
        assert found == [True, 0, 1, papers, []], text
        shown = browser.execute_script("return document.body.textContent")
        assert shown.count(text) > 15
        assert quiet(browser)


def test_policy_holds_even_where_escaping_failed(browser: Any, hostile: Path) -> None:
    """Scripts and styles in the page, attributes that run, frames, and pictures from elsewhere are all refused."""
    path = hostile / "broken.html"
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
    assert (
        browser.execute_script("return getComputedStyle(document.getElementById('styled')).color") != "rgb(255, 0, 0)"
    )
    said = " ".join(line["message"] for line in browser.get_log("browser"))
    for kind in ("script-src", "style-src", "img-src", "form-action"):
        assert kind in said
    assert "ERR_NAME_NOT_RESOLVED" not in said


def test_markup_from_a_script_is_refused(browser: Any, site: Path) -> None:
    """Not even our own script could turn a text into elements."""
    opened(browser, site / "index.html")
    script = "try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch (error) { return error.name; }"
    assert browser.execute_script(script) == "TypeError"

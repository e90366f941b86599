"""The site in a real browser, from files: sorting, filtering, keys, a phone, the dark, and less motion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from site_board import ENTRIES
from site_browsing import (
    CONTRAST,
    ENTER,
    GENERATORS,
    PREDICTORS,
    SPACE,
    TAB,
    column,
    heading,
    opened,
    press,
    quiet,
    shown,
    sorted_by,
    wish,
)

pytest_plugins = ("site_fixtures",)

SHIFTED = "section table.sortable:not(.board)"
SUBMITTED = "My net (v2)"
SMALL = "section[data-board=prediction]:nth-of-type(3) table.board"
"""The second board of predictors, of small frames."""


def test_headings_sort_by_number_and_back(site_browser: Any, site: Path) -> None:
    """Numbers by their size and not their text, up at the first click, down at the second; dashes stay last."""
    browser = site_browser
    opened(browser, site / "index.html", 2400)
    assert sorted_by(browser) == [["test error % (95 %)", "ascending"]]
    assert column(browser, "model") == ["near", "once", "middle", SUBMITTED, "far"]
    assert column(browser, "rank")[:2] == ["1", "–"]  # of one seed there is none
    heading(browser, "parameters").click()
    assert column(browser, "parameters") == ["300", "1 k", "45 k", "45 k", "2 M"]
    assert column(browser, "model")[0] == "middle"
    assert sorted_by(browser) == [["parameters", "ascending"]]
    heading(browser, "parameters").click()
    assert column(browser, "parameters") == ["2 M", "45 k", "45 k", "1 k", "300"]
    assert sorted_by(browser) == [["parameters", "descending"]]
    heading(browser, "GFLOPs/clip").click()
    assert column(browser, "GFLOPs/clip") == ["0.005", "0.07", "1", "–", "–"]
    heading(browser, "GFLOPs/clip").click()
    assert column(browser, "GFLOPs/clip") == ["1", "0.07", "0.005", "–", "–"]
    for _ in range(2):
        heading(browser, "valid %").click()
        assert (column(browser, "model")[-1], column(browser, "valid %")[-1]) == (SUBMITTED, "–")
    references = browser.find_elements(By.CSS_SELECTOR, "table.board tbody.reference tr")
    assert references[1].text.startswith("– Conv3D + ConvLSTM thesis")
    heading(browser, "model").click()
    assert column(browser, "model") == sorted([*ENTRIES, SUBMITTED], key=str.lower)
    assert quiet(browser)


def test_each_table_is_sorted_by_itself(site_browser: Any, site: Path) -> None:
    """Shifted sets, predictors and generators, numbers by their size whatever unit they are told in."""
    browser = site_browser
    opened(browser, site / "index.html", 2400)
    for _ in range(2):
        heading(browser, "camera", SHIFTED).click()
    assert column(browser, "model", SHIFTED) == ["far", "middle", "near"]
    assert column(browser, "model") == ["near", "once", "middle", SUBMITTED, "far"]
    assert column(browser, "model", SMALL) == ["simvp", "cdna", "feature_flow", "copy_last"]
    assert sorted_by(browser, SMALL) == [["MSE", "ascending"]]
    heading(browser, "frames/s", SMALL).click()
    assert column(browser, "frames/s", SMALL) == ["0.5", "300", "2.5 k", "90 k"]
    heading(browser, "parameters", SMALL).click()
    assert column(browser, "parameters", SMALL) == ["0", "950 k", "1.2 M", "10 M"]
    for _ in range(2):
        heading(browser, "best of 10", SMALL).click()
        assert column(browser, "model", SMALL)[0] == "feature_flow"  # the others have none and stay last
    assert column(browser, "model", GENERATORS) == ["gan", "ali", "vae"]
    heading(browser, "coverage", GENERATORS).click()
    assert column(browser, "model", GENERATORS) == ["vae", "ali", "gan"]
    assert sorted_by(browser, GENERATORS) == [["coverage", "ascending"]]
    assert quiet(browser)


def test_everything_works_by_keyboard(site_browser: Any, site: Path) -> None:
    """Tab goes from the way to the content over the filters to the headings; Enter and Space sort; focus is seen."""
    browser = site_browser
    opened(browser, site / "index.html")
    press(browser, TAB)
    active = browser.switch_to.active_element
    assert active.text == "Skip to the content"
    assert active.rect["x"] >= 0
    name = "const one = document.activeElement; return one.id || one.textContent"
    seen = []
    while "train %" not in seen and len(seen) < 60:
        press(browser, TAB)
        seen.append(browser.execute_script(name))
    filters = ["find", "task", "input", "seeds", "Show all"]
    assert [one for one in seen if one in filters] == filters
    press(browser, ENTER)
    assert sorted_by(browser) == [["train %", "ascending"]]
    press(browser, SPACE)
    assert sorted_by(browser) == [["train %", "descending"]]
    assert browser.execute_script(name) == "train %"
    outline = "const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.outlineWidth"
    assert browser.execute_script(outline) == "solid2px"


def test_filters_leave_what_was_asked_for(site_browser: Any, site: Path) -> None:
    """By words in any column, task, input, seeds, and all together; tables and points go along, empty boards go."""
    browser = site_browser
    opened(browser, site / "index.html")
    said, find, everything = (
        browser.find_element(By.CSS_SELECTOR, one) for one in ("#shown", "#find", "#filters button")
    )
    assert said.text == "13 of 13 entries"
    find.send_keys("NEAR verified")
    assert column(browser, "model") == ["near"]
    assert said.text == "1 of 13 entries"
    assert shown(browser, ".point") == 3  # one in each of three plots
    assert column(browser, "model", SHIFTED) == ["near"]
    assert shown(browser, "section[data-board]") == 1
    find.clear()
    find.send_keys("scored by the host extra data")
    assert column(browser, "model") == [SUBMITTED]
    assert shown(browser, ".point") == 2  # of the costs that it states
    find.clear()
    find.send_keys("nothing of that kind")
    assert (column(browser, "model"), said.text) == ([], "0 of 13 entries")
    everything.click()
    Select(browser.find_element(By.ID, "seeds")).select_by_visible_text("3 or more")
    assert column(browser, "model") == ["near", "middle", SUBMITTED, "far"]
    assert said.text == "5 of 13 entries"
    Select(browser.find_element(By.ID, "input")).select_by_visible_text("flow_farneback")
    assert column(browser, "model") == ["far"]
    heading(browser, "model").click()
    everything.click()
    assert said.text == "13 of 13 entries"
    Select(browser.find_element(By.ID, "task")).select_by_visible_text("prediction")
    assert (said.text, shown(browser, "section[data-board]")) == ("5 of 13 entries", 2)
    find.send_keys("draws")
    assert column(browser, "model", PREDICTORS.replace("[", "section:not(.out)[")) == ["feature_flow"]
    assert (shown(browser, ".point"), shown(browser, ".level")) == (2, 0)
    everything.click()
    assert column(browser, "model") == sorted([*ENTRIES, SUBMITTED], key=str.lower)
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody.reference tr")) == 7
    assert quiet(browser)


def test_row_leads_to_its_page_and_back(site_browser: Any, site: Path) -> None:
    """By its name, and by the crumb, which leads to the board's own place; pictures are all there."""
    browser = site_browser
    opened(browser, site / "index.html")
    decoded = """
        const done = arguments[0]; const all = [...document.images];
        for (const one of all) one.loading = 'eager';
        Promise.all(all.map((one) => one.decode())).then(() => done(all.map((one) => one.naturalWidth)));"""
    for name, crumb, pictures in (
        (SUBMITTED, "Classification, standard, mini", 0),
        ("simvp", "Prediction, standard, mini: 22 frames of 32×32 after 10", 2),
        ("ali", "Generation, standard, mini: frames of 32×32", 4),
    ):
        browser.find_element(By.LINK_TEXT, name).click()
        assert browser.find_element(By.TAG_NAME, "h1").text == name
        widths = browser.execute_async_script(decoded)
        assert (len(widths), all(widths)) == (pictures, True)
        assert quiet(browser)
        browser.find_element(By.LINK_TEXT, crumb).click()
        place = browser.execute_script("return document.querySelector(decodeURIComponent(location.hash)).textContent")
        assert place == crumb


PAGES = (
    "index.html",
    "entries/ours/far-mini.html",
    "entries/my-group/mine.html",
    "predictors/simvp-mini.html",
    "generators/ali-mini.html",
)


@pytest.mark.parametrize("page", PAGES)
def test_it_fits_a_phone_and_can_be_read_in_the_dark(site_browser: Any, site: Path, page: str) -> None:
    """No page is wider than 360 pixels; tables scroll by themselves; every text stands out from its ground."""
    browser = site_browser
    opened(browser, site / page, 360)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    unreached = "return [...document.querySelectorAll('.scroll')].filter((one) => one.tabIndex !== 0).length"
    assert browser.execute_script(unreached) == 0
    every_heat = """
        document.querySelectorAll('.confusion tbody td').forEach((cell, place) => {
          cell.className = `heat${place % 11}`;
          cell.textContent = place % 11;
        });"""
    browser.execute_script(every_heat)
    for scheme in ("light", "dark"):
        wish(browser, scheme)
        assert browser.execute_script(CONTRAST) == []
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground))) > 380) == (scheme == "light")
    assert quiet(browser)


def test_moving_pictures_rest_for_who_wants_less_motion(site_browser: Any, site: Path) -> None:
    """Such a reader is shown the still one and a link, and nothing that moves is asked for; others fold it away."""
    browser, page = site_browser, site / "predictors" / "simvp-mini.html"
    asked = "return performance.getEntriesByType('resource').filter((one) => one.name.endsWith('.gif')).length"
    source = "return document.querySelector('picture img').currentSrc.slice(-4)"
    decoded = """
        for (const one of document.images) one.loading = 'eager';
        document.querySelector('picture img').decode().then(arguments[0]);"""
    opened(browser, page, motion="reduce")
    browser.execute_async_script(decoded)
    assert (browser.execute_script(source), browser.execute_script(asked)) == (".png", 0)
    assert (shown(browser, "picture"), shown(browser, ".films img")) == (0, 1)
    link = browser.find_element(By.LINK_TEXT, "The moving picture by itself")
    assert link.get_attribute("href").endswith("/predictors/simvp-mini/filmstrips-seed0.gif")
    opened(browser, page)
    browser.execute_async_script(decoded)
    assert (browser.execute_script(source), shown(browser, "picture")) == (".gif", 1)
    browser.execute_script("document.querySelector('summary').focus()")
    press(browser, SPACE)
    assert shown(browser, "picture") == 0
    assert quiet(browser)

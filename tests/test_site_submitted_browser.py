"""A submission in a real browser: sorted and filtered among the records, and its page on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from site_board import make_board, submit
from test_site_browser import CONTRAST, column, heading, opened, quiet

from leaderboard.site.build import build

PAGE = "entries/my-group/mine.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a screen."""
    yield from chromium()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a board of records and a submission."""
    folder = tmp_path_factory.mktemp("made")
    submit(make_board(folder / "leaderboard"))
    build(folder / "leaderboard", folder / "site")
    return folder / "site"


def test_submission_is_sorted_among_records(browser: Any, site: Path) -> None:
    """By every number it has; where it has none it stays last, up and down."""
    opened(browser, site / "index.html", 2400)
    assert column(browser, "model") == ["near", "once", "middle", "My net (v2)", "far"]
    assert column(browser, "rank") == ["1", "–", "2", "3", "3"]  # two intervals overlap
    heading(browser, "parameters").click()
    assert column(browser, "parameters") == ["300", "1 k", "45 k", "45 k", "2 M"]
    for _ in range(2):
        heading(browser, "valid %").click()
        assert (column(browser, "model")[-1], column(browser, "valid %")[-1]) == ("My net (v2)", "–")
    heading(browser, "clips/s").click()
    assert column(browser, "clips/s")[-1] == "–"
    assert quiet(browser)


def test_submission_is_found_by_its_tags_and_input(browser: Any, site: Path) -> None:
    """Its row, and its points in the plots of costs it states."""
    opened(browser, site / "index.html")
    find = browser.find_element(By.ID, "find")
    find.send_keys("scored by the host extra data")
    assert column(browser, "model") == ["My net (v2)"]
    script = "return [...document.querySelectorAll('.point')].filter((one) => one.getClientRects().length).length"
    assert browser.execute_script(script) == 2
    browser.find_element(By.CSS_SELECTOR, "#filters button").click()
    Select(browser.find_element(By.ID, "input")).select_by_visible_text("difference")
    assert column(browser, "model") == ["My net (v2)"]
    browser.find_element(By.LINK_TEXT, "My net (v2)").click()
    assert browser.current_url == (site / PAGE).as_uri()
    assert browser.find_element(By.TAG_NAME, "h1").text == "My net (v2)"
    assert quiet(browser)
    browser.find_element(By.LINK_TEXT, "Classification, standard, mini").click()
    assert browser.current_url.startswith((site / "index.html").as_uri() + "#classification-standard-mini-")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_page_fits_a_phone_and_can_be_read_in_the_dark(browser: Any, site: Path, scheme: str) -> None:
    """Hashes and commands are long; the page is no wider than 360 pixels for it."""
    opened(browser, site / PAGE, 360, scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    assert browser.execute_script(CONTRAST) == []
    assert quiet(browser)

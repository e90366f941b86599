"""A browser without a screen, for the tests of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb"),
    "--window-size=1500,950",
)


def chromium() -> Iterator[Any]:
    """One browser, closed in the end; where DYNAMICS_BROWSER is set it must be there."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if None in found:
        assert "DYNAMICS_BROWSER" not in os.environ, "install Debian's packages chromium and chromium-driver"
        pytest.skip("there is no chromium with chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(found[0])
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(found[1])))
    yield driver
    driver.quit()


def wait_for(browser: Any, script: str) -> Any:
    """Waits until a script is true, and returns what it gives."""
    return WebDriverWait(browser, 120).until(lambda driver: driver.execute_script(script))

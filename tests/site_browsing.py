"""How tests open the site's pages in a browser and read what is shown, with as few questions to it as they need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selenium.webdriver.common.action_chains import ActionChains

TAB, ENTER, SPACE = "\ue004", "\ue007", "\ue00d"
CLASSIFIERS, PREDICTORS, GENERATORS = (
    f"[data-board={task}] table.board" for task in ("classification", "prediction", "generation")
)
"""The first board's table of each task."""


def opened(browser: Any, path: Path, width: int = 1500, motion: str = "no-preference") -> None:
    """Opens a page in a window of that width, in the light; what was said on the console before is forgotten."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    wish(browser, "light", motion)
    browser.get_log("browser")
    browser.get(path.as_uri())


def wish(browser: Any, scheme: str, motion: str = "no-preference") -> None:
    """Has the reader prefer `light` or `dark` pages, and `reduce` motion or not, from now on."""
    wished = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
    features = [{"name": name, "value": value} for name, value in wished.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def column(browser: Any, heading: str, table: str = CLASSIFIERS) -> list[str]:
    """The texts below a heading, of the rows that are shown."""
    script = """
        const table = document.querySelector(arguments[0]);
        const place = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === arguments[1]);
        const rows = [...table.tBodies[0].rows].filter((row) => row.offsetParent !== null);
        return rows.map((row) => row.cells[place].textContent);"""
    return browser.execute_script(script, table, heading)


def heading(browser: Any, text: str, table: str = CLASSIFIERS) -> Any:
    """The button of a heading."""
    script = """
        const buttons = [...document.querySelector(arguments[0]).querySelectorAll('thead button')];
        return buttons.find((one) => one.textContent === arguments[1]);"""
    return browser.execute_script(script, table, text)


def sorted_by(browser: Any, table: str = CLASSIFIERS) -> list[list[str]]:
    """What a board's headings say of their order."""
    script = """
        const cells = [...document.querySelector(arguments[0]).querySelectorAll('th[aria-sort]')];
        return cells.map((cell) => [cell.textContent, cell.getAttribute('aria-sort')]);"""
    return browser.execute_script(script, table)


def shown(browser: Any, selector: str) -> int:
    """How many such elements are shown."""
    script = """
        const seen = (one) => one.getClientRects().length > 0 && one.checkVisibility();
        return [...document.querySelectorAll(arguments[0])].filter(seen).length;"""
    return browser.execute_script(script, selector)


def press(browser: Any, *keys: str) -> None:
    """Keys, wherever the focus is."""
    ActionChains(browser).send_keys(*keys).perform()


def quiet(browser: Any) -> bool:
    """Whether nothing was said on the console, and nothing but files of the site was asked for."""
    names = browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(name.startswith("file:") for name in names), names
    assert browser.get_log("browser") == []
    return True


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

"""The page of a split, in a real browser: every pixel it draws, every control, from a file and from the server."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import chromium, wait_for
from click.testing import CliRunner
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

import dynamics_gen
from dynamics_gen.annotate import annotate_split
from dynamics_gen.cli import main
from dynamics_gen.config import RELEASES, BuildConfig
from dynamics_gen.errors import BuildError
from dynamics_gen.generate import build_split
from dynamics_gen.viewer.page import Show, page, project, spread, write_page
from dynamics_gen.viewer.serve import HOST, Server


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty annotated clips."""
    directory = tmp_path_factory.mktemp("split") / "test"
    build_split(BuildConfig(split="test", per_class=2, image_size=32, frames=8), directory, 1)
    annotate_split(directory, ("mask", "flow"), 1)
    return directory


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a screen."""
    yield from chromium()


@pytest.fixture(scope="module")
def file_url(split: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of all clips as a file."""
    path = tmp_path_factory.mktemp("page") / "clips.html"
    assert write_page(split, path, 20) == 20
    return path.as_uri()


@pytest.fixture(scope="module")
def server_url(split: Path) -> Iterator[str]:
    """The same split, served."""
    with Server(split) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.url
        server.shutdown()


@pytest.fixture(params=["file", "server"])
def url(request: pytest.FixtureRequest) -> str:
    """Where the page is."""
    return request.getfixturevalue(f"{request.param}_url")


def opened(browser: Any, url: str) -> None:
    """Opens the page and waits for its first clip."""
    browser.get(url)
    wait_for(browser, "return clip !== null && frames !== null")


def canvas(browser: Any) -> np.ndarray:
    """The canvas, uint8 [y, x, 4]."""
    values = browser.execute_script("return Array.from(pen.getImageData(0, 0, view.width, view.height).data)")
    side = int(np.sqrt(len(values) / 4))
    return np.array(values, np.uint8).reshape(side, side, 4)


def to_frame(browser: Any, number: int) -> None:
    """Moves the slider."""
    script = "const s = byId('frame'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))"
    browser.execute_script(script, number)


def test_frames_are_drawn_pixel_by_pixel(browser: Any, url: str, split: Path) -> None:
    """Each frame on the canvas is that of the clip, enlarged; nothing is said on the console."""
    opened(browser, url)
    dataset = dynamics_gen.open(split)
    for frame in (0, 3, 7):
        to_frame(browser, frame)
        drawn = canvas(browser)
        expected = dataset[0]["video"][frame].repeat(16, axis=0).repeat(16, axis=1)
        np.testing.assert_array_equal(drawn[..., :3], expected)
        assert browser.find_element(By.ID, "status").text == f"{frame + 1}/8"
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_classes_and_names_filter_the_list(browser: Any, url: str, split: Path) -> None:
    """One class shows its two clips and opens the first; a part of a name finds one; none found is told."""
    opened(browser, url)
    dataset = dynamics_gen.open(split)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#clips button")) == 20
    Select(browser.find_element(By.ID, "class")).select_by_visible_text("rotation")
    of_class = np.flatnonzero(dataset.labels == 9)
    listed = [button.text.splitlines()[0] for button in browser.find_elements(By.CSS_SELECTOR, "#clips button")]
    assert listed == [dataset.clip_ids[clip] for clip in of_class]
    wait_for(browser, f"return clip.number === {of_class[0]}")
    assert "rotation" in browser.find_element(By.ID, "state").text
    Select(browser.find_element(By.ID, "class")).select_by_visible_text("all")
    browser.find_element(By.ID, "find").send_keys("000013")
    (button,) = browser.find_elements(By.CSS_SELECTOR, "#clips button")
    button.click()
    wait_for(browser, "return clip.number === 13")
    assert button.get_attribute("aria-current") == "true"
    browser.find_element(By.ID, "find").send_keys("x")
    assert browser.find_element(By.ID, "count").text == "0 clips"


def test_overlays_lie_on_the_object(browser: Any, url: str, split: Path) -> None:
    """The mask tints the object's pixels alone; trajectory and flow draw where the object is, and nothing far off."""
    opened(browser, url)
    truth = dynamics_gen.open(split, annotations=["mask", "flow"])[0]
    to_frame(browser, 3)
    plain = canvas(browser).astype(int)
    browser.find_element(By.ID, "mask").click()
    changed = (canvas(browser) != plain).any(axis=-1)
    expected = (truth["mask"][3] == 1).repeat(16, axis=0).repeat(16, axis=1)
    assert not (changed & ~expected).any()
    assert changed.sum() > 0.9 * expected.sum()
    browser.find_element(By.ID, "mask").click()
    browser.find_element(By.ID, "trajectory").click()
    changed = (canvas(browser) != plain).any(axis=-1)
    rows, columns = np.nonzero(truth["mask"][3] == 1)
    place = browser.execute_script("return clip.trajectory[3]")
    assert np.hypot(place[0] - columns.mean() - 0.5, place[1] - rows.mean() - 0.5) < 1.5
    for x, y in browser.execute_script("return clip.trajectory"):
        assert changed[int(y * 16), int(x * 16)]
    browser.find_element(By.ID, "trajectory").click()
    browser.find_element(By.ID, "flow").click()
    changed = (canvas(browser) != plain).any(axis=-1)
    moved = np.abs(truth["forward_flow"][3]).sum(-1) > 0.1
    assert moved.any()
    assert changed.any()
    for x, y, right, down in browser.execute_script("return clip.flow[3]"):
        np.testing.assert_allclose(truth["forward_flow"][3, int(y), int(x)], [right, down], atol=1e-3)


def test_playing_keys_and_parameters(browser: Any, url: str, split: Path) -> None:
    """Play runs through the frames and stops; arrow keys step around the end; every drawn parameter is listed."""
    opened(browser, url)
    Select(browser.find_element(By.ID, "speed")).select_by_visible_text("2")
    play = browser.find_element(By.ID, "play")
    play.click()
    assert play.text == "Pause"
    wait_for(browser, "return frame > 2")
    play.click()
    assert play.text == "Play"
    to_frame(browser, 7)
    browser.execute_script("document.activeElement.blur()")
    browser.find_element(By.TAG_NAME, "body").send_keys("\ue014")
    assert browser.find_element(By.ID, "status").text == "1/8"
    names = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "#parameters th")]
    columns = [name for name in dynamics_gen.open(split).columns if name.startswith("parameters/")]
    assert len(names) == len(columns)
    assert {"radius", "shape", "drawn_orientation"} <= set(names)
    assert (
        dynamics_gen.open(split).column("parameters/shape")[0].decode()
        in browser.find_element(By.ID, "parameters").text
    )


def test_names_from_a_file_are_text_and_nothing_else(browser: Any, split: Path, tmp_path: Path) -> None:
    """Markup in a name is shown, not obeyed; it cannot end the element that holds the data."""
    described = Show(split).overview([0]) | {"title": "</script><script>window.evil = 1</script><b>bold</b>"}
    described |= {"clips": {"0": Show(split).clip(0)}}
    (tmp_path / "page.html").write_text(page(described))
    opened(browser, (tmp_path / "page.html").as_uri())
    assert browser.find_element(By.ID, "title").text == described["title"]
    assert browser.execute_script("return window.evil === undefined")


def test_page_needs_nothing_else(file_url: str) -> None:
    """No address but those of its own pictures."""
    text = Path(file_url.removeprefix("file://")).read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", text)
    assert "http://" not in text
    assert "https://" not in text


def test_server_answers_this_machine_alone(server_url: str, split: Path) -> None:
    """Other names that lead here, other paths and clips that are not there get a sentence and a status."""
    port = int(server_url.rstrip("/").rpartition(":")[2])

    def ask(path: str, host: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, port)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    own = f"{HOST}:{port}"
    assert ask("/", own)[0] == 200
    assert json.loads(ask("/clip/3", own)[1])["number"] == 3
    assert ask("/", "evil.example")[0] == 403
    assert ask("/clip/3", f"evil.example:{port}")[0] == 403
    assert ask("/clip/99", own) == (404, ask("/clip/99", own)[1])
    for path in ("/../../etc/passwd", "/clip/x", "/clip/-1", "/manifest.json"):
        assert ask(path, own)[0] == 404
    with pytest.raises(BuildError, match=f"cannot listen on port {port}: .*; choose another with --port"):
        Server(split, port)


def test_moving_cameras_are_followed(tmp_path: Path) -> None:
    """The place on the screen is where the mask is, whichever way the camera goes."""
    release = RELEASES["camera"]
    build_split(BuildConfig(split="test", per_class=1, release=release, frames=6), tmp_path / "test", 1)
    annotate_split(tmp_path / "test", ("mask",), 1)
    dataset = dynamics_gen.open(tmp_path / "test", annotations=["mask"])
    position, camera = dataset.column("position"), dataset.column("camera")
    compared = 0
    for clip in range(len(dataset)):
        screen = project(position[clip], camera[clip], 64)
        mask = dataset[clip]["mask"]
        for frame, place in enumerate(screen):
            rows, columns = np.nonzero(mask[frame] == 1)
            ends = [(places.min(), places.max()) for places in (columns, rows) if len(places)]
            if ends and all(low > 1 and high < 62 for low, high in ends):
                for at, (low, high) in zip(place, ends, strict=True):
                    assert abs(at - (low + high + 1) / 2) < 0.3 * (high - low) + 0.5
                compared += 1
    assert compared > 30


def test_clips_are_spread_over_classes(split: Path) -> None:
    """Twelve of twenty: each class once, two of them twice."""
    dataset = dynamics_gen.open(split)
    counts = np.bincount(dataset.labels[spread(dataset, 12)], minlength=10)
    assert sorted(counts) == [1] * 8 + [2] * 2
    assert spread(dataset, 100) == list(range(20))


def test_command_writes_a_page(split: Path, tmp_path: Path) -> None:
    """`dynamics-gen view --html`; a folder that is not there is one sentence."""
    done = CliRunner().invoke(main, ["view", str(split), "--html", str(tmp_path / "a.html"), "--clips", "3"])
    assert done.exit_code == 0
    assert "a.html: 3 clips, " in done.output
    done = CliRunner().invoke(main, ["view", str(split), "--html", str(tmp_path / "no" / "a.html")])
    assert done.exit_code == 1
    assert "cannot write" in done.output
    assert CliRunner().invoke(main, ["view", str(tmp_path / "nowhere")]).exit_code == 1

"""`bench human` in a real browser, answered by a pretend-person who follows a known rule; and what scoring refuses.

No number here says anything of people: the pretend-person is told the labels, and is wrong where the rule has it wrong.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import chromium, wait_for
from click.testing import CliRunner, Result
from moving_squares import square_clips
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

import dynamics_gen
from benchmark import cli
from benchmark.errors import RecordError
from benchmark.human.answers import Answers, read_answers, score
from benchmark.human.ask import KEYS, asked, choose, sheet, write_page
from benchmark.human.result import Answer, HumanResult, read, write
from benchmark.schema import build
from dynamics_gen.classes import CLASSES, factors
from dynamics_gen.config import BuildConfig
from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import ConfigError
from dynamics_gen.generate import build_split

SPACE, BACKSPACE = "\ue00d", "\ue003"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with thirty made-up clips in valid."""
    folder = tmp_path_factory.mktemp("data")
    config = BuildConfig(split="valid", per_class=3, image_size=16, frames=7)
    build_split(config, folder / "dynamics-tiny" / "valid", workers=1, source=square_clips)
    return folder


@pytest.fixture(scope="module")
def dataset(data: Path) -> ClipDataset:
    """The same, opened."""
    return dynamics_gen.open(data / "dynamics-tiny" / "valid")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a screen."""
    yield from chromium()


@pytest.fixture(scope="module")
def page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of each class, in the order of seed 1."""
    path = tmp_path_factory.mktemp("page") / "human.html"
    done = bench("human", "--size", "tiny", "--data", data, "--clips", 2, "--seed", 1, "--out", path)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{path}: 20 clips, ")
    return path


def bench(*words: object) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], prog_name="bench")


def pretended(dataset: ClipDataset) -> list[int]:
    """What the pretend-person says of the page's clips: the truth, but of every fourth the class three further on."""
    labels = [int(dataset.labels[number]) for number in asked(dataset, 2, 1)]
    return [(label + 3) % 10 if place % 4 == 3 else label for place, label in enumerate(labels)]


def made(dataset: ClipDataset) -> dict[str, Any]:
    """The file that a page gives, with the pretend-person's answers."""
    numbers = asked(dataset, 2, 1)
    return {
        "answers_version": 1,
        "release": "standard",
        "split": "valid",
        "fingerprint": dataset.manifest.fingerprint,
        "clips_per_class": 2,
        "seed": 1,
        "answers": [
            {"clip_id": dataset.clip_ids[number], "answer": CLASSES[said], "seconds": 1.5}
            for number, said in zip(numbers, pretended(dataset), strict=True)
        ],
    }


def begun(browser: Any, page: Path, width: int = 1200, height: int = 900, scheme: str = "light") -> None:
    """Opens the page afresh, in a window of that size, and begins."""
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    reload(browser, "")
    browser.find_element(By.ID, "begin").click()
    at_clip(browser, 1)


def reload(browser: Any, kept: str) -> None:
    """The page anew, ready, and saying that of answers from before, "" if there are none.

    Chromium carries what a page keeps to where the next one reads it a moment after, and loses it if the page is
    gone before: a person is not that quick. The driver may return while the page before still answers.
    """
    time.sleep(0.3)
    deadline = time.monotonic() + 60
    while True:
        browser.execute_script("window.isOld = true")
        browser.refresh()
        wait_for(
            browser, "return !window.isOld && document.readyState === 'complete' && byId('begin').onclick !== null"
        )
        said = browser.find_element(By.ID, "kept").text
        if said == kept or time.monotonic() > deadline:
            break
    assert said == kept


def at_clip(browser: Any, number: int) -> None:
    """Waits until a clip, counted from 1, is shown."""
    wait_for(browser, f"return picture !== null && byId('place').textContent.startsWith('Clip {number} of ')")


def press(browser: Any, key: str) -> None:
    """A key, wherever the focus is."""
    ActionChains(browser).send_keys(key).perform()


def by_key(browser: Any, label: int) -> None:
    """Answers on the keyboard."""
    press(browser, KEYS[label])


def by_click(browser: Any, label: int) -> None:
    """Answers with the button."""
    browser.find_elements(By.CSS_SELECTOR, "#classes button")[label].click()


@pytest.mark.parametrize("answer", [by_key, by_click])
def test_known_answers_get_the_known_score(
    browser: Any,
    page: Path,
    data: Path,
    dataset: ClipDataset,
    tmp_path: Path,
    answer: Callable[[Any, int], None],
) -> None:
    """Twenty clips answered by the rule, five of them wrong; the file that is saved scores 25 %, row by row."""
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    begun(browser, page)
    said = pretended(dataset)
    for place, label in enumerate(said):
        at_clip(browser, place + 1)
        assert browser.find_element(By.ID, "progress").get_property("value") == place
        answer(browser, label)
    wait_for(browser, "return !byId('end').hidden")
    command = browser.find_element(By.ID, "command").text.split()
    browser.find_element(By.ID, "save").click()
    file = tmp_path / command[3]
    end = time.monotonic() + 20
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.05)
    done = bench(*command[1:3], file, *command[4:], "--runs", tmp_path / "runs")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("human on standard tiny: 25.0 % error on 20 clips of valid (95 %: ")
    result = read(tmp_path / "runs" / "human" / "standard-tiny" / "human.json")
    assert [one.answer for one in result.answers] == said
    assert [one.label for one in result.answers] == [dataset.labels[number] for number in asked(dataset, 2, 1)]
    assert all(0 <= one.seconds < 60 for one in result.answers)
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_frames_are_drawn_pixel_by_pixel(browser: Any, page: Path, dataset: ClipDataset) -> None:
    """Each frame on the canvas is that of the clip, enlarged; the buttons bear the classes and their keys."""
    begun(browser, page)
    video = dataset[int(asked(dataset, 2, 1)[0])]["video"]
    for frame in (0, 3, 6):
        script = f"draw({frame}); return Array.from(pen.getImageData(0, 0, view.width, view.height).data)"
        drawn = np.array(browser.execute_script(script), np.uint8).reshape(512, 512, 4)
        np.testing.assert_array_equal(drawn[..., :3], video[frame].repeat(32, axis=0).repeat(32, axis=1))
    texts = [button.text.split() for button in browser.find_elements(By.CSS_SELECTOR, "#classes button")]
    assert texts == [[key, *name.split("_")] for key, name in zip(KEYS, CLASSES, strict=False)]


def test_a_clip_repeats_and_can_be_replayed(browser: Any, page: Path) -> None:
    """After its last frame comes its first, by itself; the space bar and the button begin it anew."""
    begun(browser, page)
    started = browser.execute_script("return looped")
    wait_for(browser, "return frame === 6")
    wait_for(browser, "return frame === 1")
    assert browser.execute_script("return looped") == started
    press(browser, SPACE)
    again = browser.execute_script("return looped")
    assert again > started
    browser.find_element(By.ID, "replay").click()
    assert browser.execute_script("return looped") > again
    by_click(browser, 2)
    at_clip(browser, 2)
    press(browser, SPACE)  # must not press the button that was clicked
    assert browser.execute_script("return answers.length") == 1


def test_nothing_tells_whether_an_answer_is_right(browser: Any, page: Path, dataset: ClipDataset) -> None:
    """After a right answer and after a wrong one the page looks the same."""
    label = int(dataset.labels[asked(dataset, 2, 1)[0]])
    seen = []
    for said in (label, (label + 1) % 10):
        begun(browser, page)
        by_key(browser, said)
        at_clip(browser, 2)
        browser.execute_script("picture = null; draw = () => {}; byId('loop').style.width = 0")
        seen.append(browser.execute_script("return document.body.innerText + byId('ask').outerHTML"))
    assert seen[0] == seen[1]


def test_going_back_replaces_the_answer(browser: Any, page: Path, dataset: ClipDataset) -> None:
    """By key and by button; there is nothing before the first clip; other keys do nothing."""
    begun(browser, page)
    assert not browser.find_element(By.ID, "back").is_enabled()
    press(browser, BACKSPACE)
    press(browser, "x")
    at_clip(browser, 1)
    by_key(browser, 4)
    at_clip(browser, 2)
    press(browser, BACKSPACE)
    at_clip(browser, 1)
    by_key(browser, 7)
    at_clip(browser, 2)
    by_key(browser, 0)
    at_clip(browser, 3)
    browser.find_element(By.ID, "back").click()
    at_clip(browser, 2)
    first = dataset.clip_ids[asked(dataset, 2, 1)[0]]
    (answer,) = browser.execute_script("return answers")
    assert (answer["clip_id"], answer["answer"]) == (first, CLASSES[7])


def test_answers_outlast_the_page(browser: Any, page: Path) -> None:
    """A page that was closed offers to go on, or to start again."""
    begun(browser, page)
    for place in range(3):
        at_clip(browser, place + 1)
        by_key(browser, place)
    at_clip(browser, 4)
    reload(browser, "3 clips are answered already.")
    browser.find_element(By.ID, "begin").click()
    at_clip(browser, 4)
    assert [one["answer"] for one in browser.execute_script("return answers")] == list(CLASSES[:3])
    reload(browser, "3 clips are answered already.")
    browser.find_element(By.ID, "afresh").click()
    at_clip(browser, 1)
    assert browser.execute_script("return answers") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_follows_the_colour_scheme(browser: Any, page: Path, scheme: str) -> None:
    """360 × 740: all in sight without scrolling, buttons for a thumb, no text cut; text stands out from its ground."""
    begun(browser, page, 360, 740, scheme)
    width, height = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert (width, height) == (360, 740)
    for button in browser.find_elements(By.CSS_SELECTOR, "#ask button"):
        assert button.size["height"] >= 44
        assert button.get_property("scrollWidth") <= button.get_property("clientWidth")
    style = "const s = getComputedStyle(arguments[0]); return [s.color, s.backgroundColor]"
    for selector in ("body", "#classes button", "kbd"):
        found = browser.execute_script(style, browser.find_element(By.CSS_SELECTOR, f"{selector}"))
        text, ground = (luminance(colour) for colour in found)
        assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) > 4.5, selector
        assert (ground > 0.5) == (scheme == "light")


def luminance(colour: str) -> float:
    """Relative luminance of a colour as the browser writes it (WCAG 2)."""
    parts = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_page_holds_no_label_and_needs_nothing_else(page: Path, dataset: ClipDataset) -> None:
    """Of a clip it has the name and the frames, in an order that is not that of the classes; no address but its own."""
    text = page.read_text("utf-8")
    described = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert [set(clip) for clip in described["clips"]] == [{"clip_id", "picture"}] * 20
    order = [dataset.clip_ids.index(clip["clip_id"]) for clip in described["clips"]]
    assert sorted(dataset.labels[order].tolist()) == sorted([*range(10)] * 2)
    steps = np.diff(dataset.labels[order])
    assert len(set(steps.tolist())) > 4  # no run through the classes
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", text)
    assert "http" not in text.replace("http-equiv", "")
    for clip, number in zip(described["clips"], order, strict=True):
        grid = np.asarray(Image.open(io.BytesIO(base64.b64decode(clip["picture"].partition(",")[2]))))
        np.testing.assert_array_equal(grid[:16, :16], dataset[number]["video"][0])


@pytest.mark.parametrize("frames", [1, 4, 7, 32])
def test_sheets_hold_every_frame_without_loss(frames: int) -> None:
    """Frame k stands in row k // columns and column k % columns of a grid that is as square as can be."""
    video = np.random.default_rng(0).integers(0, 256, (frames, 6, 10, 3), np.uint8)
    grid = np.asarray(Image.open(io.BytesIO(sheet(video))))
    columns = int(np.ceil(np.sqrt(frames)))
    assert grid.shape == (6 * -(-frames // columns), 10 * columns, 3)
    for k in range(frames):
        top, left = 6 * (k // columns), 10 * (k % columns)
        np.testing.assert_array_equal(grid[top : top + 6, left : left + 10], video[k])


def test_clips_are_drawn_evenly_and_in_an_order_of_chance() -> None:
    """As many of each class, none twice, the same for the same seed; a class that is too small is told."""
    labels = np.repeat([2, 0, 1], 20)
    one, same, other = (choose(labels, 3, 5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.bincount(labels[one]).tolist() == [5, 5, 5]
    assert len(set(one.tolist())) == 15
    assert one.tolist() == same.tolist()
    assert sorted(one.tolist()) != sorted(other.tolist())
    assert (np.diff(labels[one]) < 0).any()
    with pytest.raises(ConfigError, match="21 clips of each class were asked for, and class 0 has 20"):
        choose(labels, 3, 21, np.random.default_rng(0))


def test_pages_are_of_valid_alone(tmp_path: Path) -> None:
    """Test is not for looking at."""
    build_split(BuildConfig(split="test", per_class=1, image_size=16, frames=2), tmp_path, 1, source=square_clips)
    with pytest.raises(ConfigError, match="got the split test, expected valid"):
        write_page(tmp_path, tmp_path / "page.html", 1, 0, "")


def doubled(file: dict[str, Any]) -> None:
    """Two answers to the first clip."""
    file["answers"].append(file["answers"][0] | {"answer": "rotation"})


FAULTS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("release", lambda file: file.update(release="hard"), "release is hard: expected standard, that of the split"),
    (
        "fingerprint",
        lambda file: file.update(fingerprint="00"),
        "fingerprint is 00: expected [0-9a-f]{64}, that of the",
    ),
    ("split", lambda file: file.update(split="test"), 'split is "test": expected "valid"'),
    (
        "version",
        lambda file: file.update(answers_version=2),
        "answers_version is 2: expected a whole number from 1 to 1",
    ),
    (
        "seed",
        lambda file: file.update(seed=7),
        "clip_id is valid-0000[0-9]{2}: expected one of the 20 clips on the page ",
    ),
    ("unknown", lambda file: file["answers"][2].update(clip_id="x"), r"answers\[2\].clip_id is x: expected one of the"),
    (
        "class",
        lambda file: file["answers"][2].update(answer="still"),
        r"answers\[2\].answer is still: expected one of lin",
    ),
    ("twice", doubled, "answers holds valid-0000[0-9]{2} 2 times: expected one answer to every clip"),
    (
        "missing",
        lambda file: file["answers"].pop(),
        "answers lacks 1 of the page's 20 clips, valid-0000[0-9]{2} for one",
    ),
    ("none", lambda file: file["answers"].clear(), "answers lacks 20 of the page's 20 clips"),
    ("more", lambda file: file.update(clips_per_class=4), "4 clips of each class were asked for, and class 0 has 3"),
    (
        "time",
        lambda file: file["answers"][1].update(seconds=-1),
        r"answers\[1\].seconds is -1: expected a number, 0 or",
    ),
    ("field", lambda file: file.update(label=1), "label is no known field"),
]


@pytest.mark.parametrize(("change", "sentence"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_faulty_answers_are_refused_in_one_sentence(
    data: Path, dataset: ClipDataset, tmp_path: Path, change: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    """Nothing is written; without the fault the same file is scored."""
    file = made(dataset)
    path, flags = tmp_path / "answers.json", ("--size", "tiny", "--data", data, "--runs", tmp_path / "runs")
    path.write_text(json.dumps(file))
    assert bench("human", "score", path, *flags).exit_code == 0
    change(file)
    path.write_text(json.dumps(file))
    done = bench("human", "score", path, *flags, "--overwrite")
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert re.search(sentence, done.output), done.output
    assert read(tmp_path / "runs" / "human" / "standard-tiny" / "human.json").scores.error == 0.25


def test_a_clip_that_is_not_on_the_page_is_refused(dataset: ClipDataset) -> None:
    """Though the split has it."""
    file = made(dataset)
    chosen = {one["clip_id"] for one in file["answers"]}
    file["answers"][3]["clip_id"] = next(name for name in dataset.clip_ids if name not in chosen)
    with pytest.raises(RecordError, match=r"answers\[3\].clip_id is valid-\d+: expected one of the 20 clips"):
        score(build(Answers, file, "answers.json"), dataset, "tiny", "answers.json")


def test_result_has_its_scores_and_stands_in_the_table(data: Path, dataset: ClipDataset, tmp_path: Path) -> None:
    """Errors by factor as counted by hand, an interval about the error, a row below the board; never overwritten."""
    path, runs = tmp_path / "answers.json", tmp_path / "runs"
    path.write_text(json.dumps(made(dataset)))
    flags = ("--size", "tiny", "--data", data, "--runs", runs)
    done = bench("human", "score", path, *flags)
    assert done.exit_code == 0, done.output
    result = read(runs / "human" / "standard-tiny" / "human.json")
    pairs = [(factors(one.label), factors(one.answer)) for one in result.answers]
    for place, found in enumerate((result.scores.error_path, result.scores.error_speed)):
        assert found == np.mean([true[place] != said[place] for true, said in pairs])
    assert 0 < result.interval.low < 0.25 < result.interval.high < 0.6
    printed = bench("table", "--board", Path(__file__).parent.parent / "leaderboard", "--runs", runs, "--check").output
    title, heading, row = printed[printed.index("people, on some clips of valid") :].splitlines()[:3]
    assert title.endswith("local, never ranked")
    assert row.split()[:3] == ["standard,", "tiny", "25.0"]
    assert row.split()[-4:] == ["20", "of", "30", "1.5"]
    assert heading.split()[-1] == "s/clip"
    again = bench("human", "score", path, *flags)
    assert again.exit_code == 1
    assert "holds an earlier result: use --overwrite, or --runs for another folder" in again.output


def some_result() -> HumanResult:
    """Two classes, two clips each."""
    return HumanResult(
        human_version=1,
        release="standard",
        size="mini",
        fingerprint="ab",
        split_clips=10,
        classes=("left", "right"),
        clips_per_class=2,
        seed=0,
        answers=tuple(Answer(clip_id=f"c{k}", label=k % 2, answer=k // 2, seconds=float(k)) for k in range(4)),
    )


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    """Other classes have no factors; the time of a clip is the median."""
    write(some_result(), tmp_path / "human.json")
    found = read(tmp_path / "human.json")
    assert found == some_result()
    assert (found.scores.error, found.scores.error_path, found.seconds) == (0.5, None, 1.5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"clip_id": "c1"}, "answers holds a clip_id twice"),
        ({"label": 2}, r"answers\[0\].label is 2: expected 0 to 1"),
        ({"answer": 7}, r"answers\[0\].answer is 7: expected 0 to 1"),
        ({"label": 1}, r"answers holds \[1, 3\] clips of each class: expected 2"),
        ({"seconds": float("nan")}, r"answers\[0\].seconds is NaN"),
    ],
)
def test_results_that_contradict_themselves_are_not_written(change: dict, sentence: str, tmp_path: Path) -> None:
    """And not read either."""
    first, *others = some_result().answers
    wrong = dataclasses.replace(some_result(), answers=(dataclasses.replace(first, **change), *others))
    with pytest.raises(RecordError, match=sentence):
        write(wrong, tmp_path / "human.json")
    assert not (tmp_path / "human.json").exists()


def test_options_of_the_page_stand_before_no_command(data: Path) -> None:
    """`bench human --size tiny score …` would not do what it says: it is wrong usage."""
    done = bench("human", "--size", "tiny", "score", "answers.json")
    assert done.exit_code == 2
    assert "options of score stand after its name" in done.output
    assert "bench human score human-" in bench("human", "score", "--help").output


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """One sentence."""
    (tmp_path / "answers.json").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordError, match=r"answers.json: not UTF-8 text"):
        read_answers(tmp_path / "answers.json")

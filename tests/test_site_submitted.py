"""The page of a submitted entry: what the host found, and what the entrant says, which stays text."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from site_board import HOSTILE, Parsed
from submitted import build_test_split, enter

from benchmark.submission import result
from benchmark.submission.schema import parse
from benchmark.submission.score import score
from benchmark.submission.split import open_split
from leaderboard.site.submitted import Submitted, outside, submitted_page


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Submitted:
    """An entry as `bench submit score` leaves it."""
    folder = tmp_path_factory.mktemp("entered")
    split = build_test_split(folder / "data" / "test")
    path = enter(folder / "entries", split)
    result.write(score(path, open_split(split), salt="0" * 64), path / result.FILE)
    found = result.read(path / result.FILE)
    submission, problems = parse((path / "submission.json").read_text("utf-8"))
    assert submission is not None, problems
    return Submitted(
        about=asdict(submission.about),
        hidden=found.board == result.HIDDEN,
        release=found.test.release,
        size=found.test.size,
        seeds={one.seed: one.scores for one in found.seeds},
        interval=found.error_interval.interval,
        rank=2,
        proofs={"labels": found.labels_sha256, "predictions": found.predictions_sha256},
    )


def parsed(entry: Submitted) -> Parsed:
    """Its page."""
    return Parsed(submitted_page(entry).decode())


def test_page_has_what_the_host_found_and_the_entrant_says(entry: Submitted) -> None:
    """Each seed's error, the names, the hashes and the command that scores again."""
    page = parsed(entry)
    for scores in entry.seeds.values():
        assert f"{100 * scores.error:.1f}" in page.text
    for text in ("My net (v2)", "Ada Lovelace, José Ñuñez", "ada@example.org", *entry.proofs.values()):
        assert text in page.text
    assert "open test; entered by my-group as mine" in page.text
    assert "bench submit score leaderboard/entries/my-group/mine --check --data data/" in page.text
    assert "--labels private/labels.csv" in parsed(replace(entry, hidden=True)).text


def test_links_lead_to_the_web_alone(entry: Submitted) -> None:
    """The paper's address is a link; whatever is no address of the web is text, should it come so far."""
    links = [attributes for name, attributes in parsed(entry).elements if name == "a"]
    paper = [one for one in links if one["href"] == "https://arxiv.org/abs/1234.56789"]
    assert [one["rel"] for one in paper] == ["nofollow ugc noopener noreferrer"]
    for text in (
        *HOSTILE,
        "JavaScript:alert(1)",
        "https://x\njavascript:x",
        " javascript:x",
        "data:text/html,x",
        "//x",
    ):
        assert outside(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_make_nothing(entry: Submitted, text: str) -> None:
    """Neither elements nor attributes, wherever the entrant has a text, also where checking would refuse it."""
    about: dict[str, Any] = {name: text if isinstance(value, str) else value for name, value in entry.about.items()}
    about |= {"authors": [text, text], "paper": text, "code": text}
    plain, hostile = parsed(replace(entry, about={**entry.about, "paper": None})), parsed(replace(entry, about=about))
    assert hostile.elements == plain.elements
    assert hostile.text.count(text) > 10


def test_page_needs_no_file_of_its_own(entry: Submitted, tmp_path: Path) -> None:
    """Style and script are the site's; the policy stands first."""
    page = parsed(entry)
    addresses = [one.get("href") or one.get("src") for name, one in page.elements if name in ("link", "script")]
    assert addresses == ["data:,", "../../style.css", "../../site.js"]
    assert [dict(one) for name, one in page.elements if name == "meta"][1]["http-equiv"] == "Content-Security-Policy"

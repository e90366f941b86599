"""The page of a submitted entry: what the host found, and what the entrant says, which stays text."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from site_board import HOSTILE, Parsed
from submitted import build_test_split, enter

from benchmark.submission import result
from benchmark.submission.score import score
from benchmark.submission.split import open_split
from leaderboard.board import make_boards
from leaderboard.site.build import row_page
from leaderboard.site.submitted import outside
from leaderboard.submissions import Submitted, read_submissions


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Submitted:
    """An entry as `bench submit score` leaves it; no record beside it knows the labels."""
    root = tmp_path_factory.mktemp("entered")
    split = build_test_split(root / "data" / "test")
    path = enter(root / "entries", split)
    result.write(score(path, open_split(split), salt="0" * 64), path / result.FILE)
    (made,) = read_submissions(root, [])
    return made


def parsed(entry: Submitted) -> Parsed:
    """Its page."""
    (board,) = make_boards([], [entry])
    return Parsed(row_page(board.rows[0], board).decode())


def saying(entry: Submitted, /, **about: Any) -> Submitted:
    """The entry, with other texts of its entrant."""
    made = entry.submission
    return replace(entry, submission=replace(made, about=replace(made.about, **about)))


def test_page_has_what_the_host_found_and_the_entrant_says(entry: Submitted) -> None:
    """Each seed's error, the names, the hashes and the command that scores again."""
    page, found = parsed(entry), entry.result
    for one in found.seeds:
        assert f"{100 * one.scores.error:.1f}" in page.text
    for text in ("My net (v2)", "Ada Lovelace, José Ñuñez", "ada@example.org", "1.5 h"):
        assert text in page.text
    for text in (found.labels_sha256, found.predictions_sha256, found.submission_sha256, found.salt):
        assert text in page.text
    assert "entered by my-group as mine, scored by the host. Open test: anyone can derive its labels." in page.text
    assert "bench submit score leaderboard/entries/my-group/mine --check --data data/" in page.text


def test_page_of_a_hidden_test_says_who_holds_its_labels(entry: Submitted) -> None:
    """In the title and the first line; checking needs the labels, once they are published."""
    page = parsed(replace(entry, result=replace(entry.result, board=result.HIDDEN)))
    assert "Classification, standard, own, hidden test; entered by my-group as mine" in page.text
    assert "Hidden test: the host alone holds its labels." in page.text
    assert "--labels private/labels.csv" in page.text


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
    texts = {name: text for name, value in asdict(entry.submission.about).items() if isinstance(value, str)}
    made = saying(entry, **{**texts, "authors": (text, text), "paper": text, "code": text})
    hostile = parsed(replace(made, group=text, name=text))
    plain = parsed(saying(entry, paper=None))
    assert hostile.elements == plain.elements
    assert hostile.text.count(text) > 10


def test_page_needs_no_file_of_its_own(entry: Submitted) -> None:
    """Style and script are the site's; the policy stands first."""
    page = parsed(entry)
    addresses = [one.get("href") or one.get("src") for name, one in page.elements if name in ("link", "script")]
    assert addresses == ["data:,", "../../style.css", "../../site.js"]
    assert [dict(one) for name, one in page.elements if name == "meta"][1]["http-equiv"] == "Content-Security-Policy"


def test_hashes_of_a_scored_entry_are_those_of_its_folder(entry: Submitted, tmp_path: Path) -> None:
    """What the page shows is what the entrant's files have."""
    split = build_test_split(tmp_path / "test")
    path = enter(tmp_path / "entries", split)
    again = score(path, open_split(split), salt="0" * 64)
    assert again.predictions_sha256 == entry.result.predictions_sha256
    assert again.labels_sha256 == entry.result.labels_sha256

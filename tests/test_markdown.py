"""The page: numbers from numbers, and whatever a record says stays text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from synthetic_records import make_record, write_run

from leaderboard.board import RANK_RULE, make_boards
from leaderboard.entries import read_entry
from leaderboard.markdown import escape, page

RENDERER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "a | b | c",
    "**bold** _it_ ~~gone~~ `code` $x^2$",
    "https://example.org www.example.org WWW.example.org me@example.org",
    "&lt;b&gt; &#60;i>",
    "\\| \\<b>",
    ":smile: #12 @someone",
    "--> <!--",
]


def rendered(tmp_path: Path, note: str) -> tuple[str, str]:
    """The page of one entry with a note, as Markdown and as HTML."""
    made, files = make_record()
    write_run(tmp_path, replace(made, tags=replace(made.tags, note=note)), files)
    text = page(make_boards([read_entry(tmp_path, "ours", "conv3d_x")]), [])
    return text, RENDERER.render(text)


@pytest.mark.parametrize("note", HOSTILE)
def test_note_is_shown_and_never_obeyed(tmp_path: Path, note: str) -> None:
    """It makes no tag, link, image, emphasis or cell; the reader sees it letter by letter."""
    plain, html = rendered(tmp_path, "")
    _, with_note = rendered(tmp_path, note)
    assert re.sub(r"[^<>]+", "", with_note) == re.sub(r"[^<>]+", "", html)
    assert re.findall(r"<[^>]*>", with_note) == re.findall(r"<[^>]*>", html)
    (cell,) = re.findall(r"<td>verified, input rgb, ([^<]*)</td>", with_note)
    unescaped = cell.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert unescaped == note
    assert note not in plain


@given(st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" "), min_size=1))
def test_escaped_text_renders_as_itself(text: str) -> None:
    """Any printable line: in a cell of a table, no markup comes out, and the letters are the same."""
    text = " ".join(text.split()) or "x"
    html = RENDERER.render(f"| a | b |\n| --- | --- |\n| x{escape(text)}x | y |\n")
    (cell,) = re.findall(r"<td>x(.*)x</td>\n<td>y</td>", html)
    assert cell == text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@pytest.mark.parametrize("text", ["http://x.org", "www.x.org", "WwW.x.org", "a@b.org"])
def test_addresses_make_no_link(text: str) -> None:
    """GitHub links bare addresses by themselves; escaped ones have nothing it looks for."""
    assert not re.search(r"(?i)://|www\.|@", escape(text))


def test_row_links_to_its_entry(tmp_path: Path) -> None:
    """And the model's name reads as it is."""
    _, html = rendered(tmp_path, "")
    assert '<a href="entries/ours/conv3d_x/">conv3d</a>' in html


def test_page_states_the_rule_and_the_numbers(tmp_path: Path) -> None:
    """The tie rule is printed, and means are those of the record, to a tenth of a per cent."""
    text, _ = rendered(tmp_path, "")
    made, _ = make_record()
    mean = sum(seed.scores.test.error for seed in made.seeds) / 3
    assert RANK_RULE in text
    assert f"| {100 * mean:.1f} (" in text
    assert "| 860 k | 0.21 | 1.0 min | 180 |" in text


def test_empty_board_says_so() -> None:
    """No entries is no error."""
    assert "There are no entries yet." in page([], [])

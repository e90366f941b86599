"""The site's markup: texts stay texts, in elements and in attributes, and no address has a scheme of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_board import HOSTILE, Parsed

from leaderboard.site.html import cited, join, prose, table, tag

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))


@given(TEXTS, TEXTS)
def test_texts_are_read_as_they_are(text: str, value: str) -> None:
    """Any text in an element and in an attribute comes out letter by letter; it makes no element and no attribute."""
    parsed = Parsed(tag("p", [text, ["b", text]], title=value, data_entry=value))
    assert parsed.elements == [("p", {"title": value, "data-entry": value})]
    assert parsed.text == f"{text}b{text}"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_make_nothing(text: str) -> None:
    """In cells, captions and headings of a table too."""
    markup = table([text, text], [[text, text]], caption=text)
    assert {name for name, _ in Parsed(markup).elements} == {
        "div",
        "table",
        "caption",
        "span",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert Parsed(markup).text == 5 * text


def test_markup_is_not_escaped_twice() -> None:
    """Elements stand in elements as they are, but a text that looks like one does not."""
    inner = tag("b", "1 < 2")
    assert tag("p", inner) == "<p><b>1 &lt; 2</b></p>"
    assert tag("p", f"{inner}") == "<p>&lt;b&gt;1 &amp;lt; 2&lt;/b&gt;</p>"
    assert join(None) == ""
    assert tag("input", id="x", hidden=True, value=None) == '<input id="x" hidden>'


@pytest.mark.parametrize("address", ["javascript:alert(1)", "JavaScript:x", " javascript:x", "data:text/html,x", "//x"])
def test_addresses_have_no_scheme(address: str) -> None:
    """Whatever asks for such a link is a mistake of ours."""
    with pytest.raises(AssertionError):
        tag("a", "x", href=address)


def test_only_numbers_of_papers_become_links() -> None:
    """A source's arXiv numbers lead to arXiv; nothing else in it leads anywhere."""
    parsed = Parsed(cited("Tran, arXiv 1412.0767; arXiv:1711.11248 <a href=javascript:x> https://evil.example"))
    assert [attributes["href"] for name, attributes in parsed.elements if name == "a"] == [
        "https://arxiv.org/abs/1412.0767",
        "https://arxiv.org/abs/1711.11248",
    ]
    assert parsed.text == "Tran, arXiv 1412.0767; arXiv:1711.11248 <a href=javascript:x> https://evil.example"


def test_constants_keep_their_emphasis() -> None:
    """The legends of the board are written for Markdown; their stars do not show."""
    assert prose("**Ranks.** *path* < 3") == "<strong>Ranks.</strong> <em>path</em> &lt; 3"

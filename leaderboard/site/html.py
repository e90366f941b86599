"""Markup whose texts are escaped unless they are markup already, so that what a record says can only be read."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from html import escape
from typing import TypeAlias


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Part: TypeAlias = "str | Iterable[Part] | None"
"""What may stand in an element: text, which is escaped; `Html`, which is not; several of these, or nothing."""

VOID = ("meta", "link", "input", "img", "source", "br")
"""Elements without an end."""


def tag(name: str, /, *parts: Part, **attributes: str | float | bool | None) -> Html:
    """An element.

    Args:
        name: of the element.
        parts: what stands in it.
        attributes: by name, with `_` for `-` and one more `_` behind Python's own words: `class_`, `aria_label`,
            `data_value`. True is an attribute without a value; None and False are no attribute.
    """
    said = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    return Html(f"<{name}{said}>" if name in VOID else f"<{name}{said}>{join(parts)}</{name}>")


def join(parts: Part) -> Html:
    """Parts one after another."""
    if parts is None:
        return Html("")
    if isinstance(parts, Html):
        return parts
    return Html(escape(parts)) if isinstance(parts, str) else Html("".join(join(part) for part in parts))


def prose(text: str) -> Html:
    """A constant of the board, in which `**…**` is strong and `*…*` emphasised; never what a record says."""
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text))
    return Html(re.sub(r"\*(.+?)\*", r"<em>\1</em>", strong))


def cited(text: str) -> Html:
    """A text in which arXiv's numbers, and nothing else, lead to arXiv."""
    parts: list[Part] = []
    end = 0
    for found in re.finditer(r"arXiv[ :]([0-9]{4}\.[0-9]{4,5})(?![0-9])", text):
        parts += [
            text[end : found.start()],
            tag("a", found[0], href=f"https://arxiv.org/abs/{found[1]}", rel="noopener"),
        ]
        end = found.end()
    return join([*parts, text[end:]])


def table(
    headings: Iterable[Part], rows: Iterable[Iterable[Part]], *, words: Container[int] = (0,), caption: str = ""
) -> Html:
    """A plain table in a box of its own to scroll in.

    Args:
        headings: of the columns.
        rows: of cells; the first is the row's heading.
        words: the places of columns of text; the others are set flush right.
        caption: what the table shows.
    """

    def cell(name: str, place: int, part: Part, scope: str | None) -> Html:
        return tag(name, part, scope=scope, class_=None if place in words else "number")

    def line(row: Iterable[Part]) -> Html:
        first, *others = row
        cells = [cell("td", place, part, None) for place, part in enumerate(others, 1)]
        return tag("tr", cell("th", 0, first, "row"), cells)

    head = [cell("th", place, part, "col") for place, part in enumerate(headings)]
    shown = tag("caption", tag("span", caption)) if caption else None
    whole = tag("table", shown, tag("thead", tag("tr", head)), tag("tbody", map(line, rows)))
    return scroll(whole, caption or "table")


def scroll(part: Part, label: str) -> Html:
    """A box that scrolls sideways, also by keyboard, where its content is wider than the page."""
    return tag("div", part, class_="scroll", tabindex="0", role="group", aria_label=label)


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    if key in ("href", "src", "srcset"):
        # A scheme of its own has only an address of the constant kind: paths begin with a name, "." or "#".
        assert re.match(r"https?://|(?![A-Za-z][A-Za-z0-9+.-]*:)[\w.%#]", str(value)), value
    return f" {key}" if value is True else f' {key}="{escape(str(value))}"'

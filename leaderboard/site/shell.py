"""What all pages of the site have in common: head, way back, style, script and what a browser may do with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dynamics_gen.version import __version__
from leaderboard.site.html import Html, Part, join, tag

STYLE, SCRIPT = "style.css", "site.js"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none';"
    " form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""No script but our file, no style but our file, no request elsewhere, and no text that becomes markup."""


def page(title: str, way: str, body: Sequence[Part], crumbs: Sequence[Part] = ()) -> bytes:
    """A whole page.

    Args:
        title: of the window.
        way: from the page to the site's folder, "" or "../" and so on.
        body: what stands in it, below the way back.
        crumbs: links back to what it is a part of.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        Html('<link rel="icon" href="data:,">'),  # asks no server for one
        tag("link", rel="stylesheet", href=f"{way}{STYLE}"),
        tag("script", src=f"{way}{SCRIPT}", defer=True),
    )
    home = tag("a", "Dynamics", href=f"{way}index.html", class_="home")
    steps = [[tag("span", "/", aria_hidden="true"), crumb] for crumb in crumbs]
    whole = tag(
        "html",
        head,
        tag(
            "body",
            tag("a", "Skip to the content", href="#content", class_="skip"),
            tag("header", tag("nav", home, steps, aria_label="where this page is")),
            tag("main", body, id="content"),
            tag("footer", tag("p", f"Computed from records and predictions by dynamics-benchmark {__version__}.")),
        ),
        lang="en",
    )
    return join([Html("<!doctype html>\n"), whole, Html("\n")]).encode()


def assets() -> dict[str, bytes]:
    """The files that all pages share, by name."""
    here = Path(__file__).parent
    return {name: (here / name).read_bytes() for name in (STYLE, SCRIPT)}

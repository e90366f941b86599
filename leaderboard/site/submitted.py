"""The page of an entry that came as predictions alone: what its entrant says of it, and what the host found."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from benchmark.submission.any_result import AnyResult
from benchmark.submission.result import HIDDEN, Result
from benchmark.submission.schema import About
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import directory_name
from leaderboard.board import Board, Row
from leaderboard.columns import percent
from leaderboard.frames import FrameRow
from leaderboard.site.entry import how_sure
from leaderboard.site.html import Html, Part, table, tag
from leaderboard.site.mistakes import confusion_matrix, summed, where_errors_are
from leaderboard.site.names import anchor
from leaderboard.site.parts import facts, headline, section
from leaderboard.site.shell import page
from leaderboard.submissions import Submitted

WAY = "../../"
"""From the page, `entries/<group>/<entry>.html`, to the site's folder."""


def submitted_page(row: Row, made: Submitted, board: Board) -> bytes:
    """The whole page of a row of a board, made of a submission."""
    about, scores = made.submission.about, [one.scores for one in made.result.seeds]
    counts = summed(scores)
    body = [
        tag("h1", row.model),
        tag(
            "p",
            f"{board.title}; entered by {row.by} as {row.name}, scored by the host. {board.openness}",
            class_="lead",
        ),
        headline(row),
        facts(about_facts(about), "settings"),
        where_errors_are(CLASSES, counts),
        tag("div", confusion_matrix(CLASSES, counts), _seeds(made.result), class_="columns"),
        how_sure(made.test.seeds) if made.test is not None else None,
        checking(row, made.result, [("labels", made.result.labels_sha256)]),
    ]
    crumb = tag("a", board.title, href=f"{WAY}index.html#{anchor(board)}")
    return page(f"{row.model}, {board.title}", WAY, body, [crumb])


def outside(address: str | None) -> Part:
    """A link to an entrant's page, if it is one of the web; anything else is text."""
    if address is None:
        return "–"
    if re.fullmatch(r"https?://[!-~]+", address) is None:
        return address
    return tag("a", address, href=address, rel="nofollow ugc noopener noreferrer")


def about_facts(about: About) -> list[tuple[str, Part]]:
    """What an entrant says of an entry, each with its name."""
    return [
        ("authors", ", ".join(about.authors)),
        ("contact", about.contact),
        ("method", about.description or "–"),
        ("paper", outside(about.paper)),
        ("code", outside(about.code)),
        ("sees", about.input),
        ("extra data", about.extra_data or "none"),
        ("hardware", about.hardware),
        ("tuning trials", f"{about.tuning_trials:,}"),
    ]


def _seeds(found: Result) -> Html:
    rows = [
        [str(one.seed), *map(percent, (one.scores.error, one.scores.error_path, one.scores.error_speed))]
        for one in found.seeds
    ]
    return section("Seeds", table(["seed", "test %", "path %", "speed %"], rows))


def checking(row: Row | FrameRow, found: AnyResult, truth: Sequence[tuple[str, str]]) -> Html:
    """Anybody scores an open entry again; a hidden one, once the labels are published.

    Args:
        row: of the entry.
        found: what the host found.
        truth: what it was held against, and the hash of that.
    """
    words = ["bench", "submit", "score", f"leaderboard/entries/{row.group}/{row.name}", "--check", "--data"]
    if found.board == HIDDEN:
        said = "The labels stay with the host until the set is retired; then anybody scores the entry again:"
        words += ["public/test", "--labels", "private/labels.csv"]
    else:
        said = "Anybody scores the entry again, from its predictions and the data:"
        words.append(f"data/{directory_name(found.test.release, found.test.size)}/test")
    proofs = [
        *truth,
        ("predictions", found.predictions_sha256),
        ("submission.json", found.submission_sha256),
        ("salt", found.salt),
        ("test split", found.test.fingerprint),
        ("scored by commit", found.commit),
    ]
    return section(
        "How to check",
        tag("p", said),
        tag("pre", tag("code", shlex.join(words)), tabindex="0"),
        facts([(name, tag("code", text)) for name, text in proofs], "settings"),
    )

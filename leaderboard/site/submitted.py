"""The page of an entry that came as predictions alone: what its entrant says of it, and what the host found."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmark.record import Scores
from benchmark.statistics import Interval
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import directory_name
from leaderboard.columns import count, gflops, percent
from leaderboard.site.html import Html, Part, table, tag
from leaderboard.site.mistakes import confusion_matrix, summed, where_errors_are
from leaderboard.site.parts import facts, section
from leaderboard.site.shell import page

WAY = "../../"
"""From the page, `entries/<group>/<entry>.html`, to the site's folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """A scored entry as its page shows it."""

    about: Mapping[str, Any]
    """The fields of `about` in submission.json: what the entrant says, none of it a score."""
    hidden: bool
    """Whether the host alone holds the labels."""
    release: str
    size: str
    """Of the test split."""
    seeds: Mapping[int, Scores]
    """What the host computed, by seed."""
    interval: Interval
    """Of the mean error, 95 %."""
    rank: int | None
    proofs: Mapping[str, str]
    """Salts, hashes and versions by which the scoring can be checked, by name."""


def submitted_page(entry: Submitted, crumb: Part = None) -> bytes:
    """The whole page; `crumb` leads back to the entry's board."""
    about, board = entry.about, "hidden test" if entry.hidden else "open test"
    counts = summed(list(entry.seeds.values()))
    where = f"Classification, {entry.release}, {entry.size}, {board}"
    body = [
        tag("h1", about["method"]),
        tag("p", f"{where}; entered by {about['group']} as {about['entry']}, scored by the host.", class_="lead"),
        facts(_headline(entry), "headline"),
        facts(_about(about), "settings"),
        where_errors_are(CLASSES, counts),
        tag("div", confusion_matrix(CLASSES, counts), _seeds(entry), class_="columns"),
        _checking(entry),
    ]
    return page(f"{about['method']}, {where}", WAY, body, [crumb] if crumb else [])


def outside(address: str | None) -> Part:
    """A link to an entrant's page, if it is one of the web; anything else is text."""
    if address is None:
        return "–"
    if re.fullmatch(r"https?://[!-~]+", address) is None:
        return address
    return tag("a", address, href=address, rel="nofollow ugc noopener noreferrer")


def _headline(entry: Submitted) -> list[tuple[str, Part]]:
    error = fmean(scores.error for scores in entry.seeds.values())
    interval = f"{percent(entry.interval.low)}–{percent(entry.interval.high)}"
    return [
        ("test error, %", [tag("strong", percent(error)), " ", tag("small", interval)]),
        ("rank", tag("strong", "–" if entry.rank is None else str(entry.rank))),
        ("seeds", tag("strong", str(len(entry.seeds)))),
        ("parameters", tag("strong", count(entry.about["parameters"]))),
        ("GFLOPs a clip", tag("strong", gflops(entry.about["flops_per_clip"]))),
        ("training of a seed", tag("strong", f"{entry.about['training_hours']:.3g} h")),
    ]


def _about(about: Mapping[str, Any]) -> list[tuple[str, Part]]:
    return [
        ("authors", ", ".join(about["authors"])),
        ("contact", about["contact"]),
        ("method", about["description"] or "–"),
        ("paper", outside(about["paper"])),
        ("code", outside(about["code"])),
        ("sees", about["input"]),
        ("extra data", about["extra_data"] or "none"),
        ("hardware", about["hardware"]),
        ("tuning trials", f"{about['tuning_trials']:,}"),
    ]


def _seeds(entry: Submitted) -> Html:
    rows = [
        [str(seed), percent(scores.error), percent(scores.error_path), percent(scores.error_speed)]
        for seed, scores in entry.seeds.items()
    ]
    return section("Seeds", table(["seed", "test %", "path %", "speed %"], rows))


def _checking(entry: Submitted) -> Html:
    """Anybody scores an open entry again; a hidden one, once the labels are published."""
    folder = f"leaderboard/entries/{entry.about['group']}/{entry.about['entry']}"
    words = ["bench", "submit", "score", folder, "--check", "--data"]
    if entry.hidden:
        said = "The labels stay with the host until the set is retired; then anybody scores the entry again:"
        words += ["public/test", "--labels", "private/labels.csv"]
    else:
        said = "Anybody scores the entry again, from its predictions and the labels of the data:"
        words.append(f"data/{directory_name(entry.release, entry.size)}/test")
    return section(
        "How to check",
        tag("p", said),
        tag("pre", tag("code", shlex.join(words)), tabindex="0"),
        facts([(name, tag("code", text)) for name, text in entry.proofs.items()], "settings"),
    )

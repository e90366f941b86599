"""Parts that several kinds of pages share: headlines, facts, configuration, how to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.board import Row
from leaderboard.columns import count, duration, gflops, percent
from leaderboard.site.html import Html, Part, tag
from leaderboard.site.reproduce import AnyRecord, commands, rerun


def facts(pairs: Sequence[tuple[str, Part]], class_: str | None = None) -> Html:
    """What is known of something, each with its name."""
    return tag("dl", (tag("div", tag("dt", name), tag("dd", said)) for name, said in pairs), class_=class_)


def headline(row: Row) -> Html:
    """What stands first on the page of a row, whoever vouches for it."""
    interval = f"{percent(row.interval.low)}–{percent(row.interval.high)}"
    pairs: list[tuple[str, Part]] = [
        ("test error, %", [tag("strong", percent(row.test_error)), " ", tag("small", interval)]),
        ("rank", tag("strong", "–" if row.rank is None else str(row.rank))),
        ("seeds", tag("strong", str(row.seeds))),
        ("parameters", tag("strong", count(row.parameters))),
        ("GFLOPs a clip", tag("strong", gflops(row.flops_per_clip))),
        ("training of a seed", tag("strong", duration(row.wall_time_s))),
    ]
    return facts(pairs, "headline")


def section(title: str, *parts: Part) -> Html:
    """A part of a page under a heading."""
    return tag("section", tag("h2", title), *parts)


def words(name: str) -> str:
    """A name of a record as words."""
    return " ".join({"frechet": "Fréchet", "psnr": "PSNR", "mse": "MSE"}.get(word, word) for word in name.split("_"))


def configuration(record: AnyRecord) -> Html:
    """All that it was made with: settings, data, machine, versions."""
    data, environment = record.dataset, record.environment
    splits = [
        (name, [f"{split.clips:,} clips ", tag("code", split.fingerprint)])
        for name, split in (("train", data.splits.train), ("valid", data.splits.valid), ("test", data.splits.test))
    ]
    ran = [(name, getattr(environment, name)) for name in ("device", "precision", "commit", "python", "platform")]
    return section(
        "Resolved configuration",
        tag(
            "div",
            _named("Model", _settings(record.config.model)),
            _named("Training", _settings(record.config.training)),
            _named(
                "Data",
                [
                    ("release", f"{data.release}, {data.size}"),
                    ("seed", str(data.seed)),
                    ("clip", f"{data.frames} frames of {data.image_size}×{data.image_size}, {data.fps:g} frames/s"),
                    *splits,
                ],
            ),
            _named("Where it ran", [*ran, ("threads", str(environment.threads)), *environment.libraries.items()]),
            class_="columns",
        ),
    )


def reproduction(record: AnyRecord, folder: str) -> Html:
    """The commands that make it again; `folder` is the record's place in a checkout."""
    again = rerun(record, folder)
    return section(
        "How to reproduce",
        [
            tag("p", "Trained anew from the record, with a verdict: does the new error lie within the interval?"),
            _command([again]),
            tag("p", "By hand, with the code as it was:"),
        ]
        if again
        else tag("p", "With the code as it was:"),
        _command(commands(record)),
        tag(
            "p",
            "Missing data are built first. Every number of this page is computed from the files in ",
            tag("code", f"{folder}/"),
            ".",
        ),
    )


def _command(lines: Sequence[str]) -> Html:
    return tag("pre", tag("code", "\n".join(lines)), tabindex="0")


def _named(title: str, pairs: Sequence[tuple[str, Part]]) -> Part:
    return tag("div", tag("h3", title), facts(pairs, "settings")) if pairs else None


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, Part]]:
    return [(name, tag("code", json.dumps(value, ensure_ascii=False))) for name, value in settings.items()]

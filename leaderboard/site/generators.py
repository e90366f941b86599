"""Generators: a table for each kind of sample on the first page, and a page each with what it made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leaderboard.columns import count, duration
from leaderboard.results.committed import shown
from leaderboard.results.generators import GENERATORS, LEGEND, PICTURES, Made, by_kind, pictures_of, title
from leaderboard.site.errors import SiteError
from leaderboard.site.html import Html, Part, cited, prose, scroll, table, tag
from leaderboard.site.names import address
from leaderboard.site.parts import configuration, facts, reproduction, section
from leaderboard.site.shell import page

WAY = "../"
"""From a generator's page to the site's folder."""
LARGEST_BYTES = 4 * 2**20
"""Of a picture."""
PNG = b"\x89PNG\r\n\x1a\n"


def file_of(one: Made) -> str:
    """The path of its page below the site's folder."""
    return f"{GENERATORS}/{one.name}.html"


def picture_files(root: Path, made: Sequence[Made]) -> dict[str, bytes]:
    """The pictures that pages show, by their path in the site.

    Raises:
        SiteError: one is no PNG but something else by that name, as a link to another file, or too large.
        OSError: a file cannot be read.
    """
    return {
        f"{GENERATORS}/{one.name}/{file}": _picture(root / GENERATORS / one.name / file)
        for one in made
        for _, file in pictures_of(one)
    }


def generator_boards(made: Sequence[Made]) -> list[Html]:
    """A section with a table for each kind of sample; none without generators."""
    if not made:
        return []
    parts: list[Part] = []
    for rows in by_kind(made):
        parts += [tag("h3", title(rows[0].record)), tag("p", _about(rows[0]), class_="about"), _table(rows)]
    return [tag("section", tag("h2", "Generators", id=GENERATORS), parts, tag("p", prose(LEGEND), class_="about"))]


def generator_page(one: Made) -> bytes:
    """The whole page of a run."""
    record = one.record
    headline: list[tuple[str, Part]] = [
        ("Fréchet distance", _strong(shown(one.mean("frechet"), 1))),
        ("that of true ones", _strong(shown(one.mean("frechet_of_train"), 1))),
        ("coverage", _strong(shown(one.mean("coverage"), 2))),
        ("parameters", _strong(count(record.parameters))),
        ("training of a seed", _strong(duration(60 * one.minutes))),
        ("seeds", _strong(str(len(record.seeds)))),
    ]
    figures = [
        section(
            name.capitalize(),
            tag(
                "figure",
                tag("img", src=f"{address(one.name)}/{address(file)}", alt=PICTURES[name], loading="lazy"),
                tag("figcaption", PICTURES[name].capitalize()) if PICTURES[name] != name else None,
                class_="picture",
            ),
        )
        for name, file in pictures_of(one)
    ]
    body = [
        tag("h1", record.model),
        tag("p", f"{title(record)}.", class_="lead"),
        facts(headline, "headline"),
        facts([("source", cited(record.source or "–")), ("device", record.environment.device)], "settings"),
        _scores(one),
        tag("div", figures, class_="columns"),
        reproduction(record, f"leaderboard/{GENERATORS}/{one.name}"),
        configuration(record),
    ]
    crumb = tag("a", "Generators", href=f"{WAY}index.html#{GENERATORS}")
    return page(f"{record.model}, a generator", WAY, body, [crumb])


def _about(one: Made) -> str:
    scores, splits = one.record.seeds[0].test, one.record.dataset.splits
    return (
        f"{scores.samples:,} samples against as many held-out {one.record.view.form} of {splits.test.clips:,} clips;"
        f" learnt from {splits.train.clips:,} clips. Least Fréchet distance first."
    )


COLUMNS = (
    ("Fréchet", lambda one: one.mean("frechet"), 1),
    ("precision", lambda one: one.mean("precision"), 2),
    ("recall", lambda one: one.mean("recall"), 2),
    ("density", lambda one: one.mean("density"), 2),
    ("coverage", lambda one: one.mean("coverage"), 2),
    ("PSNR", lambda one: one.reconstruction("psnr"), 1),
    ("features apart", lambda one: one.reconstruction("feature_distance"), 2),
    ("nats", lambda one: one.mean("nats"), 0),
    ("parameters, M", lambda one: one.record.parameters / 1e6, 2),
    ("minutes", lambda one: one.minutes, 0),
    ("seeds", lambda one: len(one.record.seeds), 0),
)
"""Heading, a run's number or None, and its decimals."""


def _table(rows: Sequence[Made]) -> Html:
    head = [tag("th", "model", scope="col", data_kind="text")]
    head += [
        tag(
            "th",
            name,
            scope="col",
            class_="number",
            data_kind="number",
            aria_sort="ascending" if name == COLUMNS[0][0] else None,
        )
        for name, _, _ in COLUMNS
    ]
    lines = []
    for one in rows:
        name = one.record.model
        if [other.record.model for other in rows].count(name) > 1:
            name += f" ({one.name})"
        link = tag("a", name, href=address(file_of(one)))
        values = [of(one) for _, of, _ in COLUMNS]
        texts = [shown(value, digits) for value, (_, _, digits) in zip(values, COLUMNS, strict=True)]
        texts[0] += f" ({shown(one.mean('frechet_of_train'), 1)})"
        cells = [
            tag("td", text, class_="number", data_value="" if value is None else value)
            for text, value in zip(texts, values, strict=True)
        ]
        lines.append(tag("tr", tag("th", link, scope="row", data_value=name), cells))
    whole = tag("table", tag("thead", tag("tr", head)), tag("tbody", lines), class_="sortable")
    return scroll(whole, f"{title(rows[0].record)}: generators")


def _scores(one: Made) -> Html:
    """Every score by seed."""

    def line(name: str) -> list[Part]:
        return [_words(name), *(shown(getattr(seed.test, name), 3) for seed in one.record.seeds)]

    names = ("frechet", "frechet_of_train", "precision", "recall", "density", "coverage", "spread", "nats", "error")
    rows = [line(name) for name in (*names, "failed") if one.mean(name) is not None]
    for name in ("mean_squared_error", "psnr", "feature_distance"):
        if one.reconstruction(name) is not None:
            values = [getattr(seed.test.reconstruction, name) for seed in one.record.seeds]
            rows.append([f"reconstruction: {_words(name)}", *(shown(value, 3) for value in values)])
    for name in one.record.seeds[0].test.agreement:
        values = [seed.test.agreement.get(name) for seed in one.record.seeds]
        rows.append([f"agreement: {_words(name)}", *(shown(value, 3) for value in values)])
    headings = ["score", *(f"seed {seed.seed}" for seed in one.record.seeds)]
    chosen = ", ".join(f"{seed.chosen_epoch} by {_words(seed.chosen_by)}" for seed in one.record.seeds)
    return section("Scores", table(headings, rows), tag("p", f"Chosen epoch: {chosen}.", class_="about"))


def _picture(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise SiteError(f"{path} is a link or no file: expected a PNG; copy the picture itself there")
    if path.stat().st_size > LARGEST_BYTES:
        raise SiteError(f"{path} has {path.stat().st_size:,} bytes: expected a picture of at most {LARGEST_BYTES:,}")
    content = path.read_bytes()
    if not content.startswith(PNG):
        raise SiteError(f"{path} does not begin like a PNG: expected the picture that `bench run` wrote")
    return content


def _strong(text: str) -> Html:
    return tag("strong", text)


def _words(name: str) -> str:
    return name.replace("_", " ")

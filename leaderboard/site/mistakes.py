"""Where errors are, from a confusion matrix: by class, by path and speed type, and the matrix itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.record import Scores
from dynamics_gen.classes import CLASSES, PATHS, SPEEDS, factors
from leaderboard.columns import percent
from leaderboard.site.html import Html, Part, scroll, table, tag
from leaderboard.site.parts import facts, section

_FACTORS = np.array([factors(label) for label in range(len(CLASSES))])


def summed(scores: Sequence[Scores]) -> np.ndarray:
    """Counts of all seeds together, [classes, classes]: rows are true classes, columns what they are taken for."""
    return np.sum([one.confusion for one in scores], axis=0)


def where_errors_are(classes: Sequence[str], counts: np.ndarray) -> Html:
    """Errors by class; of the ten, by factor too."""
    by_factor = _by_factor(counts) if tuple(classes) == CLASSES else None
    return section("Where the errors are", tag("div", _by_class(classes, counts), by_factor, class_="columns"))


def confusion_matrix(classes: Sequence[str], counts: np.ndarray) -> Html:
    """Shares of each true class, darker where there are more."""
    head = [tag("th", tag("span", _words(name)), scope="col", class_="slanted") for name in classes]
    rows = []
    for name, line in zip(classes, counts, strict=True):
        total = max(1, int(line.sum()))
        rows.append(tag("tr", tag("th", _words(name), scope="row"), [_cell(int(number), total) for number in line]))
    matrix = tag(
        "table",
        tag("caption", tag("span", "Rows: true classes. Columns: what the clips are taken for, in % of the row.")),
        tag("thead", tag("tr", tag("td", ""), head)),
        tag("tbody", rows),
        class_="confusion",
    )
    return section("Confusion matrix", scroll(matrix, "confusion matrix"))


def _cell(number: int, total: int) -> Html:
    share = 100 * number / total
    text = "" if not number else "<1" if share < 0.5 else f"{share:.0f}"
    return tag("td", text, class_=f"heat{round(share / 10)}")


def _by_class(classes: Sequence[str], counts: np.ndarray) -> Html:
    """The share of each class that is missed, and what it is taken for most."""
    rows: list[list[Part]] = []
    for label, name in enumerate(classes):
        total, wrong = counts[label].sum(), counts[label].copy()
        wrong[label] = 0
        most = int(wrong.argmax())
        taken = f"{_words(classes[most])} {percent(wrong[most] / total)}" if wrong[most] else "–"
        rows.append([_words(name), percent(wrong.sum() / total if total else None), taken])
    return table(["class", "error %", "most taken for, %"], rows, words=(0, 2), caption="By class, of all seeds")


def _by_factor(counts: np.ndarray) -> Html:
    """Errors by path and speed type, and how often each factor is taken for another."""
    clips = counts.sum(axis=1)
    missed = clips - np.diag(counts)

    def share(path: int | None, speed: int | None) -> str:
        chosen = (_FACTORS[:, 0] < 3) if path is None else (_FACTORS[:, 0] == path)
        chosen = chosen if speed is None else chosen & (_FACTORS[:, 1] == speed)
        return percent(missed[chosen].sum() / clips[chosen].sum()) if clips[chosen].any() else "–"

    speeds: list[int | None] = [0, 1, 2, None]
    rows = [[PATHS[path], *(share(path, speed) for speed in speeds)] for path in range(3)]
    rows += [["all", *(share(None, speed) for speed in speeds)], ["rotation", "", "", "", share(3, 3)]]
    scores = Scores.from_confusion(counts)
    return tag(
        "div",
        table(["path", *SPEEDS[:3], "all"], rows, caption="Error % by path (rows) and speed type (columns)"),
        facts([("path wrong", f"{percent(scores.error_path)} %"), ("speed wrong", f"{percent(scores.error_speed)} %")]),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")

"""What the study of transfer found: whether features learnt by predicting frames serve to tell motions apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.comparison import Difference, between_choices, holm
from dynamics_gen.classes import CLASSES
from leaderboard.markdown import escape, table
from leaderboard.results.words import NOT_MEASURED, p_value, points

TRANSFER = "transfer"
PROBE, TUNED = "probe", "fine-tuned"
TRAINED, UNTRAINED = "trained", "untrained"
WAYS = {PROBE: "under a linear probe", TUNED: "fine-tuned"}
LEAST_P = 0.05


@dataclass(frozen=True, slots=True)
class Kind:
    """Whose features; `weights` is "" where nobody learnt them."""

    features: str
    weights: str


@dataclass(frozen=True, slots=True)
class Column:
    """How features were used, and how many labels were learnt from."""

    way: str
    labels: int

    def __str__(self) -> str:
        return f"{self.way}, {self.labels:,}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """Of all choices of labels, those of the first seed first."""

    values: tuple[float, ...]
    clips: int
    """Of test."""

    @property
    def mean(self) -> float:
        """Over choices and seeds."""
        return float(np.mean(self.values))

    def __str__(self) -> str:
        mean = f"{100 * self.mean:.1f}"
        return f"{mean} ± {100 * np.std(self.values, ddof=1):.1f}" if len(self.values) > 1 else mean

    def less(self, other: Errors) -> Difference:
        """How much more often these are errors than the other's, choice by choice."""
        return between_choices(self.values, other.values, self.clips)


Found = Mapping[tuple[Kind, Column], Errors]


def section(studies: Mapping[str, dict[str, Any]]) -> list[str]:
    """The table, what pretraining is worth, which features are best; or that nothing was measured."""
    if TRANSFER not in studies:
        return [NOT_MEASURED]
    study = studies[TRANSFER]
    by_class = _of(study, "class")
    parts = [_about(study), _errors(by_class, study, "the class")]
    said = [_worth(by_class, way) for way in WAYS] + [_best(by_class, way) for way in WAYS]
    parts += ["\n".join(f"- {sentence}" for sentence in said if sentence)]
    parts += [
        "What pretraining is worth: points of test error, trained less untrained weights, on the same choices of labels"
        " (95 %):",
        _differences(by_class),
    ]
    parts += [_errors(_of(study, target), study, f"the {target}") for target in ("path", "speed")]
    return parts


def in_short(studies: Mapping[str, dict[str, Any]]) -> str:
    """Whether pretraining helps, by either use."""
    if TRANSFER not in studies:
        return NOT_MEASURED
    by_class = _of(studies[TRANSFER], "class")
    return " ".join(sentence for way in WAYS if (sentence := _worth(by_class, way))) or NOT_MEASURED


def _of(study: Mapping[str, Any], target: str) -> Found:
    """Errors of a target, those of all seeds together, in the order of the study's rows."""
    found: dict[tuple[Kind, Column], Errors] = {}
    for one in study["seeds"]:
        for row in one["findings"]["rows"]:
            if row["target"] != target:
                continue
            key = Kind(row["features"], row["weights"]), Column(row["way"], row["labels"])
            before = found[key].values if key in found else ()
            found[key] = Errors(values=(*before, *row["errors"]), clips=row["clips"])
    return found


def _columns(found: Found) -> list[Column]:
    """Probes first, then numbers of labels in order."""
    return sorted({column for _, column in found}, key=lambda one: (one.way != PROBE, one.labels))


def _models(found: Found) -> list[str]:
    """Whose weights were trained, in the study's order."""
    return list(dict.fromkeys(kind.features for kind, _ in found if kind.weights == TRAINED))


def _about(study: Mapping[str, Any]) -> str:
    config, seeds = study["config"], len(study["seeds"])
    minutes = sum(one["seconds"] for one in study["seeds"]) / 60
    return (
        f"Test error in %, mean ± deviation over random choices of labels ({seeds} seed{'s' * (seeds != 1)} of each"
        f" training); for the class, chance is {100 - 100 / len(CLASSES):.0f} %. **probe**: an L2-SVM on"
        " frozen features; **fine-tuned**: all weights that make them, and a linear layer,"
        f" {config['steps']} batches of {config['batch_size']}. *untrained* is the same network with the weights"
        " that its training set out from, used the same way: the rest is what predicting taught. The"
        f" settings of the study are in `studies/{TRANSFER}/study.json`; it took {minutes:.0f} minutes of"
        f" {escape(str(study['environment']['device']))}."
    )


def _errors(found: Found, study: Mapping[str, Any], of: str) -> str:
    """Every kind of features by every use."""
    columns = _columns(found)
    if not columns:
        return NOT_MEASURED
    sizes = {row["features"]: row["image_size"] for row in study["seeds"][0]["findings"]["rows"]}
    lines = []
    for kind in dict.fromkeys(kind for kind, _ in found):
        cells = [str(found[kind, column]) if (kind, column) in found else "–" for column in columns]
        lines.append([escape(kind.features), escape(kind.weights or "–"), str(sizes[kind.features]), *cells])
    headings = [f"{of}: features of", "weights", "pixels a side", *map(str, columns)]
    return table(headings, [False, False, *[True] * (1 + len(columns))], lines)


def _pairs(found: Found) -> dict[tuple[str, Column], Difference]:
    """Trained less untrained weights, where both were measured as often."""
    pairs = {}
    for model in _models(found):
        for column in _columns(found):
            one, other = (found.get((Kind(model, weights), column)) for weights in (TRAINED, UNTRAINED))
            if one and other and len(one.values) == len(other.values):
                pairs[model, column] = one.less(other)
    return pairs


def _differences(found: Found) -> str:
    pairs, columns = _pairs(found), _columns(found)
    lines = [
        [escape(model), *(points(pairs[model, column]) if (model, column) in pairs else "–" for column in columns)]
        for model in _models(found)
    ]
    return table(["features of", *map(str, columns)], [False, *[True] * len(columns)], lines)


def _worth(found: Found, way: str) -> str:
    """In how many comparisons pretraining helps, the tests of all of them taken together."""
    pairs = {key: one for key, one in _pairs(found).items() if key[1].way == way}
    if not pairs:
        return ""
    adjusted = holm([one.p for one in pairs.values()])
    verdicts = [
        "helps" if p < LEAST_P and one.mean < 0 else "harms" if p < LEAST_P else "untold"
        for one, p in zip(pairs.values(), adjusted, strict=True)
    ]
    count = Counter(verdicts)
    by_model: dict[str, list[str]] = {}
    for (model, _), verdict in zip(pairs, verdicts, strict=True):
        by_model.setdefault(model, []).append(verdict)
    always = [escape(model) for model, told in by_model.items() if set(told) == {"helps"}]
    return (
        f"{WAYS[way].capitalize()}, pretraining helps in {count['helps']} of {len(pairs)} comparisons"
        f" ({len(by_model)} models), harms in {count['harms']}, and in {count['untold']} it cannot be told (Holm's"
        f" adjusted p below {LEAST_P}). It helps with every number of labels: {', '.join(always) or 'no model'}."
    )


def _best(found: Found, way: str) -> str:
    """Whose trained features have the fewest errors with the most labels that all were given, and by how much."""
    models = _models(found)
    shared = [
        column
        for column in _columns(found)
        if column.way == way and all((Kind(model, TRAINED), column) in found for model in models)
    ]
    if not shared:
        return ""
    column = shared[-1]
    ranked = sorted(models, key=lambda model: found[Kind(model, TRAINED), column].mean)
    best = found[Kind(ranked[0], TRAINED), column]
    said = f"With {column.labels:,} labels, {WAYS[way]}, the best features are those of **{escape(ranked[0])}**"
    said += f" ({100 * best.mean:.1f} %)"
    rivals: Sequence[tuple[str, Errors | None]] = [
        *((f"next is {escape(model)}", found[Kind(model, TRAINED), column]) for model in ranked[1:2]),
        ("colours alone", found.get((Kind("pixels", ""), column))),
    ]
    for name, other in rivals:
        if other and len(other.values) == len(best.values):
            difference = other.less(best)
            said += f"; {name}: {points(difference)} points, p {p_value(difference.p)}"
    return said + "."

"""What the committed studies found: `studies/<name>/study.json`, as `bench run` of a study writes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import study_record
from benchmark.generation import record
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import SIZES, clips_per_class
from leaderboard.markdown import escape, table
from leaderboard.results.words import NOT_MEASURED, p_value

STUDIES = "studies"
TOY = "ali_toy"
FEW_LABELS = "few_labels"
STABILITY = "rali_stability"

IN_PLAY = {record.TRAIN_IN_PLAY: "train", record.VALID_IN_PLAY: "valid", record.SAMPLES_IN_PLAY: "samples"}
"""What a discriminator holds to be real, by its name in an epoch's row."""

COUNTS = {
    "covered": ("modes covered, as the thesis counts", 1),
    "filled": ("modes with 20 samples or more within 3σ", 1),
    "high_quality": ("samples within 3σ of a centre, %", 100),
}
"""Of the toy's metrics, what they are called and what they are shown times."""


def read_studies(root: Path) -> dict[str, dict[str, Any]]:
    """Every study of the board at `root`, by name.

    Raises:
        RecordError: a file is not what `bench run` of a study writes.
        OSError: a file cannot be read.
    """
    found = [study_record.read(path) for path in sorted((root / STUDIES).glob("*/study.json"))]
    return {one.study: dataclasses.asdict(one) for one in found}


def toy(studies: Mapping[str, dict[str, Any]], way: str) -> list[str]:
    """The toy of section 4.4.5: modes covered by ALI and GAN, inference after the fact, the picture."""
    if TOY not in studies:
        return [NOT_MEASURED]
    parts = []
    for one in studies[TOY]["seeds"]:
        found = one["findings"]
        parts += [
            "25 Gaussians, ten runs of ALI and ten of a GAN with random learning rate, β1 and initial scale (the ranges"
            f" are ours), {found['iterations']:,} iterations each; the thesis's budget is"
            f" {found['iterations_of_the_thesis']:,}. Mean ± deviation over runs, and the range. In"
            f" {one['seconds'] / 60:.0f} minutes of {escape(studies[TOY]['environment']['device'])}.",
            _counts(found),
            _thesis(found["thesis"]),
            "The best run of each kind (most filled modes), and what other inference makes of the best GAN: squared"
            " error of 10,000 held-out points, their median distance, and the share that comes back to its own mode.",
            _models(found["models"]),
            f"![Samples, latents and reconstructions]({way}{STUDIES}/{TOY}/{TOY}-seed{one['seed']}.png)",
        ]
    return parts


def in_short(studies: Mapping[str, dict[str, Any]]) -> str:
    """One line of the first seed."""
    if TOY not in studies:
        return NOT_MEASURED
    found = studies[TOY]["seeds"][0]["findings"]
    said = []
    for metric, (name, times) in COUNTS.items():
        ours = [found["kinds"][kind]["summary"][metric]["mean"] * times for kind in ("ali", "gan")]
        said.append(
            f"{name}: {ours[0]:.1f} and {ours[1]:.1f} (Welch's p {p_value(found['tests'][metric]['welch']['p'])})"
        )
    return f"ALI and GAN after {found['iterations']:,} iterations, {'; '.join(said)}."


def few_label_rows(studies: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What the study of few labels found, of its first seed."""
    return studies[FEW_LABELS]["seeds"][0]["findings"]["rows"] if FEW_LABELS in studies else []


def linear_machines(studies: Mapping[str, dict[str, Any]]) -> list[str]:
    """Errors of linear machines for each target, by kind of features and number of labels."""
    rows = few_label_rows(studies)
    if not rows:
        return [NOT_MEASURED]
    parts = []
    for target in dict.fromkeys(row["target"] for row in rows):
        mine = {(row["features"], row["labels"]): row for row in rows if row["target"] == target}
        labels = sorted({count for _, count in mine})
        lines = []
        for kind in dict.fromkeys(kind for kind, _ in mine):
            found = [mine.get((kind, count)) for count in labels]
            lines.append([escape(kind), *(_mean_and_deviation(row["errors"]) if row else "–" for row in found)])
        headings = [f"{escape(target)}: features of", *(f"{count:,} labels" for count in labels)]
        parts.append(table(headings, [False, *[True] * len(labels)], lines))
    return [*parts, *_left_out(studies[FEW_LABELS].get("config", {}), rows)]


def _left_out(config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Numbers of labels that were asked for and of which a target has no row."""
    said = []
    for target in dict.fromkeys(row["target"] for row in rows):
        missing = set(config.get("labels", ())) - {row["labels"] for row in rows if row["target"] == target}
        if missing:
            said.append(f"{escape(target)} with {', '.join(f'{count:,}' for count in sorted(missing))} labels")
    if not said:
        return []
    size = config["size"]
    clips = f", {clips_per_class(size, 'train') * len(CLASSES):,} at `{size}`" if size in SIZES else ""
    return [
        f"Not measured: {'; '.join(said)}, for train has no more labels of these: one a clip{clips}. Shapes are asked"
        " of several frames of each clip."
    ]


def stability(studies: Mapping[str, dict[str, Any]]) -> list[str]:
    """What each suspect and each remedy does to recurrent ALI: means over seeds, beside the reference.

    What discriminators hold to be real is told of them in play, with or without batch norm; a dash of a variant without
    one, and of studies from before this was noted.
    """
    if STABILITY not in studies:
        return [NOT_MEASURED]
    seeds = [one["findings"]["rows"] for one in studies[STABILITY]["seeds"]]
    epochs = [epoch for rows in seeds for row in rows for epoch in row["history"]]
    lines, clips = [], max((epoch["train_clips"] for epoch in epochs), default=0)
    for row in seeds[0]:
        same = [one for rows in seeds for one in rows if one["name"] == row["name"]]
        scored = [one["scores"] for one in same if one["scores"] is not None]
        line = [escape(row["name"]), escape(row["about"]), f"{len(same) - len(scored)} of {len(same)}"]
        line.append(_range([one["frechet"] for one in scored], 1))
        line.append(_range([100 * one["failed"] for one in scored], 0))
        line.append(_causes([one["failed_by_cause"] for one in scored]))
        line.append(_range([_unrest(one["history"], clips) for one in same], 2))
        ends = [one["history"][-1] for one in same if one["history"]]
        line += [_range([100 * end[key] for end in ends if key in end], 0) for key in IN_PLAY]
        lines.append(line)
    headings = ["", "", "collapsed", "Fréchet", "failed %", "most often", "unrest"]
    headings += [f"{of} held to be real %" for of in IN_PLAY.values()]
    numbers = [True] * 2 + [False] + [True] * 4
    return [table(headings, [False, False, True, *numbers], lines)]


def _unrest(history: Sequence[Mapping[str, float]], clips: float) -> float:
    """Mean change of the Fréchet distance's logarithm from one pass over so many clips to the next, whichever way.

    An epoch of fewer clips is a part of such a pass. 0 where there are not two of them.
    """
    epochs = round(clips / history[0]["train_clips"]) if history else 1
    steps = np.diff(np.log([row["valid_frechet"] for row in history[epochs - 1 :: epochs]]))
    return float(np.abs(steps).mean()) if len(steps) else 0.0


def _range(values: Sequence[float], digits: int) -> str:
    """A mean, and in brackets the least and the most of several."""
    if not values:
        return "–"
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def _causes(found: Sequence[Mapping[str, float]]) -> str:
    """The two most frequent causes of failure."""
    means = {cause: float(np.mean([one.get(cause, 0.0) for one in found])) for one in found for cause in one}
    most = sorted(means, key=lambda cause: -means[cause])[:2]
    return ", ".join(f"{escape(cause)} {100 * means[cause]:.0f} %" for cause in most if means[cause]) or "–"


def _mean_and_deviation(errors: Sequence[float]) -> str:
    return f"{100 * np.mean(errors):.1f} ± {100 * np.std(errors, ddof=min(1, len(errors) - 1)):.1f}"


def _counts(found: Mapping[str, Any]) -> str:
    rows = []
    for metric, (name, times) in COUNTS.items():
        cells = []
        for kind in ("ali", "gan"):
            one = {key: value * times for key, value in found["kinds"][kind]["summary"][metric].items()}
            cells.append(f"{one['mean']:.1f} ± {one['deviation']:.1f} ({one['least']:.0f}–{one['most']:.0f})")
        test = found["tests"][metric]
        rows.append([escape(name), *cells, f"{test['welch']['p']:.3f}", f"{test['mann_whitney']['p']:.3f}"])
    return table(["", "ALI", "GAN", "Welch's p", "Mann–Whitney's p"], [False, True, True, True, True], rows)


def _thesis(thesis: Mapping[str, Any]) -> str:
    ali, gan = thesis["ali"], thesis["gan"]
    return (
        f"The thesis: {ali['mean']} ± {ali['deviation']} ({ali['least']}–{ali['most']}) against {gan['mean']} ±"
        f" {gan['deviation']} ({gan['least']}–{gan['most']}) modes covered; if ± is the deviation over ten runs,"
        f" Welch's t is {thesis['welch']['t']:.2f} and p {p_value(thesis['welch']['p'])}: no difference that could be"
        " told from chance. One sample nearer to a mode's centre than to any other covers it, however far it lies, so"
        " the count is nearly blind; the other two are not."
    )


def _models(models: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            escape(one["title"]),
            f"{one['squared_error']:.2f}",
            f"{one['distance']:.2f}",
            f"{100 * one['same_mode']:.0f}",
            f"{one['filled']:.0f}",
            f"{100 * one['high_quality']:.0f}",
        ]
        for one in models
    ]
    headings = ["", "squared error", "median distance", "same mode %", "filled modes", "within 3σ %"]
    return table(headings, [False, True, True, True, True, True], rows)

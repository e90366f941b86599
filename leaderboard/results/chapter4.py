"""Chapter 4 of the thesis, claim by claim: what it says, what it measured, what we measure, and whether that agrees.

Source: Mastropietro 2017, chapter 4, and Dumoulin et al. 2017, arXiv 1606.00704, whose experiments these are; of their
figures, on images of house numbers and small photographs, orders compare with ours, and numbers do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaderboard.markdown import escape, table
from leaderboard.results.committed import shown
from leaderboard.results.generators import Made, errors_by_labels
from leaderboard.results.studies import TOY, few_label_rows
from leaderboard.results.words import NOT_MEASURED

HOLDS, REVERSED, UNTOLD = "holds", "does not hold: the other way round", "cannot be told"
ONCE = " (one training of each)"
PAIRS_OF_FEW_LABELS = {
    "frames": ("semi_supervised_ali", "semi_supervised_gan"),
    "clips": ("semi_supervised_rali", "semi_supervised_rgan"),
}
"""ALI and GAN of K + 1 classes, by what they see."""

LEAST_P = 0.05
LEAST_APART = 0.1
"""Share by which two runs must differ to be told apart, where each was trained once."""

DEVIATIONS = 2.0
"""By how many deviations, of means over draws or shares of test clips, one kind of model must be ahead of another."""

Studies = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One line; `ours` and `verdict` are empty where nothing was measured."""

    says: str
    thesis: str
    ours: str = ""
    verdict: str = ""


def claims(made: Sequence[Made], studies: Studies) -> list[Claim]:
    """All of them, in the thesis's order."""
    return [
        _samples_as_good(made),
        _blurred(made),
        *_joint_inference(made),
        _linear_machine(studies),
        _few_labels(made),
        *_toy(studies),
    ]


def table_of(found: Sequence[Claim]) -> str:
    """The claims as a table."""
    rows = [
        [one.says, one.thesis or "a picture", one.ours or NOT_MEASURED, f"**{one.verdict}**" if one.verdict else "–"]
        for one in found
    ]
    return table(["claim", "there", "here", "so it"], [False, False, False, False], rows)


def in_short(found: Sequence[Claim]) -> str:
    """How many hold."""
    judged = [one.verdict for one in found if one.verdict]
    if not judged:
        return NOT_MEASURED
    count = {kind: sum(one.startswith(kind) for one in judged) for kind in (HOLDS, "does not", "cannot")}
    return (
        f"Of {len(found)} claims, {count[HOLDS]} hold here, {count['does not']} do not, {count['cannot']} cannot be"
        f" told; not measured yet: {len(found) - len(judged)}."
    )


def best(made: Sequence[Made], model: str, **settings: Any) -> Made | None:
    """The run with the least Fréchet distance on frames, of a model with these settings and without labels."""
    found = [
        one
        for one in made
        if one.record.model == model
        and one.record.view.form == "frames"
        and all(one.record.config.model.get(name) == value for name, value in settings.items())
    ]
    return min(found, key=lambda one: one.mean("frechet") or 0.0, default=None)


def _compared(
    says: str,
    thesis: str,
    runs: Mapping[str, Made | None],
    score: Callable[[Made], float | None],
    unit: tuple[str, int],
    lower: bool = True,
    tie: str = UNTOLD,
) -> Claim:
    """The first of these runs should be ahead of all others, by `LEAST_APART`; else `tie` is the verdict."""
    values = {name: score(one) for name, one in runs.items() if one is not None}
    measured = {name: value for name, value in values.items() if value is not None}
    if len(measured) < len(runs):
        return Claim(says=says, thesis=thesis)
    what, digits = unit
    first, *others = measured.values()
    rival = min(others) if lower else max(others)
    ahead = (rival - first if lower else first - rival) / rival
    verdict = tie if abs(ahead) < LEAST_APART else HOLDS if ahead > 0 else REVERSED
    said = ", ".join(f"{escape(name)} {shown(value, digits)}" for name, value in measured.items())
    once = ONCE if any(one and len(one.record.seeds) == 1 for one in runs.values()) else ""
    return Claim(says=says, thesis=thesis, ours=f"{what}: {said}", verdict=verdict + once)


def _samples_as_good(made: Sequence[Made]) -> Claim:
    runs = {"ALI": best(made, "ali"), "GAN": best(made, "gan")}
    return _compared(
        "Learning inference beside generation costs samples nothing.",
        "",
        runs,
        lambda one: one.mean("frechet"),
        ("Fréchet distance", 1),
        tie=HOLDS,
    )


def _blurred(made: Sequence[Made]) -> Claim:
    runs = {"ALI": best(made, "ali"), "VAE": best(made, "vae")}
    return _compared(
        "A VAE's samples are blurred, ALI's are not.",
        "",
        runs,
        lambda one: one.mean("frechet"),
        ("Fréchet distance", 1),
    )


def _joint_inference(made: Sequence[Made]) -> list[Claim]:
    runs = {
        "ALI": best(made, "ali"),
        "learned inverse": best(made, "learned_inverse"),
        "post-hoc": best(made, "post_hoc_inference"),
    }
    says = "Inference learnt with the generator reconstructs frames better than inference learnt after it"
    return [
        _compared(
            f"{says}, in features.",
            "",
            runs,
            lambda one: one.reconstruction("feature_distance"),
            ("distance of features", 2),
        ),
        _compared(f"{says}, in pixels.", "", runs, lambda one: one.reconstruction("psnr"), ("PSNR", 1), lower=False),
    ]


def _linear_machine(studies: Studies) -> Claim:
    says = "A linear machine on ALI's features needs fewer labels than on those of a GAN's discriminator."
    thesis = "house numbers, 1,000 labels: 19.1 ± 0.5 % errors against 22.2 %"
    rows = few_label_rows(studies)
    if not rows:
        return Claim(says=says, thesis=thesis)
    told, verdicts = [], []
    for target in dict.fromkeys(row["target"] for row in rows):
        least = min(row["labels"] for row in rows if row["target"] == target)
        pair = [
            next(
                (row for row in rows if (row["target"], row["features"], row["labels"]) == (target, kind, least)), None
            )
            for kind in ("ali", "gan")
        ]
        if pair[0] is None or pair[1] is None:
            return Claim(says=says, thesis=thesis)
        means = [100 * float(np.mean(row["errors"])) for row in pair if row]
        apart = 100 * math.hypot(*(float(np.std(row["errors"], ddof=1)) for row in pair if row))
        told.append(f"{target}, {least:,} labels: {means[0]:.1f} against {means[1]:.1f} %")
        ahead = (means[1] - means[0]) / apart
        verdicts.append(HOLDS if ahead > DEVIATIONS else REVERSED if ahead < -DEVIATIONS else UNTOLD)
    return Claim(says=says, thesis=thesis, ours="; ".join(told), verdict=_together(verdicts) + ONCE)


def _together(verdicts: Sequence[str]) -> str:
    """One word for several of them."""
    kinds = set(verdicts)
    if len(kinds) == 1:
        return kinds.pop()
    return UNTOLD if {HOLDS, REVERSED} <= kinds else (HOLDS if HOLDS in kinds else REVERSED) + " in part"


def _fewer(ours: float, theirs: float, clips: int) -> str:
    """Whether the first of two shares of errors is the smaller one, for all that so many test clips tell."""
    deviation = math.sqrt((ours * (1 - ours) + theirs * (1 - theirs)) / clips)
    return UNTOLD if abs(theirs - ours) < DEVIATIONS * deviation else HOLDS if ours < theirs else REVERSED


def _few_labels(made: Sequence[Made]) -> Claim:
    says = "Of K + 1 classes, ALI makes fewer errors than a GAN with feature matching."
    thesis = (
        "small photographs, 1,000, 2,000, 4,000, 8,000 labels: 20.0, 19.1, 18.0, 17.1 % against 21.8, 19.6, 18.6,"
        " 17.7 %; house numbers, 1,000: 7.4 against 8.1 %"
    )
    trained = [one for one in made if one.record.labels]
    errors = errors_by_labels(trained)
    clips = min((one.record.dataset.splits.test.clips for one in trained), default=1)
    told, verdicts = [], []
    for kind, (ours, theirs) in PAIRS_OF_FEW_LABELS.items():
        ali, gan = errors.get(ours, {}), errors.get(theirs, {})
        both = sorted(ali.keys() & gan.keys())
        if not both:
            continue
        told.append(
            f"{kind}, {', '.join(f'{labels:,}' for labels in both)} labels:"
            f" {', '.join(shown(ali[labels], 1, 100) for labels in both)} % against"
            f" {', '.join(shown(gan[labels], 1, 100) for labels in both)} %"
        )
        verdicts += [_fewer(ali[labels], gan[labels], clips) for labels in both]
    if not verdicts:
        return Claim(says=says, thesis=thesis)
    return Claim(says=says, thesis=thesis, ours="; ".join(told), verdict=_together(verdicts) + ONCE)


def _toy(studies: Studies) -> list[Claim]:
    modes = "On the grid of 25 Gaussians ALI covers more modes than a GAN."
    joint = "There, inference learnt jointly reconstructs points better than inference learnt after the GAN."
    if TOY not in studies:
        return [Claim(says=modes, thesis="13.4 ± 5.8 against 10.4 ± 9.2"), Claim(says=joint, thesis="")]
    found = studies[TOY]["seeds"][0]["findings"]
    means = {
        metric: [found["kinds"][kind]["summary"][metric]["mean"] for kind in ("ali", "gan")]
        for metric in ("covered", "high_quality")
    }
    p = found["tests"]["covered"]["mann_whitney"]["p"]
    ahead = means["covered"][0] > means["covered"][1]
    verdict = UNTOLD if p > LEAST_P else HOLDS if ahead else REVERSED
    ours = (
        f"{shown(means['covered'][0], 1)} against {shown(means['covered'][1], 1)} (Mann–Whitney's p {p:.2f}); samples"
        f" within 3σ {shown(means['high_quality'][0], 0, 100)} against {shown(means['high_quality'][1], 0, 100)} %"
    )
    thesis = found["thesis"]
    there = (
        f"{thesis['ali']['mean']} ± {thesis['ali']['deviation']} against"
        f" {thesis['gan']['mean']} ± {thesis['gan']['deviation']}"
    )
    first = Claim(says=modes, thesis=there, ours=ours, verdict=verdict)
    errors = {one["stage"]: one["squared_error"] for one in found["models"]}
    names = ("ali", "inverse", "posthoc")
    if not all(name in errors for name in names):
        return [first, Claim(says=joint, thesis="")]
    said = ", ".join(
        f"{name} {errors[key]:.2f}" for name, key in zip(("ALI", "learned inverse", "post-hoc"), names, strict=True)
    )
    holds = errors["ali"] < min(errors[name] for name in names[1:])
    return [
        first,
        Claim(says=joint, thesis="", ours=f"squared error: {said}", verdict=(HOLDS if holds else REVERSED) + ONCE),
    ]

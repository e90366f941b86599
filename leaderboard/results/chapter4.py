"""Chapter 4 of the thesis, claim by claim: what it says, what it measured, what we measure, and whether that agrees.

Source: Mastropietro 2017, chapter 4, and Dumoulin et al. 2017, arXiv 1606.00704, whose experiments these are; of their
figures, on images of house numbers and small photographs, orders compare with ours, and numbers do not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaderboard.markdown import escape, table
from leaderboard.results.committed import mean_of, shown
from leaderboard.results.generators import Made, errors_by_labels
from leaderboard.results.studies import TOY, few_label_rows
from leaderboard.results.words import NOT_MEASURED

HOLDS, REVERSED, UNTOLD = "holds", "does not hold: the other way round", "cannot be told"
FAILS = "does not hold"
DISAGREE = UNTOLD + ": the measures disagree"
TRAINED_ONCE = "one training of each"
ONCE = f" ({TRAINED_ONCE})"
PAIRS_OF_FEW_LABELS = {
    "frames": ("semi_supervised_ali", "semi_supervised_gan"),
    "clips": ("semi_supervised_rali", "semi_supervised_rgan"),
}
"""ALI and GAN of K + 1 classes, by what they see."""

RECONSTRUCTED = (
    ("squared_error", "squared error", 2, 1, True),
    ("distance", "median distance", 3, 1, True),
    ("same_mode", "back in its own mode %", 0, 100, False),
)
"""What is measured of reconstructed points: its key, name, digits, what it is shown times, whether less is better."""

LEAST_P = 0.05
LEAST_APART = 0.1
"""Share by which two runs must differ to be told apart, where each was trained once."""

LEAST_HEARD = 0.5
"""What must be read off samples, as a share of what is read off true frames, for them to follow what they were told."""

DEVIATIONS = 2.0
"""By how many deviations of the difference one kind of model must be ahead of another.

Of linear machines that is over the draws of labels, of a single draw and not of their mean, for all draws share one
training and one test set; of shares of errors, over the choice of test clips.
"""

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
        _conditional(made),
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
    verdict = _ahead(list(measured.values()), lower)
    verdict = tie if verdict == UNTOLD else verdict
    said = ", ".join(f"{escape(name)} {shown(value, digits)}" for name, value in measured.items())
    once = ONCE if any(one and len(one.record.seeds) == 1 for one in runs.values()) else ""
    return Claim(says=says, thesis=thesis, ours=f"{what}: {said}", verdict=verdict + once)


def _ahead(values: Sequence[float], lower: bool) -> str:
    """Whether the first of several is better than the best of the others, by `LEAST_APART` of that."""
    first, *others = values
    rival = min(others) if lower else max(others)
    ahead = rival - first if lower else first - rival
    return UNTOLD if not ahead or abs(ahead) < LEAST_APART * rival else HOLDS if ahead > 0 else REVERSED


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
    found = {(row["target"], row["features"], row["labels"]): row["errors"] for row in rows}
    told, verdicts = [], []
    for target in dict.fromkeys(row["target"] for row in rows):
        labels, theirs = (
            sorted(count for of, features, count in found if (of, features) == (target, kind))
            for kind in ("ali", "gan")
        )
        if not labels or labels != theirs:
            return Claim(says=says, thesis=thesis)
        pairs = [[found[target, kind, count] for kind in ("ali", "gan")] for count in labels]
        means = [[float(np.mean(errors)) for errors in pair] for pair in pairs]
        ali, gan = (", ".join(shown(mean, 1, 100) for mean in of) for of in zip(*means, strict=True))
        told.append(f"{target}, {', '.join(f'{count:,}' for count in labels)} labels: {ali} against {gan} %")
        for pair, (ours, other) in zip(pairs, means, strict=True):
            apart = DEVIATIONS * math.hypot(*(float(np.std(errors, ddof=1)) for errors in pair))
            verdicts.append(UNTOLD if abs(other - ours) <= apart else HOLDS if ours < other else REVERSED)
    verdict = f"{_together(verdicts)} (by {DEVIATIONS:g} deviations over draws of labels; {TRAINED_ONCE})"
    return Claim(says=says, thesis=thesis, ours="; ".join(told), verdict=verdict)


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
    told, verdicts = [], []
    pairs = itertools.product(sorted({one.record.labels for one in made} - {""}), PAIRS_OF_FEW_LABELS.items())
    for target, (kind, (ours, theirs)) in pairs:
        trained = [one for one in made if one.record.labels == target]
        errors, clips = errors_by_labels(trained), min(one.record.dataset.splits.test.clips for one in trained)
        ali, gan = errors.get(ours, {}), errors.get(theirs, {})
        both = sorted(ali.keys() & gan.keys())
        if not both:
            continue
        told.append(
            f"{escape(target)} of {kind}, {', '.join(f'{labels:,}' for labels in both)} labels:"
            f" {', '.join(shown(ali[labels], 1, 100) for labels in both)} % against"
            f" {', '.join(shown(gan[labels], 1, 100) for labels in both)} %"
        )
        verdicts += [_fewer(ali[labels], gan[labels], clips) for labels in both]
    if not verdicts:
        return Claim(says=says, thesis=thesis)
    return Claim(says=says, thesis=thesis, ours="; ".join(told), verdict=_together(verdicts) + ONCE)


def _conditional(made: Sequence[Made]) -> Claim:
    """Whether samples of conditional ALI are what they were told to be, as a second network reads them."""
    says = "Conditional ALI's samples show the attributes that they are told."
    run = best(made, "conditional_ali")
    scores = [seed.test for seed in run.record.seeds] if run else []
    heard = {
        name: [mean_of([getattr(one, kind).get(name) for one in scores]) for kind in ("agreement", "agreement_of_data")]
        for name in (scores[0].agreement if scores else {})
    }
    told, verdicts = [], []
    for name, (samples, true) in heard.items():
        if samples is not None and true is not None:
            told.append(f"{escape(name)} {shown(samples, 2)} against {shown(true, 2)}")
            verdicts.append(HOLDS if samples >= LEAST_HEARD * true else FAILS)
    if not verdicts:
        return Claim(says=says, thesis="")
    verdict = verdicts[0] if len(set(verdicts)) == 1 else f"{HOLDS} in part"
    ours = f"agreement of samples against that of true frames: {', '.join(told)}"
    return Claim(says=says, thesis="", ours=ours, verdict=verdict + (ONCE if len(scores) == 1 else ""))


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
    return [first, _joint_inference_of_points(joint, found["models"])]


def _joint_inference_of_points(says: str, models: Sequence[Mapping[str, Any]]) -> Claim:
    """By all that was measured of reconstructed points: it holds if every measure says so."""
    of = {one["stage"]: one for one in models}
    names = {"ALI": "ali", "learned inverse": "inverse", "post-hoc": "posthoc"}
    if not all(stage in of for stage in names.values()):
        return Claim(says=says, thesis="")
    told, verdicts = [], []
    for measure, what, digits, times, lower in RECONSTRUCTED:
        values = [of[stage][measure] for stage in names.values()]
        numbers = ", ".join(f"{name} {shown(value, digits, times)}" for name, value in zip(names, values, strict=True))
        told.append(f"{what}: {numbers}")
        verdicts.append(_ahead(values, lower))
    verdict = verdicts[0] if len(set(verdicts)) == 1 else DISAGREE
    return Claim(says=says, thesis="", ours="; ".join(told), verdict=verdict + ONCE)

"""What each part of a predictor adds: runs that differ from its row in one setting, and the thesis's own questions.

Such runs lie in `ablations/<name>/`, laid out like those of `predictors/`; what differs is read from their records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.markdown import escape, table
from leaderboard.results.committed import named, shown
from leaderboard.results.predicted import Predicted
from leaderboard.results.words import NOT_MEASURED

ABLATIONS = "ablations"

MODEL, RIVAL = "feature_flow", "cdna"
"""The thesis's model, and the one that moves pixels in the same way."""

QUESTIONS = {
    "grid": "At which grid does the flow work best?",
    "kappa": "How far must features be able to move in a step?",
    "copy_mask": "What does the copy mask add?",
    "recurrent": "What does recurrence add?",
    "conditioned": "What does a flow add that depends on the frame?",
    "latent": "What do latents add?",
    "resample": "What does it add to draw z anew in every step?",
    "closed_steps": "What does the closed loop add?",
    "curriculum": "What does the curriculum add?",
    "adversary": "What does the discriminator add?",
    "inverse": "What does it add to tell the discriminator of the motion (F⁻¹)?",
    "normalisation": "Does incoming normalisation cure the loss of appearance?",
    "groups": "Does a mixture of group motions?",
    "bounded": "What does it add that nothing crosses the border?",
    "norm": "What do norms of single frames add, in place of a batch's?",
}
"""By setting; any other is asked as `What does <setting> do?`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A column.

    Attributes:
        of: its value; None where there is none.
        higher: whether more is better.
    """

    name: str
    of: Callable[[Predicted], float | None]
    digits: int
    higher: bool = False

    def best(self, runs: Sequence[Predicted]) -> Predicted | None:
        """The best of several by this measure, the first of equals; None where one has no value."""
        values = [self.of(one) for one in runs]
        if any(value is None for value in values):
            return None
        ordered = [value if self.higher else -value for value in values if value is not None]
        return runs[ordered.index(max(ordered))]


MEASURES = (
    Measure(name="MSE 10", of=lambda one: one.frame_error("mse", 10), digits=1),
    Measure(name="MSE 22", of=lambda one: one.frame_error("mse", 22), digits=1),
    Measure(name="SSIM 10", of=lambda one: one.frame_error("ssim", 10), digits=3, higher=True),
    Measure(name="off 10", of=lambda one: one.motion("error", 10), digits=1),
    Measure(name="off 22", of=lambda one: one.motion("error", 22), digits=1),
    Measure(name="class %", of=lambda one: _percent(one.motion("class_agreement")), digits=1, higher=True),
)

_JUDGES = ("MSE 10", "off 10", "class %")
"""By which the best value of a setting is told."""


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def section(made: Sequence[Predicted], ablations: Sequence[Predicted]) -> list[str]:
    """The thesis's questions, and one table for each run that has been varied."""
    parts = ["## One factor at a time"]
    varied = [(base, changed) for base in made if (changed := variants(base, ablations, made))]
    tables = [_table(named(base, made), base, changed) for base, changed in varied]
    several = len({base.record.model for base, _ in varied}) < len(varied)
    answers = [
        f"{line} ({named(base, made)})" if several else line
        for base, changed in varied
        for line in _answers(base, changed)
    ]
    said = [*_feature_against_pixel_space(made), *answers]
    if not said:
        return [*parts, f"{NOT_MEASURED} Runs that differ from a row in one setting will stand in `{ABLATIONS}/`."]
    return [*parts, "\n".join(f"- {line}" for line in said), *tables]


def variants(
    base: Predicted, ablations: Sequence[Predicted], made: Sequence[Predicted] = ()
) -> list[tuple[dict[str, Any], Predicted]]:
    """Runs of the same model on the same clips, each with the settings in which it differs from the base.

    Args:
        base: a row.
        ablations: runs, of which those are taken that differ from the base in something.
        made: all rows; a run is a variant of the one that it differs from in the fewest settings, the first of equals.
    """

    def place(name: str) -> tuple[int, str]:
        return (order.index(name) if name in order else len(order), name)

    order = list(QUESTIONS)
    same = (one for one in ablations if _comparable(base, one))
    found = [
        (changed, one) for one in same if (changed := _differing(base, one)) and _nearest(one, made or [base]) is base
    ]
    return sorted(found, key=lambda pair: [place(name) for name in pair[0]])


def _comparable(one: Predicted, other: Predicted) -> bool:
    return one.record.model == other.record.model and _on_the_same_clips(one, other)


def _nearest(one: Predicted, made: Sequence[Predicted]) -> Predicted:
    return min((row for row in made if _comparable(row, one)), key=lambda row: len(_differing(row, one)))


def _on_the_same_clips(one: Predicted, other: Predicted) -> bool:
    first, second = one.record.dataset.splits, other.record.dataset.splits
    fingerprints = [(splits.train.fingerprint, splits.test.fingerprint) for splits in (first, second)]
    return one.record.view == other.record.view and fingerprints[0] == fingerprints[1]


def _differing(base: Predicted, one: Predicted) -> dict[str, Any]:
    before, after = base.settings, one.settings
    return {name: after.get(name) for name in {**after, **before} if after.get(name) != before.get(name)}


def _said(value: Any) -> str:
    """Of a setting; one that a record does not have had no other value when that was written."""
    return "not set" if value is None else str(value)


def _feature_against_pixel_space(made: Sequence[Predicted]) -> list[str]:
    """Feature flow beside CDNA, on the same clips."""
    said = []
    for ours in (one for one in made if one.record.model == MODEL):
        for theirs in (one for one in made if one.record.model == RIVAL):
            if not _on_the_same_clips(ours, theirs):
                continue
            ahead = [measure for measure in MEASURES if measure.best([theirs, ours]) is ours]
            both = ", ".join(
                f"{measure.name} {shown(measure.of(ours), measure.digits)} and"
                f" {shown(measure.of(theirs), measure.digits)}"
                for measure in MEASURES
            )
            sizes = [f"{one.record.parameters / 1e6:.2f} M" for one in (ours, theirs)]
            said.append(
                f"**Does feature space beat pixel space?** {named(ours, made)} ({sizes[0]} parameters) and"
                f" {named(theirs, made)} ({sizes[1]}): {both}."
                f" Feature flow is ahead in {len(ahead)} of {len(MEASURES)}."
            )
    return said


def _answers(base: Predicted, changed: Sequence[tuple[dict[str, Any], Predicted]]) -> list[str]:
    """To each question, which value is the best by what."""
    said = []
    for name in dict.fromkeys(name for settings, _ in changed if len(settings) == 1 for name in settings):
        runs = [base, *(one for settings, one in changed if list(settings) == [name])]
        values = {id(one): escape(_said(one.settings.get(name))) for one in runs}
        told = []
        for measure in (one for one in MEASURES if one.name in _JUDGES):
            best = measure.best(runs)
            if best is not None:
                numbers = ", ".join(f"{values[id(one)]} ({shown(measure.of(one), measure.digits)})" for one in runs)
                told.append(f"by {measure.name} **{values[id(best)]}** of {numbers}")
        question = QUESTIONS.get(name, f"What does {name} do?")
        said.append(
            f"**{escape(question)}** `{name}`, best {'; '.join(told)}." if told else f"**{escape(question)}** –"
        )
    return said


def _table(name: str, base: Predicted, changed: Sequence[tuple[dict[str, Any], Predicted]]) -> str:
    """The row itself, by its name in the page, then what differs from it."""
    headings = [name, *(measure.name for measure in MEASURES), "parameters", "seeds"]
    lines = []
    for settings, one in [({}, base), *changed]:
        what = ", ".join(f"{name}={_said(value)}" for name, value in settings.items()) or "its row above"
        numbers = [shown(measure.of(one), measure.digits) for measure in MEASURES]
        lines.append([escape(what), *numbers, f"{one.record.parameters / 1e6:.2f} M", str(len(one.record.seeds))])
    return table(headings, [False, *[True] * (len(headings) - 1)], lines)

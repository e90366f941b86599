"""What each part of a predictor adds: runs that differ from its row in one setting, and the thesis's own questions.

Such runs lie in `ablations/<name>/`, laid out like those of `predictors/`; what differs is read from their records.
Some questions can only be asked of a model that has what they are about, and that no row is: they are answered by
ablations that differ from one another in one setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.markdown import escape, table
from leaderboard.results.committed import named
from leaderboard.results.measures import MEASURES
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


_JUDGES = ("MSE 10", "off 10", "class %", "Fréchet", "came back %")
"""By which the best value of a setting is told."""

TOGETHER = {"grid": "width"}
"""Settings that may be varied with another one, which keeps the number of parameters alike."""

_Changed = list[tuple[dict[str, Any], Predicted]]
"""Runs, each with the settings in which it differs from another."""

SAME_SIZE = 1.1
"""Times as many parameters as another model of the same size may have."""


def section(made: Sequence[Predicted], ablations: Sequence[Predicted]) -> list[str]:
    """The thesis's questions, and one table for each run that has been varied."""
    parts = ["## One factor at a time"]
    rows = [(base, changed) for base in made if (changed := variants(base, ablations, made))]
    varied = [*rows, *between(ablations, made)]
    several = len({base.record.model for base, _ in rows}) < len(varied)
    answers = [
        f"{line} ({_title(base, made)})" if several else line
        for base, changed in varied
        for line in _answers(base, changed)
    ]
    said = [*_feature_against_pixel_space(made), *answers]
    if not said:
        return [*parts, f"{NOT_MEASURED} Runs that differ from a row in one setting will stand in `{ABLATIONS}/`."]
    tables = [
        _table(_title(base, made), "its row above" if base in made else "itself", base, changed)
        for base, changed in varied
    ]
    return [*parts, "\n".join(f"- {line}" for line in said), *tables]


def variants(base: Predicted, ablations: Sequence[Predicted], made: Sequence[Predicted] = ()) -> _Changed:
    """Runs of the same model on the same clips, each with the settings in which it differs from the base.

    Args:
        base: a row.
        ablations: runs, of which those are taken that differ from the base in something.
        made: all rows; a run is a variant of the one that it differs from in the fewest settings, the first of equals.
    """
    same = (one for one in ablations if _comparable(base, one))
    return _in_order(
        [(changed, one) for one in same if (changed := _differing(base, one)) and _nearest(one, made or [base]) is base]
    )


def between(ablations: Sequence[Predicted], made: Sequence[Predicted]) -> list[tuple[Predicted, _Changed]]:
    """Ablations that stand in for a row, each with those that differ from it in one setting.

    Runs that are alike but for one setting are one comparison, around the row among them, and where there is none
    around the run that differs from its nearest row in the fewest settings, the first of equals.

    Args:
        ablations: runs.
        made: all rows.
    """

    def distance(one: Predicted) -> int:
        return min((len(_differing(row, one)) for row in made if _comparable(row, one)), default=0)

    ordered, found = sorted(ablations, key=distance), []
    for i, base in enumerate(ordered):
        before = [one for one in (*made, *ordered[:i]) if _comparable(one, base)]
        told = {name for one in before if len(names := _differing(one, base)) == 1 for name in names}
        changed = [
            (settings, one)
            for one in ordered[i + 1 :]
            if _comparable(base, one) and len(settings := _differing(base, one)) == 1 and not told & settings.keys()
        ]
        if changed:
            found.append((base, _in_order(changed)))
    return found


def _in_order(found: _Changed) -> _Changed:
    """By the order of the questions."""
    order = list(QUESTIONS)

    def place(name: str) -> tuple[int, str]:
        return (order.index(name) if name in order else len(order), name)

    return sorted(found, key=lambda pair: [place(name) for name in pair[0]])


def _title(one: Predicted, made: Sequence[Predicted]) -> str:
    """A row's name in the page; that of another run is its nearest row's, with what differs."""
    if one in made:
        return named(one, made)
    if not any(_comparable(row, one) for row in made):
        return escape(one.name)
    row = _nearest(one, made)
    return f"{named(row, made)} with {escape(_settings(_differing(row, one)))}"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_said(value)}" for name, value in settings.items())


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
            numbers = ", ".join(
                f"{measure.name} {measure.shown(ours)} and {measure.shown(theirs)}" for measure in MEASURES
            )
            sizes = [f"{one.record.parameters / 1e6:.2f} M" for one in (ours, theirs)]
            said.append(
                f"**Does feature space beat pixel space?** {named(ours, made)} ({sizes[0]} parameters) and"
                f" {named(theirs, made)} ({sizes[1]}){_unlike(ours, theirs)}: {numbers}. {_ahead(ours, theirs)}"
            )
    return said


def _unlike(one: Predicted, other: Predicted) -> str:
    """How far their sizes are apart, if they are."""
    less, more = sorted(run.record.parameters for run in (one, other))
    return f"; the larger has {more / less:.1f} times the parameters" if less and more > SAME_SIZE * less else ""


def _ahead(ours: Predicted, theirs: Predicted) -> str:
    """By how many of all measures feature flow is ahead, and by which it is not."""
    judged = [measure for measure in MEASURES if measure.best([theirs, ours]) is not None]
    ahead = [measure for measure in judged if measure.best([theirs, ours]) is ours]
    behind = [measure.name for measure in judged if measure.best([ours, theirs]) is theirs]
    level = [measure.name for measure in judged if measure not in ahead and measure.name not in behind]
    others = [f"{word} in {', '.join(names)}" for word, names in (("behind", behind), ("level", level)) if names]
    return f"{'; '.join([f'Feature flow is ahead in {len(ahead)} of {len(judged)}', *others])}."


def _answers(base: Predicted, changed: _Changed) -> list[str]:
    """To each question, which value is the best by what."""
    said = []
    for names in dict.fromkeys(tuple(settings) for settings, _ in changed):
        first, *others = sorted(names, key=lambda name: name not in TOGETHER)
        if others and others != [TOGETHER.get(first)]:
            continue
        runs = [base, *(one for settings, one in changed if settings.keys() == set(names))]
        values = {id(one): _value(one, [first, *others]) for one in runs}
        told = []
        for measure in (one for one in MEASURES if one.name in _JUDGES):
            best = measure.best(runs)
            if best is not None:
                numbers = ", ".join(f"{values[id(one)]} ({measure.shown(one)})" for one in runs)
                told.append(f"by {measure.name} **{values[id(best)]}** of {numbers}")
        question = f"**{escape(QUESTIONS.get(first, f'What does {first} do?'))}**"
        what = f"`{first}`" + "".join(f" and `{name}`, which is varied to match the size" for name in others)
        said.append(f"{question} {what}, best {'; '.join(told)}." if told else f"{question} –")
    return said


def _value(one: Predicted, names: Sequence[str]) -> str:
    """A setting's; of two, both, and the number of parameters."""
    values = [escape(_said(one.settings.get(name))) for name in names]
    if len(names) == 1:
        return values[0]
    both = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
    return f"{both}, {one.record.parameters / 1e6:.2f} M parameters"


def _table(name: str, itself: str, base: Predicted, changed: _Changed) -> str:
    """The run itself, by its name in the page, then what differs from it."""
    headings = [name, *(measure.name for measure in MEASURES), "parameters", "seeds"]
    lines = []
    for settings, one in [({}, base), *changed]:
        numbers = [measure.shown(one) for measure in MEASURES]
        size = f"{one.record.parameters / 1e6:.2f} M"
        lines.append([escape(_settings(settings)) or itself, *numbers, size, str(len(one.record.seeds))])
    return table(headings, [False, *[True] * (len(headings) - 1)], lines)

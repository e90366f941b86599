"""The generators' page: their scores on held-out clips, their pictures, and what each had that others had not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from urllib.parse import quote

from benchmark.generation import record
from benchmark.generation.record import Record, Scores
from leaderboard.markdown import escape, table
from leaderboard.results.committed import Committed, mean_of, named, read_committed, shown
from leaderboard.results.words import NOT_MEASURED

GENERATORS = "generators"

PICTURES = {
    "samples": "samples",
    "epochs": "the same draws after every epoch, from the first at the top to the last",
    "reconstructions": "held-out ones, each with its reconstruction at its right (below it, if it is a strip)",
    "interpolations": "from one held-out one to another, by way of their latents",
    "varied": "one attribute varied a row, all else equal",
    "curves": "by epoch, what chose it, and what the discriminator, if there is one, holds to be real",
}
"""By the first part of their files' names, what they show."""

TWO_MODES = (
    "of train it is a mean over training steps, of valid and samples that of the network in evaluation, so that these"
    " curves do not show whether it overfits"
)
"""Of curves that were drawn before all three were of the discriminator in play."""

LABELS_ALONE = ", labels alone"
"""What a model's name is followed by where its discriminator learnt without clips that have no label."""

LEGEND = (
    "**Fréchet**: squared Fréchet distance in the features of a network trained on our own data, and in brackets that"
    " of as many true ones of train, which a perfect generator would reach. **precision**, **recall**, **density**,"
    " **coverage**: nearest neighbours in the same features, one of each held-out clip. **PSNR**: of reconstructions,"
    " in decibels; **features apart**: how far their features lie from the original's, over the distance of two"
    " held-out ones. **nats**: at least the negative log-likelihood of one. Means over seeds."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Made(Committed[Record]):
    """A committed run of a generator."""

    def mean(self, score: str) -> float | None:
        """Of a score, over seeds; None where the model has none."""
        return mean_of([getattr(seed.test, score) for seed in self.record.seeds])

    def reconstruction(self, score: str) -> float | None:
        """The same, of reconstructions."""
        return mean_of([getattr(seed.test.reconstruction, score, None) for seed in self.record.seeds])

    @property
    def minutes(self) -> float:
        """Of a seed."""
        return fmean(seed.wall_time_s for seed in self.record.seeds) / 60


def read_generators(root: Path) -> list[Made]:
    """Every committed run of a generator, of the board at `root`, by name.

    Raises:
        RecordError: a record is malformed or contradicts itself.
        OSError: a file cannot be read.
    """
    return read_committed(root / GENERATORS, Made, record.read)


def boards(made: Sequence[Made]) -> list[str]:
    """A table for each kind of sample, those of models that learn labels apart, and pictures below each."""
    parts = []
    for rows in by_kind(made):
        parts += [f"## {escape(title(rows[0].record))}", _about(rows[0].record), _board(rows, made)]
        for one in rows:
            parts += [f"### {named(one, made)}", *_pictures(one)]
    return parts or [NOT_MEASURED]


def by_kind(made: Sequence[Made]) -> list[list[Made]]:
    """Runs whose scores compare, those of models that learn labels apart, the least Fréchet distance first."""

    def kind(one: Made) -> tuple[bool, bool, int, int, str, str]:
        seen, data = one.record.view, one.record.dataset
        return bool(one.record.labels), seen.form == "clips", seen.image_size, seen.frames, data.release, data.size

    groups = groupby(sorted(made, key=kind), key=kind)
    return [sorted(group, key=lambda one: one.mean("frechet") or 0.0) for _, group in groups]


def title(made: Record) -> str:
    """What a generator made, and of which data, as text."""
    size, seen = made.view.image_size, made.view
    what = f"Frames of {size}×{size}" if seen.form == "frames" else f"Clips of {seen.frames}×{size}×{size}"
    few = f", few labels of {made.labels}" if made.labels else ""
    return f"{what}, {made.dataset.release}, {made.dataset.size}{few}"


def _about(made: Record) -> str:
    scores, splits = made.seeds[0].test, made.dataset.splits
    return (
        f"{scores.samples:,} samples against as many held-out {made.view.form} of {splits.test.clips:,} clips"
        f" (fingerprint `{splits.test.fingerprint[:12]}`); learnt from {splits.train.clips:,} clips. Features:"
        f" `{escape(made.features.name)}`, `{made.features.sha256[:12]}`. Least Fréchet distance first."
    )


def _board(rows: Sequence[Made], made: Sequence[Made]) -> str:
    failing = any(one.mean("failed") is not None for one in rows)
    headings = ["model", "Fréchet", "precision", "recall", "density", "coverage", "PSNR", "features apart", "nats"]
    headings += ["failed %"] if failing else []
    headings += ["parameters", "epochs", "minutes", "device", "seeds"]
    lines = []
    for one in rows:
        record_ = one.record
        floor = one.mean("frechet_of_train")
        line = [f"[{named(one, made)}]({quote(one.name)}/)", f"{shown(one.mean('frechet'), 1)} ({shown(floor, 1)})"]
        line += [shown(one.mean(score), 2) for score in ("precision", "recall", "density", "coverage")]
        line += [shown(one.reconstruction("psnr"), 1), shown(one.reconstruction("feature_distance"), 2)]
        line.append(shown(one.mean("nats"), 0))
        line += [shown(one.mean("failed"), 1, 100)] if failing else []
        line += [f"{record_.parameters / 1e6:.2f} M", str(record_.config.training["epochs"]), f"{one.minutes:.0f}"]
        lines.append([*line, escape(record_.environment.device), str(len(record_.seeds))])
    return table(headings, [False, *[True] * (len(headings) - 3), False, True], lines)


def pictures_of(one: Made) -> list[tuple[str, str]]:
    """What the first seed's pictures show, as `PICTURES` names it, and their files."""
    seed = one.record.seeds[0].seed
    files = [(name, f"{name}.png" if name == "curves" else f"{name}-seed{seed}.png") for name in PICTURES]
    return [(name, file) for name, file in files if file in one.pictures]


def shows(one: Made, name: str) -> str:
    """What a picture of a run shows, given its name in `PICTURES`."""
    rows = [row for seed in one.record.seeds for row in seed.history]
    if name != "curves" or any(record.VALID_IN_PLAY in row for row in rows):
        return PICTURES[name]
    return f"{PICTURES[name]}; {TWO_MODES}" if any("valid_judged_real" in row for row in rows) else PICTURES[name]


def _pictures(one: Made) -> list[str]:
    """All of the first seed, each with what it shows."""
    shown_ = [(shows(one, name), file) for name, file in pictures_of(one)]
    return [f"{what.capitalize()}:\n\n![{escape(what)}]({quote(one.name)}/{file})" for what, file in shown_]


def agreement(made: Sequence[Made]) -> list[str]:
    """What a second network reads off samples of conditional models, beside what it reads off true ones."""
    told = [one for one in made if one.record.attributes]
    if not told:
        return [NOT_MEASURED]
    parts = []
    for one in told:
        scores = [seed.test for seed in one.record.seeds]
        rows = [
            [escape(name), *(shown(_agreed(scores, kind, name), 2) for kind in ("agreement", "agreement_of_data"))]
            for name in scores[0].agreement
        ]
        parts += [f"{named(one, made)}:", table(["attribute", "samples", "true ones"], [False, True, True], rows)]
    return parts


def _agreed(scores: Sequence[Scores], kind: str, name: str) -> float | None:
    return mean_of([getattr(one, kind).get(name) for one in scores])


def few_labels(made: Sequence[Made]) -> list[str]:
    """Errors of models of K + 1 classes, by how many labels they were given: a table for each attribute."""
    parts = []
    for attribute in sorted({one.record.labels for one in made if one.record.labels}):
        found = errors_by_labels([one for one in made if one.record.labels == attribute])
        rows = [
            [f"{labels:,}", *(shown(found[model].get(labels), 1, 100) for model in sorted(found))]
            for labels in sorted({labels for one in found.values() for labels in one})
        ]
        headings = [f"labels of {escape(attribute)}", *(f"{escape(model)}, error %" for model in sorted(found))]
        parts.append(table(headings, [True] * len(headings), rows))
    return parts or [NOT_MEASURED]


def errors_by_labels(made: Sequence[Made]) -> Mapping[str, dict[int, float]]:
    """Of models that learn from few labels: by model and number of labels, the mean error on test.

    A model that learnt from labels alone, its discriminator without a game, stands apart from the same with one.
    """
    found: dict[str, dict[int, float]] = {}
    for one in made:
        settings = one.record.config.model
        error, labels = one.mean("error"), settings.get("labels")
        if error is not None and isinstance(labels, int):
            name = one.record.model + (LABELS_ALONE if settings.get("unlabelled", 1) == 0 else "")
            found.setdefault(name, {})[labels] = error
    return found

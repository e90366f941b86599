"""The generators' page: their scores on held-out clips, their pictures, and what each had that others had not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol
from urllib.parse import quote

from benchmark.generation import record
from benchmark.generation.record import Record, Scores
from leaderboard.entries import RECORD_FILE
from leaderboard.markdown import escape, table
from leaderboard.results.words import NOT_MEASURED

GENERATORS = "generators"

PICTURES = {
    "samples": "samples",
    "reconstructions": "held-out ones, each with its reconstruction at its right (below it, if it is a strip)",
    "interpolations": "from one held-out one to another, by way of their latents",
    "varied": "one attribute varied a row, all else equal",
    "curves": "by epoch, what the discriminator holds to be real",
}
"""By the first part of their files' names, what they show."""

LEGEND = (
    "**Fréchet**: squared Fréchet distance in the features of a network trained on our own data, and in brackets that"
    " of as many true ones of train, which a perfect generator would reach. **precision**, **recall**, **density**,"
    " **coverage**: nearest neighbours in the same features, one of each held-out clip. **PSNR**: of reconstructions,"
    " in decibels; **features apart**: how far their features lie from the original's, over the distance of two"
    " held-out ones. **nats**: at least the negative log-likelihood of one. Means over seeds."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A committed run of a generator: the name of its folder, its record, and which pictures lie beside that."""

    name: str
    record: Record
    pictures: tuple[str, ...]

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

    @property
    def settings(self) -> dict[str, Any]:
        """The model's own and those of its training."""
        return {**self.record.config.model, **self.record.config.training}


def mean_of(values: Sequence[float | None]) -> float | None:
    """None where one is missing."""
    there = [value for value in values if value is not None]
    return fmean(there) if there and len(there) == len(values) else None


def read_generators(root: Path) -> list[Made]:
    """Every committed run of a generator, of the board at `root`, by name.

    Raises:
        RecordError: a record is malformed or contradicts itself.
        OSError: a file cannot be read.
    """
    return [
        Made(
            name=path.parent.name,
            record=record.read(path),
            pictures=tuple(sorted(one.name for one in path.parent.glob("*.png"))),
        )
        for path in sorted((root / GENERATORS).glob(f"*/{RECORD_FILE}"))
    ]


def boards(made: Sequence[Made]) -> list[str]:
    """A table for each kind of sample, those of models that learn labels apart, and pictures below each."""

    def kind(one: Made) -> tuple[Any, ...]:
        seen = one.record.view
        return bool(one.record.labels), seen.form == "clips", seen.image_size, seen.frames, one.record.dataset.size

    parts = []
    for _, group in groupby(sorted(made, key=kind), key=kind):
        rows = sorted(group, key=lambda one: one.mean("frechet") or 0.0)
        parts += [f"## {title(rows[0].record)}", _about(rows[0].record), _board(rows, made)]
        for one in rows:
            parts += [f"### {named(one, made)}", *_pictures(one)]
    return parts or [NOT_MEASURED]


def title(made: Record) -> str:
    """What a generator made, and of which data."""
    size, seen = made.view.image_size, made.view
    what = f"Frames of {size}×{size}" if seen.form == "frames" else f"Clips of {seen.frames}×{size}×{size}"
    few = f", few labels of {made.labels}" if made.labels else ""
    return escape(f"{what}, {made.dataset.release}, {made.dataset.size}{few}")


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


def shown(value: float | None, digits: int, times: float = 1) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value * times:,.{digits}f}".replace("-", "−")


class Run(Protocol):
    """A committed run of either task."""

    @property
    def record(self) -> Any:
        """What it says of itself."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """The model's own and those of its training."""
        ...


def named(one: Run, made: Sequence[Run]) -> str:
    """A model's name, with the settings by which its runs of this kind of sample differ."""
    same = [
        other
        for other in made
        if other.record.model == one.record.model and other.record.view.form == one.record.view.form
    ]
    kept = {name: value for name, value in one.settings.items() if _differs(name, same)}
    said = ", ".join(f"{name} {value}" for name, value in kept.items())
    return escape(one.record.model + (f" ({said})" if said else ""))


def _differs(name: str, made: Sequence[Run]) -> bool:
    return len({str(one.settings.get(name)) for one in made}) > 1


def _pictures(one: Made) -> list[str]:
    """All of the first seed, each with what it shows."""
    seed = one.record.seeds[0].seed
    found = []
    for name, what in PICTURES.items():
        file = f"{name}.png" if name == "curves" else f"{name}-seed{seed}.png"
        if file in one.pictures:
            found.append(f"{what.capitalize()}:\n\n![{escape(what)}]({quote(one.name)}/{file})")
    return found


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
    """Errors of models of K + 1 classes, by how many labels they were given."""
    learnt = [one for one in made if one.record.labels]
    if not learnt:
        return [NOT_MEASURED]
    models = sorted({one.record.model for one in learnt})
    found = errors_by_labels(learnt)
    rows = [
        [f"{labels:,}", *(shown(found[model].get(labels), 1, 100) for model in models)]
        for labels in sorted({labels for one in found.values() for labels in one})
    ]
    headings = [f"labels of {escape(learnt[0].record.labels)}", *(f"{escape(model)}, error %" for model in models)]
    return [table(headings, [True] * len(headings), rows)]


def errors_by_labels(made: Sequence[Made]) -> Mapping[str, dict[int, float]]:
    """Of models that learn from few labels: by model and number of labels, the mean error on test."""
    found: dict[str, dict[int, float]] = {}
    for one in made:
        error, labels = one.mean("error"), one.record.config.model.get("labels")
        if error is not None and isinstance(labels, int):
            found.setdefault(one.record.model, {})[labels] = error
    return found

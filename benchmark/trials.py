"""The table of tuning: every trial of every model, a line each, so that all can see what was tried."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from benchmark.errors import RecordError
from dynamics_gen.files import write_whole

TUNED = ("learning_rate", "weight_decay", "label_smoothing")
"""Settings of the recipe that are drawn; the others stay the model's."""

_RESULTS = ("precision", "chosen_epoch", "valid_error", "seconds", "device", "commit")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One training: what it was, and how it did on valid.

    Attributes:
        config: the model's own settings, as JSON.
        train: fingerprint of the split, as is `valid`.
        seed: of the draw, of the weights and of the order of clips.
        trial: number of the draw.
        chosen_epoch: the best on valid; 0 if the loss was not finite.
        valid_error: there; none if the loss was not finite.
    """

    model: str
    release: str
    size: str
    seed: int
    trial: int
    epochs: int
    batch_size: int
    optimiser: str
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    warmup: float
    gradient_clip: float
    augment: bool
    config: str
    train: str
    valid: str
    precision: str
    chosen_epoch: int = 0
    valid_error: float | None = None
    seconds: float = 0.0
    device: str = ""
    commit: str = ""

    def is_of(self, other: Trial) -> bool:
        """Whether both are the same trial, whatever came of it."""
        names = [f.name for f in dataclasses.fields(self) if f.name not in _RESULTS]
        return all(getattr(self, name) == getattr(other, name) for name in names)


def read(path: Path) -> list[Trial]:
    """Every trial of a table, in its order; none where there is no table.

    Raises:
        RecordError: a line is not a trial.
        OSError: the file cannot be read.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if header != _columns():
            raise RecordError(f"{path}: the columns are {', '.join(header)}: expected {', '.join(_columns())}")
        return [_parsed(row, f"{path}, line {rows.line_num}") for row in rows]


def append(trial: Trial, path: Path) -> None:
    """Adds a line, and the header before the first.

    Raises:
        OSError: the file cannot be written.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _line(_columns()))
    values = dataclasses.asdict(trial).values()
    with path.open("ab", buffering=0) as file:
        file.write(_line(["" if value is None else value for value in values]))  # at once: others may be adding too
        os.fsync(file.fileno())


def best(trials: Iterable[Trial]) -> Trial | None:
    """The one with the fewest errors on valid, the first of equals."""
    finite = [trial for trial in trials if trial.valid_error is not None]
    return min(finite, key=lambda trial: trial.valid_error or 0.0, default=None)


def literal(trial: Trial, own: Mapping[str, Mapping[str, Any]]) -> str:
    """A model's `TRAINING` with a trial's settings for every size, as the line of its file.

    Args:
        trial: its drawn settings are taken.
        own: what the file says now.
    """
    drawn = {name: getattr(trial, name) for name in TUNED}
    sizes = {
        size: {name: value for name, value in settings.items() if name not in drawn}
        for size, settings in own.items()
        if size != "*"
    }
    merged = {"*": {**own.get("*", {}), **drawn}, **{size: rest for size, rest in sizes.items() if rest}}
    return f"TRAINING = {merged!r}".replace("'", '"')


def _columns() -> list[str]:
    return [f.name for f in dataclasses.fields(Trial)]


def _line(values: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _parsed(row: list[str], where: str) -> Trial:
    if len(row) != len(_columns()):
        raise RecordError(f"{where}: {len(row)} cells: expected {len(_columns())}; remove the line, to try it again")
    hints, values = get_type_hints(Trial), {}
    for name, text in zip(_columns(), row, strict=True):
        kind = hints[name]
        try:
            if kind is bool:
                values[name] = {"True": True, "False": False}[text]
            elif kind in (int, float, str):
                values[name] = kind(text)
            else:
                values[name] = float(text) if text else None
        except (ValueError, KeyError):
            raise RecordError(f"{where}: {name} is {text!r}: expected a value like those of other lines") from None
    return Trial(**values)

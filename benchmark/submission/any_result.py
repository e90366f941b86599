"""A result of any task: `result.json` says of which it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

from benchmark.record_file import parse_checked, write_checked
from benchmark.schema import decode
from benchmark.submission import result
from benchmark.submission.files import read_plain_text
from benchmark.submission.frames_result import (
    Bounds,
    GenerationResult,
    PredictionResult,
    check_generation,
    check_prediction,
)
from benchmark.submission.result import LARGEST_BYTES, Result
from benchmark.submission.views import GENERATION, PREDICTION

AnyResult: TypeAlias = Result | PredictionResult | GenerationResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Headline:
    """The number that a board ranks by; less is better."""

    name: str
    values: tuple[float, ...]
    """Of each seed."""
    mean: float
    interval: Bounds | None
    """95 %."""


def headline(made: AnyResult) -> Headline:
    """What a result comes to."""
    if isinstance(made, Result):
        values, name = tuple(one.scores.error for one in made.seeds), "test error"
        interval: Bounds | None = Bounds(low=made.error_interval.low, high=made.error_interval.high)
    else:
        values, interval = made.values, made.interval
        name = "mean squared error" if isinstance(made, PredictionResult) else "Fréchet distance"
    return Headline(name=name, values=values, mean=fmean(values), interval=interval)


def read(path: Path) -> AnyResult:
    """Reads the result at `path`.

    Raises:
        RecordError: it is not as the format of its task has it, or contradicts itself.
        OSError: it cannot be read.
    """
    text, where = read_plain_text(path, LARGEST_BYTES), str(path)
    document = decode(text, where)
    task = document.get("task") if isinstance(document, dict) else None
    if task == PREDICTION:
        return parse_checked(PredictionResult, text, where, check_prediction)
    if task == GENERATION:
        return parse_checked(GenerationResult, text, where, check_generation)
    return result.read(path)


def write(made: AnyResult, path: Path) -> None:
    """Checks a result as `read` would and writes it, whole or not at all.

    Raises:
        RecordError: it would be refused when read; nothing is written.
        OSError: it cannot be written.
    """
    if isinstance(made, PredictionResult):
        write_checked(made, path, check_prediction)
    elif isinstance(made, GenerationResult):
        write_checked(made, path, check_generation)
    else:
        result.write(made, path)

"""Committed runs that have a folder of their own beside the board: a record, and the pictures that lie beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Generic, Protocol, TypeVar

from benchmark.generation.record import View
from benchmark.recipe import whole
from benchmark.record import Settings
from leaderboard.entries import RECORD_FILE
from leaderboard.markdown import escape


class Recorded(Protocol):
    """What records of generators and of predictors both say."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def view(self) -> View:
        """What it sees of a clip."""
        ...

    @property
    def config(self) -> Settings:
        """The resolved configuration."""
        ...


R = TypeVar("R", bound=Recorded)


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed(Generic[R]):
    """A run: the name of its folder, its record, and which pictures lie beside that."""

    name: str
    record: R
    pictures: tuple[str, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """The model's own and those of its training."""
        return {**self.record.config.model, **whole(self.record.config.training)}


C = TypeVar("C", bound=Committed[Any])


def read_committed(folder: Path, kind: type[C], read: Callable[[Path], Any]) -> list[C]:
    """Every run below a folder, by name.

    Args:
        folder: holds a folder for each run.
        kind: what is made of each.
        read: reads a record.

    Raises:
        RecordError: a record is malformed or contradicts itself.
        OSError: a file cannot be read.
    """
    return [read_run(path, path.parent.name, kind, read) for path in sorted(folder.glob(f"*/{RECORD_FILE}"))]


def read_run(path: Path, name: str, kind: type[C], read: Callable[[Path], Any]) -> C:
    """The run whose record is at `path`; raises as `read_committed`."""
    pictures = tuple(sorted(one.name for one in path.parent.iterdir() if one.suffix in (".png", ".gif")))
    return kind(name=name, record=read(path), pictures=pictures)


def named(one: Committed[Any], made: Sequence[Committed[Any]]) -> str:
    """A model's name, with the settings by which its runs of this kind of sample differ."""
    same = [
        other
        for other in made
        if other.record.model == one.record.model and other.record.view.form == one.record.view.form
    ]
    kept = {name: value for name, value in one.settings.items() if _differs(name, same)}
    said = ", ".join(f"{name} {value}" for name, value in kept.items())
    return escape(one.record.model + (f" ({said})" if said else ""))


def _differs(name: str, made: Sequence[Committed[Any]]) -> bool:
    return len({str(one.settings.get(name)) for one in made}) > 1


def mean_of(values: Sequence[float | None]) -> float | None:
    """None where one is missing."""
    there = [value for value in values if value is not None]
    return fmean(there) if there and len(there) == len(values) else None


def shown(value: float | None, digits: int, times: float = 1) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value * times:,.{digits}f}".replace("-", "−")

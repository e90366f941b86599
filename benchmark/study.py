"""A `bench run` of a study: an experiment of its own on data of its own, its findings written as one JSON file."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmark import machine, stages, study_record
from benchmark.checkpoint import first_difference, refuse_change
from benchmark.errors import TrainingError
from benchmark.plan import Options, Plan
from benchmark.study_record import STUDY_VERSION, Study, StudySeed
from dynamics_gen.files import write_whole


def run_study(planned: Plan, options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Runs a study for every seed, each in `seed-N` of the run's folder, where it keeps what it needs to go on.

    Args:
        planned: the study and its settings.
        options: what the user asked for.
        say: told, a line at a time, what happens.

    Returns:
        what `study.json` holds: settings, findings by seed, environment.

    Raises:
        DynamicsError: whatever a user can cause; see the text.
        OSError: a folder is missing, unwritable or full.
    """
    folder, description = planned.folder, planned.model.description
    with stages.started(planned, options, say):
        settings = stages.plain(planned.settings)
        there = _there(planned, settings, options.seeds)
        if there is not None:
            say(f"{folder.study} is finished: nothing to do")
            return there
        found = []
        for seed in range(options.seeds):
            working = folder.path / f"seed-{seed}"
            working.mkdir(exist_ok=True)
            with _timed(working / "seconds.json") as seconds:
                findings = planned.model.module.study(planned.config, seed, working, planned.device, say)
            found.append(StudySeed(seed=seed, findings=stages.plain(findings), seconds=seconds()))
        made = Study(
            study_version=STUDY_VERSION,
            study=description.name,
            source=description.source,
            config=settings,
            seeds=tuple(found),
            environment=machine.environment(planned.hardware, planned.training.precision),
        )
        return stages.plain(dataclasses.asdict(study_record.write(made, folder.study)))


@contextlib.contextmanager
def _timed(path: Path) -> Iterator[Callable[[], float]]:
    """Tells how many seconds were spent within it, by processes that stopped here too: the file keeps them."""
    before = float(json.loads(path.read_text("utf-8"))) if path.exists() else 0.0
    start = time.monotonic()

    def seconds() -> float:
        return round(before + time.monotonic() - start, 1)

    try:
        yield seconds
    finally:
        write_whole(path, f"{seconds()}\n".encode())


class KeptRows:
    """What a study has found so far, a row at a time, in a file that is written anew, whole, with each of them.

    Args:
        path: of the file.
        settings: of the study; rows of others are refused.
        grows: name of the setting that says which rows are wanted; rows of another choice stay good.

    Raises:
        TrainingError: the file is of other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any], grows: str = "") -> None:
        self._path, self._settings = path, stages.plain(settings)
        self._settings.pop(grows, None)
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            kept = json.loads(path.read_text("utf-8"))
            kept["settings"].pop(grows, None)
            refuse_change(path.parent, kept["settings"], self._settings)
            self.rows = kept["rows"]

    def add(self, row: dict[str, Any]) -> None:
        """Keeps one more."""
        self.rows.append(stages.plain(row))
        content = {"settings": self._settings, "rows": self.rows}
        write_whole(self._path, (json.dumps(content, indent=1) + "\n").encode())


def _there(planned: Plan, settings: dict[str, Any], seeds: int) -> dict[str, Any] | None:
    """The finished study, if it is of these settings and has as many seeds."""
    if not planned.folder.study.exists():
        return None
    there = stages.plain(dataclasses.asdict(study_record.read(planned.folder.study)))
    grows = getattr(planned.model.module, "GROWS", "")
    grown = bool(grows) and _is_part(there["config"][grows], settings[grows])
    if grown:
        there["config"][grows] = settings[grows]
    difference = first_difference(there["config"], settings)
    if difference is not None:
        name, before, now = difference
        raise TrainingError(
            f"{planned.folder.study} is of {name} = {before}, and now {name} is {now}: "
            "start again with --overwrite, or keep both with another --runs folder"
        )
    return there if len(there["seeds"]) >= seeds and not grown else None


def _is_part(before: list[str], now: list[str]) -> bool:
    """Whether what is asked for now, all if nothing is named, holds what was before, and more."""
    return bool(before) and (not now or set(before) < set(now))

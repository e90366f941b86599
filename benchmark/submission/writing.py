"""Writes an entry's folder, whole or not at all, once all that it says is in order."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import RecordError
from benchmark.record import predictions_name
from benchmark.schema import build, dump
from benchmark.submission import frames, said
from benchmark.submission.frames import Frames
from benchmark.submission.problems import every_problem
from benchmark.submission.said import Said
from benchmark.submission.schema import (
    FILE,
    SUBMISSION_VERSION,
    About,
    EvaluationSplit,
    SeedFile,
    Submission,
    parse,
)
from benchmark.submission.views import View
from dynamics_gen.files import write_whole

FIELDS = tuple(one.name for one in dataclasses.fields(About))
UNLESS_TOLD = {"description": "", "paper": None, "code": None, "extra_data": "", "flops_per_clip": None}
"""What need not be said; everything else of `About` must."""
_MOST_TOLD = 20


def write_entry(
    task: str,
    view: View | None,
    seeds: Mapping[int, Said | Frames],
    test: EvaluationSplit,
    told: Mapping[str, Any],
    entries: Path,
) -> Path:
    """Makes `<group>/<entry>` below `entries`, and returns it.

    Args:
        task: one of `views.TASKS`.
        view: of its frames, if it has any.
        seeds: what each seed says or made.
        test: the split that it answers for.
        told: fields of `About`; those of `UNLESS_TOLD` may be missing.
        entries: folder of all entries.

    Raises:
        RecordError: a field is missing or not as it must be, or the folder is there.
        OSError: a file cannot be written.
    """
    about = {**UNLESS_TOLD, **told}
    if missing := [name for name in FIELDS if name not in about]:
        raise RecordError(f"nothing says the {', '.join(missing)}: give it as options, or in a file with --about")
    refuse(every_problem(About, about, "about the entry"))
    described = build(About, about, "about the entry")
    folder = entries / described.group / described.entry
    if folder.exists() or folder.is_symlink():
        raise RecordError(f"{folder} is there already: choose another --entry, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{described.entry}.", dir=folder.parent))
    try:
        files = []
        for number, one in seeds.items():
            path = temporary / predictions_name(number)
            sha256 = said.write(one, path) if isinstance(one, Said) else frames.write(one, path)
            files.append(SeedFile(seed=number, predictions=path.name, sha256=sha256))
        made = Submission(
            submission_version=SUBMISSION_VERSION,
            task=task,
            view=view,
            about=described,
            test=test,
            seeds=tuple(files),
        )
        text = dump(made)
        refuse(parse(text, str(folder / FILE))[1])
        write_whole(temporary / FILE, text.encode("utf-8"))
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def seed_numbers(files: Sequence[Path]) -> list[int]:
    """The numbers that the files' names end with, as `mine-seed3.npz`; 0, 1, … where not each has one of its own."""
    named = [re.search(r"seed-?(\d{1,9})$", path.stem) for path in files]
    numbers = [int(one[1]) for one in named if one]
    return numbers if len(set(numbers)) == len(files) else list(range(len(files)))


def refuse(problems: Sequence[str]) -> None:
    """Raises all of them as one sentence.

    Raises:
        RecordError: there are any.
    """
    if problems:
        raise RecordError("; ".join(problems[:_MOST_TOLD]))

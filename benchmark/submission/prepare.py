"""Makes an entry's folder: from a run of `bench run`, or from anybody's arrays, whatever made them."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmark import predictions, record
from benchmark.errors import RecordError
from benchmark.schema import build, decode, dump
from benchmark.submission import said
from benchmark.submission.files import read_plain_text
from benchmark.submission.problems import every_problem
from benchmark.submission.said import TYPES, Said
from benchmark.submission.schema import (
    FILE,
    LARGEST_BYTES,
    SUBMISSION_VERSION,
    About,
    EvaluationSplit,
    SeedFile,
    Submission,
    parse,
)
from benchmark.submission.split import OpenedSplit
from dynamics_gen.classes import CLASSES
from dynamics_gen.files import write_whole

FIELDS = tuple(one.name for one in dataclasses.fields(About))
UNLESS_TOLD = {"description": "", "paper": None, "code": None, "extra_data": "", "flops_per_clip": None}
"""What need not be said; everything else of `About` must."""
_MOST_TOLD = 20
_DAMAGED = (zipfile.BadZipFile, zlib.error)


def read_about(path: Path) -> dict[str, Any]:
    """Reads fields of `About` from a JSON file; some may be missing.

    Raises:
        RecordError: it is no such file, or a field is unknown, repeated or not as it must be.
        OSError: it cannot be read.
    """
    document = decode(read_plain_text(path.resolve(), LARGEST_BYTES), str(path))
    found = [one for one in every_problem(About, document, str(path)) if not one.endswith(" is missing")]
    _refuse(found)
    return dict(document)


def prepare_run(run: Path, told: Mapping[str, Any], entries: Path) -> Path:
    """Makes an entry of a finished run of a classifier: its record says what `told` does not.

    Args:
        run: folder with record.json.
        told: fields of `About`.
        entries: folder that gets `<group>/<entry>`.

    Returns:
        the folder of the entry.

    Raises:
        RecordError: the run is not in order, a field is missing or not as it must be, or the folder is there.
        OSError: a file cannot be read or written.
    """
    path = run / "record.json"
    if (task := record.task_of(path)) != "classification":
        raise RecordError(f"{path}: task is {task}: expected classification, of which there is a board")
    made = record.read(path)
    known: dict[str, Any] = {
        "entry": f"{made.model}-{made.dataset.size}",
        "method": made.model,
        "description": made.source,
        "input": made.input,
        "parameters": made.parameters,
        "flops_per_clip": made.flops_per_clip,
        "hardware": made.environment.device,
        "training_hours": round(fmean(seed.wall_time_s for seed in made.seeds) / 3600, 4),
    }
    if made.tags.extra_data:
        known["extra_data"] = made.tags.note or None
    seeds = {}
    for seed in made.seeds:
        read = predictions.read(run / seed.predictions, seed.predictions_sha256)
        seeds[seed.seed] = Said(clip_id=read.clip_id, probabilities=read.probabilities)
    split = made.dataset.splits.test
    test = EvaluationSplit(
        release=made.dataset.release, size=made.dataset.size, clips=split.clips, fingerprint=split.fingerprint
    )
    return _write(seeds, test, {**UNLESS_TOLD, **known, **told}, entries)


def prepare_files(files: Sequence[Path], split: OpenedSplit, told: Mapping[str, Any], entries: Path) -> Path:
    """Makes an entry of files of predictions, one a seed: `.csv` or `.npz` with `clip_id` and `probabilities`.

    Ids may be text or bytes and probabilities floats of any width; other arrays are left out. Seeds are the numbers
    that the files' names end with, as `mine-seed3.npz`, or else 0, 1, … in the order given.

    Raises:
        RecordError: as `prepare_run`; predictions are not of the split's clips, or no distributions.
        OSError: a file cannot be read or written.
    """
    read = {path: read_arrays(path) for path in files}
    _refuse([one for path, found in read.items() for one in said.problems(found, str(path), split.clip_id)])
    named = [re.search(r"seed-?(\d{1,9})$", path.stem) for path in files]
    numbers = [int(one[1]) for one in named if one]
    if len(set(numbers)) < len(files):
        numbers = list(range(len(files)))
    seeds = {number: read[path] for number, path in zip(numbers, files, strict=True)}
    return _write(seeds, split.test, {**UNLESS_TOLD, **told}, entries)


def read_arrays(path: Path) -> Said:
    """Reads predictions that somebody made for themselves; nothing is unpickled.

    Raises:
        RecordError: it is no such file.
        OSError: it cannot be read.
    """
    if path.suffix == ".csv":
        return said.read(path.resolve())[0]
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in TYPES if name in archive}
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file: expected a .npz or .csv of predictions") from None
    except (ValueError, TypeError, AttributeError, EOFError, OSError, RuntimeError, *_DAMAGED) as error:
        raise RecordError(f"{path}: not a readable .npz of plain arrays ({error})") from None
    if missing := [name for name in TYPES if name not in arrays]:
        raise RecordError(f"{path}: has no array {missing[0]}: expected {' and '.join(TYPES)}")
    ids, rows = arrays["clip_id"], arrays["probabilities"]
    if ids.dtype.kind == "U":
        try:
            ids = np.char.encode(ids, "ascii")
        except UnicodeEncodeError:
            raise RecordError(f"{path}: clip_id is not ASCII: expected ids of the test split") from None
    if ids.dtype.kind != "S" or ids.ndim != 1 or rows.dtype.kind != "f" or rows.shape != (len(ids), len(CLASSES)):
        raise RecordError(
            f"{path}: clip_id is {ids.dtype} {ids.shape} and probabilities {rows.dtype} {rows.shape}: expected text"
            f" [clips] and floats [clips, {len(CLASSES)}]"
        )
    return Said(clip_id=ids, probabilities=rows)


def _write(seeds: Mapping[int, Said], test: EvaluationSplit, about: dict[str, Any], entries: Path) -> Path:
    """Writes the folder, whole or not at all."""
    if missing := [name for name in FIELDS if name not in about]:
        raise RecordError(f"nothing says the {', '.join(missing)}: give it as options, or in a file with --about")
    _refuse(every_problem(About, about, "about the entry"))
    described = build(About, about, "about the entry")
    folder = entries / described.group / described.entry
    if folder.exists() or folder.is_symlink():
        raise RecordError(f"{folder} is there already: choose another --entry, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{described.entry}.", dir=folder.parent))
    try:
        files = []
        for number, one in seeds.items():
            name = record.predictions_name(number)
            sha256 = said.write(one, temporary / name)
            files.append(SeedFile(seed=number, predictions=name, sha256=sha256))
        made = Submission(
            submission_version=SUBMISSION_VERSION,
            task="classification",
            about=described,
            test=test,
            seeds=tuple(files),
        )
        text = dump(made)
        _refuse(parse(text, str(folder / FILE))[1])
        write_whole(temporary / FILE, text.encode("utf-8"))
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _refuse(problems: Sequence[str]) -> None:
    """Raises all of them as one sentence.

    Raises:
        RecordError: there are any.
    """
    if problems:
        raise RecordError("; ".join(problems[:_MOST_TOLD]))

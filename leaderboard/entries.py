"""Entries: folders with a record and its predictions, believed only after the scores have been computed anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark import predictions, record
from benchmark.errors import RecordError
from benchmark.predictions import Predictions
from benchmark.record import Record
from leaderboard.errors import BoardError

RECORD_FILE = "record.json"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Entry:
    """A record whose test scores are what its predictions say."""

    group: str
    """Who entered it; empty for a local run."""
    name: str
    record: Record
    clip_id: np.ndarray
    """ASCII bytes [clips], in rising order."""
    label: np.ndarray
    """int64 [clips]."""
    wrong: np.ndarray
    """Whether each seed missed each clip, bool [seeds, clips]."""

    @property
    def local(self) -> bool:
        """Whether it is a run of this machine, which the committed table leaves out."""
        return not self.group


def read_entry(folder: Path, group: str, name: str) -> Entry:
    """Reads a folder and computes its test scores from the predictions.

    Raises:
        RecordError: a file is missing, malformed or altered, or the record's scores are not those of its predictions.
        OSError: a file cannot be read.
    """
    path = folder / RECORD_FILE
    read = record.read(path)
    said_first = None
    wrong = []
    for i, seed in enumerate(read.seeds):
        said = _sorted(predictions.read(folder / seed.predictions, seed.predictions_sha256))
        said_first = said_first or said
        if not _same_clips(said, said_first):
            raise RecordError(f"{folder / seed.predictions}: other clips or labels than the first seed has")
        computed = said.scores(read.dataset.classes)
        if computed.confusion != seed.scores.test.confusion:
            raise RecordError(
                f"{path}: seeds[{i}].scores.test says an error of {seed.scores.test.error:.4f}: expected that of"
                f" {seed.predictions}, {computed.error:.4f}, with the same confusion matrix"
            )
        wrong.append(said.wrong)
    assert said_first is not None  # a record has at least one seed
    return Entry(
        group=group,
        name=name,
        record=read,
        clip_id=said_first.clip_id,
        label=said_first.label,
        wrong=np.stack(wrong),
    )


def read_entries(root: Path) -> list[Entry]:
    """Reads every `entries/<group>/<entry>/` of the board at `root`, in the order of their names.

    Raises:
        BoardError: there is no such board, or two entries disagree about the clips of one test split.
        RecordError: as `read_entry`.
    """
    if not root.is_dir():
        raise BoardError(f"{root}: no such folder: expected the board's; run from the top of a checkout")
    entries = root / "entries"
    folders = sorted(path for path in entries.glob("*/*") if path.is_dir())
    for name in (part for folder in folders for part in (folder.parent.name, folder.name)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
            raise BoardError(f"{entries} has the folder {name!r}: expected at most 64 letters, digits and _ . -")
    return _agreeing([read_entry(folder, folder.parent.name, folder.name) for folder in folders])


def read_runs(runs: Path) -> list[Entry]:
    """Reads every finished run `<runs>/<model>/<release>-<size>/` as a local entry.

    Raises:
        BoardError: there is no such folder.
        RecordError: as `read_entry`.
    """
    if not runs.is_dir():
        raise BoardError(f"{runs}: no such folder: expected the runs of `bench run`")
    folders = sorted(path.parent for path in runs.glob(f"*/*/{RECORD_FILE}"))
    return [read_entry(folder, "", f"{folder.parent.name}/{folder.name}") for folder in folders]


def _agreeing(entries: list[Entry]) -> list[Entry]:
    """Checks that entries scored on one test split speak of the same clips and labels."""
    first: dict[str, Entry] = {}
    for entry in entries:
        known = first.setdefault(entry.record.dataset.splits.test.fingerprint, entry)
        if not _same_clips(known, entry):
            raise BoardError(
                f"entries/{entry.group}/{entry.name}: other test clips or labels than"
                f" entries/{known.group}/{known.name} has, though both name the same fingerprint"
            )
    return entries


def _sorted(said: Predictions) -> Predictions:
    """The same predictions in the order of their clips' ids."""
    order = np.argsort(said.clip_id)
    return Predictions(clip_id=said.clip_id[order], label=said.label[order], probabilities=said.probabilities[order])


def _same_clips(one: Entry | Predictions, other: Entry | Predictions) -> bool:
    return np.array_equal(one.clip_id, other.clip_id) and np.array_equal(one.label, other.label)

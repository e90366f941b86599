"""Entries: folders with a record and its predictions, believed only after the scores have been computed anew.

Folders of predictions that came without a record lie among them, and are read by `submissions`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark import predictions, record, record_file
from benchmark.errors import RecordError
from benchmark.predictions import Predictions
from benchmark.record import Record, Scores, Seed, ShiftedSeed
from benchmark.submission import schema
from leaderboard.errors import BoardError

RECORD_FILE = "record.json"
ENTRIES = "entries"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scored:
    """What every seed said of the same clips."""

    clip_id: np.ndarray
    """ASCII bytes [clips], in rising order."""
    label: np.ndarray
    """int64 [clips]."""
    seeds: tuple[Predictions, ...]
    """Each seed's, in that order of clips."""

    @property
    def wrong(self) -> np.ndarray:
        """Whether each seed missed each clip, bool [seeds, clips]."""
        return np.stack([said.wrong for said in self.seeds])

    def is_of(self, other: Scored) -> bool:
        """Whether both are of the same clips, with the same labels: clip i of one pairs with clip i of the other."""
        return _same_clips(self, other)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Entry:
    """A record whose test scores are what its predictions say."""

    group: str
    """Who entered it; empty for a local run."""
    name: str
    record: Record
    test: Scored
    shifted: dict[str, Scored]
    """By release, in the record's order."""

    @property
    def label(self) -> np.ndarray:
        """Of each test clip, int64 [clips]."""
        return self.test.label

    @property
    def wrong(self) -> np.ndarray:
        """Whether each seed missed each test clip, bool [seeds, clips]."""
        return self.test.wrong

    @property
    def local(self) -> bool:
        """Whether it is a run of this machine, which the committed table leaves out."""
        return not self.group

    @property
    def train_per_class(self) -> int:
        """Clips of each class that were learnt from."""
        return self.record.dataset.splits.train.clips // len(self.record.dataset.classes)


def read_entry(folder: Path, group: str, name: str) -> Entry:
    """Reads a folder and computes its scores on test and on shifted sets from the predictions.

    Raises:
        RecordError: a file is missing, malformed or altered, or the record's scores are not those of its predictions.
        OSError: a file cannot be read.
    """
    path = folder / RECORD_FILE
    read = record.read(path)
    classes = read.dataset.classes
    test = [
        _read_seed(folder, seed, seed.scores.test, classes, f"seeds[{i}].scores.test")
        for i, seed in enumerate(read.seeds)
    ]
    shifted = {
        one.release: [
            _read_seed(folder, seed, seed.scores, classes, f"shifted[{k}].seeds[{i}].scores")
            for i, seed in enumerate(one.seeds)
        ]
        for k, one in enumerate(read.shifted)
    }
    return Entry(
        group=group,
        name=name,
        record=read,
        test=_scored(test, folder, [seed.predictions for seed in read.seeds]),
        shifted={
            one.release: _scored(shifted[one.release], folder, [seed.predictions for seed in one.seeds])
            for one in read.shifted
        },
    )


def _read_seed(
    folder: Path, seed: Seed | ShiftedSeed, scores: Scores, classes: Sequence[str], where: str
) -> Predictions:
    """A seed's predictions in the order of their clips' ids, if they have the scores that the record gives them."""
    said = _sorted(predictions.read(folder / seed.predictions, seed.predictions_sha256))
    computed = said.scores(classes)
    if computed.confusion != scores.confusion:
        raise RecordError(
            f"{folder / RECORD_FILE}: {where} says an error of {scores.error:.4f}: expected that of"
            f" {seed.predictions}, {computed.error:.4f}, with the same confusion matrix"
        )
    return said


def _scored(seeds: Sequence[Predictions], folder: Path, files: Sequence[str]) -> Scored:
    for said, file in zip(seeds, files, strict=True):
        if not _same_clips(said, seeds[0]):
            raise RecordError(f"{folder / file}: other clips or labels than the first seed has")
    return Scored(clip_id=seeds[0].clip_id, label=seeds[0].label, seeds=tuple(seeds))


def folders_in(root: Path, kind: str = ENTRIES) -> list[Path]:
    """Every `entries/<group>/<entry>/` of the board at `root`, in the order of their names.

    Args:
        root: the board's folder.
        kind: `entries`, or another of its folders that is laid out the same way.

    Raises:
        BoardError: there is no such board, or a folder has an odd name.
    """
    if not root.is_dir():
        raise BoardError(f"{root}: no such folder: expected the board's; run from the top of a checkout")
    entries = root / kind
    folders = sorted(path for path in entries.glob("*/*") if path.is_dir())
    for name in (part for folder in folders for part in (folder.parent.name, folder.name)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
            raise BoardError(f"{entries} has the folder {name!r}: expected at most 64 letters, digits and _ . -")
    return folders


def is_submission(folder: Path) -> bool:
    """Whether the folder of an entry is that of predictions alone: it has a submission.json.

    Raises:
        RecordError: it has a record too.
    """
    if not os.path.lexists(folder / schema.FILE):
        return False
    if os.path.lexists(folder / RECORD_FILE):
        raise RecordError(f"{folder}: holds {schema.FILE} and {RECORD_FILE}: expected one of them; move one away")
    return True


def read_entries(root: Path, kind: str = ENTRIES) -> list[Entry]:
    """Reads every entry of the board at `root` that has a record, in the order of their names.

    Args:
        root: the board's folder.
        kind: `entries`, or another of its folders that is laid out the same way, where all have one.

    Raises:
        BoardError: as `folders_in`; or two entries disagree about the clips of one test split.
        RecordError: as `read_entry`; or an entry has a record and a submission.json.
    """
    folders = [folder for folder in folders_in(root, kind) if kind != ENTRIES or not is_submission(folder)]
    return _agreeing([read_entry(folder, folder.parent.name, folder.name) for folder in folders], kind)


def read_runs(runs: Path) -> list[Entry]:
    """Reads every finished run of a classifier, `<runs>/<model>/<release>-<size>/`, as a local entry.

    Raises:
        BoardError: there is no such folder.
        RecordError: as `read_entry`.
    """
    if not runs.is_dir():
        raise BoardError(f"{runs}: no such folder: expected the runs of `bench run`")
    found = [path for path in runs.glob(f"*/*/{RECORD_FILE}") if record_file.task_of(path) == "classification"]
    folders = sorted(path.parent for path in found)
    return [read_entry(folder, "", f"{folder.parent.name}/{folder.name}") for folder in folders]


def _agreeing(entries: list[Entry], kind: str) -> list[Entry]:
    """Checks that entries scored on one test split speak of the same clips and labels."""
    first: dict[str, tuple[Entry, Scored]] = {}
    for entry in entries:
        sets = {entry.record.dataset.splits.test.fingerprint: entry.test}
        sets |= {one.split.fingerprint: entry.shifted[one.release] for one in entry.record.shifted}
        for fingerprint, scored in sets.items():
            known, like = first.setdefault(fingerprint, (entry, scored))
            if not scored.is_of(like):
                raise BoardError(
                    f"{kind}/{entry.group}/{entry.name}: other test clips or labels than"
                    f" {kind}/{known.group}/{known.name} has, though both name the same fingerprint"
                )
    return entries


def _sorted(said: Predictions) -> Predictions:
    """The same predictions in the order of their clips' ids."""
    order = np.argsort(said.clip_id)
    return Predictions(clip_id=said.clip_id[order], label=said.label[order], probabilities=said.probabilities[order])


def _same_clips(one: Scored | Predictions, other: Scored | Predictions) -> bool:
    return np.array_equal(one.clip_id, other.clip_id) and np.array_equal(one.label, other.label)

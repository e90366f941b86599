"""The test split that an entry answers for: its name, its clips, and their labels if it has any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import dynamics_gen
from benchmark.errors import RecordError
from benchmark.submission.schema import EvaluationSplit
from benchmark.submission.views import PREDICTION, predicted
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import SECRET, SIZES


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OpenedSplit:
    """What a folder of clips says; of a hidden test set, its published folder, where the ids are all there is."""

    folder: Path
    test: EvaluationSplit
    clip_id: np.ndarray
    """Bytes (S) [clips], in rising order."""
    labels: np.ndarray | None
    """int64 [clips], in that order; None if they are hidden."""
    video_shape: tuple[int, int, int, int] | None = None
    """(T, H, W, 3) of a clip, where it is known."""

    def ids_of(self, task: str) -> np.ndarray:
        """The clips that an entry of a task answers for, in rising order; of prediction, labels say which."""
        if task != PREDICTION or self.labels is None:
            return self.clip_id
        return self.clip_id[predicted(self.labels)]


def open_split(folder: Path) -> OpenedSplit:
    """Opens the split in `folder`, or in its `test`.

    Raises:
        RecordError: it is of other classes, or the private folder of a hidden test set.
        ShardError: there is no finished split, or it is damaged.
        OSError: it cannot be read.
    """
    if not (folder / "manifest.json").is_file() and (folder / "test").is_dir():
        folder = folder / "test"
    split = dynamics_gen.open(folder)
    manifest = split.manifest
    told = "label" in split.columns
    if manifest.classes != CLASSES:
        raise RecordError(f"{folder} has other classes than Dynamics: expected a test split of dynamics-gen")
    if manifest.split != "test":
        raise RecordError(f"{folder} is the split {manifest.split}: expected test, on which entries are scored")
    if told and manifest.seed == SECRET:
        raise RecordError(f"{folder} is the private folder of a hidden test set: expected the published one")
    ids = split.column("clip_id")
    order = np.argsort(ids)
    sizes = {counts["test"] * len(CLASSES): name for name, counts in SIZES.items()}
    test = EvaluationSplit(
        release=manifest.release,
        size=sizes.get(manifest.clips, "own"),
        clips=manifest.clips,
        fingerprint=manifest.fingerprint,
    )
    return OpenedSplit(
        folder=folder,
        test=test,
        clip_id=ids[order],
        labels=split.labels[order] if told else None,
        video_shape=split.video_shape,
    )

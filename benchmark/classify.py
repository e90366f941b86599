"""What a finished run says of clips whose labels nobody tells it, such as those of a hidden test set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import dynamics_gen
from benchmark import machine, record, record_file
from benchmark.chosen import judge_of, read_choices, window_starts
from benchmark.data import ClipDataset
from benchmark.folder import RunFolder
from benchmark.recorded import plan_of
from benchmark.submission import said
from benchmark.submission.said import Said
from dynamics_gen.errors import ConfigError

TOLD_BY_FRAMES_NOT = {"flow_exact": "position", "rgb+flow_exact": "position", "trajectory": "position"}
"""Inputs that only the simulator knows, and a column that every simulated split has unless its truth is hidden."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What the user asked for.

    Attributes:
        clips: the split's folder, with labels or without; labels are not looked at.
        data: holds the datasets' folders, for train and valid of a model that is fitted.
        device: where the network computes.
        workers: processes that make missing flow, or read clips for a model that is fitted; as many as there are cores
            unless given.
        model: the model's file, where no model of the package has its name.
    """

    clips: Path
    data: Path = Path("data")
    device: str = "auto"
    workers: int | None = None
    model: Path | None = None


class Unlabelled:
    """A split whose labels are all said to be 0, so that what asks for labels gets some, and nobody gets any."""

    def __init__(self, split: Any) -> None:
        self._split = split
        self.directory: Path = split.directory
        self.manifest: Any = split.manifest
        self.clip_ids: list[str] = split.clip_ids
        self.video_shape: tuple[int, int, int, int] = split.video_shape
        self.columns: tuple[str, ...] = tuple(name for name in split.columns if name not in ("label", "path", "speed"))
        self.labels = np.zeros(len(split), np.int64)

    def __len__(self) -> int:
        return len(self._split)

    def read_videos(self, indices: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Frames of some clips, uint8 [clips, T, H, W, 3], into `out` where it is given."""
        return self._split.read_videos(indices, out)

    def column(self, name: str) -> np.ndarray:
        """One of `columns` over all clips.

        Raises:
            KeyError: there is no such column.
        """
        if name not in self.columns:
            raise KeyError(f"no column {name!r}: there are {', '.join(self.columns)}")
        return self._split.column(name)


def classify_run(run: Path, wishes: Wishes, say: Callable[[str], None]) -> dict[int, Said]:
    """Class probabilities of every clip of a split, by each seed's chosen weights; by seed, in the record's order.

    Args:
        run: the run's folder.
        wishes: what the user asked for.
        say: told, a line at a time, what happens.

    Raises:
        DynamicsError: whatever a user can cause; see the text.
        OSError: a file cannot be read or written.
    """
    folder = RunFolder(run)
    record_file.require_classifier(folder.record)
    read = record.read(folder.record)
    split = Unlabelled(dynamics_gen.open(wishes.clips))
    _check(read, split)
    planned = plan_of(read, folder, machine.choose_device(wishes.device), wishes.model, read.input)
    judge = judge_of(read, planned, read_choices(read, planned), wishes.data, wishes.workers, say)
    answers = zip(read.seeds, judge(split), strict=True)
    return {seed.seed: Said(clip_id=one.clip_id, probabilities=one.probabilities) for seed, one in answers}


def write_answers(answers: dict[int, Said], out: Path) -> list[Path]:
    """Writes `predictions-seed0.npz` … as `bench submit prepare --predictions` takes them, each whole or not at all.

    Raises:
        ConfigError: `refuse_earlier` would refuse the folder.
        OSError: it cannot be written.
    """
    refuse_earlier(out)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed, one in answers.items():
        paths.append(out / record.predictions_name(seed))
        said.write(one, paths[-1])
    return paths


def refuse_earlier(out: Path) -> None:
    """Refuses a folder in which there are predictions already, as there are in that of a run.

    Raises:
        ConfigError: there are.
    """
    if earlier := sorted(path.name for path in out.glob("predictions-*")):
        raise ConfigError(f"{out} has {earlier[0]} already: choose another folder with --out")


def _check(read: record.Record, split: ClipDataset) -> None:
    """Refuses clips of which the run cannot say anything."""
    trained, found = read.dataset, split.video_shape
    if split.manifest.classes != trained.classes:
        raise ConfigError(f"{split.directory} has other classes than {read.model} was trained on: expected the same")
    if found[1:3] != (trained.image_size, trained.image_size):
        raise ConfigError(
            f"{split.directory} has frames of {found[2]}×{found[1]} pixels: expected {trained.image_size}, as "
            f"{read.model} was trained on"
        )
    window_starts(found[0], trained.frames)
    columns = split.columns  # type: ignore[attr-defined]
    if (needed := TOLD_BY_FRAMES_NOT.get(read.input)) is not None and needed not in columns:
        raise ConfigError(
            f"{read.model} was trained on {read.input}, which only the simulator knows, and {split.directory} tells "
            "frames alone: take a run on frames, or on flow_farneback"
        )

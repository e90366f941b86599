"""Random access to the clips of a split. Needs neither PyBullet nor torch."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Int64, UInt8

from dynamics_gen.errors import ShardError, UnknownNameError
from dynamics_gen.layout import ANNOTATION_KINDS, ANNOTATIONS_FOLDER, VIDEO
from dynamics_gen.manifest import Manifest, read_manifest
from dynamics_gen.split_files import SplitFiles


class ClipDataset:
    """The clips of one split, by number: a map-style dataset for any framework.

    It may be pickled, forked and shared by the workers of a DataLoader: each process opens a shard when it first
    reads from it. What is read is held against checksums.

    Args:
        directory: a folder that `dynamics-gen` made, with its manifest.
        annotations: ground truth to give with each clip, of `mask`, `depth` and `flow`, if the split has it.

    Attributes:
        directory: that folder.
        manifest: what the split is.
        clip_ids: name of each clip.

    Raises:
        ShardError: there is no finished split, or it is damaged or of an unknown version; the same for every method
            that reads.
    """

    def __init__(self, directory: str | os.PathLike[str], annotations: Sequence[str] = ()) -> None:
        self.directory = Path(directory)
        self.manifest: Manifest = read_manifest(self.directory)
        self._files = SplitFiles(self.directory, self.manifest)
        self._truth = self._open_annotations(annotations)
        self._factors = {name: self.column(name) for name in ("label", "path", "speed") if name in self.columns}
        self.clip_ids: list[str] = [name.decode("ascii") for name in self.column("clip_id").tolist()]

    def __repr__(self) -> str:
        return f"ClipDataset({str(self.directory)!r}): {len(self):,} clips of {self.manifest.release}"

    def __len__(self) -> int:
        return self.manifest.clips

    @property
    def labels(self) -> Int64[np.ndarray, " clips"]:
        """Class of each clip."""
        return self._factor("label")

    @property
    def paths(self) -> Int64[np.ndarray, " clips"]:
        """First factor of each clip's class."""
        return self._factor("path")

    @property
    def speeds(self) -> Int64[np.ndarray, " clips"]:
        """Second factor of each clip's class."""
        return self._factor("speed")

    def _factor(self, name: str) -> Int64[np.ndarray, " clips"]:
        if name not in self._factors:
            raise ShardError(f"{self.directory} has no column {name!r}: a hidden test set is published without labels")
        return self._factors[name]

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        """One clip: `video` (uint8, [T, H, W, 3]), `label`, `path`, `speed` (unless hidden) and `clip_id`.

        And what was asked for of its ground truth: `mask` (uint8, [T, H, W]), `depth` (float32, [T, H, W]),
        `forward_flow` and `backward_flow` (float32, [T, H, W, 2]), `forward_occluded` and `backward_occluded` (uint8,
        [T, H, W]); see `annotations.GroundTruth`.

        Raises:
            IndexError: there is no such clip; negative numbers count from the end.
        """
        clip = self._number(index)
        file, within = self._files.locate(clip)
        return {
            "video": file.video(within),
            **{name: int(values[clip]) for name, values in self._factors.items()},
            "clip_id": self.clip_ids[clip],
            **self._annotations(clip),
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[clip] for clip in range(len(self)))

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """Shape of one clip's video: (T, H, W, 3)."""
        return self.manifest.video_shape

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that `column` knows: all that is stored for each clip but its video."""
        return tuple(name for name in self.manifest.columns if name != VIDEO)

    def column(self, name: str) -> np.ndarray:
        """One column over all clips, such as `position` or `parameters/radius`: [N, ...].

        Raises:
            KeyError: there is no such column.
        """
        if name not in self.columns:
            raise KeyError(f"no column {name!r}: there are {', '.join(self.columns)}")
        return self._files.column(name)

    def read_videos(
        self,
        indices: slice | Sequence[int] | np.ndarray,
        out: UInt8[np.ndarray, "n time height width 3"] | None = None,
    ) -> UInt8[np.ndarray, "n time height width 3"]:
        """Decodes many clips, in the order asked for.

        Args:
            indices: a slice, or numbers of clips (negative ones count from the end).
            out: where to put them: C-contiguous; made if not given.

        Raises:
            IndexError: there is no such clip.
            ValueError: `out` has another shape, type or layout.
        """
        if isinstance(indices, slice):
            clips: Sequence[int] = range(*indices.indices(len(self)))
        else:
            clips = [self._number(index) for index in indices]
        shape = (len(clips), *self.video_shape)
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
            raise ValueError(f"out is {out.dtype} {out.shape}: expected C-contiguous uint8 {shape}")
        begin = 0
        while begin < len(clips):
            file, within = self._files.locate(clips[begin])
            end = begin + 1
            while end < len(clips) and clips[end] == clips[end - 1] + 1 and within + end - begin < len(file):
                end += 1
            file.read_videos(within, out[begin:end])
            begin = end
        return out

    def close(self) -> None:
        """Closes every open file; reading opens them again."""
        for files in (self._files, *(files for files, _ in self._truth)):
            files.close()

    def _number(self, index: SupportsIndex) -> int:
        clip = operator.index(index)
        if not -len(self) <= clip < len(self):
            raise IndexError(f"clip {clip} is out of range: {self.directory} has {len(self)} clips")
        return clip % len(self)

    def _annotations(self, clip: int) -> dict[str, np.ndarray]:
        """The ground truth of a clip that was asked for."""
        arrays = {}
        for files, names in self._truth:
            file, within = files.locate(clip)
            arrays |= {name: file.large(name, within) for name in names}
        return arrays

    def _open_annotations(self, kinds: Sequence[str]) -> list[tuple[SplitFiles, list[str]]]:
        """The files of the ground truth, and the columns to read from them; an empty list if none is asked for."""
        for kind in kinds:
            if kind not in ANNOTATION_KINDS:
                raise UnknownNameError("annotation", kind, tuple(ANNOTATION_KINDS))
        if not kinds:
            return []
        folder = self.directory / ANNOTATIONS_FOLDER
        missing = f"run `dynamics-gen annotate {self.directory} --annotations {','.join(kinds)}`"
        if not folder.is_dir():
            raise ShardError(f"{self.directory} has no annotations: {missing}")
        files = SplitFiles(folder, read_manifest(folder))
        names = [name for kind in kinds for name in ANNOTATION_KINDS[kind]]
        if lacking := [name for name in names if name not in files.manifest.columns]:
            raise ShardError(f"{folder} has no {', '.join(lacking)}: delete it, then {missing}")
        if files.manifest.clips != len(self) or files.column("clip_id").tolist() != self.column("clip_id").tolist():
            raise ShardError(
                f"{folder} annotates other clips than those of {self.directory}: delete it, then {missing}"
            )
        return [(files, names)]

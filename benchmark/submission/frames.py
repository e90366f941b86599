"""What one seed sends of predicted or generated frames: `.npz` or HDF5, with frames as bytes.

Of prediction `clip_id` (ASCII bytes, S) [clips] and `frames` (uint8) [clips, time, height, width, 3], in any order of
clips; of generation `frames` alone. Nothing is unpickled; sizes are looked at before anything is unpacked, so that no
file takes more memory than a few times `LARGEST_BYTES`, whatever it holds; HDF5 is read by a process of its own.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.errors import RecordError
from benchmark.submission import archive, hdf5
from benchmark.submission.files import read_plain
from benchmark.submission.said import LONGEST_ID, id_problems
from benchmark.submission.views import CLIPS_A_CLASS, PREDICTION, SAMPLES, VIEWS, View
from dynamics_gen.classes import CLASSES
from dynamics_gen.files import write_whole

LARGEST_BYTES = 16 * 2**20
"""Of a file, and of its arrays unpacked: room for the largest view and a little more."""

TYPES = {"clip_id": "S", "frames": "u1"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frames:
    """Frames of one seed, as they were sent: `problems` says whether they are of the clips they should be of."""

    clip_id: np.ndarray | None
    """Bytes (S) [clips]; None of samples, which are of no clip."""
    frames: np.ndarray
    """uint8 [clips, time, height, width, 3]."""

    @property
    def view(self) -> View:
        """What the array's shape says."""
        return View(frames=self.frames.shape[1], image_size=self.frames.shape[2])

    def sorted(self) -> Frames:
        """The same in the order of their clips' ids; samples stay as they are."""
        if self.clip_id is None:
            return self
        order = np.argsort(self.clip_id)
        return Frames(clip_id=self.clip_id[order], frames=self.frames[order])


def read(path: Path, task: str, view: View | None = None) -> tuple[Frames, str]:
    """Reads a file of frames, in the form that its name ends with; also gives its SHA-256.

    Args:
        path: the file.
        task: prediction or generation.
        view: which shape it has; any of the task's, unless given.

    Raises:
        RecordError: it is no plain file, too large, damaged, or not as the form has it.
        OSError: it cannot be read.
    """
    content, where = read_plain(path, LARGEST_BYTES), str(path)
    allowed = [shape_of(task, one) for one in VIEWS[task] if view in (None, one)]
    names = tuple(TYPES) if task == PREDICTION else ("frames",)
    if path.suffix == ".h5":
        shapes = {"clip_id": [(None,)], "frames": allowed}
        arrays = hdf5.unpacked(content, where, {name: (TYPES[name], shapes[name]) for name in names}, LARGEST_BYTES)
    else:
        arrays = archive.unpacked(content, where, {name: TYPES[name] for name in names}, LARGEST_BYTES)
    found = Frames(clip_id=arrays.get("clip_id"), frames=arrays["frames"])
    _check_shape(found, allowed, where)
    return found, hashlib.sha256(content).hexdigest()


def write(said: Frames, path: Path) -> str:
    """Writes an `.npz`, whole or not at all, and returns its SHA-256; the same frames give the same bytes.

    Raises:
        OSError: it cannot be written.
    """
    buffer = io.BytesIO()
    seen = np.ascontiguousarray(said.frames)
    if said.clip_id is None:
        np.savez_compressed(buffer, frames=seen)
    else:
        np.savez_compressed(buffer, clip_id=said.clip_id, frames=seen)
    write_whole(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def problems(said: Frames, where: str, expected: np.ndarray | None = None) -> list[str]:
    """Everything that is wrong with frames whose form is right, a sentence each.

    Args:
        said: the frames.
        where: names the file.
        expected: ids of the clips that are predicted, bytes (S); None leaves them uncompared.
    """
    if said.clip_id is None:
        return []
    whole = f"the first {CLIPS_A_CLASS} clips of each class of the test split, in the order of their ids"
    return id_problems(said.clip_id, where, expected, whole)


def shape_of(task: str, view: View) -> tuple[int | None, ...]:
    """The shape of an array of frames; None stands for the number of clips, where it follows from the split."""
    count = None if task == PREDICTION else SAMPLES[view]
    return (count, view.frames, view.image_size, view.image_size, 3)


def in_words(shapes: Sequence[tuple[int | None, ...]]) -> str:
    """Shapes of which one is expected."""
    return ", or ".join(f"[{', '.join('clips' if n is None else str(n) for n in one)}]" for one in shapes)


def _check_shape(found: Frames, allowed: list[tuple[int | None, ...]], where: str) -> None:
    shape, most = found.frames.shape, CLIPS_A_CLASS * len(CLASSES)
    good = any(len(shape) == 5 and shape[1:] == one[1:] and one[0] in (None, shape[0]) for one in allowed)
    if not good:
        raise RecordError(f"{where}: frames has the shape {list(shape)}: expected {in_words(allowed)}")
    if found.clip_id is not None and (found.clip_id.shape != shape[:1] or not 1 <= shape[0] <= most):
        raise RecordError(
            f"{where}: clip_id and frames have the shapes {list(found.clip_id.shape)} and {list(shape)}: expected as"
            f" many ids as clips, 1 to {most}"
        )
    if found.clip_id is not None and found.clip_id.dtype.itemsize > LONGEST_ID:
        raise RecordError(
            f"{where}: clip_id has texts of {found.clip_id.dtype.itemsize:,} bytes: expected at most {LONGEST_ID}"
        )

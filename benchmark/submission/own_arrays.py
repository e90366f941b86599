"""Arrays that somebody made for themselves, in any framework, as what an entry holds; nothing is unpickled."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.errors import RecordError
from benchmark.submission import frames, said
from benchmark.submission.frames import Frames
from benchmark.submission.said import TYPES, Said
from benchmark.submission.split import OpenedSplit
from benchmark.submission.views import PREDICTION, VIEWS
from dynamics_gen.classes import CLASSES

_DAMAGED = (zipfile.BadZipFile, zlib.error)


def read_probabilities(path: Path) -> Said:
    """Reads `.csv`, or `.npz` with `clip_id` (text or bytes) and `probabilities` (floats of any width).

    Raises:
        RecordError: it is no such file.
        OSError: it cannot be read.
    """
    if path.suffix == ".csv":
        return said.read(path.resolve())[0]
    arrays = _loaded(path, tuple(TYPES), "a .npz or .csv of predictions")
    ids, rows = _ascii(arrays["clip_id"], path), arrays["probabilities"]
    if ids.dtype.kind != "S" or ids.ndim != 1 or rows.dtype.kind != "f" or rows.shape != (len(ids), len(CLASSES)):
        raise RecordError(
            f"{path}: clip_id is {ids.dtype} {ids.shape} and probabilities {rows.dtype} {rows.shape}: expected text"
            f" [clips] and floats [clips, {len(CLASSES)}]"
        )
    return Said(clip_id=ids, probabilities=rows)


def read_frames(path: Path, task: str, split: OpenedSplit) -> Frames:
    """Reads `.h5` as an entry has it, or `.npz` with `frames` (uint8) and, of prediction, `clip_id` (text or bytes).

    Clips of the split that entries do not predict are left out.

    Args:
        path: the file.
        task: prediction or generation.
        split: the test split.

    Raises:
        RecordError: it is no such file.
        OSError: it cannot be read.
    """
    if path.suffix == ".h5":
        return frames.read(path.resolve(), task)[0]
    names = tuple(frames.TYPES) if task == PREDICTION else ("frames",)
    arrays = _loaded(path, names, "a .npz or .h5 of frames")
    seen, ids = arrays["frames"], _ascii(arrays["clip_id"], path) if task == PREDICTION else None
    if ids is not None and (ids.dtype.kind != "S" or ids.ndim != 1 or len(ids) != len(np.atleast_1d(seen))):
        raise RecordError(f"{path}: clip_id is {ids.dtype} {ids.shape}: expected text, an id for each clip of frames")
    if ids is not None:
        kept = np.isin(ids, split.ids_of(task)) | ~np.isin(ids, split.clip_id)
        ids, seen = ids[kept], seen[kept]
    shapes = [frames.shape_of(task, view) for view in VIEWS[task]]
    good = seen.ndim == 5 and any(one[1:] == seen.shape[1:] and one[0] in (None, len(seen)) for one in shapes)
    if seen.dtype != np.uint8 or not good:
        raise RecordError(
            f"{path}: frames is {seen.dtype} {list(seen.shape)}: expected uint8 {frames.in_words(shapes)}"
        )
    return Frames(clip_id=ids, frames=seen)


def _loaded(path: Path, names: Sequence[str], expected: str) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in names if name in archive}
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file: expected {expected}") from None
    except (ValueError, TypeError, AttributeError, EOFError, OSError, RuntimeError, *_DAMAGED) as error:
        raise RecordError(f"{path}: not a readable .npz of plain arrays ({error})") from None
    if missing := [name for name in names if name not in arrays]:
        raise RecordError(f"{path}: has no array {missing[0]}: expected {' and '.join(names)}")
    return arrays


def _ascii(ids: np.ndarray, path: Path) -> np.ndarray:
    """Ids as bytes, if they are text."""
    if ids.dtype.kind != "U":
        return ids
    try:
        return np.char.encode(ids, "ascii")
    except UnicodeEncodeError:
        raise RecordError(f"{path}: clip_id is not ASCII: expected ids of the test split") from None

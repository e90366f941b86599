"""A seed's test predictions: one `.npz` a seed, keyed by clip, from which every score is computed anew.

Arrays: `clip_id` (ASCII bytes, S), `label` (int64) and `probabilities` (float32 [clips, classes], rows that sum to 1).
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.errors import RecordError
from benchmark.record import Scores
from dynamics_gen.classes import CLASSES
from dynamics_gen.files import write_whole

TYPES = {"clip_id": "S", "label": "i8", "probabilities": "f4"}
ARRAYS = tuple(TYPES)
LARGEST_BYTES = 512 * 2**20
"""Of a file's arrays, unpacked: room for some five million clips."""
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """What a model said about each clip of a split."""

    clip_id: np.ndarray
    """ASCII bytes (S) [clips], each once."""
    label: np.ndarray
    """The true label, int64 [clips]."""
    probabilities: np.ndarray
    """float32 [clips, classes]."""

    @property
    def wrong(self) -> np.ndarray:
        """Whether the likeliest class (the first, of equals) is another than the true one, bool [clips]."""
        return self.probabilities.argmax(axis=1) != self.label

    def scores(self, classes: Sequence[str] = CLASSES) -> Scores:
        """Computes the scores these predictions have; the record must hold these very numbers.

        Raises:
            RecordError: they are of another number of classes.
        """
        if self.probabilities.shape[1] != len(classes):
            raise RecordError(f"predictions of {self.probabilities.shape[1]} classes: expected {len(classes)}")
        return Scores.from_labels(self.label, self.probabilities.argmax(axis=1), classes)


def make(clip_id: Sequence[str], label: object, probabilities: object, where: str = "predictions") -> Predictions:
    """Checks arrays and brings them to the stored types; score what it returns.

    Raises:
        RecordError: a shape, a value or an id is not as the format has it.
    """
    try:
        ids = np.array([name.encode("ascii") for name in clip_id], dtype=np.bytes_)
    except UnicodeEncodeError as error:
        raise RecordError(f"{where}: clip_id {error.object!r} is not ASCII: expected ids of the manifest") from None
    made = Predictions(
        clip_id=ids,
        label=np.asarray(label).astype(np.int64, casting="safe"),
        probabilities=np.asarray(probabilities, np.float32),
    )
    _check(made, where)
    return made


def write(predictions: Predictions, path: Path) -> str:
    """Writes the file, whole or not at all, and returns its SHA-256, in hexadecimal.

    Raises:
        OSError: the file cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        clip_id=predictions.clip_id,
        label=predictions.label,
        probabilities=predictions.probabilities,
    )
    write_whole(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def read(path: Path, sha256: str | None = None) -> Predictions:
    """Reads the file at `path`; nothing in it is unpickled.

    Raises:
        RecordError: the file is missing, damaged, not of the SHA-256 given, or not as the format has it.
        OSError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file: expected the predictions that the record names") from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        found = hashlib.sha256(content).hexdigest()
        raise RecordError(f"{path}: its SHA-256 is {found[:12]}…: expected {sha256[:12]}…, as the record says")
    predictions = Predictions(**_unpack(content, path))
    _check(predictions, str(path))
    return predictions


def _unpack(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """The arrays of an archive; sizes are looked at before anything is unpacked or allocated."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            names = sorted(member.filename for member in members)
            if names != [f"{name}.npy" for name in ARRAYS]:
                raise RecordError(f"{path}: holds {', '.join(map(repr, names))[:200]}: expected {', '.join(ARRAYS)}")
            if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
                raise RecordError(f"{path}: compressed in an unusual way: expected what numpy.savez writes")
            if sum(member.file_size for member in members) > LARGEST_BYTES:
                raise RecordError(
                    f"{path}: unpacks to more than {LARGEST_BYTES} bytes: expected the test split's clips"
                )
            return {
                name: array_of(archive.read(f"{name}.npy"), f"{path}: {name}", kind) for name, kind in TYPES.items()
            }
    except RecordError:
        raise
    except (ValueError, EOFError, OSError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error) as error:
        raise RecordError(f"{path}: not a readable .npz of plain arrays ({error})") from None


def array_of(content: bytes, where: str, kind: str) -> np.ndarray:
    """The array in a `.npy`, which must be of the type `kind` and exactly as long as its header says.

    Raises:
        RecordError: it is not; nothing is unpickled.
    """
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, column_major, found = header(file)
    except (ValueError, KeyError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError):
        raise RecordError(f"{where} has no readable .npy header: expected what numpy.savez writes") from None
    if found.kind != kind[0] or (kind != "S" and found != np.dtype(kind)):
        raise RecordError(f"{where} has the type {found}: expected {'bytes (S)' if kind == 'S' else np.dtype(kind)}")
    data = file.read()
    if found.itemsize == 0 or min(shape, default=0) < 0 or math.prod(shape) * found.itemsize != len(data):
        raise RecordError(f"{where} has {len(data)} bytes: expected those of the shape {shape} that its header says")
    return np.frombuffer(data, found).reshape(shape, order="F" if column_major else "C")


def _check(predictions: Predictions, where: str) -> None:
    clips = len(predictions.clip_id)
    shapes = {name: getattr(predictions, name).shape for name in ARRAYS}
    classes = shapes["probabilities"][-1] if len(shapes["probabilities"]) == 2 else 0
    if (
        clips == 0
        or classes == 0
        or shapes
        != {
            "clip_id": (clips,),
            "label": (clips,),
            "probabilities": (clips, classes),
        }
    ):
        raise RecordError(f"{where}: arrays of shapes {shapes}: expected [clips], [clips] and [clips, classes]")
    if len(np.unique(predictions.clip_id)) < clips:
        raise RecordError(f"{where}: clip_id holds an id twice: expected every clip once")
    foreign = predictions.label[(predictions.label < 0) | (predictions.label >= classes)]
    if len(foreign):
        raise RecordError(f"{where}: label holds {foreign[0]}: expected 0 to {classes - 1}")
    rows = predictions.probabilities
    good = np.isfinite(rows).all(axis=1) & (rows >= 0).all(axis=1) & (abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise RecordError(f"{where}: probabilities[{row}] is no distribution: expected 0 or more, summing to 1")

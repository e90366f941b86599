"""What one seed says of each clip, as entrants send it: `.npz` or `.csv`, keyed by clip, and without labels.

`.npz`, as `numpy.savez` writes it: `clip_id` (ASCII bytes, S) and `probabilities` (float32 [clips, classes]), each row
summing to 1. `.csv`: the header `clip_id,linear_constant,…` with the classes in label order, then a line a clip of its
id and plain decimal numbers, in ASCII, unquoted. Nothing is unpickled; sizes are looked at before anything is unpacked.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.errors import RecordError
from benchmark.predictions import SUM_TOLERANCE
from benchmark.schema import shown
from benchmark.submission.archive import unpacked
from benchmark.submission.files import read_plain
from benchmark.submission.schema import MOST_CLIPS
from dynamics_gen.classes import CLASSES
from dynamics_gen.files import write_whole

LARGEST_BYTES = 32 * 2**20
"""Of a file of predictions: room for a hundred thousand clips as CSV with all digits."""
LARGEST_UNPACKED = 16 * 2**20
"""Of an .npz's arrays."""
LONGEST_ID = 64
LONGEST_LINE = 1_024

TYPES = {"clip_id": "S", "probabilities": "f4"}
HEADER = ",".join(("clip_id", *CLASSES))

_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NUMBER = re.compile(r"-?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Said:
    """Probabilities by clip, as they were sent: `problems` says whether they are any."""

    clip_id: np.ndarray
    """Bytes (S) [clips]."""
    probabilities: np.ndarray
    """float32, or float64 from a CSV, [clips, classes]."""

    def sorted(self) -> Said:
        """The same in the order of their clips' ids, probabilities as float32."""
        order = np.argsort(self.clip_id)
        return Said(clip_id=self.clip_id[order], probabilities=self.probabilities[order].astype(np.float32))


def read(path: Path) -> tuple[Said, str]:
    """Reads a file of predictions, in the form that its name ends with; also gives its SHA-256.

    Raises:
        RecordError: it is no plain file, too large, damaged, or not as the form has it.
        OSError: it cannot be read.
    """
    content = read_plain(path, LARGEST_BYTES)
    return (_from_csv if path.suffix == ".csv" else _from_npz)(content, str(path)), hashlib.sha256(content).hexdigest()


def write(said: Said, path: Path) -> str:
    """Writes a `.npz`, whole or not at all, and returns its SHA-256; the same predictions give the same bytes.

    Raises:
        OSError: it cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, clip_id=said.clip_id, probabilities=said.probabilities.astype(np.float32))
    write_whole(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def problems(said: Said, where: str, expected: np.ndarray | None = None) -> list[str]:
    """Everything that is wrong with predictions whose form is right, a sentence each.

    Args:
        said: the predictions.
        where: names the file.
        expected: ids of the test split, bytes (S); None leaves them uncompared.
    """
    found = id_problems(said.clip_id, where, expected, "the test split")
    return found + _no_distributions(said, where)


def id_problems(clip_id: np.ndarray, where: str, expected: np.ndarray | None, whole: str) -> list[str]:
    """What is wrong with the ids of clips, a sentence each.

    Args:
        clip_id: bytes (S) [clips].
        where: names the file.
        expected: the ids that there must be, each once; None leaves them uncompared.
        whole: what these are the ids of.
    """
    found = []
    odd = [name for name in clip_id.tolist() if not _ID.fullmatch(name)]
    if odd:
        found.append(
            f"{where}: clip_id holds {_some(odd)}: expected at most {LONGEST_ID} letters, digits and _ . - an id"
        )
    ids, counts = np.unique(clip_id, return_counts=True)
    if (twice := ids[counts > 1]).size:
        found.append(f"{where}: clip_id holds {_some(twice.tolist())} more than once: expected every clip once")
    if expected is not None:
        if (missing := np.setdiff1d(expected, ids)).size:
            found.append(
                f"{where}: {_some(missing.tolist())} of {whole} {'are' if missing.size > 1 else 'is'} missing:"
                f" expected all {len(expected)} clips"
            )
        if (foreign := np.setdiff1d(ids, expected)).size:
            found.append(f"{where}: clip_id holds {_some(foreign.tolist())}, not of {whole}")
    return found


def _no_distributions(said: Said, where: str) -> list[str]:
    with np.errstate(invalid="ignore"):  # signalling NaN
        rows = said.probabilities.astype(np.float64)
    found = []
    inside = np.isfinite(rows) & (rows >= 0) & (rows <= 1 + SUM_TOLERANCE)
    outside = ~inside.all(axis=1)
    sums = np.where(inside, rows, 0).sum(axis=1)
    unequal = ~outside & (abs(sums - 1) > SUM_TOLERANCE)
    if outside.any():
        i = int(outside.argmax())
        value = rows[i][~inside[i]][0]
        found.append(
            f"{where}: probabilities of {_some(said.clip_id[outside].tolist())} are out of range, {value:g} for one:"
            " expected 0 to 1"
        )
    if unequal.any():
        i = int(unequal.argmax())
        found.append(
            f"{where}: probabilities of {_some(said.clip_id[unequal].tolist())} do not sum to 1 but to {sums[i]:g}"
            " for one: expected a distribution for each clip"
        )
    return found


def _some(ids: list[bytes]) -> str:
    """How many, and which is first."""
    first = shown(ids[0].decode("latin-1"))
    return first if len(ids) == 1 else f"{first} and {len(ids) - 1:,} more"


def _from_npz(content: bytes, where: str) -> Said:
    """The arrays of an archive."""
    arrays = unpacked(content, where, TYPES, LARGEST_UNPACKED)
    ids, rows = arrays["clip_id"], arrays["probabilities"]
    if ids.ndim != 1 or rows.shape != (len(ids), len(CLASSES)) or not 1 <= len(ids) <= MOST_CLIPS:
        raise RecordError(
            f"{where}: clip_id and probabilities have the shapes {ids.shape} and {rows.shape}: expected [clips] and"
            f" [clips, {len(CLASSES)}], with 1 to {MOST_CLIPS:,} clips"
        )
    return Said(clip_id=ids, probabilities=rows)


def _from_csv(content: bytes, where: str) -> Said:
    """The table, which is held to be as plain as the form has it, cell by cell."""
    if not content.isascii():
        raise RecordError(f"{where}: not ASCII text: expected ids and decimal numbers")
    lines = io.BytesIO(content)
    header = lines.readline(LONGEST_LINE).decode("ascii").rstrip("\r\n")
    if header != HEADER:
        raise RecordError(f"{where}: its first line is {shown(header)}: expected {HEADER}")
    ids: list[bytes] = []
    rows = np.empty((min(MOST_CLIPS, content.count(b"\n") + 1), len(CLASSES)))
    first, odd, number = "", 0, 1
    while line := lines.readline(LONGEST_LINE):
        number += 1
        name, *cells = line.decode("ascii").rstrip("\r\n").split(",")
        if problem := _line_problem(line, name, cells):
            first, odd = first or f"{where}: line {number} {problem}", odd + 1
            continue
        if len(ids) == MOST_CLIPS:
            raise RecordError(f"{where}: holds more than {MOST_CLIPS:,} clips: expected those of the test split")
        rows[len(ids)] = [float(cell) for cell in cells]
        ids.append(name.encode("ascii"))
    if odd:
        raise RecordError(first if odd == 1 else f"{first}; {odd - 1:,} more lines are wrong")
    if not ids:
        raise RecordError(f"{where}: has no line but the first: expected one a clip")
    return Said(clip_id=np.array(ids, dtype=np.bytes_), probabilities=rows[: len(ids)])


def _line_problem(line: bytes, name: str, cells: list[str]) -> str:
    """What is wrong with a line of a table; empty if nothing is."""
    if len(line) >= LONGEST_LINE:
        return f"is longer than {LONGEST_LINE} bytes"
    if len(cells) != len(CLASSES):
        return f"has {1 + len(cells)} cells: expected {1 + len(CLASSES)}"
    if not _ID.fullmatch(name.encode("ascii")):
        return f"has the clip_id {shown(name)}: expected at most {LONGEST_ID} letters, digits and _ . -"
    odd = next((cell for cell in cells if not _NUMBER.fullmatch(cell)), None)
    return "" if odd is None else f"holds {shown(odd)}: expected a plain decimal number"

"""The arrays of an HDF5 file from anybody.

HDF5 can point out of the file (soft and external links, virtual datasets, external storage), claim absurd sizes, and
unpack to any size; and its library may crash or hang on damaged files. So another process reads it, which has little
memory and time and can open nothing further, and looks at everything before it reads any data (`hdf5_child`). Its death
is one sentence. A file of 12 MiB of compressed frames costs 0.3 seconds of computing, 0.2 of them to start, and 75 MB.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.errors import RecordError
from benchmark.schema import shown

MEMORY = 256 * 2**20
"""Beyond what the libraries take, for the file, its arrays and what unpacks them."""
SECONDS = 10
"""Of computing; and as many more, of waiting."""

_LARGEST_HEAD = 4_096
_CHILD = Path(__file__).with_name("hdf5_child.py")
_ENVIRONMENT = {"HDF5_PLUGIN_PRELOAD": "::", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C"}

Shape = Sequence[int | None]


def unpacked(
    content: bytes, where: str, wanted: Mapping[str, tuple[str, Sequence[Shape]]], largest: int
) -> dict[str, np.ndarray]:
    """The arrays of a file.

    Args:
        content: its bytes.
        where: names the file.
        wanted: which datasets it must hold, and nothing else: by name, `S` or `u1`, and the shapes that are allowed,
            where None stands for any number.
        largest: bytes of all of them, at most.

    Raises:
        RecordError: it is damaged, or not what h5py makes of such arrays.
    """
    arrays = [[name, kind, [list(shape) for shape in shapes]] for name, (kind, shapes) in wanted.items()]
    question = json.dumps({"memory": MEMORY, "seconds": SECONDS, "largest": largest, "arrays": arrays})
    command = [sys.executable, "-I", str(_CHILD), question]
    with tempfile.TemporaryFile() as out:
        try:
            done = subprocess.run(
                command,
                input=content,
                stdout=out,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                timeout=2 * SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RecordError(f"{where}: takes more than {2 * SECONDS} seconds to read: expected an .npz") from None
        out.seek(0)
        answer = out.read(largest + _LARGEST_HEAD) if not done.returncode else b""
    try:
        return _arrays(answer, where)
    except RecordError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RecordError(
            f"{where}: not a readable HDF5 file, reading it took over {MEMORY // 2**20} MiB or {SECONDS} seconds, or"
            " ended abnormally: expected what h5py writes, or an .npz"
        ) from None


def _arrays(answer: bytes, where: str) -> dict[str, np.ndarray]:
    line, _, data = answer.partition(b"\n")
    head = json.loads(line)
    if "problem" in head:
        problem = str(head["problem"])
        raise RecordError(f"{where}: {problem if problem.isprintable() else shown(problem)}")
    arrays, start = {}, 0
    for name, kind, shape in head["arrays"]:
        arrays[name] = np.frombuffer(data, kind, math.prod(shape), start).reshape(shape)
        start += arrays[name].nbytes
    return arrays

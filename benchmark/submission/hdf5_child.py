"""Reads an HDF5 file from a stranger, in a process of its own: started by `hdf5`, which says what it must hold.

From standard input come the bytes of the file; on standard output goes a line of JSON, `{"problem": …}` or
`{"arrays": [[name, type, shape], …]}`, and then the arrays' bytes, one after the other. Before any data are read, the
process gives up all that it does not need: further files, further processes, most memory, most time.

It is run by its path and imports nothing of the project, so that it starts soon.
"""

from __future__ import annotations

import itertools
import json
import math
import resource
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5l, h5o  # type: ignore[attr-defined]  # h5py has no stubs of them

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LARGEST_HEAD = 4_096
"""Bytes of an answer's first line."""
MOST_ATTRIBUTES = 16
"""Of the file and of each dataset; none is read."""
LARGEST_CHUNK = 16 * 2**20
MOST_CHUNKS = 20_000
MOST_PADDED = 4
"""Times a dataset's own bytes that all its chunks may have: they are stored whole, beyond its end."""
LONGEST_STRING = 64
FILTERS = {h5py.h5z.FILTER_DEFLATE: "gzip", h5py.h5z.FILTER_SHUFFLE: "shuffle"}
LAYOUTS = {
    h5py.h5d.COMPACT: "compact",
    h5py.h5d.CONTIGUOUS: "contiguous",
    h5py.h5d.CHUNKED: "chunked",
    h5py.h5d.VIRTUAL: "virtual",
}
LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "an external link"}
TYPES = {
    h5py.h5t.INTEGER: "integers",
    h5py.h5t.FLOAT: "floats",
    h5py.h5t.STRING: "text",
    h5py.h5t.COMPOUND: "compound",
    h5py.h5t.REFERENCE: "references",
    h5py.h5t.ENUM: "an enumeration",
    h5py.h5t.VLEN: "of varying length",
    h5py.h5t.ARRAY: "arrays",
    h5py.h5t.OPAQUE: "opaque",
    h5py.h5t.BITFIELD: "bits",
}


class RefusedError(Exception):
    """The file is not as it must be; the text says how."""


def main() -> None:
    """Answers for the file on standard input; the limits and what it must hold are the one argument, as JSON."""
    wanted = json.loads(sys.argv[1])
    confine(wanted["memory"], wanted["seconds"], wanted["largest"] + LARGEST_HEAD)
    content = sys.stdin.buffer.read()
    try:
        arrays = read(content, {name: (kind, shapes) for name, kind, shapes in wanted["arrays"]}, wanted["largest"])
    except RefusedError as error:
        answer({"problem": str(error)})
    except MemoryError:
        answer({"problem": "needs more memory than its arrays do: expected what h5py writes"})
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, OverflowError, NotImplementedError):
        answer({"problem": "not a readable HDF5 file of plain datasets: expected what h5py writes"})
    else:
        answer({"arrays": [[name, array.dtype.str, array.shape] for name, array in arrays.items()]}, *arrays.values())


def confine(memory: int, seconds: int, written: int) -> None:
    """Gives up files, processes, memory, time and long answers; what the libraries need has been loaded."""
    status = Path("/proc/self/statm")
    used = resource.getpagesize() * int(status.read_text().split()[0]) if status.exists() else 2**32
    for name, limit in (
        ("RLIMIT_AS", used + memory),
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_FSIZE", written),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_NOFILE", 3),
    ):
        resource.setrlimit(getattr(resource, name), (limit, limit))


def answer(head: dict[str, Any], *arrays: Any) -> None:
    """Writes the answer."""
    out = sys.stdout.buffer
    out.write(json.dumps(head).encode("ascii") + b"\n")
    for array in arrays:
        out.write(array.data)
    out.flush()


def read(content: bytes, wanted: dict[str, tuple[str, list[list[int | None]]]], largest: int) -> dict[str, np.ndarray]:
    """The arrays of a file that holds these and nothing else.

    Args:
        content: the bytes of the file.
        wanted: by name, `S` or `u1`, and the shapes that are allowed; None stands for any number.
        largest: bytes of all of them, at most.
    """
    if not content.startswith(SIGNATURE):
        raise RefusedError("not an HDF5 file: expected one that starts with its signature")
    root = h5py.h5g.open(h5py.h5f.open_file_image(content), b"/")
    _check_names(root, list(wanted))
    found = {name: _opened(root, name, kind, shapes) for name, (kind, shapes) in wanted.items()}
    size = sum(math.prod(dataset.shape) * dataset.get_type().get_size() for dataset in found.values())
    if size > largest:
        raise RefusedError(f"unpacks to {size:,} bytes: expected at most {largest:,}")
    return {name: _data(dataset, name) for name, dataset in found.items()}


def _check_names(root: h5py.h5g.GroupID, wanted: list[str]) -> None:
    """Everything in the file hangs at its root, by hard links, under the names that are wanted."""
    count = root.get_num_objs()
    sentence = f"expected the {'datasets' if len(wanted) > 1 else 'dataset'} {' and '.join(wanted)} alone"
    if count > len(wanted):
        raise RefusedError(f"holds {count:,} objects at its root: {sentence}")
    names: list[str] = []
    root.links.iterate(lambda name: names.append(name.decode("utf-8", "backslashreplace")))
    if sorted(names) != sorted(wanted):
        raise RefusedError(f"holds {', '.join(map(shown, names)) or 'nothing'}: {sentence}")
    for name in wanted:
        kind = root.links.get_info(name.encode()).type
        if kind != h5l.TYPE_HARD:
            raise RefusedError(f"{name} is {LINKS.get(kind, 'a link of another kind')}: expected the dataset itself")
    _check_attributes(root, "the file")


def _opened(root: h5py.h5g.GroupID, name: str, kind: str, shapes: list[list[int | None]]) -> h5py.h5d.DatasetID:
    """A dataset, opened only after the object was seen to be one, and of which no data were read."""
    if h5o.get_info(root, name.encode()).type != h5o.TYPE_DATASET:
        raise RefusedError(f"{name} is a group or a type: expected a dataset")
    dataset = h5py.h5d.open(root, name.encode())
    stored = dataset.get_create_plist()
    layout = stored.get_layout()
    if layout not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
        raise RefusedError(
            f"{name} is stored as {LAYOUTS.get(layout, 'something unknown')}: expected its data in the file"
        )
    if stored.get_external_count():
        raise RefusedError(f"{name} is stored in another file: expected its data in this one")
    filters = [stored.get_filter(i)[0] for i in range(min(stored.get_nfilters(), len(FILTERS) + 1))]
    if len(filters) > len(FILTERS) or len(set(filters)) < len(filters) or not set(filters) <= FILTERS.keys():
        raise RefusedError(f"{name} has the filters {filters}: expected none, or {' and '.join(FILTERS.values())} once")
    _check_attributes(dataset, name)
    _check_type(dataset.get_type(), name, kind)
    space = dataset.get_space()
    shape = space.get_simple_extent_dims() if space.get_simple_extent_type() == h5py.h5s.SIMPLE else ()
    if not any(_fits(shape, allowed) for allowed in shapes):
        expected = ", or ".join(f"[{', '.join('clips' if n is None else str(n) for n in one)}]" for one in shapes)
        raise RefusedError(f"{name} has the shape {list(shape)}: expected {expected}")
    if layout == h5py.h5d.CHUNKED:
        _check_chunks(stored.get_chunk(), shape, dataset.get_type().get_size(), name)
    return dataset


def _check_attributes(holder: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: str) -> None:
    count = h5py.h5a.get_num_attrs(holder)
    if count > MOST_ATTRIBUTES:
        raise RefusedError(f"{name} has {count:,} attributes: expected at most {MOST_ATTRIBUTES}")


def _check_type(found: h5py.h5t.TypeID, name: str, kind: str) -> None:
    """Single unsigned bytes, or ASCII text of a fixed length."""
    said = TYPES.get(found.get_class(), "of an unknown type")
    if kind == "u1":
        if not found.equal(h5py.h5t.STD_U8LE):
            sign = " of another width, sign or byte order" if found.get_class() == h5py.h5t.INTEGER else ""
            raise RefusedError(f"{name} is {said}{sign}: expected unsigned bytes, little-endian (uint8)")
        return
    if (
        not isinstance(found, h5py.h5t.TypeStringID)
        or found.is_variable_str()
        or found.get_cset() != h5py.h5t.CSET_ASCII
    ):
        varying = " of varying length or beyond ASCII" if found.get_class() == h5py.h5t.STRING else ""
        raise RefusedError(f"{name} is {said}{varying}: expected ASCII text of one length (numpy's S)")
    if found.get_size() > LONGEST_STRING:
        raise RefusedError(f"{name} has texts of {found.get_size():,} bytes: expected at most {LONGEST_STRING}")


def _fits(shape: tuple[int, ...], allowed: list[int | None]) -> bool:
    return len(shape) == len(allowed) and all(b in (None, a) for a, b in zip(shape, allowed, strict=True))


def _check_chunks(chunk: tuple[int, ...], shape: tuple[int, ...], width: int, name: str) -> None:
    size, count = math.prod(chunk) * width, math.prod(-(-a // b) for a, b in zip(shape, chunk, strict=True))
    if size > LARGEST_CHUNK or count > MOST_CHUNKS or size * count > max(2**20, MOST_PADDED * math.prod(shape) * width):
        raise RefusedError(
            f"{name} has {count:,} chunks of {size:,} bytes: expected at most {MOST_CHUNKS:,}, each of at most"
            f" {LARGEST_CHUNK:,}, and together not many times the dataset"
        )


def _data(dataset: h5py.h5d.DatasetID, name: str) -> np.ndarray:
    array = np.empty(dataset.shape, dataset.dtype)
    try:
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
    except OSError:
        raise RefusedError(f"{name} is damaged, or unpacks to more than it states: expected what h5py writes") from None
    return array


def shown(name: str) -> str:
    """A name of a stranger's, in printable characters."""
    text = "".join(itertools.islice(json.dumps(name), 60))
    return text if len(text) < 60 else text[:56] + '..."'


if __name__ == "__main__":
    main()

"""HDF5 from strangers: what points elsewhere, explodes or is no plain array is refused unread, in one sentence."""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from framed import hdf5

from benchmark.errors import RecordError
from benchmark.submission import hdf5 as reader
from benchmark.submission import hdf5_child
from benchmark.submission.hdf5 import unpacked

SHAPE = (6, 10, 8, 8, 3)
LARGEST = 2**16
ARRAYS = {
    "clip_id": np.array([f"clip-{number}" for number in range(6)], "S"),
    "frames": np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8),
}
WANTED: Any = {"clip_id": ("S", [(None,)]), "frames": ("u1", [(None, 10, 8, 8, 3), (None, 10, 4, 4, 3)])}


def in_this_process(content: bytes) -> str:
    """What the process that reads files finds wrong with one, before it reads any data."""
    wanted = {name: (kind, [list(shape) for shape in shapes]) for name, (kind, shapes) in WANTED.items()}
    with pytest.raises(hdf5_child.RefusedError) as caught:
        hdf5_child.read(content, wanted, LARGEST)
    return str(caught.value)


def refusal(content: bytes) -> str:
    """The one sentence that a file is refused with by the process, soon."""
    start = time.monotonic()
    with pytest.raises(RecordError) as caught:
        unpacked(content, "x.h5", WANTED, LARGEST)
    assert time.monotonic() - start < 3 * reader.SECONDS
    sentence = str(caught.value)
    assert sentence.startswith("x.h5: ")
    assert sentence.isprintable()
    assert len(sentence) < 500
    return sentence.removeprefix("x.h5: ")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "chunks": (1, 10, 8, 8, 3), "maxshape": (None, 10, 8, 8, 3)},
    ],
    ids=["plain", "gzip", "shuffled"],
)
def test_plain_datasets_are_read(options: dict[str, Any]) -> None:
    """Contiguous, compressed, shuffled or extendible: the very arrays."""
    found = unpacked(hdf5(ARRAYS, **options), "x.h5", WANTED, LARGEST)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def soft(file: h5py.File) -> None:
    """A name for another name."""
    file["frames"] = h5py.SoftLink("/clip_id")


def external(file: h5py.File) -> None:
    """A name for what is in another file."""
    file["frames"] = h5py.ExternalLink("/etc/passwd", "/frames")


def virtual(file: h5py.File) -> None:
    """Data of other files."""
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "frames", SHAPE)
    file.create_virtual_dataset("frames", layout)


def endless(file: h5py.File) -> None:
    """Data of another file, as many as there are: whoever asks for their shape opens it."""
    layout = h5py.VirtualLayout(SHAPE, np.uint8, maxshape=(None, *SHAPE[1:]))
    source = h5py.VirtualSource("/tmp/other.h5", "frames", SHAPE, maxshape=(None, *SHAPE[1:]))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    file.create_virtual_dataset("frames", layout)


def elsewhere(file: h5py.File) -> None:
    """Bytes of another file."""
    file.create_dataset("frames", SHAPE, np.uint8, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def group(file: h5py.File) -> None:
    """A folder under the name of a dataset."""
    file.create_group("frames")


def circle(file: h5py.File) -> None:
    """A name for the root."""
    file["frames"] = file["/"]


def named_type(file: h5py.File) -> None:
    """A type under the name of a dataset."""
    file["frames"] = np.dtype("u1")


def more(file: h5py.File) -> None:
    """Another dataset."""
    file.create_dataset("frames", data=ARRAYS["frames"])
    file["labels"] = np.zeros(6)


def many(file: h5py.File) -> None:
    """Thousands of names for one dataset."""
    for number in range(300):
        file[f"{number}"] = file["clip_id"]


def odd_name(file: h5py.File) -> None:
    """A name that moves a terminal's cursor."""
    file["\x1b[2Jframes"] = ARRAYS["frames"]


def no_frames(file: h5py.File) -> None:
    """Nothing."""


def attributes(file: h5py.File) -> None:
    """Notes without end."""
    found = file.create_dataset("frames", data=ARRAYS["frames"])
    for number in range(20):
        found.attrs[str(number)] = number


def dataset(**options: Any) -> Callable[[h5py.File], None]:
    """A dataset of frames, with these options."""

    def make(file: h5py.File) -> None:
        file.create_dataset("frames", **({"data": ARRAYS["frames"]} | options))

    return make


def bomb(file: h5py.File) -> None:
    """A chunk that unpacks to four gigabytes."""
    found = file.create_dataset("frames", SHAPE, np.uint8, chunks=SHAPE, compression="gzip")
    packer = zlib.compressobj()
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    found.id.write_direct_chunk((0,) * 5, first + 4_096 * again)


def made(change: Callable[[h5py.File], None]) -> bytes:
    """The bytes of a file with ids and what `change` puts beside them."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["clip_id"] = ARRAYS["clip_id"]
        change(file)
    return buffer.getvalue()


STRANGE = np.zeros(6, [("a", "u1"), ("b", "f8")])
REFERENCE = h5py.special_dtype(ref=h5py.Reference)
VARYING = h5py.special_dtype(vlen=np.uint8)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (soft, "frames is a soft link: expected the dataset itself"),
        (external, "frames is an external link: expected the dataset itself"),
        (virtual, "frames is stored as virtual: expected its data in the file"),
        (endless, "frames is stored as virtual: expected its data in the file"),
        (elsewhere, "frames is stored in another file: expected its data in this one"),
        (group, "frames is a group or a type: expected a dataset"),
        (circle, "frames is a group or a type: expected a dataset"),
        (named_type, "frames is a group or a type: expected a dataset"),
        (more, "holds 3 objects at its root: expected the datasets clip_id and frames alone"),
        (many, "holds 301 objects at its root: expected the datasets clip_id and frames alone"),
        (odd_name, 'holds "\\u001b[2Jframes", "clip_id": expected the datasets clip_id and frames alone'),
        (no_frames, 'holds "clip_id": expected the datasets clip_id and frames alone'),
        (attributes, "frames has 20 attributes: expected at most 16"),
        (dataset(compression="lzf"), "frames has the filters [32000]: expected none, or gzip and shuffle once"),
        (dataset(scaleoffset=0), "frames has the filters [6]: expected none, or gzip and shuffle once"),
        (dataset(fletcher32=True), "frames has the filters [3]: expected none, or gzip and shuffle once"),
        (dataset(dtype="<u2"), "frames is integers of another width, sign or byte order: expected unsigned bytes"),
        (dataset(dtype="i1"), "frames is integers of another width, sign or byte order: expected unsigned bytes"),
        (dataset(dtype=">u2"), "frames is integers of another width, sign or byte order: expected unsigned bytes"),
        (dataset(dtype="f4"), "frames is floats: expected unsigned bytes"),
        (dataset(data=None, shape=SHAPE, dtype=bool), "frames is an enumeration: expected unsigned bytes"),
        (dataset(data=STRANGE), "frames is compound: expected unsigned bytes"),
        (dataset(data=None, shape=SHAPE, dtype=REFERENCE), "frames is references: expected unsigned bytes"),
        (dataset(data=None, shape=SHAPE, dtype=VARYING), "frames is of varying length: expected unsigned bytes"),
        (dataset(data=None, shape=(6,), dtype="(3,)u1"), "frames is arrays: expected unsigned bytes"),
        (
            dataset(data=ARRAYS["frames"][..., 0]),
            "frames has the shape [6, 10, 8, 8]: expected [clips, 10, 8, 8, 3], or",
        ),
        (dataset(data=np.uint8(3)), "frames has the shape []: expected [clips, 10, 8, 8, 3], or [clips, 10, 4, 4, 3]"),
        (dataset(data=h5py.Empty("u1")), "frames has the shape []: expected [clips, 10, 8, 8, 3], or"),
        (
            dataset(data=None, shape=(10**12, *SHAPE[1:]), dtype="u1", chunks=(10**4, *SHAPE[1:])),
            "frames has 100,000,000 chunks of 19,200,000 bytes: expected at most 20,000",
        ),
        (
            dataset(data=None, shape=(30_000, *SHAPE[1:]), dtype="u1", chunks=(1, 1, 8, 8, 3)),
            "frames has 300,000 chunks of 192 bytes: expected at most 20,000",
        ),
        (
            dataset(chunks=(4_000, *SHAPE[1:]), maxshape=(None, *SHAPE[1:])),
            "frames has 1 chunks of 7,680,000 bytes: expected at most 20,000",
        ),
        (
            dataset(data=None, shape=(10**9, *SHAPE[1:]), dtype="u1"),
            "unpacks to 1,920,000,000,036 bytes: expected at most",
        ),
    ],
)
def test_what_is_no_plain_dataset_is_refused(change: Callable[[h5py.File], None], sentence: str) -> None:
    """Links, other files, groups, other types, filters and shapes, chunks that are too many or too large."""
    found = in_this_process(made(change))
    assert found.startswith(sentence)
    assert found.isprintable()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (bomb, "frames is damaged, or unpacks to more than it states: expected what h5py writes"),
        (external, "frames is an external link: expected the dataset itself"),
        (elsewhere, "frames is stored in another file: expected its data in this one"),
        (odd_name, 'holds "\\u001b[2Jframes", "clip_id": expected the datasets clip_id and frames alone'),
    ],
)
def test_the_process_says_what_it_finds(change: Callable[[h5py.File], None], sentence: str) -> None:
    """As one sentence; a chunk that unpacks to more than its dataset has ends it, and nothing else."""
    assert refusal(made(change)).startswith(sentence)


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (np.array(["a"] * 6, object), "clip_id is text of varying length or beyond ASCII: expected ASCII text"),
        (np.arange(6), "clip_id is integers: expected ASCII text of one length (numpy's S)"),
        (np.array([b"x" * 65] * 6), "clip_id has texts of 65 bytes: expected at most 64"),
        (np.array([[b"x"]] * 6), "clip_id has the shape [6, 1]: expected [clips]"),
    ],
)
def test_ids_are_short_ascii_text(ids: np.ndarray, sentence: str) -> None:
    """Of one length, one a clip."""
    kind = h5py.string_dtype() if ids.dtype == object else ids.dtype
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("clip_id", data=ids, dtype=kind)
        file["frames"] = ARRAYS["frames"]
    assert in_this_process(buffer.getvalue()).startswith(sentence)


def test_what_is_no_hdf5_is_refused() -> None:
    """Nothing, junk, a half of a file, and one that begins with something else."""
    content = hdf5(ARRAYS)
    for junk in (b"", b"junk", b"\0" * 512 + content):
        assert in_this_process(junk) == "not an HDF5 file: expected one that starts with its signature"
    for cut in (9, len(content) // 2):
        assert refusal(content[:cut]).startswith(
            "not a readable HDF5 file of plain datasets: expected what h5py writes"
        )


@pytest.mark.parametrize(
    "line",
    [
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "while True: pass",
        "import time; time.sleep(60)",
        "x = [bytes(10**7) for _ in range(1000)]",
        "sys.stdout.buffer.write(b'[' * 10**5)",
        "sys.stdout.buffer.write(b'{}\\n')",
        'sys.stdout.buffer.write(b\'{"arrays": [["frames", "O", [1]]]}\\n\')',
        "sys.stdout.buffer.write(b'x' * 10**8)",
        "open('/etc/passwd')",
    ],
)
def test_the_death_of_the_process_is_one_sentence(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It crashes, hangs, asks for memory or files, or answers nonsense without end: within the limits, nothing else."""
    child = Path(reader.__file__).with_name("hdf5_child.py").read_text()
    spoilt = child.replace(
        "    content = sys.stdin.buffer.read()\n", f"    content = sys.stdin.buffer.read()\n    {line}\n"
    )
    assert spoilt != child
    (tmp_path / "child.py").write_text(spoilt)
    monkeypatch.setattr(reader, "_CHILD", tmp_path / "child.py")
    monkeypatch.setattr(reader, "SECONDS", 1)
    sentence = refusal(hdf5(ARRAYS))
    assert sentence.startswith(("not a readable HDF5 file, reading it took over ", "takes more than 2 seconds to read"))


def test_damaged_files_are_refused_or_say_something_of_the_same_form() -> None:
    """Bytes changed anywhere: a sentence, or arrays of the right types and shapes; never another exception."""
    rng = np.random.default_rng(5)
    content = hdf5(ARRAYS, compression="gzip", chunks=(1, 10, 8, 8, 3))
    metadata = np.flatnonzero(np.frombuffer(content, np.uint8) < 16)
    for _ in range(6):
        changed = bytearray(content)
        for place in rng.choice(metadata, 4):
            changed[place] = rng.integers(256)
        try:
            found = unpacked(bytes(changed), "x.h5", WANTED, LARGEST)
        except RecordError:
            continue
        assert found["frames"].dtype == np.uint8
        assert found["frames"].shape[1:] == SHAPE[1:]
        assert found["clip_id"].ndim == 1

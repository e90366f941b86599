"""The reader of one shard trusts nothing: damage and tricks end in one sentence."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from fake_clips import fake_clips, small_config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynamics_gen import shards, stored_chunk
from dynamics_gen.errors import ShardError
from dynamics_gen.layout import ShardHeader, clip_digests, header_of, small_columns
from dynamics_gen.shard_file import ShardFile, UnknownFormatError
from dynamics_gen.shards import check_shard, write_shard


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ShardHeader]:
    """A shard's bytes and what its header says."""
    path = tmp_path_factory.mktemp("shard") / "s.h5"
    result = write_shard(
        path, header_of(small_config(), 0, {}), fake_clips(small_config(), range(8)), lambda clips: None
    )
    return path.read_bytes(), result.header


@pytest.fixture
def shard(written: tuple[bytes, ShardHeader], tmp_path: Path) -> Path:
    """A shard to damage."""
    (tmp_path / "s.h5").write_bytes(written[0])
    return tmp_path / "s.h5"


@functools.cache
def fake_digests() -> np.ndarray:
    """What the digests of the shard's clips must be."""
    clips = list(fake_clips(small_config(), range(8)))
    hashes = [hashlib.sha256(clip.video.tobytes()).digest() for clip in clips]
    return clip_digests(hashes, small_columns([clip.small() for clip in clips]))


def read_all(path: Path, header: ShardHeader | None = None) -> None:
    """Reads everything there is."""
    with ShardFile(path, header) as file:
        file.check_structure()
        for clip in range(len(file)):
            file.video(clip)
        for name in file.header.columns:
            if name != "video":
                file.column(name)


def test_missing_shard_is_named(tmp_path: Path) -> None:
    """The error names the file and says what to do."""
    with pytest.raises(ShardError, match=r"s\.h5 is missing: run"):
        ShardFile(tmp_path / "s.h5")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(4096)])
def test_file_that_is_no_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever is in it, the error names the file."""
    (tmp_path / "s.h5").write_bytes(content)
    with pytest.raises(ShardError, match=r"s\.h5 is damaged: its header cannot be read"):
        ShardFile(tmp_path / "s.h5")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.7, 0.999])
def test_truncated_shard_is_refused(shard: Path, share: float) -> None:
    """A file that was cut anywhere is not read."""
    data = shard.read_bytes()
    shard.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ShardError, match=r"s\.h5 is damaged"):
        read_all(shard)


def test_flipped_byte_in_a_clip_is_refused(shard: Path) -> None:
    """The checksum of the clip's chunk is checked whenever it is read; other clips stay readable."""
    with h5py.File(shard) as file:
        video = file["video"]
        assert isinstance(video, h5py.Dataset)
        chunk = video.id.get_chunk_info(5)
    data = bytearray(shard.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 1
    shard.write_bytes(data)
    with ShardFile(shard) as file:
        file.video(4)
        with pytest.raises(ShardError, match=r"s\.h5 is damaged: clip 5 cannot be read"):
            file.video(5)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), length=st.integers(1, 64))
def test_damage_anywhere_is_found_or_harmless(
    written: tuple[bytes, ShardHeader], tmp_path: Path, place: float, value: int, length: int
) -> None:
    """Overwritten bytes give an error, or hit unused space and change no clip; never a crash."""
    data, header = written
    whole = fake_digests()
    start = int(place * len(data))
    damaged = data[:start] + bytes([value]) * length + data[start + length :]
    (tmp_path / "s.h5").write_bytes(damaged[: len(data)])
    try:
        result = check_shard(tmp_path / "s.h5", header)
    except ShardError:
        return
    np.testing.assert_array_equal(result.digests, whole)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"release": "hard"}, "release is standard, expected hard"),
        ({"seed": 7}, "seed is 0, expected 7"),
        ({"first_clip": 8}, "clips is 0 to 7, expected 8 to 15"),
        ({"content": {"fps": 30}}, "fps is 16, expected 30"),
        ({"classes": ("a", "b")}, "classes is .* expected"),
        ({"columns": {}}, "column .* expected None"),
    ],
)
def test_shard_of_another_build_is_refused(
    written: tuple[bytes, ShardHeader], shard: Path, changes: dict, message: str
) -> None:
    """What differs is named."""
    header = dataclasses.replace(written[1], **changes)
    with pytest.raises(ShardError, match=message):
        ShardFile(shard, header)


def test_unknown_format_version_is_told_apart_from_damage(shard: Path) -> None:
    """A shard from a later program is not to be thrown away."""
    with h5py.File(shard, "r+") as file:
        file.attrs.modify("format_version", 99)
    with pytest.raises(UnknownFormatError, match="shard format 99, this program reads 1: update"):
        ShardFile(shard)


def replaced(name: str, make: Callable[[h5py.File], object]) -> Callable[[h5py.File], None]:
    """A change of a file that takes out a name and puts something else there."""

    def change(file: h5py.File) -> None:
        del file[name]
        made = make(file)
        if isinstance(made, h5py.SoftLink | h5py.ExternalLink):
            file[name] = made

    return change


def virtual(file: h5py.File) -> None:
    """A virtual dataset in place of the labels."""
    layout = h5py.VirtualLayout((8,), "<i8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "label", (8,))
    file.create_virtual_dataset("label", layout)


def external(file: h5py.File) -> None:
    """A dataset whose bytes are another file's."""
    file.create_dataset("label", (8,), "<i8", external=[("/etc/passwd", 0, 64)])


def huge(file: h5py.File) -> None:
    """A dataset that claims far more than there is."""
    file.create_dataset("label", (1 << 40,), "<i8", chunks=(1 << 20,), compression="gzip", fletcher32=True)


TRICKS = {
    "external link": (replaced("label", lambda file: h5py.ExternalLink("/etc/passwd", "/label")), "not followed"),
    "external link to a group": (
        replaced("parameters", lambda file: h5py.ExternalLink("other.h5", "/")),
        "not followed",
    ),
    "soft link": (replaced("label", lambda file: h5py.SoftLink("/path")), "not followed"),
    "virtual dataset": (replaced("label", virtual), "not followed"),
    "external storage": (replaced("label", external), "not followed"),
    "absurd shape": (replaced("label", huge), "type, shape and chunks"),
    "other type": (replaced("label", lambda file: file.create_dataset("label", data=["x"] * 8, chunks=(8,))), "type"),
    "group for a dataset": (replaced("label", lambda file: file.create_group("label")), "not a dataset"),
    "missing column": (replaced("label", lambda file: None), "has no 'label'"),
    "no checksum": (
        replaced(
            "label",
            lambda file: file.create_dataset(
                "label", data=np.zeros(8, "<i8"), chunks=(8,), shuffle=True, compression="gzip"
            ),
        ),
        "checksums",
    ),
    "surplus dataset": (lambda file: file.create_dataset("extra", data=[1]), r"no shard has \(extra\)"),
    "long attribute": (lambda file: file.attrs.create("release", np.bytes_(b"x" * 2_000_000)), "damaged: its header"),
    "attribute on a heap": (lambda file: file.attrs.create("release", "standard"), "damaged: its header"),
    "array for an attribute": (lambda file: file.attrs.create("clips", np.arange(8)), "damaged: its header"),
    "soft link within a group": (replaced("parameters/radius", lambda file: h5py.SoftLink("/label")), "not followed"),
    "name of many parts": (
        lambda file: file.attrs.create(
            "columns", np.bytes_(b'{"video": ["|u1", [4, 16, 16, 3]], "a/b/c": ["<i8", []]}')
        ),
        "damaged: its header",
    ),
    "far more than the file": (
        lambda file: file.attrs.create("clips", 1 << 24),
        "expected|claims",
    ),
    "missing attribute": (lambda file: file.attrs.pop("content"), "damaged: its header"),
    "deep attribute": (lambda file: file.attrs.create("content", np.bytes_(b"[" * 60_000)), "damaged: its header"),
    "absurd clips": (lambda file: file.attrs.create("clips", 1 << 62), "damaged: its header"),
    "absurd columns": (
        lambda file: file.attrs.create("columns", np.bytes_(b'{"video": ["|u1", [1048576, 65536, 65536, 3]]}')),
        "damaged: its header",
    ),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_of_hdf5_are_refused(shard: Path, trick: str) -> None:
    """Links, data stored elsewhere, absurd sizes and odd types are refused before anything is followed or read."""
    change, message = TRICKS[trick]
    with h5py.File(shard, "r+") as file:
        change(file)
    with pytest.raises(ShardError, match=message):
        read_all(shard)


def stored(clip: np.ndarray, codec: str) -> bytes:
    """An array as HDF5 stores it in one chunk, with its checksum."""
    with h5py.File.in_memory() as file:
        compression = hdf5plugin.Zstd() if codec == "zstd" else "gzip"
        data = file.create_dataset("x", data=clip, chunks=clip.shape, compression=compression, fletcher32=True)
        return data.id.read_direct_chunk((0,) * clip.ndim)[1]


def hostile_chunk(path: Path, chunk: bytes | None, skipped: int = 0, name: str = "video") -> None:
    """Puts a chunk in the place of a column's third clip, or its first rows, or leaves that place empty."""
    with h5py.File(path, "r+") as file:
        old = file[name]
        assert isinstance(old, h5py.Dataset)
        assert old.chunks
        rows = old.chunks[0]
        chunks = [old.id.read_direct_chunk((i, *[0] * (old.ndim - 1)))[1] for i in range(0, len(old), rows)]
        rest, kind, shape, plist = [0] * (old.ndim - 1), old.dtype, old.shape, old.id.get_create_plist()
        del file[name]
        kind = h5py.h5t.py_create(kind, logical=True)
        new = h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(shape), plist)
        for i, data in enumerate(chunks):
            if i != (2 if name == "video" else 0):
                new.write_direct_chunk((i * rows, *rest), data)
            elif chunk is not None:
                new.write_direct_chunk((i * rows, *rest), chunk, skipped)


@pytest.fixture(scope="module", params=["zstd", "gzip"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """A codec, and the bytes of a shard stored with it."""
    config = dataclasses.replace(small_config(), codec=request.param)
    path = tmp_path_factory.mktemp("shard") / "s.h5"
    write_shard(path, header_of(config, 0, {}), fake_clips(config, range(8)), lambda clips: None)
    return request.param, path.read_bytes()


SIZE = int(np.prod(small_clip_shape := (4, 16, 16, 3)))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (SIZE // 2, "decodes to"),
        (0, "damaged: clip 2"),
        (SIZE - 1, "decodes to"),
        (SIZE + 1, "decodes to"),
        (1 << 29, "decodes to"),
    ],
)
def test_chunk_of_another_size_is_refused_before_it_is_decoded(
    either: tuple[str, bytes], tmp_path: Path, size: int, message: str
) -> None:
    """Neither memory from beyond a short chunk, nor memory for a chunk that would grow without bound."""
    codec, data = either
    path = tmp_path / "s.h5"
    path.write_bytes(data)
    chunk = stored(np.zeros(size, np.uint8), codec) if size else b"\0\0\0\0"
    hostile_chunk(path, chunk)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with ShardFile(path) as file:
        file.video(1)
        with pytest.raises(ShardError, match=message):
            file.video(2)
        with pytest.raises(ShardError, match="damaged"):
            file.read_videos(0, np.empty((8, *small_clip_shape), np.uint8))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_truncated_stream_is_refused(either: tuple[str, bytes], tmp_path: Path) -> None:
    """A frame that claims its size and ends early, under a right checksum."""
    codec, data = either
    path = tmp_path / "s.h5"
    path.write_bytes(data)
    noise = np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8)
    with h5py.File.in_memory() as file:
        short = np.frombuffer(stored(noise, codec)[:-4], np.uint8)[: SIZE // 2]
        summed = file.create_dataset("x", data=short, chunks=short.shape, fletcher32=True)
        hostile_chunk(path, summed.id.read_direct_chunk((0,))[1])
    with ShardFile(path) as file, pytest.raises(ShardError, match="damaged: clip 2"):
        file.video(2)


def test_left_out_filters_and_missing_chunks_are_refused(either: tuple[str, bytes], tmp_path: Path) -> None:
    """A chunk stored raw has no checksum, one that is not there would read as zeros."""
    path = tmp_path / "s.h5"
    for chunk, skipped, message in ((bytes(SIZE), 3, "left out"), (None, 0, "damaged: clip 2")):
        path.write_bytes(either[1])
        hostile_chunk(path, chunk, skipped)
        with ShardFile(path) as file, pytest.raises(ShardError, match=message):
            file.video(2)


def test_short_chunk_of_a_small_column_is_refused(either: tuple[str, bytes], tmp_path: Path) -> None:
    """Small columns are decoded under the same checks."""
    path = tmp_path / "s.h5"
    path.write_bytes(either[1])
    hostile_chunk(path, stored(np.zeros(8, np.uint8), either[0]), name="label")
    with ShardFile(path) as file, pytest.raises(ShardError, match=r"label cannot be read \(it decodes to"):
        file.column("label")


def test_shard_that_is_open_elsewhere_can_be_read(shard: Path) -> None:
    """A user may look at a shard with h5py while a program reads it."""
    with h5py.File(shard, "r"):
        read_all(shard)


def test_missing_plugin_is_one_sentence(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hdf5plugin the error says what to install."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with ShardFile(shard) as file, pytest.raises(ShardError, match="run `pip install zstandard`, or build with"):
        file.video(0)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(ShardError, match="run `pip install hdf5plugin`, or build with --codec gzip"):
        write_shard(shard, header_of(small_config(), 0, {}), fake_clips(small_config(), range(8)), lambda clips: None)


@pytest.mark.parametrize("codec", ["zstd", "gzip"])
@pytest.mark.parametrize("dtype", ["u1", "<f4", "<i2"])
def test_hdf5_reads_what_is_encoded_here(codec: str, dtype: str) -> None:
    """A chunk of `encode_chunk`, shuffled or not, comes out of HDF5's own filters as it went in."""
    values = np.random.default_rng(0).integers(0, 50, (3, 7, 11)).astype(dtype)
    for shuffled in (False, True):
        with h5py.File.in_memory() as file:
            stored = file.create_dataset(
                "x",
                values.shape,
                dtype,
                chunks=values.shape,
                **shards._COMPRESSION[codec],
                shuffle=shuffled,
                fletcher32=True,
            )
            stored.id.write_direct_chunk((0, 0, 0), stored_chunk.encode_chunk(values, codec, shuffled=shuffled))
            stored.id.flush()
            np.testing.assert_array_equal(stored[...], values)


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=2_000))
def test_fletcher32_is_that_of_hdf5(data: bytes) -> None:
    """The checksum that HDF5 writes, for any bytes and odd lengths."""
    with h5py.File.in_memory() as file:
        whole = np.frombuffer(b"\0" + data, np.uint8)
        chunk = file.create_dataset("x", data=whole, chunks=whole.shape, fletcher32=True).id.read_direct_chunk((0,))[1]
    assert stored_chunk.fletcher32(memoryview(chunk)[:-4]) == int.from_bytes(chunk[-4:], "little")


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("size", [1, 2, 719, 720, 3_000_001])
def test_fletcher32_of_long_and_extreme_data(value: int, size: int) -> None:
    """Sums that wrap around many times, and those that are nothing but zeros or ones."""
    with h5py.File.in_memory() as file:
        whole = np.full(size, value, np.uint8)
        chunk = file.create_dataset("x", data=whole, chunks=whole.shape, fletcher32=True).id.read_direct_chunk((0,))[1]
    assert stored_chunk.fletcher32(memoryview(chunk)[:-4]) == int.from_bytes(chunk[-4:], "little")


def test_reader_agrees_with_hdf5(either: tuple[str, bytes], tmp_path: Path) -> None:
    """Every column, decoded by HDF5's own filters, is the same."""
    (tmp_path / "s.h5").write_bytes(either[1])
    with h5py.File(tmp_path / "s.h5") as plain, ShardFile(tmp_path / "s.h5") as file:
        for name in file.header.columns:
            expected = np.asarray(plain[name])
            found = np.stack([file.video(clip) for clip in range(8)]) if name == "video" else file.column(name)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)

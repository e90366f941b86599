"""The reader of one shard trusts nothing: damage and tricks end in one sentence."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from fake_clips import fake_clips, small_config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynamics_gen import shard_file
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


def test_missing_plugin_is_one_sentence(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hdf5plugin the error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "hdf5plugin", None)
    with pytest.raises(ShardError, match="run `pip install hdf5plugin`, or build with --codec gzip"):
        shard_file.register_codec("zstd")
    shard_file.register_codec("gzip")

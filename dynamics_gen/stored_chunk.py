"""Encodes and decodes chunks without HDF5's filters, into memory of the size that they must have.

HDF5 takes memory for whatever a compressed chunk claims to be, and its Zstd filter ignores errors: a chunk that ends
early or decodes to too little would hand out what happened to lie in memory. What is encoded here is what HDF5's own
filters write, and they read it.
"""

from __future__ import annotations

import functools
import zlib
from types import ModuleType

import h5py
import numpy as np

from dynamics_gen.errors import ShardError

LEVELS = {"zstd": 3, "gzip": 4}
"""How hard each codec tries."""

_CHECKSUM = 4


def encode_chunk(values: np.ndarray, codec: str, *, shuffled: bool) -> bytes:
    """A chunk as it is stored: the bytes of a value taken apart, compression, checksum.

    Args:
        values: C-contiguous.
        codec: "zstd" or "gzip".
        shuffled: whether HDF5's byte shuffling is the dataset's first filter.
    """
    data = values.reshape(-1).view(np.uint8)
    if shuffled and values.itemsize > 1:
        data = np.ascontiguousarray(data.reshape(values.size, values.itemsize).T)
    if codec == "zstd":
        frame = _zstandard().ZstdCompressor(level=LEVELS[codec]).compress(data.data)
    else:
        frame = zlib.compress(data.data, LEVELS[codec])
    return frame + fletcher32(memoryview(frame)).to_bytes(_CHECKSUM, "little")


def decode_chunk(
    dataset: h5py.h5d.DatasetID, place: tuple[int, ...], codec: str, out: np.ndarray, *, shuffled: bool
) -> None:
    """Reads one chunk: checksum, decompression, and the bytes of a value together again.

    Args:
        dataset: a chunked dataset, whose filters are `codec` and Fletcher-32.
        place: the chunk's first element.
        codec: "zstd" or "gzip".
        out: C-contiguous, of the chunk's size and type.
        shuffled: whether HDF5's byte shuffling is its first filter.

    Raises:
        ValueError: it is not stored through every filter, its checksum is wrong, or it does not decode to that size.
        OSError, KeyError: it is not there.
    """
    skipped, stored = dataset.read_direct_chunk(place)
    if skipped:
        raise ValueError(f"filters {skipped:#x} of its pipeline were left out")
    decode_stored(stored, codec, out, shuffled=shuffled)


def decode_stored(stored: bytes, codec: str, out: np.ndarray, *, shuffled: bool) -> None:
    """Decodes what `encode_chunk` or HDF5 made; arguments and errors as those of `decode_chunk`."""
    frame, checksum = memoryview(stored)[:-_CHECKSUM], int.from_bytes(stored[-_CHECKSUM:], "little")
    if len(stored) <= _CHECKSUM or fletcher32(frame) != checksum:
        raise ValueError("its checksum is wrong")
    decode = _zstd if codec == "zstd" else _zlib
    if not shuffled or out.itemsize == 1:
        decode(frame, out.reshape(-1).view(np.uint8))
        return
    planes = np.empty((out.itemsize, out.size), np.uint8)
    decode(frame, planes.reshape(-1))
    out.reshape(-1).view(np.uint8).reshape(out.size, out.itemsize)[...] = planes.T


def fletcher32(data: memoryview) -> int:
    """HDF5's Fletcher-32: big-endian 16-bit words, sums modulo 65,535 in which only an empty sum is 0."""
    words = np.frombuffer(data, ">u2", len(data) // 2)
    low = high = 0
    for start in range(0, len(words), _WORDS):
        part = words[start : start + _WORDS].astype(np.int64)
        high += low * len(part) + int(part @ _falling(len(part)))
        low += int(part.sum())
    if len(data) % 2:
        low += data[-1] << 8
        high += low
    return _residue(high) << 16 | _residue(low)


_WORDS = 1 << 20


@functools.lru_cache(maxsize=1)
def _weights() -> np.ndarray:
    return np.arange(_WORDS, 0, -1)


def _falling(count: int) -> np.ndarray:
    """`count`, ..., 2, 1."""
    return _weights()[_WORDS - count :]


def _residue(total: int) -> int:
    return total % 65_535 or (65_535 if total else 0)


def _zstd(frame: memoryview, out: np.ndarray) -> None:
    zstandard = _zstandard()
    try:
        with zstandard.ZstdDecompressor().stream_reader(frame) as stream:
            filled = 0
            while filled < len(out) and (read := stream.readinto(out[filled:])):
                filled += read
            more = stream.read(1)
    except zstandard.ZstdError as error:
        raise ValueError(f"it is no Zstd frame: {error}") from error
    _require_size(filled + len(more), len(out))


def _zstandard() -> ModuleType:
    try:
        import zstandard
    except ImportError:
        raise ShardError(
            "shards compressed with Zstd need the Python package zstandard, which is not installed: "
            "run `pip install zstandard`, or build with --codec gzip"
        ) from None
    return zstandard


def _zlib(frame: memoryview, out: np.ndarray) -> None:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(frame, len(out) + 1)
    except zlib.error as error:
        raise ValueError(f"it is no zlib stream: {error}") from error
    _require_size(len(data), len(out))
    if not stream.eof:
        raise ValueError("its zlib stream has no end")
    out[:] = np.frombuffer(data, np.uint8)


def _require_size(found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(f"it decodes to {f'more than {wanted}' if found > wanted else found} bytes, not to {wanted}")

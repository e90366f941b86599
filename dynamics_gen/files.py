"""Files appear whole or not at all: write to a temporary name, fsync, rename, fsync the folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from dynamics_gen.errors import BuildError

TEMPORARY_SUFFIX = ".tmp"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Hands out a temporary name beside `path`; what is there at the end of the block becomes `path`.

    If the block raises, the temporary file is removed and `path` is as it was.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename = str(path)  # a full disk, for one, does not say where
        raise
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns a failure to write `path` into one sentence.

    Raises:
        BuildError: the system refused to write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "free some space and run the same command again, finished shards are kept"
        else:
            advice = "choose another folder with --out"
        raise BuildError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that a reader sees all of it or what was there before."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def remove_temporaries(directory: Path, prefix: str) -> None:
    """Removes what killed runs left: temporary files whose names start with `prefix`."""
    for path in directory.glob(f"{prefix}*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Brings a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

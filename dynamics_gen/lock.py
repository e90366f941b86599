"""Keeps two runs from writing the same shards; a lock goes with its process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from dynamics_gen.errors import BuildError
from dynamics_gen.files import explained

NAME = ".lock"


@contextlib.contextmanager
def locked(directory: Path, shards: range | None = None, *, wait: bool = False) -> Iterator[None]:
    """Locks a folder for a build of all its shards, or only some of them, beside runs that build others.

    Args:
        directory: made if it is not there.
        shards: numbers of the shards to lock; all of the folder unless given.
        wait: whether to wait for runs that are still at work there.

    Raises:
        BuildError: another run is at work on them, or the folder cannot be written.
    """
    with explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        whole = directory / NAME
        held.enter_context(_flock(whole, fcntl.LOCK_EX if shards is None else fcntl.LOCK_SH, wait))
        for shard in shards or ():
            held.enter_context(_flock(directory / f"{NAME}-{shard:05d}", fcntl.LOCK_EX, wait))
        yield


@contextlib.contextmanager
def _flock(path: Path, kind: int, wait: bool) -> Iterator[None]:
    """Holds a lock on a file, which is removed by whoever held it alone."""
    while True:
        with explained(path.parent):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BuildError(
                    f"{path.parent} is being built by another run{_which(path)}: wait for it to end, or choose another "
                    "folder with --out"
                ) from None
            if not _is(path, descriptor):  # the run that held it has just ended and removed it
                continue
            try:
                yield
            finally:
                if kind == fcntl.LOCK_EX or _alone(descriptor):
                    path.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)


def _which(path: Path) -> str:
    shard = path.name.removeprefix(NAME).removeprefix("-")
    return f" (shard {int(shard)})" if shard else ""


def _is(path: Path, descriptor: int) -> bool:
    """Whether a name still stands for an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _alone(descriptor: int) -> bool:
    """Whether no other run shares a lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Reads files of a stranger's folder: plain files alone, never through a link, never more than is expected."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from pathlib import Path

from benchmark.errors import RecordError
from benchmark.schema import shown

MOST_FILES = 100
"""In the folder of an entry."""


def names_in(folder: Path) -> list[str]:
    """Names of what is in a folder, in order.

    Raises:
        RecordError: it is no folder, is reached through a symbolic link, or holds more than a hundred files.
        OSError: it cannot be read.
    """
    if folder.is_symlink():
        raise RecordError(f"{folder}: is a symbolic link: expected the folder of an entry itself")
    if not folder.is_dir():
        raise RecordError(f"{folder}: no such folder: expected one that `bench submit prepare` makes")
    with os.scandir(folder) as found:
        names = [entry.name for entry in itertools.islice(found, MOST_FILES + 1)]
    if len(names) > MOST_FILES:
        raise RecordError(f"{folder}: holds more than {MOST_FILES} files: expected submission.json and predictions")
    return sorted(names)


def read_plain(path: Path, largest: int) -> bytes:
    """The bytes of a plain file.

    Raises:
        RecordError: it is missing, a link, a folder, a pipe or a device, or longer than `largest` bytes.
        OSError: it cannot be read.
    """
    where = path.parent / shown(path.name).strip('"')
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise RecordError(f"{where}: no such file") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise RecordError(f"{where}: is a symbolic link: expected the file itself") from None
        if error.errno == errno.ENXIO:
            raise RecordError(f"{where}: is no plain file") from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise RecordError(f"{where}: is no plain file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise RecordError(f"{where}: {found.st_size:,} bytes: expected at most {largest:,}")
    return content


def read_plain_text(path: Path, largest: int) -> str:
    """The text of a plain file.

    Raises:
        RecordError: as `read_plain`; or it is not UTF-8.
        OSError: it cannot be read.
    """
    try:
        return read_plain(path, largest).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None

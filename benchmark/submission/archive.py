"""The arrays of an `.npz` from anybody: sizes are looked at before anything is unpacked, and nothing is unpickled."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from benchmark.errors import RecordError
from benchmark.predictions import array_of
from benchmark.schema import shown

_DIRECTORY_END = struct.Struct("<4s4H2LH")
_LARGEST_DIRECTORY = 1_024


def unpacked(content: bytes, where: str, types: Mapping[str, str], largest: int) -> dict[str, np.ndarray]:
    """The arrays of an archive.

    Args:
        content: its bytes.
        where: names the file.
        types: which arrays it must hold, and no others, of which types.
        largest: bytes of all of them, at most.

    Raises:
        RecordError: it is damaged, or not what `numpy.savez` makes of such arrays.
    """
    _check_directory(content, where)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            names = sorted(member.filename for member in members)
            if names != sorted(f"{name}.npy" for name in types):
                raise RecordError(f"{where}: holds {', '.join(map(shown, names))}: expected {', '.join(types)} alone")
            if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
                raise RecordError(f"{where}: compressed in an unusual way: expected what numpy.savez writes")
            if (size := sum(member.file_size for member in members)) > largest:
                raise RecordError(f"{where}: unpacks to {size:,} bytes: expected at most {largest:,}")
            return {name: array_of(archive.read(f"{name}.npy"), f"{where}: {name}", types[name]) for name in types}
    except RecordError:
        raise
    except (ValueError, EOFError, OSError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error) as error:
        raise RecordError(f"{where}: not a readable .npz of plain arrays ({shown(str(error))})") from None


def _check_directory(content: bytes, where: str) -> None:
    """Refuses an archive whose list of members is longer than that of two, before zipfile makes objects of them.

    Raises:
        RecordError: it is no archive, or of another make than `numpy.savez` gives one of this size.
    """
    sentence = f"{where}: not a readable .npz of plain arrays: expected what numpy.savez writes"
    if len(content) < _DIRECTORY_END.size:
        raise RecordError(sentence)
    signature, *_, size, _, comment = _DIRECTORY_END.unpack(content[-_DIRECTORY_END.size :])
    long_form = content[-_DIRECTORY_END.size - 20 : -_DIRECTORY_END.size].startswith(b"PK\x06\x07")
    if signature != b"PK\x05\x06" or comment or long_form or size > _LARGEST_DIRECTORY:
        raise RecordError(sentence)

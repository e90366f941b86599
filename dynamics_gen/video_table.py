"""Which video files are of which class: a table's word, or, where there is none, every file of a folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from dynamics_gen.config import SPLITS
from dynamics_gen.errors import ConfigError
from dynamics_gen.video_files import FILMS

UNLABELLED = "unlabelled"
"""The only class of clips whose classes nobody told."""

FOUND = (*FILMS, ".gif", ".apng")
"""Endings of the files that are taken without a table: other pictures mostly stand still."""

LONGEST_NAME = 64
"""Of a class or a dataset, characters."""

SHOWN = 3
"""Problems that a message tells."""


def read_table(table: Path, folder: Path, split: str) -> tuple[list[dict[str, str]], list[str]]:
    """Reads which file is of which class, and checks all of it before anything is decoded.

    Returns:
        Rows of `file`, `label`, `split`; and the names of the classes, sorted (as numbers, if they all are).

    Raises:
        ConfigError: the table or a file is missing, or a row is not as expected; the first few are named.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder: expected one that holds video files")
    try:
        read = list(csv.DictReader(io.StringIO(table.read_text("utf-8-sig")), strict=True))
    except OSError as error:
        raise ConfigError(f"cannot read {table}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table} is not a CSV in UTF-8 ({error})") from error
    if not read or not {"file", "label"} <= read[0].keys():
        found = ", ".join(map(str, read[0])) if read else "no rows"
        raise ConfigError(f"{table} has {found}: expected the columns file, label and perhaps split, and a row a video")
    rows = [{"split": split} | {key: (row.get(key) or "").strip() for key in _keys(row)} for row in read]
    root, problems, seen = folder.resolve(), [], set()
    for line, row in enumerate(rows, 2):
        path = (folder / row["file"]).resolve()
        if not row["file"] or not path.is_relative_to(root):
            problems.append(f"line {line}: file {row['file']!r} is not one inside {folder}")
        elif not path.is_file():
            problems.append(f"line {line}: there is no file {path}")
        elif row["file"] in seen:
            problems.append(f"line {line}: file {row['file']!r} is there twice")
        if not row["label"] or not row["label"].isprintable() or len(row["label"]) > LONGEST_NAME:
            problems.append(f"line {line}: label {row['label'][:LONGEST_NAME]!r} is not a short name")
        if row["split"] not in SPLITS:
            problems.append(f"line {line}: split {row['split']!r} is none of {', '.join(SPLITS)}")
        seen.add(row["file"])
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ConfigError(f"{table}, {'; '.join(problems[:SHOWN])}{more}")
    labels = {row["label"] for row in rows}
    if all(label.isascii() and label.isdigit() for label in labels):
        return rows, sorted(labels, key=lambda label: (int(label), label))
    return rows, sorted(labels)


def list_videos(folder: Path, split: str) -> list[dict[str, str]]:
    """Every video file of a folder and of those below it, by name, as `read_table` would give it.

    Hidden files are passed over, and so are those without an ending of `FOUND`.

    Raises:
        ConfigError: the folder is missing or has no videos, the split is unknown, or a file leads out of the folder or
            has an unprintable name.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder: expected one that holds video files")
    if split not in SPLITS:
        raise ConfigError(f"split is {split!r}: expected one of {', '.join(SPLITS)}")
    root, rows = folder.resolve(), []
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder)
        if path.suffix.lower() not in FOUND or any(part.startswith(".") for part in file.parts) or not path.is_file():
            continue
        if not str(file).isprintable() or not path.resolve().is_relative_to(root):
            raise ConfigError(f"{str(file)!r} is not inside {folder}, or has an unprintable name: rename or remove it")
        rows.append({"file": file.as_posix(), "label": UNLABELLED, "split": split})
    if not rows:
        raise ConfigError(f"{folder} has no video files: expected some that end in {' '.join(FOUND)}")
    return rows


def _keys(row: dict[str, Any]) -> list[str]:
    return ["file", "label", *(["split"] if "split" in row else [])]

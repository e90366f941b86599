"""What is said of a clip beside its frames, in plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import BuildError


def descriptions(dataset: ClipDataset) -> Iterator[dict[str, Any]]:
    """Each clip's values by column name, with `class` and `fps`; arrays are lists, and what does not apply is None."""
    columns = {plain: dataset.column(name) for name, plain in plain_names(dataset.columns).items()}
    classes, fps = dataset.manifest.classes, dataset.manifest.content.get("fps")
    for clip in range(len(dataset)):
        said = {name: plain_value(column[clip]) for name, column in columns.items()}
        if "label" in said:
            said["class"] = classes[said["label"]]
        yield said | {"fps": fps}


def plain_names(columns: Iterable[str]) -> dict[str, str]:
    """What columns are called where there are no groups: `parameters/radius` is `radius`.

    A parameter that shares its name with another column, as the drawn orientation does with that of every frame, is
    `drawn_orientation`.
    """
    columns = list(columns)
    names = {}
    for name in columns:
        plain = name.rpartition("/")[2]
        names[name] = f"drawn_{plain}" if plain != name and plain in columns else plain
    return names


def plain_value(value: Any) -> Any:
    """A value as JSON has it: arrays are lists, and what does not apply is None."""
    if isinstance(value, bytes):
        return value.decode("ascii")
    if isinstance(value, np.ndarray) and value.ndim:
        return [plain_value(part) for part in value]
    number = value.item()
    return None if isinstance(number, float) and not np.isfinite(number) else number


def new_folder(path: Path) -> Path:
    """Makes the folder of an export.

    Raises:
        BuildError: there is something in it already, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        filled = any(path.iterdir())
    except OSError as error:
        raise BuildError(f"cannot write {path}: {error.strerror}; choose another folder with --out") from error
    if filled:
        raise BuildError(f"{path} is not empty: an export needs a folder of its own, choose another with --out")
    return path

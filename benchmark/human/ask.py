"""The page that asks a person: which clips, in which order, and one file that holds them."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

import dynamics_gen
from benchmark.data import ClipDataset
from dynamics_gen.classes import CLASSES
from dynamics_gen.errors import ConfigError
from dynamics_gen.files import explained, write_whole
from dynamics_gen.viewer.page import page

KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
"""What a person presses for each class, in label order."""

ABOUT = (
    ("linear", "along a straight line"),
    ("sinusoidal", "along a wave"),
    ("hypocycloidal", "along arcs that meet in sharp points, as round a star"),
    ("constant", "at one speed"),
    ("accelerating", "faster and faster"),
    ("bouncing", "falls against a stop on its path again and again, and leaves it slower each time"),
    ("rotation", "stays where it is and turns"),
)
"""What the names of Dynamics mean, told before the first clip."""

_TEMPLATE = Path(__file__).with_name("page.html")


def choose(
    labels: Int64[np.ndarray, " clips"], classes: int, per_class: int, rng: np.random.Generator
) -> Int64[np.ndarray, " chosen"]:
    """Numbers of clips, drawn without repetition, as many of each class, in random order.

    Raises:
        ConfigError: a class has fewer clips.
    """
    chosen = []
    for label in range(classes):
        places = np.flatnonzero(labels == label)
        if len(places) < per_class:
            raise ConfigError(f"{per_class} clips of each class were asked for, and class {label} has {len(places)}")
        chosen.append(rng.choice(places, per_class, replace=False))
    return rng.permutation(np.concatenate(chosen))


def asked(dataset: ClipDataset, per_class: int, seed: int) -> Int64[np.ndarray, " chosen"]:
    """The clips that a page of this seed shows, in its order; whoever scores its answers draws them anew.

    Raises:
        ConfigError: the split is not valid, or a class has too few clips.
    """
    if dataset.manifest.split != "valid":
        raise ConfigError(f"got the split {dataset.manifest.split}, expected valid: test is for the final models alone")
    return choose(dataset.labels, len(dataset.manifest.classes), per_class, np.random.default_rng(seed))


def write_page(directory: Path, path: Path, per_class: int, seed: int, options: str) -> int:
    """Writes the page for the split valid in `directory`, and returns how many clips it holds; no label is in it.

    Args:
        directory: the split's folder.
        path: where the page goes.
        per_class: clips of each class.
        seed: of their choice and their order.
        options: what `bench human score` will need to find the split, as typed; shown at the end.

    Raises:
        ShardError: as `dynamics_gen.open`.
        ConfigError: as `asked`; or there are more classes than keys.
        BuildError: the file cannot be written.
    """
    dataset = dynamics_gen.open(directory)
    manifest = dataset.manifest
    if len(manifest.classes) > len(KEYS):
        raise ConfigError(f"{directory} has {len(manifest.classes)} classes: expected at most {len(KEYS)}, a key each")
    numbers = asked(dataset, per_class, seed)
    described = {
        "release": manifest.release,
        "fingerprint": manifest.fingerprint,
        "clips_per_class": per_class,
        "seed": seed,
        "options": options,
        "classes": list(manifest.classes),
        "keys": KEYS,
        "about": ABOUT if manifest.classes == CLASSES else (),
        "frames": dataset.video_shape[0],
        "height": dataset.video_shape[1],
        "width": dataset.video_shape[2],
        "fps": manifest.content["fps"],
        "clips": [_clip(dataset, int(number)) for number in numbers],
    }
    with explained(path):
        write_whole(path, page(described, _TEMPLATE).encode())
    return len(numbers)


def _clip(dataset: ClipDataset, number: int) -> dict[str, Any]:
    picture = base64.b64encode(sheet(dataset.read_videos([number])[0])).decode("ascii")
    return {"clip_id": dataset.clip_ids[number], "picture": f"data:image/webp;base64,{picture}"}


def sheet(video: UInt8[np.ndarray, "time height width 3"]) -> bytes:
    """All frames in one lossless WebP, row by row in a grid with as many columns as rows, or one more."""
    from PIL import Image

    frames, height, width, _ = video.shape
    columns = math.ceil(math.sqrt(frames))
    rows = math.ceil(frames / columns)
    grid = np.zeros((rows * columns, height, width, 3), np.uint8)
    grid[:frames] = video
    picture = grid.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "webp", lossless=True, method=0)  # others are larger, and slower
    return data.getvalue()

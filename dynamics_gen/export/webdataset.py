"""WebDataset: tar archives in which the files of a sample share a name, read one after the other from any storage."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from dynamics_gen.dataset import ClipDataset
from dynamics_gen.export.describe import descriptions, new_folder
from dynamics_gen.files import explained, replacing

CLIPS_AN_ARCHIVE = 1_000


def export_webdataset(
    dataset: ClipDataset, out: Path, report: Callable[[int], None], clips: int = CLIPS_AN_ARCHIVE
) -> list[Path]:
    """Writes `SPLIT-000000.tar` and so on; the same split gives the same bytes.

    A sample is `ID.video.npy` (uint8, [T, H, W, 3]), an array for each annotation that the dataset was opened with
    (`ID.mask.npy` …), and `ID.json`.

    Args:
        dataset: the split.
        out: an empty folder, or one to be made.
        report: called with numbers of finished clips.
        clips: in an archive.

    Raises:
        BuildError: the folder is not empty, or cannot be written.
    """
    new_folder(out)
    paths, samples = [], _samples(dataset)
    for number in range(-(-len(dataset) // clips)):
        path = out / f"{dataset.manifest.split}-{number:06d}.tar"
        with explained(path), replacing(path) as temporary, tarfile.open(temporary, "w") as archive:
            for name, files in islice(samples, clips):
                for suffix, data in files.items():
                    entry = tarfile.TarInfo(f"{name}.{suffix}")
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
                report(1)
        paths.append(path)
    return paths


def _samples(dataset: ClipDataset) -> Iterator[tuple[str, dict[str, bytes]]]:
    factors = ("label", "path", "speed", "clip_id")
    for clip, said in enumerate(descriptions(dataset)):
        arrays = {name: value for name, value in dataset[clip].items() if name not in factors}
        files = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
        yield said["clip_id"], files | {"json": json.dumps(said).encode()}


def _npy(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()

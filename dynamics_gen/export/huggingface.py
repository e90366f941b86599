"""A folder that Hugging Face's `datasets` loads: Parquet files, a dataset card, Croissant metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dynamics_gen.card import CARD, CROISSANT, croissant, dataset_card, title
from dynamics_gen.classes import CLASSES, PATHS, SPEEDS
from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import ConfigError
from dynamics_gen.export.describe import new_folder, plain_names
from dynamics_gen.files import explained, file_sha256, replacing, write_whole
from dynamics_gen.layout import Column
from dynamics_gen.manifest import Manifest

CLIPS_A_FILE = 1_000
CLIPS_A_GROUP = 50

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def export_huggingface(
    splits: Mapping[str, ClipDataset], out: Path, report: Callable[[int], None], clips: int = CLIPS_A_FILE
) -> list[Path]:
    """Writes `data/SPLIT-00000-of-00005.parquet` and so on, `README.md` and `croissant.json`.

    `datasets.load_dataset(out)` gives every column under its name; `video` is [T, 3, H, W], which Arrow stores with
    little beside the pixels.

    Args:
        splits: by name.
        out: an empty folder, or one to be made.
        report: called with numbers of finished clips.
        clips: in a file.

    Raises:
        BuildError: the folder is not empty, or cannot be written.
        ConfigError: the library `datasets` is missing.
    """
    try:
        import datasets
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise ConfigError(
            "this export needs the library datasets, which is not installed: "
            "run `pip install 'dynamics-benchmark[huggingface]'`"
        ) from None
    folder = new_folder(out) / "data"
    folder.mkdir()
    files: dict[str, list[dict[str, Any]]] = {}
    for split, dataset in splits.items():
        features = datasets.Features(
            {name: _feature(datasets, name, column, dataset) for name, column in _columns(dataset).items()}
        )
        small = {plain: dataset.column(name) for name, plain in plain_names(dataset.columns).items()}
        count = -(-len(dataset) // clips)
        files[split] = []
        for number in range(count):
            path = folder / f"{split}-{number:05d}-of-{count:05d}.parquet"
            end = min(len(dataset), (number + 1) * clips)
            with (
                explained(path),
                replacing(path) as temporary,
                ParquetWriter(temporary, features.arrow_schema, compression="zstd") as writer,
            ):
                for start in range(number * clips, end, CLIPS_A_GROUP):
                    some = range(start, min(end, start + CLIPS_A_GROUP))
                    writer.write_table(
                        datasets.Dataset.from_dict(_rows(dataset, some, small), features=features).data.table
                    )
                    report(len(some))
            name = str(path.relative_to(out))
            files[split].append({"name": name, "sha256": file_sha256(path), "bytes": path.stat().st_size})
    manifests = {split: dataset.manifest for split, dataset in splits.items()}
    columns = _columns(next(iter(splits.values())))
    form = "Parquet files; `video` is [T, 3, H, W]. `datasets.load_dataset` on this folder reads them."
    card = dataset_card(manifests, columns, form, _front_matter(manifests))
    metadata = croissant(manifests, columns, files, "application/x-parquet")
    for name, text in ((CARD, card), (CROISSANT, metadata)):
        with explained(out / name):
            write_whole(out / name, text.encode())
    return [out / CARD, out / CROISSANT, *sorted(folder.iterdir())]


def _columns(dataset: ClipDataset) -> dict[str, Column]:
    """What is exported of a clip, by column name: the frames, ground truth that was asked for, the small columns."""
    frames, height, width, _ = dataset.video_shape
    video = Column(dtype="|u1", shape=(frames, 3, height, width))
    truth = {
        name: Column(dtype=value.dtype.str, shape=value.shape)
        for name, value in dataset[0].items()
        if isinstance(value, np.ndarray) and name != "video"
    }
    small = {plain: dataset.manifest.columns[name] for name, plain in plain_names(dataset.columns).items()}
    return {"video": video} | truth | small


def _rows(dataset: ClipDataset, some: range, small: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Some clips, by column, in the order of `_columns`."""
    read = [dataset[clip] for clip in some]
    large = {
        name: np.stack([clip[name] for clip in read]) for name, of in read[0].items() if isinstance(of, np.ndarray)
    }
    large["video"] = np.ascontiguousarray(large["video"].transpose(0, 1, 4, 2, 3))
    return large | {
        name: [value.decode("ascii") for value in values] if values.dtype.kind == "S" else values
        for name, values in ((name, column[some.start : some.stop]) for name, column in small.items())
    }


def _feature(datasets: Any, name: str, column: Column, dataset: ClipDataset) -> Any:
    classes = dataset.manifest.classes
    names = {"label": classes} | ({"path": PATHS, "speed": SPEEDS} if classes == CLASSES else {})
    if name in names:
        return datasets.ClassLabel(names=list(names[name]))
    kind = "string" if column.dtype[1] == "S" else np.dtype(column.dtype).name
    if not column.shape:
        return datasets.Value(kind)
    if len(column.shape) == 1:
        return datasets.Sequence(datasets.Value(kind), length=column.shape[0])
    return getattr(datasets, f"Array{len(column.shape)}D")(column.shape, kind)


def _front_matter(manifests: Mapping[str, Manifest]) -> str:
    """The card's head, which `datasets` reads."""
    first = next(iter(manifests.values()))
    clips = sum(one.clips for one in manifests.values())
    size = next((name for most, name in _SIZES if clips < most), "n>1M")
    licence = [] if "imported" in first.content else ["license: mit"]
    lines = [
        *licence,
        f"pretty_name: {_quoted(title(first))}",
        "task_categories:\n- video-classification",
        f"size_categories:\n- {size}",
        "configs:\n- config_name: default\n  data_files:",
        *(f"  - split: {split}\n    path: data/{split}-*.parquet" for split in manifests),
    ]
    return "---\n" + "\n".join(lines) + "\n---\n\n"


def _quoted(text: str) -> str:
    """A text as YAML takes it, whatever is in it."""
    return json.dumps(text)

"""The splits that a record was made on: found, or built where they are missing, and told by their fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark import record
from benchmark.plan import build_if_missing
from dynamics_gen.config import SIZES, BuildConfig, clips_per_class, directory_name, release_named
from dynamics_gen.errors import ConfigError
from dynamics_gen.manifest import read_manifest


def recorded_splits(
    dataset: record.Dataset, data: Path, names: Sequence[str], workers: int | None, say: Callable[[str], None]
) -> dict[str, Path]:
    """Folders of the splits, by name, which hold the very clips that the record speaks of; no clip is read.

    Args:
        dataset: what the record says of its data.
        data: holds the datasets' folders.
        names: of the splits, from train, valid and test.
        workers: processes that build a missing split; as many as there are cores unless given.
        say: told what is built.

    Raises:
        ConfigError: the data are somebody's own, a split that is missing was not built with a release's defaults, or
            one has other clips.
    """
    refuse_own_data(dataset)
    found = {name: data / directory_name(dataset.release, dataset.size) / name for name in names}
    for name, folder in found.items():
        if not (folder / "manifest.json").exists():
            _refuse_other_builds(dataset, name, folder)
        build_if_missing(folder, dataset.release, name, dataset.size, workers, say)
        here, there = read_manifest(folder).fingerprint, getattr(dataset.splits, name).fingerprint
        if here != there:
            raise ConfigError(
                f"{folder} has the fingerprint {here[:12]}…: expected {there[:12]}…, that of the record; "
                "choose another --data folder"
            )
    return found


def refuse_own_data(dataset: record.Dataset) -> None:
    """Refuses data that are none of the releases, which nobody else can build.

    Raises:
        ConfigError: they are not.
    """
    if dataset.size not in SIZES:
        raise ConfigError(f"the record is of {dataset.release}, data of somebody's own: expected a release of Dynamics")


def _refuse_other_builds(dataset: record.Dataset, split: str, folder: Path) -> None:
    """Refuses a split that would be built with other settings than the record's data were."""
    release = release_named(dataset.release)
    usual = BuildConfig(
        release=release, split=split, per_class=clips_per_class(dataset.size, split), frames=release.frames
    )
    flags = [
        f"--{name.replace('_', '-')} {getattr(dataset, name):g}"
        for name in ("seed", "image_size", "frames", "fps")
        if getattr(dataset, name) != getattr(usual, name)
    ]
    if flags:
        words = " ".join([f"--size {dataset.size} --release {dataset.release}", *flags, f"--out {folder.parent}"])
        raise ConfigError(
            f"{folder} is not there, and the record's data were not built with the defaults: build it with "
            f"`dynamics-gen --split {split} {words}`, or choose another --data folder"
        )

"""Holds a split against its manifest: every file, every checksum, every clip."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dynamics_gen import manifest as manifests
from dynamics_gen.classes import CLASSES, factors
from dynamics_gen.errors import ShardError
from dynamics_gen.files import file_sha256
from dynamics_gen.layout import ANNOTATIONS_FOLDER, ShardEntry, ShardHeader, is_shard_name
from dynamics_gen.manifest import Manifest, read_manifest
from dynamics_gen.pool import available_cores, run_tasks
from dynamics_gen.shard_file import REMEDY, ShardFile
from dynamics_gen.shards import Report, check_shard


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckJob:
    """One shard to be checked."""

    path: Path
    entry: ShardEntry
    header: ShardHeader


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checked:
    """What was found in one shard; without digests and labels if it could not be decoded."""

    entry: ShardEntry
    problems: list[str]
    digests: bytes = b""
    labels: tuple[int, ...] = ()
    clip_ids: tuple[bytes, ...] = ()


def verify(directory: Path, *, workers: int | None = None, progress: Callable[[int], None] | None = None) -> list[str]:
    """Checks a finished split and returns what is wrong with it, one sentence each; an empty list is a clean bill.

    Checked are: the manifest's own checksum; that its shards, and no others, are there; each file's size and SHA-256;
    its root attributes and datasets; every clip, decoded, against its digest; labels against their factors; that
    clip ids are unique and classes balanced; and the split's fingerprint.

    Args:
        directory: a folder that `dynamics-gen` made.
        workers: processes; as many as there are cores unless given.
        progress: called with numbers of newly checked clips.
    """
    directory = Path(directory)
    try:
        manifest = read_manifest(directory)
    except ShardError as error:
        return [str(error)]
    listed = {entry.name for entry in manifest.shards}
    problems = [
        f"{path} is not in the manifest: delete it"
        for path in sorted(directory.iterdir())
        if is_shard_name(path.name) and path.name not in listed
    ]
    jobs = [
        CheckJob(path=directory / entry.name, entry=entry, header=manifest.header(number))
        for number, entry in enumerate(manifest.shards)
    ]
    tasks = run_tasks(
        check_file,
        jobs,
        workers=available_cores() if workers is None else workers,
        progress=progress or (lambda clips: None),
        name=lambda job: job.path.name,
    )
    checked = sorted(tasks, key=lambda found: found.entry.first_clip)
    problems += [problem for found in checked for problem in found.problems]
    if problems:
        return problems
    fingerprint = hashlib.sha256(b"".join(found.digests for found in checked)).hexdigest()
    if fingerprint != manifest.fingerprint:
        problems.append(f"{directory}: the clips' fingerprint is {fingerprint}, expected {manifest.fingerprint}")
    if len({name for found in checked for name in found.clip_ids}) != manifest.clips:
        problems.append(f"{directory}: some clips have the same clip_id")
    counts = np.bincount([label for found in checked for label in found.labels], minlength=len(manifest.classes))
    balanced = "label" in manifest.columns and "per_class" in manifest.content
    if balanced and set(counts) != {manifest.content["per_class"]}:
        problems.append(f"{directory}: classes have {', '.join(map(str, counts))} clips, expected the same of each")
    return problems + _verify_annotations(directory, manifest, workers, progress)


def _verify_annotations(directory: Path, manifest: Manifest, workers: int | None, progress) -> list[str]:
    """Checks the ground truth beside a split, if it is there; `progress` counts the split's own clips alone."""
    folder = directory / ANNOTATIONS_FOLDER
    if not (folder / manifests.NAME).exists():
        return []
    problems = verify(folder, workers=workers)
    if not problems:
        found = dict(read_manifest(folder).content)
        found.pop("annotations", None)
        if found != manifest.content:
            problems = [f"{folder} annotates another split than the one it stands in: delete it"]
    return problems


def check_file(job: CheckJob, report: Report) -> Checked:
    """Checks one shard against the manifest."""
    problems: list[str] = []
    try:
        if job.path.is_file():
            problems += _compare_bytes(job)
        found = check_shard(job.path, job.header)
        with ShardFile(job.path, job.header) as shard:
            names = shard.column("clip_id")
            labels = shard.column("label") if "label" in job.header.columns else np.zeros(0, np.int64)
            stated = [shard.column(name) for name in ("label", "path", "speed") if name in job.header.columns]
    except ShardError as error:
        return Checked(entry=job.entry, problems=[*problems, str(error)])
    finally:
        report(job.entry.clips)
    if found.entry.content_sha256 != job.entry.content_sha256:
        problems.append(f"{job.path} holds other clips than the manifest says; {REMEDY}")
    if len(labels) and (labels.min() < 0 or labels.max() >= len(job.header.classes)):
        problems.append(f"{job.path} has labels beyond its {len(job.header.classes)} classes")
    if len(stated) == 3 and job.header.classes == CLASSES:
        known = {(label, *factors(label)) for label in range(len(CLASSES))}
        if wrong := sorted(set(map(tuple, np.stack(stated, axis=1).tolist())) - known):
            problems.append(f"{job.path} has clips whose label, path and speed do not go together: {wrong[:3]}")
    return Checked(
        entry=job.entry,
        problems=problems,
        digests=found.digests.tobytes(),
        labels=tuple(labels.tolist()),
        clip_ids=tuple(names.tolist()),
    )


def _compare_bytes(job: CheckJob) -> list[str]:
    size = job.path.stat().st_size
    if size != job.entry.bytes:
        return [f"{job.path} has {size:,} bytes, expected {job.entry.bytes:,}; {REMEDY}"]
    if file_sha256(job.path) != job.entry.sha256:
        return [f"{job.path} is not the file that was built: its SHA-256 differs from the manifest's; {REMEDY}"]
    return []

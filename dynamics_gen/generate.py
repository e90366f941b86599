"""Builds a split, or goes on with one that was interrupted.

Worker processes make pieces of shards, in order; this one joins those of a shard as soon as all are there. So every
core has work to the end, and little is lost when the build is killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from dynamics_gen import manifest as manifests
from dynamics_gen.clip import Storable
from dynamics_gen.config import SplitConfig
from dynamics_gen.errors import BuildError, ConfigError, ShardError
from dynamics_gen.files import explained, remove_temporaries
from dynamics_gen.layout import LARGEST_CLIP, ShardHeader, header_of, is_shard_name, shard_name
from dynamics_gen.lock import locked
from dynamics_gen.manifest import Manifest, read_manifest, write_manifest
from dynamics_gen.pool import available_cores, run_tasks
from dynamics_gen.shard_file import ShardFile, UnknownFormatError, header_difference
from dynamics_gen.shards import Piece, Report, ShardResult, check_shard, compress_piece, join_pieces

ClipSource = Callable[[Any, Sequence[int]], Iterator[Storable]]
"""Makes the clips of a configuration in the order of the indices; picklable by name."""

CLIPS_A_PIECE = 125
"""What a worker makes at a time: little enough to keep all of them busy to the end, enough to simulate together."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardJob:
    """One shard to be made."""

    config: SplitConfig
    directory: Path
    shard: int
    source: ClipSource | None = None
    annotations: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the shard is to stand."""
        return self.directory / shard_name(self.config.split, self.shard, self.config.shards)

    @property
    def header(self) -> ShardHeader:
        """What it is to hold, but for the columns."""
        return header_of(self.config, self.shard, {}, self.annotations)

    @property
    def pieces(self) -> list[PieceJob]:
        """What its clips are made in."""
        clips = self.header.clips
        return [
            PieceJob(shard=self, start=start, stop=min(start + CLIPS_A_PIECE, clips))
            for start in range(0, clips, CLIPS_A_PIECE)
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class PieceJob:
    """Some clips of a shard to be made, `start` to `stop` - 1 as counted in it."""

    shard: ShardJob
    start: int
    stop: int

    def __str__(self) -> str:
        return f"clips {self.start} to {self.stop - 1} of {self.shard.path.name}"


def build_split(
    config: SplitConfig,
    directory: Path,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    source: ClipSource | None = None,
    annotations: tuple[str, ...] = (),
) -> Manifest:
    """Builds a split in `directory`, or finishes one that an earlier run began; a finished one is left alone.

    The clips are the same, bit for bit, and so are the files, for any number of workers and however often the build
    was killed in between. Shards that stand are decoded and checked, and made again if damaged.

    Args:
        config: what to build.
        directory: where; made if it is not there.
        workers: processes; as many as there are cores unless given.
        progress: called in this process with numbers of newly finished clips, in all `config.clips`.
        source: makes the clips; the renderer unless given.
        annotations: what the source makes instead of videos, if it does.

    Raises:
        ConfigError: `workers` is below 1, or one clip exceeds 4 GiB.
        BuildError: the folder is in use, unwritable, too full or holds something else; a worker died.
        ShardError: the manifest that is there is damaged.
    """
    report = progress or (lambda clips: None)
    with building(config, directory, report, source=source, annotations=annotations) as (jobs, finish):
        if finish.done is not None:
            return finish.done
        standing = [job for job in jobs if job.path.exists()]
        crew = available_cores() if workers is None else workers
        return finish(_make_all(jobs, standing, crew, report))


class Finish:
    """Ends a build: `done` is the manifest of one that was finished before, else call it with all results."""

    def __init__(self, config: SplitConfig, directory: Path, done: Manifest | None) -> None:
        self.config, self.directory, self.done = config, directory, done

    def __call__(self, results: Iterable[ShardResult]) -> Manifest:
        """Writes the manifest of finished shards, which may come in any order."""
        ordered = sorted(results, key=lambda result: result.entry.first_clip)
        manifest = _manifest(self.config, self.directory, ordered)
        with explained(self.directory):
            write_manifest(self.directory, manifest)
        return manifest


@contextlib.contextmanager
def building(
    config: SplitConfig,
    directory: Path,
    report: Callable[[int], None],
    *,
    source: ClipSource | None = None,
    annotations: tuple[str, ...] = (),
    wait: bool = False,
) -> Iterator[tuple[list[ShardJob], Finish]]:
    """Opens the building site of a whole split: locked, checked and with room; hands out its jobs and how to end.

    Raises:
        ConfigError: one clip exceeds 4 GiB.
        BuildError: the folder is in use, unwritable, too full or holds something else.
        ShardError: the manifest that is there is damaged.
    """
    directory = Path(directory)
    if config.frames * config.image_size**2 * 3 > LARGEST_CLIP:
        raise ConfigError(
            f"a clip of {config.frames} frames of {config.image_size}×{config.image_size} exceeds 4 GiB: "
            "ask for fewer or smaller frames"
        )
    if finished := _finished(config, directory, annotations):
        report(config.clips)
        yield [], Finish(config, directory, finished)
        return
    with locked(directory, wait=wait):
        if finished := _finished(config, directory, annotations):  # by a run that was waited for
            report(config.clips)
            yield [], Finish(config, directory, finished)
            return
        _refuse_other_shards(config, directory, annotations)
        jobs = [
            ShardJob(config=config, directory=directory, shard=shard, source=source, annotations=annotations)
            for shard in range(config.shards)
        ]
        _require_space(config, directory, clips=sum(job.header.clips for job in jobs if not job.path.exists()))
        remove_temporaries(directory, f"{config.split}-")
        try:
            yield jobs, Finish(config, directory, None)
        finally:
            remove_temporaries(directory, f"{config.split}-")


def build_shards(
    config: SplitConfig,
    directory: Path,
    shards: range,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    source: ClipSource | None = None,
) -> Manifest | None:
    """Builds some shards of a split, beside other runs that build others in the same folder.

    The run that sees the last shard finished checks them all and writes the manifest.

    Args:
        config: what to build.
        directory: where; may be shared by many machines.
        shards: numbers of the shards.
        workers: processes; as many as there are cores unless given.
        progress: called with numbers of newly finished clips, in all those of the shards.
        source: makes the clips; the renderer unless given.

    Returns:
        The manifest, if the split is whole now.

    Raises:
        ConfigError: there are no such shards.
        BuildError: another run works on one of them, or as `build_split`.
    """
    directory = Path(directory)
    if not shards or shards.start < 0 or shards.stop > config.shards:
        raise ConfigError(
            f"shards {shards.start}-{shards.stop - 1} are asked for, and {config.split} has the shards "
            f"0-{config.shards - 1} of {config.shard_size:,} clips"
        )
    report = progress or (lambda clips: None)
    jobs = [ShardJob(config=config, directory=directory, shard=shard, source=source) for shard in shards]
    if finished := _finished(config, directory, ()):
        report(sum(job.header.clips for job in jobs))
        return finished
    with locked(directory, shards):
        _refuse_other_shards(config, directory, ())
        standing = [job for job in jobs if job.path.exists()]
        missing = sum(job.header.clips for job in jobs if job not in standing)
        _require_space(config, directory, clips=missing)
        for job in jobs:
            remove_temporaries(directory, job.path.name)
        crew = available_cores() if workers is None else workers
        for result in _make_all(jobs, standing, crew, report):
            _tell_damage(result)
    every = [shard_name(config.split, shard, config.shards) for shard in range(config.shards)]
    if not all((directory / name).exists() for name in every):
        return None
    silent: Callable[[int], None] = lambda clips: None  # noqa: E731
    with building(config, directory, silent, source=source, wait=True) as (every_job, finish):
        return finish.done or finish(_make_all(every_job, every_job, crew, silent))


def make_shard(job: ShardJob, report: Report) -> ShardResult:
    """Makes one shard in this process; it needs the job and the folder, nothing else."""
    return join_pieces(job.path, job.header, [make_piece(piece, report) for piece in job.pieces])


def make_piece(job: PieceJob, report: Report) -> Piece:
    """Makes and compresses the clips of one piece: all that a worker does."""
    source = job.shard.source
    if source is None:
        from dynamics_gen.render import render_clips

        source = cast(ClipSource, render_clips)
    header = job.shard.header
    indices = range(header.first_clip + job.start, header.first_clip + job.stop)
    return compress_piece(header, job.start, job.stop, source(job.shard.config, indices), report)


def _make_all(
    jobs: Sequence[ShardJob], standing: Sequence[ShardJob], workers: int, progress: Callable[[int], None]
) -> Iterator[ShardResult]:
    """Yields every shard of a build: those that stand if all is well with them, then the others, newly made."""
    damage: dict[int, str] = {}
    whole: set[int] = set()
    checks = run_tasks(_check, standing, workers=workers, progress=progress, name=lambda job: job.path.name)
    for job, found in checks:
        if isinstance(found, str):
            damage[job.shard] = found
        else:
            whole.add(job.shard)
            yield found
    pieces = [piece for job in jobs if job.shard not in whole for piece in job.pieces]
    unfinished: dict[int, list[Piece]] = {}
    for job, piece in run_tasks(_make_named_piece, pieces, workers=workers, progress=progress):
        shard = job.shard
        made = unfinished.setdefault(shard.shard, [])
        made.append(piece)
        if len(made) == len(shard.pieces):
            result = join_pieces(shard.path, shard.header, unfinished.pop(shard.shard))
            yield replace(result, damage=damage.get(shard.shard, ""))


def _check(job: ShardJob, report: Report) -> tuple[ShardJob, ShardResult | str]:
    """Decodes a shard that stands; the second is what is wrong with it, if anything is."""
    try:
        result = check_shard(job.path)
    except ShardError as error:
        return job, str(error)
    report(job.header.clips)
    return job, result


def _make_named_piece(job: PieceJob, report: Report) -> tuple[PieceJob, Piece]:
    return job, make_piece(job, report)


def _finished(config: SplitConfig, directory: Path, annotations: tuple[str, ...]) -> Manifest | None:
    """The manifest of a finished build of this configuration; None if there is work to do.

    Raises:
        BuildError: the folder holds a build of another configuration.
    """
    if not (directory / manifests.NAME).exists():
        return None
    manifest = read_manifest(directory)
    # What made a finished split may be older than this program; what it is may not differ.
    versions = {"generator": manifest.versions["generator"], "pybullet": manifest.versions["pybullet"]}
    wanted = replace(
        header_of(config, 0, manifest.columns, annotations),
        generator_version=versions["generator"],
        pybullet_version=versions["pybullet"],
    )
    if manifest.shard_size != config.shard_size:
        raise _other_build(directory, f"shard_size is {manifest.shard_size}, expected {config.shard_size}")
    if manifest.header(0) != wanted:
        raise _other_build(directory, header_difference(manifest.header(0), wanted))
    for entry in manifest.shards:
        path = directory / entry.name
        if not path.is_file() or path.stat().st_size != entry.bytes:
            return None
    return manifest


def _refuse_other_shards(config: SplitConfig, directory: Path, annotations: tuple[str, ...]) -> None:
    """Finds shards that this build would not make, before anything is touched; damaged ones are no obstacle."""
    expected = {shard_name(config.split, shard, config.shards): shard for shard in range(config.shards)}
    for path in sorted(directory.iterdir()):
        if not is_shard_name(path.name):
            continue
        if path.name not in expected:
            raise _other_build(directory, f"{path.name} is none of its {config.shards} shards of {config.split}")
        try:
            with ShardFile(path) as shard:
                found = replace(shard.header, columns={})
        except UnknownFormatError:
            raise
        except ShardError:
            continue
        wanted = header_of(config, expected[path.name], {}, annotations)
        if found != wanted:
            raise _other_build(directory, f"in {path.name} {header_difference(found, wanted)}")


def _other_build(directory: Path, difference: str) -> BuildError:
    return BuildError(
        f"{directory} holds another build: {difference}; choose another folder with --out, or delete this one"
    )


def _require_space(config: SplitConfig, directory: Path, clips: int) -> None:
    need = clips * config.bytes_a_clip
    free = shutil.disk_usage(directory).free
    if need > free:
        raise BuildError(
            f"{directory} has {free / 1e6:,.0f} MB free, and {clips:,} clips need about {need / 1e6:,.0f} MB: "
            "free some space, or choose another folder with --out"
        )


def _manifest(config: SplitConfig, directory: Path, results: Sequence[ShardResult]) -> Manifest:
    """Joins finished shards, in order, into a manifest."""
    first = results[0].header
    for result in results:
        if result.header.columns != first.columns:
            difference = header_difference(result.header, replace(result.header, columns=first.columns))
            raise _other_build(directory, f"in {result.entry.name} {difference}")
        _tell_damage(result)
    digest = hashlib.sha256()
    for result in results:
        digest.update(result.digests.tobytes())
    return Manifest(
        release=first.release,
        split=first.split,
        seed=first.seed,
        clips=config.clips,
        fingerprint=digest.hexdigest(),
        shard_size=config.shard_size,
        codec=first.codec,
        content=first.content,
        classes=first.classes,
        columns=first.columns,
        versions={"generator": first.generator_version, "pybullet": first.pybullet_version},
        shards=tuple(result.entry for result in results),
    )


def _tell_damage(result: ShardResult) -> None:
    if result.damage:
        _log.warning("%s was damaged and has been made again (%s)", result.entry.name, result.damage)

"""Builds a split, or goes on with one that was interrupted.

Worker processes make pieces of shards, in order; this one joins those of a shard as soon as all are there. So every
core has work to the end, and little is lost when the build is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dynamics_gen import manifest as manifests
from dynamics_gen.clip import AnnotatedClip, Clip
from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import BuildError, ConfigError, ShardError
from dynamics_gen.files import explained, remove_temporaries
from dynamics_gen.layout import ShardHeader, header_of, is_shard_name, shard_name
from dynamics_gen.manifest import Manifest, read_manifest, write_manifest
from dynamics_gen.pool import available_cores, run_tasks
from dynamics_gen.shard_file import LARGEST_CLIP, ShardFile, UnknownFormatError, header_difference
from dynamics_gen.shards import Piece, Report, ShardResult, check_shard, compress_piece, join_pieces

ClipSource = Callable[[BuildConfig, Sequence[int]], Iterator[Clip | AnnotatedClip]]
"""Makes clips in the order of the indices; picklable by name."""

BYTES_A_CLIP = 20_000
"""What a clip of 32 frames of 64×64 takes on disk, at most about; larger ones in proportion."""

CLIPS_A_PIECE = 125
"""What a worker makes at a time: little enough to keep all of them busy to the end, enough to simulate together."""

_LOCK = ".lock"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardJob:
    """One shard to be made."""

    config: BuildConfig
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
    config: BuildConfig,
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
    directory = Path(directory)
    report = progress or (lambda clips: None)
    if config.frames * config.image_size**2 * 3 > LARGEST_CLIP:
        raise ConfigError(
            f"a clip of {config.frames} frames of {config.image_size}×{config.image_size} exceeds 4 GiB: "
            "ask for fewer or smaller frames"
        )
    if finished := _finished(config, directory, annotations):
        report(config.clips)
        return finished
    with _locked(directory):
        _refuse_other_shards(config, directory, annotations)
        jobs = [
            ShardJob(config=config, directory=directory, shard=shard, source=source, annotations=annotations)
            for shard in range(config.shards)
        ]
        standing = [job for job in jobs if job.path.exists()]
        missing = config.clips - sum(job.header.clips for job in standing)
        _require_space(config, directory, clips=missing)
        remove_temporaries(directory, f"{config.split}-")
        try:
            crew = available_cores() if workers is None else workers
            results = sorted(_make_all(jobs, standing, crew, report), key=lambda result: result.entry.first_clip)
        finally:
            remove_temporaries(directory, f"{config.split}-")
        manifest = _manifest(config, directory, results)
        with explained(directory):
            write_manifest(directory, manifest)
    return manifest


def make_shard(job: ShardJob, report: Report) -> ShardResult:
    """Makes one shard in this process; it needs the job and the folder, nothing else."""
    return join_pieces(job.path, job.header, [make_piece(piece, report) for piece in job.pieces])


def make_piece(job: PieceJob, report: Report) -> Piece:
    """Makes and compresses the clips of one piece: all that a worker does."""
    if job.shard.source is None:
        from dynamics_gen.render import render_clips as source
    else:
        source = job.shard.source
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


def _finished(config: BuildConfig, directory: Path, annotations: tuple[str, ...]) -> Manifest | None:
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


def _refuse_other_shards(config: BuildConfig, directory: Path, annotations: tuple[str, ...]) -> None:
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


def _require_space(config: BuildConfig, directory: Path, clips: int) -> None:
    need = clips * BYTES_A_CLIP * config.frames * config.image_size**2 // (32 * 64 * 64)
    free = shutil.disk_usage(directory).free
    if need > free:
        raise BuildError(
            f"{directory} has {free / 1e6:,.0f} MB free, and {clips:,} clips need about {need / 1e6:,.0f} MB: "
            "free some space, or choose another folder with --out"
        )


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keeps a second run out of a folder; the lock goes with the process, however it ends."""
    path = directory / _LOCK
    with explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(
                f"{directory} is being built by another run: wait for it to end, or choose another folder with --out"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _manifest(config: BuildConfig, directory: Path, results: Sequence[ShardResult]) -> Manifest:
    """Joins finished shards, in order, into a manifest."""
    first = results[0].header
    for result in results:
        if result.header.columns != first.columns:
            difference = header_difference(result.header, replace(result.header, columns=first.columns))
            raise _other_build(directory, f"in {result.entry.name} {difference}")
        if result.damage:
            _log.warning("%s was damaged and has been made again (%s)", result.entry.name, result.damage)
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

"""Builds a split on a Dask cluster that shares a folder: the scheduler hands out shards, its workers write them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import BuildError, ConfigError, ShardError
from dynamics_gen.generate import ShardJob, building, make_shard
from dynamics_gen.manifest import Manifest
from dynamics_gen.shards import ShardResult, check_shard

TIMEOUT_S = 10.0
"""How long a scheduler may take to answer."""

_one_at_a_time = threading.Lock()


def build_on_cluster(
    config: BuildConfig, directory: Path, address: str, progress: Callable[[int], None] | None = None
) -> Manifest:
    """Builds a split as `generate.build_split` does, on the workers of a Dask scheduler.

    A shard whose worker dies is made by another; the split is the same, bit for bit, as one built on one machine.

    Args:
        config: what to build.
        directory: where; the workers must see it under the same path.
        address: of the scheduler, as `tcp://host:8786`.
        progress: called with numbers of newly finished clips.

    Raises:
        ConfigError: Dask is not installed, or no scheduler answers there.
        BuildError: a worker does not see the folder, or as `build_split`.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ConfigError(
            "--scheduler needs Dask, which is not installed: run `pip install 'dynamics-benchmark[cluster]'`"
        ) from None
    directory = Path(directory).resolve()
    report = progress or (lambda clips: None)
    with building(config, directory, report) as (jobs, finish):
        if finish.done is not None:
            return finish.done
        try:
            client = Client(address, timeout=TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at {address!r} ({error}): start one with `dask scheduler`, "
                "and give the address that it prints"
            ) from error
        with client, client.as_current():
            futures = client.map(_make_or_check, jobs, pure=False, retries=2)
            results: list[ShardResult] = []
            try:
                for future in as_completed(futures):
                    results.append(_result_of(future))
                    report(results[-1].header.clips)
            finally:
                client.cancel([future for future in futures if not future.done()])
        return finish(results)


def _result_of(future) -> ShardResult:
    """What a worker made, or one sentence."""
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise BuildError(
            f"the cluster lost too many workers over one shard ({error}): if memory ran out, give them more; "
            "run the same command again, what is finished is kept"
        ) from error


def _make_or_check(job: ShardJob) -> ShardResult:
    """Runs on a worker; threads of one process take turns, because PyBullet's client and lists are not shared."""
    with _one_at_a_time:
        if not job.directory.is_dir():
            raise BuildError(f"a worker of the cluster does not see {job.directory}: all must share that folder")
        damage = ""
        if job.path.exists():
            try:
                return check_shard(job.path)
            except ShardError as error:
                damage = str(error)
        return replace(make_shard(job, lambda clips: None), damage=damage)

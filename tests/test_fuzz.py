"""Thousands of wrong and hostile files: each gives one sentence or the right clips; none a crash, a hang, or gigabytes.

`DYNAMICS_FUZZ=100` makes a hundred times as many of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from damage import damaged, wilder
from fake_clips import fake_clips, small_config

import dynamics_gen
from dynamics_gen import shards
from dynamics_gen.cli import main
from dynamics_gen.config import config_from
from dynamics_gen.errors import ConfigError, ShardError
from dynamics_gen.layout import header_of
from dynamics_gen.manifest import NAME, read_manifest
from dynamics_gen.shards import check_shard, write_shard
from dynamics_gen.verify import verify

TIMES = int(os.environ.get("DYNAMICS_FUZZ", "1"))
MEMORY = 3 << 30
SECONDS = 30


def in_a_process(cases: int, case: Callable[[random.Random], None]) -> None:
    """Runs numbered cases in processes with little memory and time; a case fails if it raises, dies, or takes long."""
    for first in range(0, cases, 100):
        notes, into = os.pipe()
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            status = 0
            for number in range(first, first + 100):
                os.write(into, f"{number} ".encode())
                signal.alarm(SECONDS)
                try:
                    case(random.Random(number))
                except BaseException as error:  # noqa: BLE001
                    os.write(into, f"raised {error!r} ".encode())
                    status = 1
                    break
            os._exit(status)
        os.close(into)
        with os.fdopen(notes) as stream:
            said = stream.read()
        assert os.waitpid(child, 0)[1] == 0, f"case {' '.join(said.split(' ')[-200:])}"


@contextlib.contextmanager
def earliest_format(image: io.BytesIO) -> Iterator[h5py.File]:
    """HDF5's oldest format: its metadata have no checksums, so damage reaches what is behind them."""
    with h5py.File(image, "w", libver="earliest") as file:
        yield file


@pytest.mark.parametrize("form", ["ours", "earliest"])
def test_damaged_shards(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged shard is refused, or its clips are what they were."""
    if form == "earliest":
        monkeypatch.setattr(shards, "_created", earliest_format)
    config, path = small_config(), tmp_path / "s.h5"
    whole = write_shard(path, header_of(config, 0, {}), fake_clips(config, range(8)), lambda clips: None)
    data = path.read_bytes()
    refused = tmp_path / "refused"

    def case(rng: random.Random) -> None:
        path.write_bytes(damaged(data, rng))
        try:
            found = check_shard(path, whole.header)
        except ShardError:
            refused.touch()
        else:
            np.testing.assert_array_equal(found.digests, whole.digests)

    in_a_process(600 * TIMES, case)
    assert refused.exists()


def test_hostile_manifests(own_split: Path) -> None:
    """A manifest that is sealed properly and lies: opening, reading, checking and describing it end in a sentence."""
    told = json.loads((own_split / NAME).read_text())
    del told["manifest_sha256"]
    refused = own_split / "refused"

    def case(rng: random.Random) -> None:
        lies = told
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            lies = wilder(lies, rng)
        canonical = json.dumps(lies, sort_keys=True, separators=(",", ":"))
        if isinstance(lies, dict):
            lies = lies | {"manifest_sha256": hashlib.sha256(canonical.encode()).hexdigest()}
        (own_split / NAME).write_text(json.dumps(lies))
        try:
            with contextlib.suppress(ConfigError):
                config_from(read_manifest(own_split).content, shard_size=8, codec="zstd")
            dataset = dynamics_gen.open(own_split)
            for name in dataset.columns:
                dataset.column(name)
            dataset[len(dataset) - 1]
            dataset.read_videos(slice(0, 2))
        except ShardError:
            refused.touch()
        verify(own_split, workers=1)
        done = CliRunner().invoke(main, ["info", str(own_split)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception

    in_a_process(200 * TIMES, case)
    assert refused.exists()

"""Several runs, or a cluster, build one split together: the same files as one run makes."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_clips import fake_clips, small_config

import dynamics_gen
from dynamics_gen.cli import main
from dynamics_gen.cluster import build_on_cluster
from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import BuildError, ConfigError
from dynamics_gen.generate import build_shards, build_split
from dynamics_gen.lock import locked
from dynamics_gen.verify import verify

CONFIG = BuildConfig(split="train", per_class=6, image_size=16, frames=8, shard_size=10)


def files_of(directory: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_ranges_make_the_split_of_one_run(tmp_path: Path) -> None:
    """In any order; the manifest comes with the last range, and no lock stays."""
    config = small_config()
    build_split(config, tmp_path / "whole", 1, source=fake_clips)
    parts = tmp_path / "parts"
    assert build_shards(config, parts, range(2, 4), 1, source=fake_clips) is None
    assert not (parts / "manifest.json").exists()
    assert build_shards(config, parts, range(0, 1), 2, source=fake_clips) is None
    manifest = build_shards(config, parts, range(1, 2), 1, source=fake_clips)
    assert manifest is not None
    assert files_of(parts) == files_of(tmp_path / "whole")
    assert build_shards(config, parts, range(0, 2), 1, source=fake_clips) == manifest


def build_range(directory: Path, first: int) -> None:
    """One of the runs of the test below."""
    build_shards(CONFIG, directory, range(first, first + 2), 1)


def test_runs_at_the_same_time_share_a_folder(tmp_path: Path) -> None:
    """Three processes with two shards each, at once: whole, verified, and as one run makes it."""
    start = multiprocessing.get_context("spawn")
    runs = [start.Process(target=build_range, args=(tmp_path / "shared", first)) for first in (0, 2, 4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0, 0]
    build_split(CONFIG, tmp_path / "alone", 1)
    assert files_of(tmp_path / "shared") == files_of(tmp_path / "alone")
    assert verify(tmp_path / "shared", workers=1) == []


def test_two_runs_do_not_build_one_shard(tmp_path: Path) -> None:
    """Overlapping ranges, and a whole build beside a range, are refused; disjoint ranges are not."""
    config = small_config()
    with locked(tmp_path, range(1, 3)):
        with pytest.raises(BuildError, match=r"is being built by another run \(shard 2\)"):
            build_shards(config, tmp_path, range(2, 4), 1, source=fake_clips)
        with pytest.raises(BuildError, match="is being built by another run: wait"):
            build_split(config, tmp_path, 1, source=fake_clips)
        assert build_shards(config, tmp_path, range(3, 4), 1, source=fake_clips) is None
    with locked(tmp_path), pytest.raises(BuildError, match="is being built by another run: wait"):
        build_shards(config, tmp_path, range(0, 1), 1, source=fake_clips)
    assert [path.name for path in tmp_path.iterdir()] == ["train-00003-of-00004.h5"]


def test_the_plain_command_finishes_what_ranges_left(tmp_path: Path) -> None:
    """A range whose run was lost is made by the next whole build."""
    config = small_config()
    build_shards(config, tmp_path, range(0, 2), 1, source=fake_clips)
    build_split(config, tmp_path, 1, source=fake_clips)
    assert len(dynamics_gen.open(tmp_path)) == config.clips


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--split", "train", "--shards", "5-2"], 2, "'5-2' is not A-B with whole numbers and A ≤ B"),
        (["--split", "train", "--shards", "-1-2"], 2, "is not A-B"),
        (["--split", "train", "--shards", "0-99"], 1, "shards 0-99 are asked for, and train has the shards 0-0"),
        (["--split", "all", "--shards", "0-1"], 2, "--shards builds a part of one split"),
        (["--split", "train", "--shards", "0", "--annotations", "mask"], 2, "--shards builds a part of one split"),
        (
            ["--split", "train", "--scheduler", "tcp://127.0.0.1:9"],
            1,
            "no Dask scheduler answers at 'tcp://127.0.0.1:9'",
        ),
        (["--split", "train", "--scheduler", "nonsense://x"], 1, "no Dask scheduler answers at 'nonsense://x'"),
    ],
)
def test_bad_ranges_and_schedulers_are_one_sentence(
    arguments: list[str], code: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was got, what is there; nothing is built."""
    monkeypatch.setattr("dynamics_gen.cluster.TIMEOUT_S", 1.0)
    result = CliRunner().invoke(main, [*arguments, "--size", "tiny", "--out", str(tmp_path)])
    assert result.exit_code == code
    assert sentence in result.stderr
    assert not list(tmp_path.rglob("*.h5"))


def test_shards_are_chosen_on_the_command_line(tmp_path: Path) -> None:
    """`--shards 1-2` makes those two files and says how many there are."""
    size = ["--per-class", "4", "--image-size", "16", "--frames", "4", "--shard-size", "10", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["--split", "train", "--shards", "1-2", *size])
    assert result.exit_code == 0
    assert "shards 1 to 2 of 4 stand" in result.stdout
    assert sorted(path.name for path in (tmp_path / "train").glob("*.h5")) == [
        "train-00001-of-00004.h5",
        "train-00002-of-00004.h5",
    ]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A Dask scheduler and two workers, each a process of its own group, on the loopback."""
    contact = tmp_path / "scheduler.json"
    run = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    environment = os.environ | {"PYTHONPATH": path + os.pathsep + os.environ.get("PYTHONPATH", "")}
    local = ["--host", "127.0.0.1", "--dashboard-address", ":0"]
    started = [
        subprocess.Popen(
            [*run, "scheduler", *local, "--port", "0", "--scheduler-file", str(contact)], env=environment, **quiet
        )
    ]
    try:
        for _ in range(2):
            options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path / "dask"), *local]
            started.append(
                subprocess.Popen([*run, "worker", "--scheduler-file", str(contact), *options], env=environment, **quiet)
            )
        deadline = time.monotonic() + 60
        while not contact.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield json.loads(contact.read_text())["address"], started[1:]
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_that_loses_a_worker_builds_the_same_split(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen]]
) -> None:
    """One of two workers is killed after the first shard: the other does its work, bit for bit."""
    address, workers = cluster
    config = BuildConfig(split="train", per_class=12, image_size=16, frames=16, shard_size=10)
    done = []

    def progress(clips: int) -> None:
        done.append(clips)
        if len(done) == 2:
            os.killpg(workers[0].pid, signal.SIGKILL)

    manifest = build_on_cluster(config, tmp_path / "cluster", address, progress)
    assert sum(done) == config.clips
    assert workers[0].wait() == -signal.SIGKILL
    build_split(config, tmp_path / "local", 1)
    assert files_of(tmp_path / "cluster") == files_of(tmp_path / "local")
    assert verify(tmp_path / "cluster", workers=1) == []
    assert build_on_cluster(config, tmp_path / "cluster", address) == manifest


def test_without_dask_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'dynamics-benchmark\[cluster\]'"):
        build_on_cluster(CONFIG, tmp_path, "tcp://127.0.0.1:1")

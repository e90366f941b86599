"""A split comes out the same, bit for bit, however it is built; whatever goes wrong is told in one sentence."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import h5py
import numpy as np
import pytest
from fake_clips import (
    fake_clip,
    fake_clips,
    folder_bytes,
    forbidden_clips,
    killed_clips,
    small_config,
)

from dynamics_gen import generate
from dynamics_gen.config import BuildConfig
from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import BuildError, ConfigError, ShardError
from dynamics_gen.generate import build_split, make_shard
from dynamics_gen.manifest import read_manifest

BUILD = """
import sys
from pathlib import Path
from fake_clips import slow_clips, small_config
from dynamics_gen.generate import build_split
build_split(small_config(per_class=16), Path(sys.argv[1]), workers=2, source=slow_clips)
"""
"""Builds 160 clips in 20 shards, in about half a second a worker."""


def start_build(directory: Path) -> subprocess.Popen[bytes]:
    """Starts BUILD as a process group of its own."""
    here = Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(directory)],
        env=os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_until_empty(group: int, patience_s: float = 20.0) -> None:
    """Waits until no process of a group runs (zombies do not run)."""
    deadline = time.monotonic() + patience_s
    while True:
        running = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                _, _, rest = stat.read_text().rpartition(") ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            state, _, process_group = rest.split()[:3]
            if int(process_group) == group and state != "Z":
                running.append(stat)
        if not running:
            return
        assert time.monotonic() < deadline, f"{running} are still running"
        time.sleep(0.05)


@pytest.mark.parametrize(("workers", "shard_size"), [(2, 8), (3, 7), (1, 1000)])
def test_clips_do_not_depend_on_workers_and_shard_size(
    fake_split: Path, tmp_path: Path, workers: int, shard_size: int
) -> None:
    """Same fingerprint, same clips; and with the same shard size, the same files to the last byte."""
    config = small_config(shard_size=shard_size)
    manifest = build_split(config, tmp_path / "train", workers, source=fake_clips)
    reference = ClipDataset(fake_split)
    assert manifest.fingerprint == reference.manifest.fingerprint
    dataset = ClipDataset(tmp_path / "train")
    np.testing.assert_array_equal(dataset.read_videos(slice(None)), reference.read_videos(slice(None)))
    assert dataset.clip_ids == reference.clip_ids
    if shard_size == 8:
        assert folder_bytes(tmp_path / "train") == folder_bytes(fake_split)


def test_other_seed_gives_other_clips(tmp_path: Path) -> None:
    """The fingerprint is the clips'."""
    one, other = (
        build_split(small_config(seed=seed, per_class=1), tmp_path / str(seed), 1, source=fake_clips) for seed in (0, 1)
    )
    assert one.fingerprint != other.fingerprint


def test_build_killed_at_random_moments_ends_the_same(tmp_path: Path) -> None:
    """`kill -9` and the same command, again and again: the files are those of a build that was left in peace."""
    build_split(small_config(per_class=16), tmp_path / "whole", 2, source=fake_clips)
    rng = random.Random(0)
    (tmp_path / "killed").mkdir()
    for _ in range(3):
        process = start_build(tmp_path / "killed")
        before = len(list((tmp_path / "killed").glob("*.h5")))
        while len(list((tmp_path / "killed").glob("*.h5"))) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.08))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        wait_until_empty(process.pid)
    process = start_build(tmp_path / "killed")
    _, error = process.communicate()
    assert process.returncode == 0, error
    assert folder_bytes(tmp_path / "killed") == folder_bytes(tmp_path / "whole")


def test_interrupt_stops_everything_and_keeps_finished_shards(tmp_path: Path) -> None:
    """Ctrl-C: workers gone, no temporary file, no lock; whole shards stay, and nothing but the parent complains."""
    process = start_build(tmp_path)
    while not any(tmp_path.glob("*.h5")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    wait_until_empty(process.pid)
    assert process.returncode == -signal.SIGINT
    assert error.count(b"Traceback") == 1
    assert {path.suffix for path in tmp_path.iterdir()} == {".h5"}
    assert 0 < len(list(tmp_path.iterdir())) < 20


def test_finished_split_is_left_alone(own_split: Path) -> None:
    """Asked for again, it is neither made nor touched, even where nothing can be written."""
    before = {path.name: path.stat().st_mtime_ns for path in own_split.iterdir()}
    progress: list[int] = []
    manifest = build_split(small_config(), own_split, 2, progress.append, source=forbidden_clips)
    assert manifest == read_manifest(own_split)
    assert {path.name: path.stat().st_mtime_ns for path in own_split.iterdir()} == before
    assert sum(progress) == 30


def test_progress_counts_every_clip_once(own_split: Path) -> None:
    """Kept shards count as finished."""
    (own_split / "manifest.json").unlink()
    (own_split / "train-00002-of-00004.h5").unlink()
    progress: list[int] = []
    build_split(small_config(), own_split, 1, progress.append, source=fake_clips)
    assert sum(progress) == 30


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "foreign"])
def test_damaged_shard_is_made_again(
    own_split: Path, fake_split: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning; the others are kept."""
    path = own_split / "train-00001-of-00004.h5"
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[:1000])
    elif damage == "flipped":
        (own_split / "manifest.json").unlink()
        with h5py.File(path) as file:
            video = file["video"]
            assert isinstance(video, h5py.Dataset)
            place = video.id.get_chunk_info(4).byte_offset
        data[place + 20] ^= 0xFF
        path.write_bytes(data)
    else:
        path.write_bytes(b"something else")
    (own_split / "train-00000-of-00004.h5.77.tmp").write_bytes(b"left by a killed run")
    with caplog.at_level(logging.WARNING):
        build_split(small_config(), own_split, 1, source=fake_clips)
    assert folder_bytes(own_split) == folder_bytes(fake_split)
    assert ("train-00001-of-00004.h5 was damaged and has been made again" in caplog.text) == (damage != "missing")


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"seed": 3}, "seed is 0, expected 3"),
        ({"fps": 8}, "fps is 16, expected 8"),
        ({"split": "valid"}, "split is train, expected valid|none of its 4 shards of valid"),
        ({"codec": "gzip"}, "codec is zstd, expected gzip"),
        ({"shard_size": 9}, "shard_size is 8, expected 9|clips is 0 to 7, expected 0 to 8"),
        ({"shard_size": 10}, "shard_size is 8, expected 10|none of its 3 shards"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_folder_of_another_build_is_refused_untouched(
    own_split: Path, changes: dict, difference: str, finished: bool
) -> None:
    """The sentence names what differs and what to do."""
    if not finished:
        (own_split / "manifest.json").unlink()
    before = folder_bytes(own_split)
    with pytest.raises(BuildError, match=rf"holds another build: .*({difference}).*; choose another folder"):
        build_split(small_config(**changes), own_split, 1, source=forbidden_clips)
    assert folder_bytes(own_split) == before


def test_shards_of_another_version_are_not_mixed(own_split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished split of an older program is fine; an unfinished one is not gone on with."""
    monkeypatch.setattr("dynamics_gen.layout.__version__", "9.9.9")
    assert build_split(small_config(), own_split, 1, source=forbidden_clips) == read_manifest(own_split)
    (own_split / "manifest.json").unlink()
    with pytest.raises(BuildError, match=r"generator_version is .*, expected 9\.9\.9"):
        build_split(small_config(), own_split, 1, source=forbidden_clips)


def test_shard_of_an_unknown_format_is_not_thrown_away(own_split: Path) -> None:
    """It is not damage: a later program may have made it."""
    (own_split / "manifest.json").unlink()
    with h5py.File(own_split / "train-00001-of-00004.h5", "r+") as file:
        file.attrs.modify("format_version", 99)
    with pytest.raises(ShardError, match="shard format 99"):
        build_split(small_config(), own_split, 1, source=forbidden_clips)


def test_manifest_edited_by_hand_is_not_built_upon(own_split: Path) -> None:
    """The sentence says how to mend it, and doing so works."""
    path = own_split / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"clips": 20}))
    with pytest.raises(ShardError, match="was changed after it was written"):
        build_split(small_config(), own_split, 1, source=forbidden_clips)
    path.unlink()
    assert build_split(small_config(), own_split, 1, source=forbidden_clips).clips == 30


def test_second_run_in_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    """Two runs never write the same folder."""
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BuildError, match="is being built by another run: wait for it to end"):
            build_split(small_config(), tmp_path, 1, source=forbidden_clips)
    assert not list(tmp_path.glob("*.h5"))


def test_killed_worker_is_reported_and_finished_shards_are_kept(tmp_path: Path, fake_split: Path) -> None:
    """As when memory runs out: one sentence; the same command then goes on."""
    sentence = r"was killed by SIGKILL while at work on clips 0 to 7 of train-00002-of-00004\.h5: .* finished is kept"
    with pytest.raises(BuildError, match=sentence):
        build_split(small_config(), tmp_path, 1, source=killed_clips)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "train-00000-of-00004.h5",
        "train-00001-of-00004.h5",
    ]
    build_split(small_config(), tmp_path, 1, source=fake_clips)
    assert folder_bytes(tmp_path) == folder_bytes(fake_split)


def test_disk_too_small_is_refused_before_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence tells what is needed and what there is."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(generate.shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 5_000_000, 5_000_000))
    config = BuildConfig(split="train", per_class=5_000)
    with pytest.raises(BuildError, match="has 5 MB free, and 50,000 clips need about 1,000 MB: free some space"):
        build_split(config, tmp_path / "train", 1, source=forbidden_clips)


def test_disk_that_fills_up_is_one_sentence(tmp_path: Path) -> None:
    """On a real file system without room: the build stops, and leaves no half-shard."""
    script = BUILD.replace("slow_clips", "fake_clips") + "raise SystemExit('built')"
    mount = f'mount -t tmpfs -o size=100k none "{tmp_path}" || exit 77; '
    command = mount + f'"{sys.executable}" -c "$0" "{tmp_path}"; code=$?; ls -A "{tmp_path}"; exit $code'
    here = Path(__file__).parent
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command, script],
        env=os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("needs leave to mount a small disk")
    assert done.returncode == 1
    assert "BuildError: cannot write" in done.stderr
    assert "No space left on device; free some space and run the same command again" in done.stderr
    assert all(name.endswith(".h5") for name in done.stdout.split())


def test_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "data").touch()
    with pytest.raises(BuildError, match=r"cannot write .*data/train: Not a directory; choose another"):
        build_split(small_config(), tmp_path / "data" / "train", 1, source=forbidden_clips)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_one_sentence(tmp_path: Path) -> None:
    """The sentence names the folder."""
    tmp_path.chmod(0o500)
    with pytest.raises(BuildError, match=r"cannot write .*: Permission denied; choose another"):
        build_split(small_config(), tmp_path, 1, source=forbidden_clips)


def test_absurd_clips_are_refused(tmp_path: Path) -> None:
    """HDF5 cannot hold chunks beyond 4 GiB."""
    with pytest.raises(ConfigError, match="exceeds 4 GiB"):
        build_split(small_config(image_size=1024, frames=4096), tmp_path, 1, source=forbidden_clips)


def test_one_shard_can_be_made_by_itself(fake_split: Path, tmp_path: Path) -> None:
    """A job needs nothing but itself and a folder: whoever runs it, wherever, makes the same file."""
    job = generate.ShardJob(config=small_config(), directory=tmp_path, shard=3, source=fake_clips)
    result = make_shard(job, lambda clips: None)
    assert job.path.read_bytes() == (fake_split / job.path.name).read_bytes()
    assert result.entry == read_manifest(fake_split).shards[3]
    assert fake_clip(small_config(), 24).label == ClipDataset(fake_split).labels[24]


def test_rendered_clips_do_not_depend_on_how_they_are_built(tiny_data: Path, tmp_path: Path) -> None:
    """The real renderer: other workers, other shards, other company, the same clips."""
    config = BuildConfig(split="valid", per_class=5, shard_size=17)
    manifest = build_split(config, tmp_path, workers=3)
    reference = ClipDataset(tiny_data / "dynamics-tiny" / "valid")
    assert manifest.fingerprint == reference.manifest.fingerprint
    np.testing.assert_array_equal(ClipDataset(tmp_path).labels, reference.labels)
    assert list(np.bincount(reference.labels)) == [5] * 10

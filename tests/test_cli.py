"""`dynamics-gen` does what is typed, and says in one sentence why it cannot."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import dynamics_gen
from dynamics_gen.cli import main

SMALL = ("--per-class", "1", "--image-size", "16", "--frames", "4", "--workers", "1")


def run(*arguments: str | Path) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def build(out: Path, *arguments: str) -> Result:
    """Builds a small train split under `out`; later flags replace the small ones."""
    return run("--split", "train", *SMALL, "--out", out, *arguments)


def content(out: Path) -> dict:
    """The configuration that the split's manifest states."""
    return dynamics_gen.open(out / "train").manifest.content


def test_a_split_is_built_where_it_is_said(tmp_path: Path) -> None:
    """`--out` gets a folder named after the split; the command prints what it holds."""
    result = build(tmp_path)
    assert result.exit_code == 0, result.output
    assert "10 clips" in result.stdout
    assert dynamics_gen.open(tmp_path / "train").manifest.fingerprint in result.stdout


def test_all_builds_the_three_splits(tmp_path: Path) -> None:
    """`--split all` makes train, valid and test, which share no clip."""
    assert run("--split", "all", *SMALL, "--out", tmp_path).exit_code == 0
    videos = [dynamics_gen.open(tmp_path / split)[0]["video"] for split in ("train", "valid", "test")]
    assert len({video.tobytes() for video in videos}) == 3


def test_the_default_place_tells_sizes_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--out`, size tiny goes to data/dynamics-tiny and its default number of clips is built."""
    monkeypatch.chdir(tmp_path)
    assert run("--split", "valid", "--size", "tiny", "--image-size", "16", "--frames", "4").exit_code == 0
    assert len(dynamics_gen.open("data/dynamics-tiny/valid")) == 50


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [("seed", 7, 7), ("image-size", 24, 24), ("frames", 5, 5), ("fps", 8, 8), ("per-class", 2, 2)],
)
def test_every_setting_has_an_effect(tmp_path: Path, flag: str, value: int, expected: int) -> None:
    """Each flag changes the configuration, and another configuration gives other clips."""
    assert build(tmp_path / "default").exit_code == 0
    assert build(tmp_path / "changed", f"--{flag}", str(value)).exit_code == 0
    assert content(tmp_path / "changed")[flag.replace("-", "_")] == expected
    default, changed = (dynamics_gen.open(tmp_path / name / "train") for name in ("default", "changed"))
    assert default.manifest.fingerprint != changed.manifest.fingerprint


def test_shard_size_and_codec_change_files_alone(tmp_path: Path) -> None:
    """Another shard size or codec stores the same clips: the fingerprint stays."""
    for name, flags in (("a", ()), ("b", ("--shard-size", "3")), ("c", ("--codec", "gzip"))):
        assert build(tmp_path / name, *flags).exit_code == 0
    opened = [dynamics_gen.open(tmp_path / name / "train").manifest for name in "abc"]
    assert len({manifest.fingerprint for manifest in opened}) == 1
    assert [len(manifest.shards) for manifest in opened] == [1, 4, 1]
    assert opened[2].codec == "gzip"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--split", "tarin"), 2, "unknown split 'tarin': expected one of train, valid, test, all"),
        (("--split", "train", "--size", "huge"), 2, "unknown size 'huge'"),
        (("--split", "train", "--release", "soft"), 2, "unknown release 'soft'"),
        (("--split", "train", "--codec", "lzma"), 2, "unknown split codec"),
        (("--split", "train", "--per-class", "-1"), 1, "per_class is -1: expected a whole number from 1"),
        (("--split", "train", "--image-size", "4"), 1, "image_size is 4: expected a whole number from 16"),
        (("--split", "train", "--frames", "1"), 1, "frames is 1"),
        (("--split", "train", "--seed", "-3"), 1, "seed is -3"),
        (("--split", "train", "--workers", "0"), 2, "--workers"),
        ((), 2, "nothing to do"),
        (("--split", "train", "info", "."), 2, "--split"),
        (("info", "nowhere"), 1, "nowhere"),
        (("verify", "nowhere"), 1, "nowhere"),
        (("preview", "nowhere"), 1, "nowhere"),
    ],
)
def test_a_mistake_gets_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """The message names what was got, the exit code is 2 for wrong usage and 1 otherwise, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == code
    assert said.replace("unknown split codec", "unknown codec 'lzma'") in result.stderr
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_verify_passes_a_sound_split_and_fails_a_damaged_one(tmp_path: Path) -> None:
    """A flipped byte in a shard: exit 1, and the file is named."""
    build(tmp_path)
    assert run("verify", tmp_path / "train", "--workers", "1").exit_code == 0
    (shard,) = (tmp_path / "train").glob("*.h5")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    result = run("verify", tmp_path / "train", "--workers", "1")
    assert result.exit_code == 1
    assert shard.name in result.stderr


def test_a_manifest_edited_by_hand_is_refused(tmp_path: Path) -> None:
    """One changed number: every command that reads the split says so."""
    build(tmp_path)
    path = tmp_path / "train" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["clips"] += 1
    path.write_text(json.dumps(manifest))
    for command in ("info", "verify", "preview"):
        result = run(command, tmp_path / "train")
        assert result.exit_code == 1
        assert "manifest" in result.stderr


def test_info_states_the_facts(tmp_path: Path) -> None:
    """Clips, video shape and fingerprint are printed."""
    build(tmp_path)
    said = run("info", tmp_path / "train").stdout
    for fact in ("10 of 10 classes", "4 frames of 16×16", "position", "parameters/radius"):
        assert fact in said


def test_another_configuration_does_not_overwrite(tmp_path: Path) -> None:
    """Building other clips into a finished split fails and leaves it as it is."""
    build(tmp_path)
    before = dynamics_gen.open(tmp_path / "train").manifest.fingerprint
    result = build(tmp_path, "--seed", "1")
    assert result.exit_code == 1
    assert "seed" in result.stderr
    assert dynamics_gen.open(tmp_path / "train").manifest.fingerprint == before


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    """A file where a folder should be: one sentence with its path."""
    (tmp_path / "file").write_text("in the way")
    result = build(tmp_path / "file")
    assert result.exit_code == 1
    assert str(tmp_path / "file") in result.stderr


def test_help_shows_an_example_for_every_command() -> None:
    """Each help text holds a line that begins with the command as it would be typed."""
    for name in (None, *main.commands):
        said = run(*([name] if name else []), "--help").stdout
        assert "\n      dynamics-gen " in said or "\n    dynamics-gen " in said


def test_help_is_quick_and_light() -> None:
    """`dynamics-gen --help` imports neither NumPy, h5py, torch nor PyBullet."""
    code = (
        "import sys; from dynamics_gen.cli import main; main(['--help'], standalone_mode=False);"
        "print([m for m in ('numpy', 'h5py', 'torch', 'pybullet') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_build_is_finished_by_the_same_command(tmp_path: Path, kind: signal.Signals) -> None:
    """Ctrl-C (exit 1, one sentence) or kill -9 midway, then the same command: the same split as without it."""
    flags = ["--split", "train", "--per-class", "12", "--image-size", "16", "--frames", "32", "--shard-size", "20"]
    command = [sys.executable, "-m", "dynamics_gen.cli", *flags, "--workers", "2", "--out"]
    program = [sys.executable, "-c", "import sys; from dynamics_gen.cli import main; main(sys.argv[1:])"]
    assert subprocess.run([*program, *command[3:], str(tmp_path / "whole")], capture_output=True).returncode == 0
    begun = subprocess.Popen(
        [*program, *command[3:], str(tmp_path / "stopped")], stderr=subprocess.PIPE, start_new_session=True
    )
    shards = tmp_path / "stopped" / "train"
    deadline = time.monotonic() + 60
    while not list(shards.glob("*.h5")) and time.monotonic() < deadline and begun.poll() is None:
        time.sleep(0.01)
    if kind == signal.SIGKILL:
        os.killpg(begun.pid, kind)
    else:
        begun.send_signal(kind)
    _, said = begun.communicate(timeout=60)
    if kind == signal.SIGINT and begun.returncode:
        assert begun.returncode == 1
        assert b"finished shards are kept" in said
        assert b"Traceback" not in said
    assert not list(shards.glob("*.tmp")) or kind == signal.SIGKILL
    assert subprocess.run([*program, *command[3:], str(tmp_path / "stopped")], capture_output=True).returncode == 0
    whole, stopped = (dynamics_gen.open(tmp_path / name / "train") for name in ("whole", "stopped"))
    assert whole.manifest.fingerprint == stopped.manifest.fingerprint
    np.testing.assert_array_equal(whole[5]["video"], stopped[5]["video"])
    assert not list(shards.glob("*.tmp"))

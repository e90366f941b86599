"""`bench run` on several devices: one record, one voice, and going on after whatever stopped it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from moving_squares import MODEL, build_squares
from safetensors.numpy import load_file

from benchmark import record

pytestmark = pytest.mark.slow

SLOW_MODEL = MODEL.replace("        nn.Flatten(),", "        nn.Flatten(), Pause(),") + (
    "\n\nclass Pause(nn.Module):\n    def forward(self, x):\n        import os, time\n\n"
    "        time.sleep(float(os.environ.get('STEP_S', '0')))\n        return x\n"
)
"""The environment may slow it down, which changes no number."""

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "benchmark"]


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 80 / 20 / 30 clips, and a model beside it. Never change it."""
    folder = tmp_path_factory.mktemp("squares")
    (folder / "tiny_net.py").write_text(SLOW_MODEL)
    return build_squares(folder)


def start(
    squares: Path, runs: Path, *flags: str, by: tuple[str, ...] = (), **environment: str
) -> subprocess.Popen[str]:
    """The real command, six epochs of eight steps, with dropout and symmetries."""
    words = ["run", str(squares / "tiny_net.py"), "--size", "tiny", "--data", str(squares), "--runs", str(runs)]
    words += ["--epochs", "6", "--batch-size", "10", "--augment", "--device", "cpu", *flags]
    return subprocess.Popen(
        [*(by or (sys.executable, "-m", "benchmark")), *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def after_two_epochs(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Waits for the line of the second epoch."""
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2/6:" in line:
            return process
    pytest.fail(f"the run ended early: {process.wait()}")


def finished(process: subprocess.Popen[str], runs: Path) -> tuple[record.Record, dict[str, np.ndarray], str]:
    """Record, chosen weights and what was said of a run that has to succeed."""
    result, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert result.count("\n") == 1
    folder = runs / "tiny_net" / "standard-tiny"
    return record.read(folder / "record.json"), load_file(folder / "seed-0" / "chosen.safetensors"), said


def test_killed_run_on_two_devices_resumes_to_the_same_bits(squares: Path, tmp_path: Path) -> None:
    """SIGKILL in the third epoch, then --resume: the weights of an undisturbed run of torchrun's two processes."""
    process = after_two_epochs(start(squares, tmp_path / "killed", "--devices", "2", STEP_S="0.05"))
    time.sleep(0.1)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "tiny_net" / "standard-tiny" / "record.json").exists()
    resumed, weights, said = finished(
        start(squares, tmp_path / "killed", "--devices", "2", "--resume"), tmp_path / "killed"
    )
    assert said.count("epoch 3/6:") == 1
    assert "epoch 2/6:" not in said
    whole, expected, _ = finished(start(squares, tmp_path / "whole", by=tuple(TORCHRUN)), tmp_path / "whole")
    assert resumed.environment.device.startswith("2 × ")
    assert resumed.environment.device == whole.environment.device
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[key], expected[key]) for key in expected)
    assert resumed.seeds[0].scores == whole.seeds[0].scores
    assert whole.seeds[0].scores.test.error < 0.5


def test_interrupted_run_on_two_devices_is_one_sentence(squares: Path, tmp_path: Path) -> None:
    """Ctrl-C, as a terminal sends it to every process: what is kept and how to go on, once; exit 1."""
    process = after_two_epochs(start(squares, tmp_path, "--devices", "2", STEP_S="0.05"))
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.count("error: ") == 1
    assert "error: stopped in epoch 3 of 6: the checkpoint of epoch 2 is kept; the same command with --resume" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--devices", "3"), "a batch of 10 clips cannot be shared equally among 3 devices: try --batch-size 9"),
        (("--devices", "0"), "devices is 0: expected a whole number from 1 to 1024"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_number_that_cannot_be_is_one_sentence(
    squares: Path, tmp_path: Path, flags: tuple[str, ...], sentence: str
) -> None:
    """From all processes together, and nothing is trained."""
    process = start(squares, tmp_path, *flags)
    result, said = process.communicate(timeout=240)
    assert (process.returncode, result) == (1, "")
    assert said.startswith(f"error: {sentence}")
    assert said.count("\n") == 1
    assert not list(tmp_path.rglob("checkpoint.pt"))

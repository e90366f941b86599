"""What is said of the machine is true of it."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch
from git_folder import git

from benchmark import machine
from dynamics_gen.errors import ConfigError, UnknownNameError

CPU = torch.device("cpu")


def test_device_is_chosen_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA where it is there, else the CPU; a wish that cannot be met is refused."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.choose_device("auto") == machine.choose_device("cpu") == CPU
    with pytest.raises(ConfigError, match="torch finds no CUDA device here: use --device cpu"):
        machine.choose_device("cuda")
    with pytest.raises(UnknownNameError, match="unknown device 'tpu': expected one of auto, cpu, cuda"):
        machine.choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert machine.choose_device("auto").type == "cuda"
    assert machine.choose_device("cpu") == machine.choose_device("cpu", 7) == CPU
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert machine.choose_device("auto", 1) == torch.device("cuda", 1)
    with pytest.raises(ConfigError, match="given the CUDA device 2, and there are 2 here, counted from 0: use fewer"):
        machine.choose_device("auto", 2)


def test_numbers_that_slow_processors_down_are_zero_while_a_model_learns() -> None:
    """Half the smallest normal number, within; not afterwards, unless it was so before."""
    smallest = torch.tensor([torch.finfo(torch.float32).tiny])
    with machine.flushed_denormals():
        assert (smallest / 2).item() == 0
        with machine.flushed_denormals():
            pass
        assert (smallest / 2).item() == 0
    assert (smallest / 2).item() > 0


def test_precision_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bfloat16 only on a CPU that multiplies it natively, unless the user says otherwise."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert machine.choose_precision("auto", CPU) == "bf16-mixed"
    assert machine.choose_precision("auto", torch.device("cuda")) == "32-true"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert machine.choose_precision("auto", CPU) == "32-true"
    assert machine.choose_precision("bf16-mixed", CPU) == "bf16-mixed"


@pytest.mark.parametrize("native", [True, False])
def test_weights_are_applied_in_a_precision_that_is_not_emulated(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    """Whatever they were trained in."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    assert machine.precision_to_apply("bf16-mixed", CPU) == ("bf16-mixed" if native else "32-true")
    assert machine.precision_to_apply("bf16-mixed", torch.device("cuda")) == "bf16-mixed"
    assert machine.precision_to_apply("32-true", CPU) == "32-true"


def test_peak_memory_sees_what_was_taken_and_given_back() -> None:
    """200 MB that are gone again still count; those of before the reset do not."""
    machine.reset_peak_memory(CPU)
    before = machine.peak_memory(CPU)
    with mmap.mmap(-1, 200_000_000) as taken:  # past the allocator, which may have kept as much from before
        taken.write(bytes(len(taken)))
    after = machine.peak_memory(CPU)
    assert after - before > 150e6
    machine.reset_peak_memory(CPU)
    assert machine.peak_memory(CPU) <= after


def test_free_memory_is_what_the_machine_has_left() -> None:
    """Between nothing and all of it."""
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < machine.free_memory(CPU) < total


def test_commit_is_that_of_the_checkout_that_holds_the_code(tmp_path: Path) -> None:
    """Unknown outside a checkout and in a stranger's; `-dirty` when a tracked file was changed."""
    assert machine.commit(tmp_path) == "unknown"
    git(tmp_path, "init", "-q")
    (tmp_path / "machine.py").write_text("1")
    assert machine.commit(tmp_path) == "unknown"  # a checkout, but not of this file
    git(tmp_path, "add", "machine.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    (tmp_path / "notes.txt").write_text("untracked")
    assert machine.commit(tmp_path) == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "machine.py").write_text("2")
    assert machine.commit(tmp_path) == git(tmp_path, "rev-parse", "HEAD") + "-dirty"


def test_versions_are_those_installed() -> None:
    """Torch, for one, says the same of itself."""
    assert machine.libraries()["torch"] == torch.__version__

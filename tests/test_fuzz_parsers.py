"""Hundreds of inputs for every parser of outside files, led by coverage; `tests/fuzz.py` tries as many as one likes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="has no wheel for this Python or system")

FUZZ = Path(__file__).parent / "fuzz.py"
RUNS = 400


def fuzz(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The script, whose failures are kept in a folder of the test."""
    command = [sys.executable, str(FUZZ), "--keep", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=250)


def test_parsers_raise_what_they_document_and_nothing_else(tmp_path: Path) -> None:
    """No other exception, no hang, no crash, no memory without end; every parser is tried."""
    done = fuzz(tmp_path, "--runs", str(RUNS))
    assert done.returncode == 0, done.stdout
    tried = dict(re.findall(r"^(\w+): ([\d,]+) inputs, in order$", done.stdout, flags=re.MULTILINE))
    assert len(tried) == 12
    assert all(int(count.replace(",", "")) >= RUNS for count in tried.values())


BROKEN = """
import sys
sys.argv[0] = {fuzz!r}
sys.path.insert(0, {tests!r})
import runpy
import outside_parsers
from outside_parsers import Parser


def broken(data, path):
    if data[:1] == b"!":
        {body}


outside_parsers.parsers = lambda scratch: {{"broken": Parser(read=broken, valid=(b"!",))}}
runpy.run_path({fuzz!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("raise KeyError(data)", "KeyError"),
        ("bytearray(1 << 30)", "MemoryError"),
        ("import os; os.kill(os.getpid(), 11)", "deadly signal"),
    ],
)
def test_a_broken_parser_is_found_out(body: str, sentence: str, tmp_path: Path) -> None:
    """An undocumented exception, memory beyond the bound and a crash fail, and the input is kept."""
    script = BROKEN.format(fuzz=str(FUZZ), tests=str(FUZZ.parent), body=body)
    command = [sys.executable, "-c", script, "--keep", str(tmp_path), "--runs", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "broken: failed with exit status" in done.stdout
    assert sentence in done.stdout
    assert list(tmp_path.glob("crash-*"))

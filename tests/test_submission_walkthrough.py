"""What the README says to somebody who enters without code works as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import main

README = Path(__file__).parent.parent / "README.md"


def block(text: str, start: str) -> str:
    """The indented block of the README that begins with `start`."""
    found = re.search(rf"^    {re.escape(start)}.*?(?=^\S)", text, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, start
    return textwrap.dedent(found.group()).strip() + "\n"


def test_the_walk_from_data_to_a_scored_folder(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The NumPy file, the description and the commands, on the tiny data: a folder in order, which the host scores."""
    section = README.read_text("utf-8").partition("### Entering without code")[2]
    section = section.replace("dynamics-mini", "dynamics-tiny")
    (tmp_path / "data").symlink_to(tiny_data)
    (tmp_path / "mine.py").write_text(block(section, '"""Nearest class mean'))
    (tmp_path / "about.json").write_text(block(section, "{"))
    monkeypatch.chdir(tmp_path)
    lines = block(section, "python3 -m venv").splitlines()
    assert len(lines) == 5
    assert lines[1] == "dynamics-gen --split all --size mini"
    assert lines[2] == "python mine.py"
    subprocess.run([sys.executable, "mine.py"], check=True)
    scoring = block(section, "bench submit score").splitlines()
    for line in (*lines[3:], scoring[0], scoring[2]):
        program, *words = shlex.split(line)
        assert program == "bench"
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "leaderboard" / "entries" / "my-group" / "change" / "result.json").is_file()

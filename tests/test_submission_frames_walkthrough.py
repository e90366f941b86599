"""What docs/frames.md says to somebody who enters frames works as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from framed import build_rendered

from benchmark.cli import main
from benchmark.submission import any_result
from benchmark.submission.any_result import headline
from benchmark.submission.frames import read
from benchmark.submission.views import PREDICTION

PAGE = (Path(__file__).parent.parent / "docs" / "frames.md").read_text("utf-8")


def block(start: str) -> str:
    """The indented block of the page that begins with `start`."""
    found = re.search(rf"^    {re.escape(start)}.*?(?=^\S)", f"{PAGE}\n.", flags=re.MULTILINE | re.DOTALL)
    assert found is not None, start
    return textwrap.dedent(found.group()).strip() + "\n"


def test_the_walk_from_data_to_a_scored_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The NumPy file, the description and the five commands, on small data; the host scores it; HDF5 says the same."""
    build_rendered(tmp_path / "data" / "dynamics-mini", train=2, test=1)
    (tmp_path / "last.py").write_text(block('"""The last frame'))
    (tmp_path / "about.json").write_text(block("{"))
    monkeypatch.chdir(tmp_path)
    lines = block("python3 -m venv").splitlines()
    assert len(lines) == 5
    assert lines[1] == "dynamics-gen --split all --size mini"
    assert lines[2] == "python last.py"
    subprocess.run([sys.executable, "last.py"], check=True)
    for line in (*lines[3:], *block("bench submit score").splitlines()):
        program, *words = shlex.split(line)
        assert program == "bench"
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    folder = tmp_path / "leaderboard" / "entries" / "my-group" / "last-frame"
    assert headline(any_result.read(folder / "result.json")).name == "mean squared error"
    (tmp_path / "again.py").write_text(block("import h5py"))
    subprocess.run([sys.executable, "again.py"], check=True)
    one, other = (
        read(path, PREDICTION)[0].frames for path in (folder / "predictions-seed0.npz", Path("last-seed0.h5"))
    )
    assert one.tobytes() == other.tobytes()

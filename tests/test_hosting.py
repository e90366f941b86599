"""What docs/hosting.md says to a host works as it stands there, from the secret to its opening."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from submitted import ABOUT, guesses, npz

from benchmark import cli
from dynamics_gen import cli as generator

ROOT = Path(__file__).parent.parent
LINES = re.findall(r"^    (\S.*)$", (ROOT / "docs" / "hosting.md").read_text("utf-8"), flags=re.MULTILINE)


def said(line: str) -> str:
    """What a line of the page prints, on tiny data."""
    program, *words = shlex.split(line)
    if program in ("cp", "cmp"):
        return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout
    if program == "dynamics-gen" and words[0] == "--split":
        words += ["--per-class", "2", "--image-size", "16", "--frames", "4", "--workers", "1"]
    done = CliRunner().invoke({"dynamics-gen": generator.main, "bench": cli.main}[program], words)
    assert done.exit_code == 0, f"{line}\n{done.output}"
    return done.output


def test_a_hidden_test_is_built_used_and_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line by line; the entry's result is on the board, as one of a hidden test, and survives the opening."""
    assert len(LINES) == 13
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaderboard").mkdir()
    shutil.copytree(ROOT / "leaderboard" / "reference", tmp_path / "leaderboard" / "reference")
    about = {name: value for name, value in ABOUT.items() if value not in (None, "")}
    (tmp_path / "about.json").write_text(json.dumps(about | {"entry": "change"}))
    for line in LINES:
        if line.startswith("bench submit prepare"):
            for seed in range(3):
                answers = guesses(tmp_path / "public" / "test", seed)
                content = npz(clip_id=answers.clip_id, probabilities=answers.probabilities)
                (tmp_path / f"mine-seed{seed}.npz").write_bytes(content)
        told = said(line)
        if line == "bench table":
            assert "hidden test" in told
            assert "My net (v2)" in told
    result = json.loads((tmp_path / "leaderboard/entries/my-group/change/result.json").read_text())
    assert result["board"] == "hidden"
    assert result["labels_sha256"] in (tmp_path / "commitment.json").read_text()

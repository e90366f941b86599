"""A host needs nothing that trains: entries are checked, scored and tabled without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from submitted import build_test_split, enter

COMMANDS = """
import sys
from benchmark.cli import main

for words in {commands!r}:
    main(words, standalone_mode=False)
    print("LOADED", words[:2], *sorted(set({unwanted!r}) & set(sys.modules)))
"""
UNWANTED = ("torch", "scipy", "sklearn", "pandas", "matplotlib", "cv2", "pybullet", "lightning_fabric")


def test_host_needs_no_torch(tmp_path: Path) -> None:
    """In a fresh interpreter, after each command, none of the unwanted packages is loaded."""
    split = build_test_split(tmp_path / "test")
    entry = enter(tmp_path / "board" / "entries", split)
    commands = [
        ["submit", "check", str(entry), "--data", str(split)],
        ["submit", "score", str(entry), "--data", str(split)],
        ["submit", "score", str(entry), "--data", str(split), "--check"],
        ["table", "--board", str(tmp_path / "board")],
    ]
    program = COMMANDS.format(commands=commands, unwanted=UNWANTED)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    assert told == [f"LOADED {words[:2]}" for words in commands]
    assert (entry / "result.json").is_file()
    assert "My net (v2)" in (tmp_path / "board" / "README.md").read_text()

"""What the README shows works as it stands there."""

import re
import textwrap
from pathlib import Path

import click
from click.testing import CliRunner
from moving_squares import build_squares

from benchmark import cli, record
from dynamics_gen import cli as generator
from leaderboard import table

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text()


def test_the_model_of_the_readme_runs(tmp_path: Path) -> None:
    """Its file, copied out, trains, is chosen and tested, and leaves a record, with the setting its docstring names."""
    code = re.search(r'^    """TinyNet.*?(?=^\S)', TEXT, flags=re.MULTILINE | re.DOTALL)
    assert code is not None
    (tmp_path / "tiny_net.py").write_text(textwrap.dedent(code.group()))
    build_squares(tmp_path / "data")
    flags = ["--size", "tiny", "--set", "width=8", "--data", tmp_path / "data", "--runs", tmp_path / "runs"]
    result = CliRunner().invoke(cli.main, ["run", str(tmp_path / "tiny_net.py"), *map(str, flags)])
    assert result.exit_code == 0, result.output
    found = record.read(tmp_path / "runs" / "tiny_net" / "standard-tiny" / "record.json")
    assert found.config.model == {"width": 8}
    said = table.main(Path(__file__).parent.parent / "leaderboard", tmp_path / "runs", True)
    assert "tiny_net" in said
    assert "local" in said


def test_the_fitted_model_of_the_readme_runs(tmp_path: Path) -> None:
    """Its file, copied out, is fitted, chosen and tested, and beats chance on squares whose place is the class."""
    code = re.search(r'^    """NearestMean.*?(?=^\S)', TEXT, flags=re.MULTILINE | re.DOTALL)
    assert code is not None
    (tmp_path / "nearest_mean.py").write_text(textwrap.dedent(code.group()))
    build_squares(tmp_path / "data")
    flags = ["--size", "tiny", "--data", tmp_path / "data", "--runs", tmp_path / "runs"]
    result = CliRunner().invoke(cli.main, ["run", str(tmp_path / "nearest_mean.py"), *map(str, flags)])
    assert result.exit_code == 0, result.output
    found = record.read(tmp_path / "runs" / "nearest_mean" / "standard-tiny" / "record.json")
    assert found.config.model == {"sharpness": [0.01, 0.1]}
    assert len(found.seeds[0].history) == 2
    assert found.seeds[0].scores.test.error < 0.5


def test_every_command_of_the_readme_exists() -> None:
    """Each `dynamics-gen …` and `bench …` line names a command and flags that the help knows."""
    lines = re.findall(r"^    (?:\.venv/bin/)?(dynamics-gen|bench) (.*?)(?:\s+#.*)?$", TEXT, flags=re.MULTILINE)
    assert len(lines) >= 12
    for program, rest in lines:
        group = generator.main if program == "dynamics-gen" else cli.main
        words = rest.split()
        command = group.commands.get(words[0], group)
        if isinstance(command, click.Group) and command is not group and words[1] in command.commands:
            command = command.commands[words[1]]
        assert command is not group or words[0].startswith("--"), rest
        known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, rest

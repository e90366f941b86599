"""What both command lines promise: one sentence, the right exit code, progress that reads well in a log."""

from __future__ import annotations

import errno
import io

import click
import pytest
from click.testing import CliRunner

from dynamics_gen import console
from dynamics_gen.errors import BuildError, UnknownNameError


def failing(error: BaseException) -> click.Group:
    """A group with one command, `work`, that raises `error`."""

    @click.group(cls=console.Group)
    def group() -> None:
        pass

    @group.command()
    def work() -> None:
        raise error

    return group


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (BuildError("the folder x is locked: wait or choose another"), 1, "the folder x is locked"),
        (UnknownNameError("size", "huge", ("full", "mini")), 2, "unknown size 'huge': expected one"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/some/where"),
            1,
            "/some/where: Permission",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "data/x"),
            1,
            "data/x: No space left",
        ),
        (OSError("unable to read the file"), 1, "unable to read the file"),
    ],
)
def test_failure_is_one_sentence_and_an_exit_code(error: BaseException, code: int, sentence: str) -> None:
    """A user's mistake prints one line to stderr, nothing to stdout, and no traceback."""
    result = CliRunner().invoke(failing(error), ["work"])
    assert result.exit_code == code
    assert result.stderr.startswith(f"error: {sentence}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_programming_error_is_not_hidden() -> None:
    """A defect of ours keeps its traceback."""
    result = CliRunner().invoke(failing(ZeroDivisionError("ours")), ["work"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_wrong_usage_exits_with_two() -> None:
    """An unknown flag is wrong usage."""
    assert CliRunner().invoke(failing(ValueError()), ["work", "--nonsense"]).exit_code == 2


def test_log_gets_a_line_with_count_and_rates() -> None:
    """Where there is no terminal, the end of the work is a plain line, without control characters."""
    log = io.StringIO()
    with console.Meter("train", 40, {"clips": 1, "frames": 32}, file=log) as meter:
        meter.advance(15)
        meter.advance(25, note="loss 1.5")
    line = log.getvalue()
    assert line.startswith("train 40/40 · ")
    assert "clips/s" in line
    assert "frames/s" in line
    assert "loss 1.5" in line
    assert "\x1b" not in line
    assert line.count("\n") == 1


def test_log_lines_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log is not flooded: at most one line in each interval, with the time left."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    log = io.StringIO()
    with console.Meter("train", 100, {"clips": 1}, file=log) as meter:
        for _ in range(50):
            now[0] += 1.0
            meter.advance(1)
    lines = log.getvalue().splitlines()
    assert len(lines) == 50 // console.LOG_INTERVAL_S + 1
    assert lines[0] == "train 15/100 · 1 clips/s · about 85 s left"


def test_what_an_earlier_run_did_is_in_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed build of 100 that starts at 80 and does 10 in 20 s has 0.5 a second and 20 s left."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    log = io.StringIO()
    with console.Meter("train", 100, {"frames": 4}, file=log) as meter:
        meter.skip(80)
        now[0] = 20.0
        meter.advance(10)
        assert log.getvalue() == "train 90/100 · 2 frames/s · about 20 s left\n"


def test_line_that_stays_is_printed_whole() -> None:
    """On a screen and in a log."""
    log = io.StringIO()
    with console.Meter("train", 1, {}, file=log) as meter:
        meter.say("epoch 1: [done]")
    assert log.getvalue().startswith("epoch 1: [done]\n")


def test_terminal_gets_a_bar() -> None:
    """On a terminal the same progress is a bar that redraws itself."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with console.Meter("train", 4, {"clips": 1}, file=screen) as meter:
        meter.advance(4, note="done")
        meter.say("a [line] that stays")
    assert "4/4" in screen.getvalue()
    assert "a [line] that stays" in screen.getvalue()

"""The processes of one run on this machine: they know their places, and they end together, with one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.errors import TrainingError
from benchmark.launch import launch
from dynamics_gen.console import Failure, UsageFailure
from dynamics_gen.errors import UnknownNameError

LOST = """
import os, signal, time, weakref
from benchmark.launch import interrupt_on_sigterm

class Thing: pass

def gone(reference):
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000): pass

interrupt_on_sigterm()
thing = Thing()
reference = weakref.ref(thing, gone)
try:
    del thing
    time.sleep(20)
    print("slept")
except KeyboardInterrupt:
    print("interrupted")
"""


def sign_in(folder: Path) -> None:
    """Leaves the process's place."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
    (folder / os.environ["RANK"]).write_text(" ".join(os.environ[name] for name in names))


def misbehave(how: str, folder: Path) -> None:
    """The second process fails in some way; the first would wait for it for ever."""
    if os.environ["RANK"] == "0":
        (folder / "first").write_text(str(os.getpid()))
        time.sleep(600)
    while not (folder / "first").exists():
        time.sleep(0.01)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "sentence":
        raise TrainingError("the second one cannot go on")
    if how == "system":
        (folder / "nowhere" / "file").write_text("")
    if how == "usage":
        raise UnknownNameError("device", "tpu", ("cpu",))
    if how == "broken":
        raise RuntimeError("connection closed by peer")
    os._exit(7)


def lose_the_connection(folder: Path) -> None:
    """The first process stumbles over the second one's end, as a collective does."""
    if os.environ["RANK"] == "1":
        (folder / "second").write_text("")
        raise TrainingError("the second one cannot go on")
    while not (folder / "second").exists():
        time.sleep(0.01)
    raise RuntimeError("connection closed by peer")


class Stopped:
    """Output during whose last flush the process is asked to stop."""

    def flush(self) -> None:
        """Asks."""
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)


def end_late(folder: Path) -> None:
    """The signal comes when all is done but the end."""
    sys.stdout = Stopped()  # type: ignore[assignment]


def stop_in_words(folder: Path) -> None:
    """The first process knows what is kept."""
    (folder / os.environ["RANK"]).write_text(str(os.getpid()))
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        raise TrainingError("stopped: epoch 2 is kept") from None


def is_alive(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_process_knows_its_place(tmp_path: Path) -> None:
    """Number, size, number on this machine, size of this machine, and where the first one is."""
    launch(sign_in, tmp_path, devices=2)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["0 2 0 2 127.0.0.1", "1 2 1 2 127.0.0.1"]


@pytest.mark.parametrize(
    ("how", "kind", "sentence"),
    [
        ("killed", Failure, r"^process 1 of 2 was killed by SIGKILL: if memory .* --resume goes on from the last"),
        ("sentence", Failure, r"^the second one cannot go on$"),
        ("system", Failure, r"nowhere/file: No such file or directory$"),
        ("usage", UsageFailure, r"^unknown device 'tpu': expected one of cpu$"),
        ("broken", Failure, r"^process 1 of 2 ended with exit code 1: its own message is above$"),
        ("code", Failure, r"^process 1 of 2 ended with exit code 7: its own message is above$"),
    ],
)
def test_one_that_fails_ends_all_with_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], how: str, kind: type[Failure], sentence: str
) -> None:
    """Whatever happened to it; only what nobody foresaw leaves a traceback."""
    with pytest.raises(Failure, match=sentence) as caught:
        launch(misbehave, how, tmp_path, devices=2)
    assert caught.type is kind
    assert ("connection closed by peer" in capfd.readouterr().err) == (how == "broken")
    assert not is_alive(int((tmp_path / "first").read_text()))


def test_reason_goes_before_what_follows_from_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A connection that another's failure broke is not what the user is told of."""
    with pytest.raises(Failure, match="the second one cannot go on"):
        launch(lose_the_connection, tmp_path, devices=2)
    assert "Traceback" not in capfd.readouterr().err


def test_a_signal_at_the_very_end_leaves_no_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Such as the launcher's, where another process has failed a moment before."""
    with pytest.raises(Failure, match="process 0 of 1 ended with exit code 1"):
        launch(end_late, tmp_path, devices=1)
    assert "Traceback" not in capfd.readouterr().err


def started(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A program of its own that launches two processes, and their numbers once both are at work."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from benchmark.launch import launch\n"
        "from test_launch import stop_in_words\n"
        "from dynamics_gen.console import Failure\n"
        "try: launch(stop_in_words, Path(sys.argv[2]), devices=2)\n"
        "except Failure as failure: sys.exit(failure.message)\n"
    )
    words = [sys.executable, "-c", code, str(Path(__file__).parent), str(folder)]
    program = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while not all((folder / str(rank)).exists() and (folder / str(rank)).read_text() for rank in range(2)):
        assert program.poll() is None
        time.sleep(0.05)
    return program, [int((folder / str(rank)).read_text()) for rank in range(2)]


def test_interrupt_is_answered_by_the_first(tmp_path: Path) -> None:
    """Ctrl-C reaches the launcher alone; the first process says what is kept, and all are gone."""
    program, processes = started(tmp_path)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=60)
    assert said == "stopped: epoch 2 is kept\n"
    assert program.returncode == 1
    assert not any(map(is_alive, processes))


def test_processes_do_not_outlive_the_launcher(tmp_path: Path) -> None:
    """A kill -9 of it ends them as well."""
    program, processes = started(tmp_path)
    program.kill()
    program.communicate()
    for _ in range(200):
        if not any(map(is_alive, processes)):
            return
        time.sleep(0.05)
    pytest.fail(f"still there: {processes}")


def test_end_that_comes_where_nothing_can_be_raised_comes_again() -> None:
    """In a weak reference's callback: nothing is printed of it, and the process hears of it a moment later."""
    ran = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "interrupted\n", "")

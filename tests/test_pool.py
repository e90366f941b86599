"""Worker processes: results, failures, deaths and departures."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dynamics_gen.errors import BuildError, ConfigError
from dynamics_gen.pool import run_tasks


def square(item: int, report: Callable[[int], None]) -> tuple[int, int, str]:
    """A task that reports as many units as its item says."""
    for _ in range(item):
        report(1)
    return item * item, os.getpid(), os.environ["OMP_NUM_THREADS"]


def stumble(item: int, report: Callable[[int], None]) -> None:
    """A task that fails in the way its item says."""
    if item == 1:
        raise BuildError("the second one cannot be made")
    if item == 2:
        Path("/nowhere/at/all").read_bytes()
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 4:
        os._exit(7)


def linger(item: int, report: Callable[[int], None]) -> None:
    """A task that says it has begun and takes far too long."""
    report(1)
    time.sleep(60)


def test_every_item_is_done_once_and_reported() -> None:
    """Results and progress are complete, whatever the number of workers; the work is done elsewhere, on one thread."""
    reports: list[int] = []
    before = os.environ.get("OMP_NUM_THREADS")
    results = list(run_tasks(square, range(7), workers=2, progress=reports.append))
    assert sorted(result[0] for result in results) == [0, 1, 4, 9, 16, 25, 36]
    assert sum(reports) == 21
    processes = {result[1] for result in results}
    assert os.getpid() not in processes
    assert len(processes) <= 2
    assert {result[2] for result in results} == {"1"}
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_nothing_to_do_starts_nothing() -> None:
    """No items, no workers."""
    assert list(run_tasks(square, [], workers=2, progress=print)) == []


def test_no_workers_is_a_mistake() -> None:
    """The sentence tells the range."""
    with pytest.raises(ConfigError, match="workers is 0: expected 1 or more"):
        list(run_tasks(square, [1], workers=0, progress=print))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (1, "^the second one cannot be made$"),
        (2, "^/nowhere/at/all: No such file or directory$"),
        (3, r"worker process \d+ was killed by SIGKILL while at work on item 3: if memory ran out, use fewer"),
        (4, r"worker process \d+ ended with exit code 7 while at work on item 4: its own message is above"),
    ],
)
def test_failure_of_a_worker_is_one_sentence(item: int, message: str) -> None:
    """Whether a task fails or its process dies, the caller gets a BuildError that says what happened."""
    with pytest.raises(BuildError, match=message):
        list(run_tasks(stumble, [item], workers=1, progress=print, name=lambda item: f"item {item}"))


def test_interrupted_run_leaves_no_worker() -> None:
    """Whatever ends the run in the parent, the workers are gone at once."""

    def interrupt(units: int) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(run_tasks(linger, [1, 2], workers=2, progress=interrupt))
    assert time.monotonic() - start < 30
    assert not _children()


def _children() -> list[str]:
    """Running children of this process."""
    import multiprocessing

    return [child.name for child in multiprocessing.active_children()]


class InterruptedWhenFreed:
    """An object in whose destructor Ctrl-C arrives."""

    def __del__(self) -> None:
        """Python can only print what is raised here."""
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupt_that_is_lost_in_a_destructor_still_stops_the_run() -> None:
    """It is raised with the next message of a worker; afterwards Ctrl-C is Python's again."""
    before = signal.getsignal(signal.SIGINT)
    results = run_tasks(square, range(50), workers=2, progress=lambda units: None)
    next(results)
    freed = InterruptedWhenFreed()
    del freed
    with pytest.raises(KeyboardInterrupt):
        list(results)
    assert signal.getsignal(signal.SIGINT) is before

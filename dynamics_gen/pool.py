"""Runs tasks in worker processes of their own, and outlives whatever happens to them.

Workers are spawned, so they inherit nothing; each makes one item at a time. A worker that is killed ends the run with
one sentence; a parent that is killed takes its workers with it, since they notice at their next report.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running
from types import FrameType
from typing import Any, TypeVar

from dynamics_gen.errors import BuildError, ConfigError, DynamicsError

Item = TypeVar("Item")
Result = TypeVar("Result")
Task = Callable[[Item, Callable[[int], None]], Result]
"""Makes one item, reporting units of progress; picklable by name."""

_STOP_S = 5.0
_WAKE_S = 0.2
_ONE_THREAD: dict[str, str] = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    task: Task[Item, Result],
    items: Sequence[Item],
    *,
    workers: int,
    progress: Callable[[int], None],
    name: Callable[[Item], str] = str,
) -> Iterator[Result]:
    """Yields the results of `task` over `items` as they come, in no particular order.

    However the caller leaves (an error, Ctrl-C, closing the iterator), no worker is left running.

    Args:
        task: run in the workers; what it raises as a DynamicsError is raised here with the same sentence.
        items: what to make.
        workers: how many processes, at most.
        progress: gets every report of every worker.
        name: what an item is called in messages.

    Raises:
        ConfigError: `workers` is below 1.
        BuildError: a worker failed or was killed.
    """
    if workers < 1:
        raise ConfigError(f"workers is {workers}: expected 1 or more")
    waiting = list(reversed(items))
    crew: dict[Connection, _Worker] = {}
    interrupts = _Interrupts()
    try:
        for _ in range(min(workers, len(items))):
            worker = _Worker(task)
            crew[worker.connection] = worker
        while crew:
            interrupts.check()
            for connection in wait(list(crew), timeout=_WAKE_S):
                assert isinstance(connection, Connection)
                worker = crew[connection]
                kind, value = worker.receive(name)
                if kind == "progress":
                    progress(value)
                    continue
                if waiting:
                    worker.give(waiting.pop())
                else:
                    crew.pop(connection).dismiss()
                if kind == "done":
                    yield value
        interrupts.check()
    finally:
        interrupts.leave()
        for worker in crew.values():
            worker.process.terminate()
        for worker in crew.values():
            worker.dismiss()


class _Interrupts:
    """Holds Ctrl-C back until it can be raised where nothing is half done; a second one is raised at once.

    Raised wherever the program happens to be, it may hit the freeing of an object, where Python prints and drops it.
    """

    def __init__(self) -> None:
        self._seen = False
        self._before: Any = None
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)

    def check(self) -> None:
        """Raises what was held back."""
        if self._seen:
            raise KeyboardInterrupt

    def leave(self) -> None:
        """Gives Python's own handler its place again."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._seen:
            raise KeyboardInterrupt
        self._seen = True


class _Worker:
    """One process, seen from the parent."""

    def __init__(self, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.item: Any = None
        self.process: BaseProcess = context.Process(target=_work, args=(task, theirs), daemon=True)
        with _single_threaded(), interrupts_blocked():
            self.process.start()
        theirs.close()

    def give(self, item: Any) -> None:
        self.item = item
        with contextlib.suppress(BrokenPipeError):  # dead already: the next receive says how it died
            self.connection.send(item)

    def receive(self, name: Callable[[Any], str]) -> tuple[str, Any]:
        """The worker's next message; its failure or death becomes a BuildError."""
        try:
            kind, value = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(_STOP_S)
            raise BuildError(self._obituary(name)) from None
        if kind == "failed":
            raise BuildError(value)
        return kind, value

    def dismiss(self) -> None:
        """Lets an idle or terminated worker go, and makes sure that it does."""
        self.connection.close()
        self.process.join(_STOP_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def _obituary(self, name: Callable[[Any], str]) -> str:
        who, code = f"worker process {self.process.pid}", self.process.exitcode
        if self.item is None:
            return (
                f"{who} did not start (exit code {code}; its own message is above): a script that builds a split "
                'must do so under `if __name__ == "__main__":`'
            )
        if code is not None and code < 0:
            cause = f"was killed by {signal.Signals(-code).name}"
            advice = "if memory ran out, use fewer --workers"
        else:
            cause, advice = f"ended with exit code {code}", "its own message is above"
        return (
            f"{who} {cause} while at work on {name(self.item)}: {advice}; "
            "run the same command again, what is finished is kept"
        )


def _work(task: Task, connection: Connection) -> None:
    """A worker's life: items come in, reports and results go out, until the parent is gone."""
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(("ready", None))
        while True:
            connection.send(_attempt(task, connection.recv(), connection))


def _attempt(task: Task, item: Any, connection: Connection) -> tuple[str, Any]:
    try:
        return "done", task(item, lambda units: connection.send(("progress", units)))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except DynamicsError as error:
        return "failed", str(error)
    except OSError as error:
        return "failed", f"{error.filename}: {error.strerror}" if error.filename else str(error)


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Started here, a process has one thread a library: the workers themselves fill the cores."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Started here, a process never sees Ctrl-C, which is the parent's to handle; the parent sees it afterwards."""
    ensure_running()  # the first process to be started would start the tracker, which lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""Starts the processes of one run on this machine, one a device, and ends them together.

They are what `torchrun` would start, with its variables, but a failure is one sentence: its agent prints tracebacks.
Ctrl-C is this process's to handle: it asks the first of them to stop, which knows what is kept. Any of them may be
killed at any time, for files are written whole or not at all.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from dynamics_gen.console import Failure, UsageFailure, one_sentence
from dynamics_gen.pool import interrupts_blocked

_STOP_S = 10.0
_AGAIN_S = 0.05
_STOPPED = "stopped: what was finished is kept; the same command with --resume goes on"


def launch(task: Callable[..., None], *args: Any, devices: int) -> None:
    """Runs `task(*args)` in `devices` processes of their own; returns when all are done.

    However it is left, none of them is left running; if this process is killed, they end too.

    Args:
        task: picklable by name, as its arguments are; it finds `World.from_environment`.
        args: the same for each.
        devices: how many.

    Raises:
        Failure: one of them failed or was killed, or the user pressed Ctrl-C.
    """
    context = multiprocessing.get_context("spawn")
    port = _free_port()
    crew: list[tuple[BaseProcess, Connection]] = []
    try:
        for rank in range(devices):
            variables = {
                "RANK": rank,
                "WORLD_SIZE": devices,
                "LOCAL_RANK": rank,
                "LOCAL_WORLD_SIZE": devices,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            ours, theirs = context.Pipe(duplex=False)
            settings = {name: str(value) for name, value in variables.items()}
            process = context.Process(target=_work, args=(settings, theirs, task, args), daemon=True)
            with interrupts_blocked():
                process.start()
            theirs.close()
            crew.append((process, ours))
        if _watched([process for process, _ in crew]):
            return
        raise _verdict(crew)
    except KeyboardInterrupt:
        if not crew:
            raise
        first, connection = crew[0]
        first.terminate()
        first.join(_STOP_S)
        raise _message(connection) or Failure(_STOPPED) from None
    finally:
        _end([process for process, _ in crew])


def _watched(processes: Sequence[BaseProcess]) -> bool:
    """Waits until all are done, or one has failed; says which."""
    waiting = {process.sentinel: process for process in processes}
    while waiting:
        for sentinel in wait(list(waiting)):
            process = waiting.pop(sentinel)  # type: ignore[arg-type]
            process.join()
            if process.exitcode:
                return False
    return True


def _verdict(crew: Sequence[tuple[BaseProcess, Connection]]) -> Failure:
    """What to tell the user: who was killed, else what was said; a lost connection is only what follows from it."""
    for rank, (process, _) in enumerate(crew):
        if process.exitcode is not None and process.exitcode < 0:
            return Failure(
                f"process {rank} of {len(crew)} was killed by {signal.Signals(-process.exitcode).name}: "
                "if memory ran out, use a smaller --batch-size; the same command with --resume goes on "
                "from the last checkpoint"
            )
    said = [message for _, connection in crew if (message := _message(connection))]
    plain = [message for message in said if not isinstance(message, _Broken)]
    if plain:
        return plain[0]
    for message in said[:1]:
        print(message.message, file=sys.stderr)
    rank, code = next((rank, process.exitcode) for rank, (process, _) in enumerate(crew) if process.exitcode)
    return Failure(f"process {rank} of {len(crew)} ended with exit code {code}: its own message is above")


class _Broken(Failure):
    """A traceback."""


def _message(connection: Connection) -> Failure | None:
    """What a process said at its end, if it said anything."""
    with contextlib.suppress(EOFError, ConnectionResetError):
        if connection.poll():
            kind, text = connection.recv()
            return {"usage": UsageFailure, "broken": _Broken}.get(kind, Failure)(text)
    return None


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _STOP_S
    for process in processes:
        process.join(max(deadline - time.monotonic(), 0.0))
        if process.is_alive():  # in a collective that waits for one that is gone
            process.kill()
            process.join()


def _work(variables: dict[str, str], connection: Connection, task: Callable[..., None], args: tuple) -> None:
    """A process's life. A signal at its very beginning or end, or while another is told of, ends it in silence."""
    code = 0
    try:
        os.environ.update(variables)
        interrupt_on_sigterm()
        threading.Thread(target=_end_with_parent, daemon=True).start()
        try:
            with _telling(connection), one_sentence():
                task(*args)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        os._exit(1)
    os._exit(code)  # threads of torch that outlive the interpreter abort the process, at times


def interrupt_on_sigterm() -> None:
    """From now on SIGTERM raises KeyboardInterrupt, as Ctrl-C does.

    Where it comes while nothing can be raised, as in a weak reference's callback, Python would print and forget it: it
    comes again a moment later.
    """

    def again(lost: sys.UnraisableHookArgs) -> None:
        if lost.exc_type is KeyboardInterrupt:
            threading.Timer(_AGAIN_S, os.kill, (os.getpid(), signal.SIGTERM)).start()
        else:
            sys.__unraisablehook__(lost)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.unraisablehook = again


@contextlib.contextmanager
def _telling(connection: Connection) -> Iterator[None]:
    """Sends a failure to the parent, which prints one for all, and ends the process."""
    try:
        yield
        return
    except Failure as failure:
        connection.send(("usage" if isinstance(failure, UsageFailure) else "failed", failure.message))
    except RuntimeError:  # also what a collective raises whose other side is gone
        connection.send(("broken", traceback.format_exc()))
    except KeyboardInterrupt:
        connection.send(("failed", _STOPPED))
    raise SystemExit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

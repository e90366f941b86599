"""What both command lines share: errors as one sentence with an exit code, and progress for screen or log."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import click

from dynamics_gen.errors import DynamicsError, UnknownNameError

if TYPE_CHECKING:
    from rich.progress import Progress

LOG_INTERVAL_S = 15.0
"""Least time between two progress lines in a log."""


class Failure(click.ClickException):
    """A failed command: its sentence goes to stderr after `error: `."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the sentence."""
        click.echo(f"error: {self.format_message()}", file=file or sys.stderr)


class UsageFailure(Failure):
    """A command that was asked for something that does not exist."""

    exit_code = 2


def sentence_of(error: OSError) -> str:
    """An operating system's error as a sentence that names the path."""
    if error.filename is None or error.strerror is None:
        return str(error)
    paths = " -> ".join(str(path) for path in (error.filename, error.filename2) if path is not None)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "; free some space or choose another folder" if full else ""
    return f"{paths}: {error.strerror}{advice}"


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turns what a user can cause into a `Failure`: unknown names exit with 2, other mistakes with 1."""
    try:
        yield
    except UnknownNameError as error:
        raise UsageFailure(str(error)) from error
    except DynamicsError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of a pipe left: click ends quietly
            raise
        raise Failure(sentence_of(error)) from error


class Group(click.Group):
    """A command group whose commands fail with one sentence; exit codes 0 done, 1 failed, 2 wrong usage."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        with one_sentence():
            return super().invoke(ctx)


class Meter:
    """Progress towards a known total: a bar on a terminal, a line now and then in a log (both on stderr).

    Use it as a context manager; `advance` it by finished units.

    Args:
        title: what is being done.
        total: how many units there are.
        rates: shown as `name/s`: how many of each one unit is, e.g. `{"clips": 1, "frames": 32}`.
        file: where it is shown; stderr unless given.
    """

    def __init__(self, title: str, total: int, rates: Mapping[str, float], file: IO[str] | None = None) -> None:
        self.title, self.total, self.rates = title, total, dict(rates)
        self.done = self._skipped = 0
        self.note = ""
        self._file = sys.stderr if file is None else file
        self._bar: Progress | None = None
        self._start = self._last_line = time.monotonic()

    def __enter__(self) -> Meter:
        self._start = self._last_line = time.monotonic()
        if self._file.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(compact=True),
                console=Console(file=self._file),
                transient=False,
            )
            self._bar.start()
            self._bar.add_task(self.title, total=self.total, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None:
            self._line()

    def advance(self, units: int, note: str | None = None) -> None:
        """Counts finished units; `note` replaces the remark shown beside the rates."""
        self.done += units
        self.note = self.note if note is None else note
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=self.done, note=" · ".join(self._remarks()))
        elif time.monotonic() - self._last_line >= LOG_INTERVAL_S:
            self._line()

    def skip(self, units: int) -> None:
        """Counts units that an earlier run finished: they are done, and in no rate."""
        self.done += units
        self._skipped += units

    def say(self, line: str) -> None:
        """Prints a line that stays, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=self._file, flush=True)
            self._last_line = time.monotonic()

    def _remarks(self) -> list[str]:
        elapsed = max(time.monotonic() - self._start, 1e-9)
        speeds = [
            f"{(self.done - self._skipped) * factor / elapsed:,.0f} {name}/s" for name, factor in self.rates.items()
        ]
        return speeds + ([self.note] if self.note else [])

    def _line(self) -> None:
        now = time.monotonic()
        left = (self.total - self.done) * (now - self._start) / max(self.done - self._skipped, 1)
        when = f"{now - self._start:.0f} s" if self.done >= self.total else f"about {left:.0f} s left"
        remarks = " · ".join([*self._remarks(), when])
        print(f"{self.title} {self.done:,}/{self.total:,} · {remarks}", file=self._file, flush=True)
        self._last_line = now


def duration(seconds: float) -> str:
    """An estimate, in round figures."""
    if seconds < 10:
        return "a few seconds"
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} minutes"

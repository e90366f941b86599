"""Fuzzes what reads files from outside, led by coverage (atheris): the documented error or nothing, within bounds.

    python tests/fuzz.py --seconds 300                        # every parser in turn
    python tests/fuzz.py npz csv --seconds 60 --keep corpus   # goes on from, and adds to, corpus/npz and corpus/csv
    python tests/fuzz.py manifest --input crash-1234          # one input, alone

Mutations start from valid files. JSON is mutated as JSON half of the time, and checksums that anybody could write are
made right, so that what lies behind them is reached. An input that fails is kept, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import atheris
from atheris.import_hook import instrument_imports
from damage import wilder

if TYPE_CHECKING:
    from outside_parsers import Parser

MOST_SECONDS = 5
"""For one input."""
MOST_MEMORY = 512 << 20
"""Bytes, beyond what the process takes before the first input."""
LONGEST_INPUT = 1 << 17


def mutate_json(data: bytes, longest: int, seed: int) -> bytes:
    """JSON with a place that holds something else, or other bytes."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        return atheris.Mutate(data, longest)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return atheris.Mutate(data, longest)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        value = wilder(value, rng)
    return json.dumps(value).encode()[:longest]


def bound_memory() -> None:
    """Lets the process map no more than `MOST_MEMORY` beyond what it has mapped; Python raises MemoryError then."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MOST_MEMORY, resource.RLIM_INFINITY))


def fuzz(name: str, parser: Parser, flags: list[str], scratch: Path, found: Path) -> None:
    """Reads inputs until the time or the number of runs in `flags` is over; ends the process.

    An input that raises something else is written into the folder `found`, as libFuzzer does with one that crashes.
    """

    def test(data: bytes) -> None:
        try:
            with contextlib.suppress(*parser.errors):
                parser.read(data, scratch / "input")
        except BaseException:
            (found / f"crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}").write_bytes(data)
            raise

    extra: dict[str, Any] = {"custom_mutator": mutate_json} if parser.is_json else {}
    atheris.Setup([name, *flags], test, **extra)
    bound_memory()
    atheris.Fuzz()


def in_a_process(name: str, parser: Parser, asked: argparse.Namespace, scratch: Path) -> tuple[int, str]:
    """Fuzzes one parser in a process of its own; its exit status and what libFuzzer said."""
    corpus = (asked.keep or scratch) / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(parser.valid):
        (corpus / f"valid-{number}").write_bytes(content)
    limit = f"-runs={asked.runs}" if asked.runs else f"-max_total_time={asked.seconds}"
    flags = [limit, "-seed=1", f"-timeout={MOST_SECONDS}", f"-max_len={LONGEST_INPUT}", "-print_final_stats=1"]
    found = asked.keep or Path.cwd()
    flags += [f"-artifact_prefix={found}/", str(asked.input or corpus)]
    log = scratch / f"{name}.log"
    child = os.fork()
    if not child:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        try:
            fuzz(name, parser, flags, Path(tempfile.mkdtemp(dir=scratch)), found)
        finally:
            os._exit(2)  # what was raised has been printed
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, log.read_text("utf-8", errors="replace")


def read_options() -> argparse.Namespace:
    """What the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parsers", nargs="*", help="All, unless given.")
    options.add_argument("--seconds", type=int, default=60, help="For each parser.")
    options.add_argument("--runs", type=int, default=0, help="Inputs for each parser, in place of --seconds.")
    options.add_argument("--keep", type=Path, help="Folder that keeps the corpora.")
    options.add_argument("--input", type=Path, help="One input, alone.")
    return options.parse_args()


def main() -> int:
    """Fuzzes what the command line names."""
    asked = read_options()
    with instrument_imports(include=["benchmark", "dynamics_gen"], enable_loader_override=False):
        from outside_parsers import parsers

    failed = 0
    scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        known = parsers(scratch)
        if unknown := set(asked.parsers) - set(known):
            sys.exit(f"no parser {min(unknown)}: expected of {', '.join(known)}")
        for name in asked.parsers or known:
            status, log = in_a_process(name, known[name], asked, scratch)
            counts = [int(line.split()[-1]) for line in log.splitlines() if "number_of_executed_units" in line]
            if status == 0 and (counts or asked.input):
                print(f"{name}: {sum(counts):,} inputs, in order", flush=True)
            else:
                failed += 1
                print(f"{name}: failed with exit status {status}\n{log[-6_000:]}", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

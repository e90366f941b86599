"""Training clips/s with the loader against the same model fed one ready batch, in turns, on the same device.

    python benchmarks/loader.py --model conv3d --data data/dynamics-mini/train

Each round trains some steps on ready clips, on clips kept in memory, and on clips read as they are needed. Each clip's
mean and deviation, which the first epoch computes and later ones look up, are known. A machine that does other work
meanwhile disturbs wall time; the ratio of processor time is printed beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click
import torch

import dynamics_gen
from benchmark import machine, spec
from benchmark.data import Batch, Clips, sequential, shuffled, symmetries
from benchmark.plan import Options, make_plan


def endless(clips: Clips, batch_size: int, augment: bool) -> Iterator[Batch]:
    """Batches of one epoch after the other."""
    epoch = 0
    while True:
        epoch += 1
        order = shuffled(len(clips), batch_size, 0, epoch)
        yield from clips.batches(order, symmetries(order, 0, epoch) if augment else None)


@click.command()
@click.option("--model", default="conv3d", show_default=True, help="Name of a classifier.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("data/dynamics-mini/train"), show_default=True)
@click.option("--rounds", default=10, show_default=True, help="Turns.")
@click.option("--steps", default=8, show_default=True, help="Steps a turn.")
def main(model: str, data: Path, rounds: int, steps: int) -> None:
    """Prints clips/s and ratios."""
    planned = make_plan(spec.find(model), Options(size="mini"))
    machine.keep_freed_memory()
    split = dynamics_gen.open(data)
    size = planned.training.batch_size
    form = planned.model.description.input
    kept, streamed = (Clips(split, planned.device, form, resident) for resident in (True, False))
    for clips in (kept, streamed):
        for _ in clips.batches(sequential(len(clips), size)):
            pass
    learner = planned.learner(0, kept.shape, len(split.manifest.classes))
    ready = next(endless(kept, size, augment=False))
    sources = {
        "one ready batch": iter(lambda: ready, None),
        "kept in memory": endless(kept, size, augment=False),
        "kept, with symmetries": endless(kept, size, augment=True),
        "read as needed": endless(streamed, size, augment=False),
    }
    wall: dict[str, list[float]] = {name: [] for name in sources}
    processor: dict[str, list[float]] = {name: [] for name in sources}
    for turn in range(rounds + 1):
        for name, batches in sources.items():
            start = time.perf_counter(), time.process_time()
            for batch in islice(batches, steps):
                learner.training_step(batch)
            if planned.device.type == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first warms up
                wall[name].append(time.perf_counter() - start[0])
                processor[name].append(time.process_time() - start[1])
    print(f"{model}, {machine.device_name(planned.device)}, {planned.training.precision}, batches of {size}")
    for name in sources:
        ratios = [
            statistics.median(b / a for a, b in zip(times[name], times["one ready batch"], strict=True))
            for times in (wall, processor)
        ]
        pace = steps * size / statistics.median(wall[name])
        print(f"{name:22s} {pace:9,.1f} clips/s  {ratios[0]:.3f} of ready (processor time {ratios[1]:.3f})")


if __name__ == "__main__":
    main()

"""Training clips/s of classifiers, in 32 bits and in bfloat16, channels last or not, in turns on one device.

    python benchmarks/models.py --data data/dynamics-mini/train
    python benchmarks/models.py conv3d c3d --batch-size 8 --rounds 3
    python benchmarks/models.py --precision 32-true    # where bfloat16 is emulated, a step in it takes very long

A step is forward, backward and AdamW on a batch of the model's own recipe, taken from clips that are kept on the
device. `batch` leaves the clips as the runner gives them, channels last; `weights` has the network's weights so as
well; `neither` copies the clips to channels first, and the copy is part of the step. Each round takes every variant in
turn, so that what else the machine does meanwhile meets all of them; figures are medians over rounds, ratios medians
of ratios within a round, to what runs do in 32 bits. The start-up check of bfloat16 is told beside. Where no model is
named, all classifiers that are networks are measured; generators and predictors are not.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch

import dynamics_gen
from benchmark import bfloat16, machine, spec
from benchmark.classification import Classification
from benchmark.data import Batch, Clips, shuffled
from benchmark.plan import Options, make_plan

PRECISIONS = ("32-true", "bf16-mixed")
FORMATS = ("batch", "weights", "neither")


def endless(clips: Clips, batch_size: int) -> Iterator[Batch]:
    """Batches of one epoch after the other."""
    epoch = 0
    while True:
        epoch += 1
        yield from clips.batches(shuffled(len(clips), batch_size, 0, epoch))


def step(learner: Classification, batch: Batch, layout: str) -> None:
    """Learns from a batch in one of `FORMATS`."""
    if layout == "neither":
        batch = Batch(clips=batch.clips.contiguous(), labels=batch.labels)
    learner.training_step(batch, 0.0)


def channels_last(network: torch.nn.Module) -> None:
    """Lays the weights of all convolutions out as channels last, in place."""
    for weight in network.parameters():
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        if weight.ndim in formats:
            weight.data = weight.data.contiguous(memory_format=formats[weight.ndim])


def classifiers() -> list[spec.Description]:
    """Those of the package that are networks."""
    found = [one for one in spec.list_models() if one.task == "classification"]
    return [one for one in found if spec.load(one).is_trained]


class Timing(NamedTuple):
    """How paces are measured; see the options."""

    device: str
    precisions: tuple[str, ...]
    batch_size: int | None
    rounds: int
    steps: int


def measure(name: str, clips: Clips, timing: Timing) -> None:
    """Prints a line for every precision and format of a model."""
    classes = len(clips.dataset.manifest.classes)
    planned = make_plan(
        spec.find(name), Options(size="mini", device=timing.device, training={"batch_size": timing.batch_size})
    )
    learners: dict[tuple[str, str], Classification] = {}
    for precision in timing.precisions:
        training = dataclasses.replace(planned.training, precision=precision)
        for layout in FORMATS:
            learner = dataclasses.replace(planned, training=training).learner(0, clips.shape, classes)
            if layout == "weights":
                channels_last(learner.network)
            learner.network.train()
            learners[precision, layout] = learner
    size = planned.training.batch_size
    problem = ""
    if "bf16-mixed" in timing.precisions:
        network = planned.model.module.build(planned.config, clips.shape, classes)
        problem = bfloat16.gradient_problem(network, clips.shape, classes, size, planned.device)
    batches = endless(clips, size)
    seconds: dict[tuple[str, str], list[float]] = {variant: [] for variant in learners}
    for turn in range(timing.rounds + 1):
        for variant, learner in learners.items():
            start = time.perf_counter()
            for batch in islice(batches, timing.steps):
                step(learner, batch, variant[1])
            if planned.device.type == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first warms up
                seconds[variant].append(time.perf_counter() - start)
    print(f"{name}, batches of {size}" + (f"; bf16-mixed is wrong here: {problem}" if problem else ""))
    for (precision, layout), times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds[timing.precisions[0], "batch"], times, strict=True))
        pace = timing.steps * size / statistics.median(times)
        print(f"  {precision:10s}  channels last: {layout:7s}  {pace:9,.1f} clips/s  {ratio:5.2f}", flush=True)


@click.command()
@click.argument("models", nargs=-1)
@click.option("--data", type=click.Path(path_type=Path), default=Path("data/dynamics-mini/train"), show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(PRECISIONS),
    multiple=True,
    default=PRECISIONS,
    help="One alone, where the other takes too long; ratios are to the first.",
)
@click.option("--batch-size", type=int, help="Instead of each recipe's.")
@click.option("--rounds", default=5, show_default=True, help="Turns.")
@click.option("--steps", default=4, show_default=True, help="Steps a turn.")
def main(models: tuple[str, ...], data: Path, **timing: Any) -> None:
    """Measures MODELS, or all classifiers that are networks."""
    machine.keep_freed_memory()
    split, where = dynamics_gen.open(data), machine.choose_device(timing["device"])
    described = [spec.find(name) for name in models] or classifiers()
    print(f"{machine.device_name(where)}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for form in dict.fromkeys(one.input for one in described):
        clips = Clips(split, where, form, resident=True)
        for one in described:
            if one.input == form:
                measure(str(one.path) if not one.module else one.name, clips, Timing(**timing))


if __name__ == "__main__":
    main()

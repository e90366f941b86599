"""How hard a setting of `hard` is: a small strided Conv3D on several training-set sizes, and what that extrapolates to.

    python benchmarks/hard.py --radius 0.11 0.20 --extent 0.3 0.6 --per-class 500 --per-class 1000

Prints one line a size and the error that the power law through the last two gives at the full size, and adds the lines
to a table. The clips of the largest size are built once; the smaller ones are its beginnings.
"""

from __future__ import annotations

import csv
import dataclasses
import tempfile
from pathlib import Path

import click
import numpy as np
import torch

import dynamics_gen
from benchmark.audit import networks
from benchmark.statistics import wilson_interval
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import RELEASES, BuildConfig
from dynamics_gen.generate import build_split

FULL = 50_000
TABLE = Path("docs/hard.csv")
HARD = RELEASES["hard"]
RANGES = ("radius", "backdrop_contrast", "extent", "sine_amplitude", "initial_speed")
COLUMNS = tuple(f"{name}_{end}" for name in RANGES for end in ("low", "high"))
COLUMNS += ("precision", "epochs", "seed", "train_clips", "test_clips", "error", "error_low", "error_high")
Range = tuple[float, float]


@click.command()
@click.option("--radius", type=(float, float), default=HARD.radius, show_default=True)
@click.option("--contrast", type=(float, float), default=HARD.backdrop_contrast, show_default=True)
@click.option("--extent", type=(float, float), default=HARD.extent, show_default=True)
@click.option("--amplitude", type=(float, float), default=HARD.sine_amplitude, show_default=True)
@click.option("--initial-speed", type=(float, float), default=HARD.initial_speed, show_default=True)
@click.option("--per-class", "sizes", type=int, multiple=True, default=(500, 1000), show_default=True)
@click.option("--test-per-class", default=100, show_default=True)
@click.option("--epochs", default=8, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--bfloat16", is_flag=True, help="Train in mixed precision: twice as fast where the processor has it.")
@click.option(
    "--table", type=click.Path(path_type=Path), default=TABLE, show_default=True, help="CSV that lines go to."
)
def main(
    radius: Range,
    contrast: Range,
    extent: Range,
    amplitude: Range,
    initial_speed: Range,
    sizes: tuple[int, ...],
    test_per_class: int,
    epochs: int,
    seed: int,
    bfloat16: bool,
    table: Path,
) -> None:
    """Builds, trains and tests."""
    values = dict(zip(RANGES, (radius, contrast, extent, amplitude, initial_speed), strict=True))
    release = dataclasses.replace(HARD, **values)
    click.echo(", ".join(f"{name} {low:g}–{high:g}" for name, (low, high) in values.items()) + f", {epochs} epochs")
    lines: list[tuple[object, ...]] = [] if table.exists() else [COLUMNS]
    with tempfile.TemporaryDirectory() as folder:
        splits = {}
        for split, count in (("train", max(sizes)), ("test", test_per_class)):
            build_split(BuildConfig(release=release, split=split, per_class=count), Path(folder, split))
            splits[split] = dynamics_gen.open(Path(folder, split))
        train, test = splits["train"], splits["test"]
        errors = []
        for size in sizes:
            torch.manual_seed(seed)
            net = networks.ClipNet(train.video_shape[0], train.video_shape[1], len(CLASSES))
            net = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            some = np.arange(size * len(CLASSES))
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                networks.train(net, train.read_videos, some, train.labels, epochs=epochs, seed=seed)
            wrong = networks.predict(net, test.read_videos, np.arange(len(test))) != test.labels
            interval = wilson_interval(int(wrong.sum()), len(wrong))
            errors.append(max(float(wrong.mean()), 0.5 / len(wrong)))
            click.echo(
                f"{len(some):>7,} clips: {100 * errors[-1]:5.1f} % test error "
                f"({100 * interval.low:.1f}–{100 * interval.high:.1f})"
            )
            ends = (round(share, 4) for share in (wrong.mean(), interval.low, interval.high))
            bounds = (bound for pair in values.values() for bound in pair)
            precision = "bf16-mixed" if bfloat16 else "32-true"
            lines.append((*bounds, precision, epochs, seed, len(some), len(wrong), *ends))
    with table.open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    if len(sizes) > 1:
        slope, level = np.polyfit(np.log(np.array(sizes[-2:]) * len(CLASSES)), np.log(errors[-2:]), 1)
        click.echo(f"{FULL:>7,} clips: {100 * np.exp(level + slope * np.log(FULL)):5.1f} % by the power law")


if __name__ == "__main__":
    main()

"""Frames/s of a whole build against a plain PyBullet loop that renders the same scenes in full, in one run.

    python benchmarks/generator.py --clips 1000 --workers 2

Both use the same number of processes. The plain loop only renders, every sample of every frame; the build also draws,
simulates, hashes, compresses, writes and checks.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from pathlib import Path

import click

import dynamics_gen
from dynamics_gen.config import BuildConfig
from dynamics_gen.generate import build_split
from dynamics_gen.pool import available_cores

PLAIN_CLIPS = 24
"""Clips each process of the plain loop renders: enough, since each takes a tenth of a second."""


def plain_frames_per_s(job: tuple[BuildConfig, int]) -> float:
    """Frames/s of one process that renders `PLAIN_CLIPS` simulated scenes the plain way."""
    from dynamics_gen.render import Renderer

    config, first = job
    renderer = Renderer(config)
    scenes = renderer.scenes(range(first, first + PLAIN_CLIPS))
    start = time.perf_counter()
    for scene in scenes:
        renderer.plain_video(scene)
    return PLAIN_CLIPS * config.frames / (time.perf_counter() - start)


@click.command()
@click.option("--clips", default=1_000, show_default=True, help="Clips to build; a multiple of ten.")
@click.option("--workers", default=available_cores(), show_default=True, help="Processes, for both.")
@click.option("--image-size", default=64, show_default=True, help="Height and width of a frame, pixels.")
def main(clips: int, workers: int, image_size: int) -> None:
    """Prints both rates, their ratio, the clips' size on disk, and the rate of reading them back."""
    config = BuildConfig(
        split="train", per_class=clips // 10, image_size=image_size, shard_size=max(1, clips // (2 * workers))
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "train")
        start = time.perf_counter()
        manifest = build_split(config, directory, workers)
        built = config.clips * config.frames / (time.perf_counter() - start)
        dataset = dynamics_gen.open(directory)
        start = time.perf_counter()
        for index in range(len(dataset)):
            dataset[index]
        read = len(dataset) / (time.perf_counter() - start)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        plain = sum(pool.map(plain_frames_per_s, [(config, i * PLAIN_CLIPS) for i in range(workers)]))
    stored = sum(shard.bytes for shard in manifest.shards) / config.clips
    click.echo(f"dynamics-gen, {workers} processes: {built:,.0f} frames/s")
    click.echo(f"plain loop, {workers} processes:   {plain:,.0f} frames/s")
    click.echo(f"ratio:                     {built / plain:.2f}")
    click.echo(f"on disk:                   {stored / 1e3:.1f} MB a thousand clips")
    click.echo(f"read back, one process:    {read:,.0f} clips/s")


if __name__ == "__main__":
    main()

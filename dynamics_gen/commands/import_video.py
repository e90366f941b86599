"""Brings other people's videos into our shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dynamics_gen.config import CODECS, SPLITS
from dynamics_gen.console import Failure, Meter


@click.command(name="import-video")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    "table",
    type=click.Path(path_type=Path),
    help="CSV with the columns file (inside FOLDER), label, and perhaps split  [default: every video, unlabelled].",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Gets a folder for each split.")
@click.option("--name", help="Of the dataset  [default: name of OUT].")
@click.option("--split", default="train", show_default=True, help=f"If no CSV says it: {', '.join(SPLITS)}.")
@click.option("--image-size", type=int, default=64, show_default=True, help="Side of the clips' frames, pixels.")
@click.option("--frames", type=int, default=32, show_default=True, help="Of a clip; shorter videos hold their last.")
@click.option("--fps", type=float, help="Brings all videos to this rate; every frame is taken unless given.")
@click.option("--fit", default="crop", show_default=True, help="How frames become square: crop, pad or stretch.")
@click.option(
    "--windows", default="middle", show_default=True, help="Of long videos: the middle, or all after another."
)
@click.option("--shard-size", type=int, default=1_000, show_default=True, help="Clips a shard.")
@click.option("--codec", type=click.Choice(CODECS), default="zstd", show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; as many as there are cores unless given.")
def command(folder: Path, table: Path | None, out: Path, name: str | None, **settings: Any) -> None:
    """Turns a folder of video files (KTH, UCF101 …) into splits that every model here can train on.

    Without labels, predictors and generators still can.

    \b
    Example:
        dynamics-gen import-video KTH --labels kth.csv --out data/kth --fps 16
        bench run conv3d --on data/kth
        dynamics-gen import-video clips --out data/mine --split test
        bench predict runs/simvp/standard-mini --clips data/mine/test
    """
    from dynamics_gen.video_import import build_import, plan_import

    planned = plan_import(
        folder, table, name=name or out.resolve().name, say=lambda line: click.echo(line, err=True), **settings
    )
    for config in planned:
        try:
            with Meter(f"import {config.split}", config.clips, {"clips": 1}) as meter:
                made = build_import(config, out / config.split, settings["workers"], meter.advance)
        except KeyboardInterrupt:
            raise Failure("stopped; finished shards are kept: the same command goes on from there") from None
        what = "unlabelled clips" if table is None else f"clips of {len(made.classes)} classes"
        click.echo(f"{out / config.split}: {made.clips:,} {what}")

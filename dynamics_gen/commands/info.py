"""Says what a split is."""

from __future__ import annotations

import math
from pathlib import Path

import click


@click.command(name="info")
@click.argument("directory", type=click.Path(path_type=Path))
def command(directory: Path) -> None:
    """Says what a split is: sizes, settings, columns, fingerprint.

    \b
    Example:
        dynamics-gen info data/dynamics/train
    """
    from dynamics_gen.layout import ANNOTATIONS_FOLDER, LARGE
    from dynamics_gen.manifest import NAME, read_manifest

    manifest = read_manifest(directory)
    frames, height, width, _ = manifest.video_shape
    stored = sum(shard.bytes for shard in manifest.shards)
    large = [column for name, column in manifest.columns.items() if name in LARGE]
    raw = manifest.clips * sum(math.prod(column.shape) * int(column.dtype[2:]) for column in large)
    beside = directory / ANNOTATIONS_FOLDER / NAME
    facts = {
        "release": manifest.release,
        "split": manifest.split,
        "seed": manifest.seed,
        "clips": f"{manifest.clips:,} of {len(manifest.classes)} classes",
        "video": f"{frames} frames of {height}×{width} RGB at {manifest.content.get('fps', '?')} frames/s",
        "files": f"{len(manifest.shards)} shards, {stored / 1e6:,.1f} MB ({raw / stored:.0f}:1, {manifest.codec})",
        "fingerprint": manifest.fingerprint,
        "made by": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    }
    for name, fact in facts.items():
        click.echo(f"{name:12} {fact}")
    if beside.exists():
        annotations = read_manifest(beside.parent)
        click.echo(f"{'annotations':12} {', '.join(name for name in annotations.columns if name in LARGE)}")
    click.echo(f"{'columns':12} {', '.join(manifest.columns)}")

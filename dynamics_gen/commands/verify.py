"""Checks a split."""

from __future__ import annotations

from pathlib import Path

import click

from dynamics_gen.console import Meter
from dynamics_gen.errors import ShardError


@click.command(name="verify")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--workers", type=click.IntRange(min=1), help="Processes; as many as there are cores unless given.")
def command(directory: Path, workers: int | None) -> None:
    """Checks every file of a split against its manifest and decodes every clip.

    \b
    Example:
        dynamics-gen verify data/dynamics/train
    """
    from dynamics_gen.manifest import read_manifest
    from dynamics_gen.verify import verify as check

    manifest = read_manifest(directory)
    with Meter("verify", manifest.clips, {"clips": 1}) as meter:
        problems = check(directory, workers=workers, progress=meter.advance)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise ShardError(f"{directory} has {len(problems)} problem{'s' * (len(problems) > 1)}; build it anew")
    click.echo(f"{directory}: {manifest.clips:,} clips, all as the manifest says")

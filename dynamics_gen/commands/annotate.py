"""Adds ground truth to a split."""

from __future__ import annotations

from pathlib import Path

import click

from dynamics_gen.console import Failure, Meter
from dynamics_gen.errors import UnknownNameError

KINDS = ("mask", "depth", "flow")


@click.command(name="annotate")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--annotations", default="mask,depth,flow", show_default=True, help="What to add: any of mask, depth and flow."
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; as many as there are cores unless given.")
def command(directory: Path, annotations: str, workers: int | None) -> None:
    """Adds exact masks, depth and optical flow to a split, in its folder `annotations`.

    \b
    Example:
        dynamics-gen annotate data/dynamics/test --annotations mask,flow
    """
    annotate(directory, parse_kinds(annotations), workers)


def parse_kinds(text: str) -> tuple[str, ...]:
    """Reads `mask,depth,flow`, in that order whatever the order given.

    Raises:
        UnknownNameError: one of them is none of these.
    """
    asked = [name.strip() for name in text.split(",")]
    for name in asked:
        if name not in KINDS:
            raise UnknownNameError("annotation", name, KINDS)
    return tuple(kind for kind in KINDS if kind in asked)


def annotate(directory: Path, kinds: tuple[str, ...], workers: int | None) -> None:
    """Annotates a split with a progress bar."""
    from dynamics_gen.annotate import annotate_split
    from dynamics_gen.manifest import read_manifest

    manifest = read_manifest(directory)
    try:
        with Meter("annotate", manifest.clips, {"clips": 1}) as meter:
            made = annotate_split(directory, kinds, workers, meter.advance)
    except KeyboardInterrupt:
        raise Failure("stopped; finished shards are kept: the same command goes on from there") from None
    click.echo(f"{directory}: {', '.join(kinds)} of {made.clips:,} clips in {len(made.shards)} shards")

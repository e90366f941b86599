"""Writes a split in the forms in which others keep clips."""

from __future__ import annotations

from pathlib import Path

import click

from dynamics_gen.commands.annotate import parse_kinds
from dynamics_gen.console import Meter

FORMS = ("webdataset", "mp4", "mp4-lossless", "gif")


@click.command(name="export")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(FORMS), required=True, help="webdataset is lossless, mp4 and gif not.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="An empty folder, or one to be made.")
@click.option("--annotations", help="Ground truth to add (webdataset): any of mask,depth,flow.")
def command(directory: Path, form: str, out: Path, annotations: str | None) -> None:
    """Writes a split as WebDataset archives, or as a folder of MP4 or GIF files with a CSV.

    \b
    Examples:
        dynamics-gen export data/dynamics/train --to webdataset --out train-tar
        dynamics-gen export data/dynamics/test --to mp4 --out test-mp4
    """
    import dynamics_gen
    from dynamics_gen.export.folder import export_folder
    from dynamics_gen.export.webdataset import export_webdataset

    if annotations is not None and form != "webdataset":
        raise click.UsageError(f"--annotations goes with --to webdataset, not with {form}")
    dataset = dynamics_gen.open(directory, parse_kinds(annotations) if annotations else ())
    with Meter("export", len(dataset), {"clips": 1}) as meter:
        if form == "webdataset":
            export_webdataset(dataset, out, meter.advance)
        else:
            export_folder(dataset, out, form, meter.advance)
    click.echo(f"{out}: {len(dataset):,} clips as {form}")

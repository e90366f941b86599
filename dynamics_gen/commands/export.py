"""Writes a split in the forms in which others keep clips."""

from __future__ import annotations

from pathlib import Path

import click

from dynamics_gen.commands.annotate import parse_kinds
from dynamics_gen.console import Meter

FORMS = ("webdataset", "huggingface", "mp4", "mp4-lossless", "gif")


@click.command(name="export")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--to", "form", type=click.Choice(FORMS), required=True, help="mp4 and gif lose something, the others do not."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="An empty folder, or one to be made.")
@click.option("--annotations", help="Ground truth to add (webdataset, huggingface): any of mask,depth,flow.")
def command(directory: Path, form: str, out: Path, annotations: str | None) -> None:
    """Writes a split as WebDataset archives, MP4 or GIF files with a CSV, or for Hugging Face's datasets.

    For huggingface, DIRECTORY may also be a folder of several splits.

    \b
    Examples:
        dynamics-gen export data/dynamics/train --to webdataset --out train-tar
        dynamics-gen export data/dynamics/test --to mp4 --out test-mp4
        dynamics-gen export data/dynamics --to huggingface --out hub
    """
    import dynamics_gen
    from dynamics_gen.card import splits_in
    from dynamics_gen.export.folder import export_folder
    from dynamics_gen.export.huggingface import export_huggingface
    from dynamics_gen.export.webdataset import export_webdataset

    lossless = ("webdataset", "huggingface")
    if annotations is not None and form not in lossless:
        raise click.UsageError(f"--annotations goes with --to {' or '.join(lossless)}, not with {form}")
    kinds = parse_kinds(annotations) if annotations else ()
    folders = splits_in(directory) if form == "huggingface" else {"": directory}
    datasets = {split: dynamics_gen.open(folder, kinds) for split, folder in folders.items()}
    clips = sum(map(len, datasets.values()))
    with Meter("export", clips, {"clips": 1}) as meter:
        if form == "huggingface":
            export_huggingface(datasets, out, meter.advance)
        elif form == "webdataset":
            export_webdataset(datasets[""], out, meter.advance)
        else:
            export_folder(datasets[""], out, form, meter.advance)
    click.echo(f"{out}: {clips:,} clips as {form}")

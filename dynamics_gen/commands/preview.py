"""Draws pictures of a split."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="preview")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the pictures  [default: DIRECTORY/preview].")
@click.option("--format", "image_format", type=click.Choice(["webp", "gif"]), default="webp", show_default=True)
def command(directory: Path, out: Path | None, image_format: str) -> None:
    """Draws a contact sheet (PNG) and an animation of each class.

    \b
    Example:
        dynamics-gen preview data/dynamics/train
    """
    import dynamics_gen
    from dynamics_gen.preview import write_previews

    for path in write_previews(dynamics_gen.open(directory), out or directory / "preview", image_format):
        click.echo(path)

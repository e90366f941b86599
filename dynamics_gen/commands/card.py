"""Describes a dataset for people and programs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="card")
@click.argument("directory", type=click.Path(path_type=Path))
def command(directory: Path) -> None:
    """Writes a dataset card (README.md) and Croissant metadata (croissant.json) into a folder of splits.

    \b
    Example:
        dynamics-gen card data/dynamics
    """
    from dynamics_gen.card import write_card

    for path in write_card(directory):
        click.echo(path)

"""Makes the secret of a hidden test set."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="secret-seed")
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Writes 256 random bits to a new FILE that only its owner may read.

    \b
    Example:
        dynamics-gen secret-seed hidden.seed
    """
    from dynamics_gen.hidden import new_secret

    new_secret(file)
    click.echo(f"{file}: 256 random bits; keep it secret until the labels may be known")

"""Checks revealed labels of a hidden test set."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="check-commitment")
@click.argument("public", type=click.Path(path_type=Path))
@click.option("--labels", type=click.Path(path_type=Path), required=True, help="The revealed labels.csv.")
@click.option("--opening", type=click.Path(path_type=Path), required=True, help="The revealed opening.json.")
def command(public: Path, labels: Path, opening: Path) -> None:
    """Proves that labels are those which the host of a hidden test set committed to.

    \b
    Example:
        dynamics-gen check-commitment data/dynamics-hidden --labels labels.csv --opening opening.json
    """
    from dynamics_gen.hidden import check_commitment

    click.echo(f"{labels}: the labels that were committed to ({check_commitment(public, labels, opening)})")

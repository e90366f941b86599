"""The command `bench predict`: how a finished run continues clips. Imports wait until then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.generation.command import of_a_run
from benchmark.options import place


@click.command()
@of_a_run
@click.option("--clips", type=click.Path(path_type=Path), help="A split's folder  [default: the run's test].")
@place("--data", "data", "Folder that holds the datasets.")
@click.option("--count", type=click.IntRange(min=1), default=6, show_default=True, help="How many clips.")
@click.option("--draws", type=int, default=0, show_default=True, help="Another number is another continuation.")
def predict(run: Path, **wishes: Any) -> None:
    """Continues clips with a finished RUN of a predictor: what came above, what is predicted below, as PNG and GIF.

    \b
    Examples:
        bench predict runs/copy_last/standard-mini
        bench predict runs/feature_flow/standard-mini --clips data/mine/test --out mine.png
    """
    from benchmark.prediction.show import show_predictions

    for path in show_predictions(run, **wishes):
        click.echo(path)

"""The command `bench classify`. Heavy imports wait until it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.options import DEVICE, WORKERS, place

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("run", metavar="RUN", type=_FOLDER)
@click.option("--clips", type=_FOLDER, required=True, help="A split's folder, such as a hidden test set's public/test.")
@click.option("--out", type=_FOLDER, required=True, help="Folder that gets predictions-seed0.npz and so on.")
@place("--data", "data", "Folder that holds the datasets, for a model that is fitted.")
@DEVICE
@WORKERS
@click.option("--model", type=_FOLDER, help="The model's file, for a run of your own file.")
def classify(run: Path, out: Path, **wishes: Any) -> None:
    """Writes the class probabilities that a finished RUN gives every clip of a split, which needs no labels.

    Every seed's chosen weights are taken as they are, as by `bench evaluate`; a model that is fitted is fitted anew.
    Files are as `bench submit prepare --predictions` takes them.

    \b
    Examples:
        bench classify runs/conv3d/standard-mini --clips public/test --out answers
        bench submit prepare --predictions answers/*.npz --data public/test --about about.json
    """
    from benchmark.classify import Wishes, classify_run, refuse_earlier, write_answers

    refuse_earlier(out)
    answers = classify_run(run, Wishes(**wishes), say=lambda line: click.echo(line, err=True))
    for path in write_answers(answers, out):
        click.echo(path)

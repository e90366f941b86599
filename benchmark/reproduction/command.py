"""The command `bench reproduce`. Heavy imports wait until it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.options import DEVICE, OVERWRITE, RESUME, WORKERS, place
from benchmark.recipe import PRECISIONS
from dynamics_gen.console import Failure


@click.command()
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--seeds", type=click.IntRange(min=1), help="How many of the record's seeds, its first.  [default: all]")
@DEVICE
@click.option(
    "--precision",
    default="",
    help=f"{', '.join(PRECISIONS)}, in place of the record's; auto takes what is faster on the device.",
)
@place("--data", "data", "Folder that holds the datasets; a missing split is built there.")
@place("--runs", "runs/reproduced", "Folder for the new run, at MODEL/RELEASE-SIZE.")
@RESUME
@OVERWRITE
@WORKERS
@click.option("--model", type=click.Path(path_type=Path), help="The model's file, for a record of your own file.")
def reproduce(record: Path, **wishes: Any) -> None:
    """Trains and tests anew what RECORD describes, and says whether the error lies in the record's interval.

    RECORD is the record.json of an entry or a run of a classifier, or its folder, with the predictions beside it.
    Model, settings, recipe and seeds are the record's; so are the clips, by their fingerprints. The new run is one like
    any other; reproduction.json in its folder says what came of it. Exits with 1 if the error lies outside.

    \b
    Examples:
        bench reproduce leaderboard/entries/dynamics/conv3d-mini
        bench reproduce leaderboard/entries/dynamics/conv3d-mini/record.json --seeds 1 --resume
        bench reproduce leaderboard/entries/dynamics/mean_frame-mini --device cpu --precision auto
        bench reproduce runs/my_model/standard-mini --model path/to/my_model.py
    """
    from benchmark.reproduction.rerun import Wishes, reproduce

    made, file = reproduce(record, Wishes(**wishes), say=lambda line: click.echo(line, err=True))
    line = f"{made.verdict}; {file}"
    if not made.within:
        raise Failure(line)
    click.echo(line)

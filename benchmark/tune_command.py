"""The command `bench tune`. Heavy imports wait until it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark import machine, spec
from benchmark.options import DEVICE, place
from benchmark.several import described, in_turn
from dynamics_gen.config import RELEASES, SIZES


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--size", default="mini", show_default=True, help=f"Clips per class: {', '.join(SIZES)}.")
@click.option("--release", default="standard", show_default=True, help=f"Distribution: {', '.join(RELEASES)}.")
@click.option("--trials", type=int, default=4, show_default=True, help="Draws that are tried.")
@click.option("--epochs", type=click.IntRange(min=1), help="Of every trial  [default: a third of the size's].")
@click.option("--seed", type=int, default=0, show_default=True, help="Of draws, weights and the order of clips.")
@DEVICE
@place("--data", "data", "Folder that holds the datasets; train and valid are built there if they are missing.")
@place("--runs", "runs", "For unfinished trials.")
@place("--table", "docs/tuning.csv", "CSV that every trial is added to; those that it holds are not run again.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes that build a missing split.  [default: cores]")
def tune(models: tuple[str, ...], trials: int, epochs: int | None, seed: int, table: Path, **wishes: Any) -> None:
    """Searches learning rate, weight decay and label smoothing for each MODEL, and prints its best TRAINING.

    Every model gets the same draws, epochs, clips and seed, and is judged on valid; test is never opened.

    \b
    Examples:
        bench tune conv3d
        bench tune all --size mini --trials 8 --epochs 12
        bench tune path/to/my_model.py --size tiny --epochs 3 --table my-trials.csv
    """
    unique = described(models, ("classification",))

    from benchmark import trials as trials_table
    from benchmark.plan import Options, make_plan
    from benchmark.tune import Budget, tune_model

    options, budget = Options(**wishes), Budget(trials=trials, epochs=epochs, seed=seed)
    for one in unique:
        make_plan(one, options)  # a mistake in the last is told before the first is trained

    def work(one: spec.Description) -> None:
        with machine.enough_memory("finished trials are kept; leave the GPU to this command, and it goes on"):
            won = tune_model(one, budget, options, table, say=lambda line: click.echo(line, err=True))
        click.echo(f"{one.name}: {100 * (won.valid_error or 0):.1f} % wrong on valid, the best of {trials} trials")
        click.echo(trials_table.literal(won, one.training))

    in_turn(unique, work, go_on=True)

"""The commands `bench sample`, `reconstruct` and `interpolate`: pictures of a finished run. Imports wait until then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmark.options import DEVICE, place


def of_a_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the argument RUN and what every command has that opens one."""
    for decorate in (
        click.argument("run", type=click.Path(path_type=Path)),
        click.option("--seed", type=int, default=0, show_default=True, help="Which training of the run."),
        click.option("--out", type=click.Path(path_type=Path), help="The PNG  [default: in RUN]."),
        DEVICE,
        click.option("--model", type=click.Path(path_type=Path), help="The model's file, for a run of your own file."),
    ):
        command = decorate(command)
    return command


@click.command()
@of_a_run
@click.option("--count", type=click.IntRange(min=1), default=64, show_default=True, help="How many.")
@click.option("--draws", type=int, default=0, show_default=True, help="Another number is another set of samples.")
@click.option("--npz", type=click.Path(path_type=Path), help="Also write them as uint8 [N, T, H, W, 3], `samples`.")
def sample(run: Path, count: int, draws: int, npz: Path | None, **wishes: Any) -> None:
    """Draws new samples from a finished RUN of a generator, with attributes of test where it is conditional.

    \b
    Examples:
        bench sample runs/ali/standard-mini
        bench sample runs/ali/standard-mini --count 1000 --npz samples.npz
    """
    from benchmark.generation.show import show_samples

    for path in show_samples(run, count=count, draws=draws, npz=npz, **wishes):
        click.echo(path)


@click.command()
@of_a_run
@place("--data", "data", "Folder that holds the datasets; clips of test are taken.")
@click.option("--count", type=click.IntRange(min=1), default=64, show_default=True, help="How many.")
def reconstruct(run: Path, count: int, data: Path, **wishes: Any) -> None:
    """Encodes clips of test and decodes them again, with a finished RUN; each pair stands side by side.

    \b
    Example:
        bench reconstruct runs/ali/standard-mini
    """
    from benchmark.generation.show import show_reconstructions

    click.echo(show_reconstructions(run, count=count, data=data, **wishes))


@click.command()
@of_a_run
@place("--data", "data", "Folder that holds the datasets; clips of test are taken.")
def interpolate(run: Path, data: Path, **wishes: Any) -> None:
    """Goes from one clip of test to another in the latent space of a finished RUN, a row a pair.

    \b
    Example:
        bench interpolate runs/ali/standard-mini
    """
    from benchmark.generation.show import show_interpolations

    click.echo(show_interpolations(run, data=data, **wishes))

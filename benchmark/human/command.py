"""`bench human` and `bench human score`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmark.options import place
from dynamics_gen.config import RELEASES, SIZES, directory_name, release_named
from dynamics_gen.console import Failure


def _of_data(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which split valid is meant: the options that both commands share."""
    for option in (
        click.option("--on", type=click.Path(path_type=Path), help="Folder of your own train, valid and test."),
        place("--data", "data", "Folder that holds the datasets."),
        click.option("--release", default="standard", show_default=True, help=f"One of {', '.join(RELEASES)}."),
        click.option("--size", default="full", show_default=True, help=f"One of {', '.join(SIZES)}."),
    ):
        command = option(command)
    return command


def _valid(size: str, release: str, data: Path, on: Path | None) -> Path:
    release_named(release)
    return (on or data / directory_name(release, size)) / "valid"


@click.group(invoke_without_command=True)
@_of_data
@click.option("--clips", type=click.IntRange(min=1), default=10, show_default=True, help="Of each class.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of their choice and order.")
@place("--out", "human.html", "The page's file.")
@click.pass_context
def human(
    context: click.Context,
    size: str,
    release: str,
    data: Path,
    on: Path | None,
    clips: int,
    seed: int,
    out: Path,
) -> None:
    """Writes a page that asks a person which class each clip of valid is of, for `bench human score`.

    The page is one file that needs nothing else and holds no labels; it tells nothing until the end.

    \b
    Examples:
        bench human --size mini
        bench human --size mini --seed 1 --out second.html
        bench human score human-standard-seed0.json --size mini
    """
    if context.invoked_subcommand is not None:
        if any(context.get_parameter_source(name) != click.core.ParameterSource.DEFAULT for name in context.params):
            raise click.UsageError(f"options of {context.invoked_subcommand} stand after its name")
        return
    from benchmark.human.ask import write_page

    typed = {"--size": size, "--release": release, "--data": str(data)} if on is None else {"--on": str(on)}
    plain = {"--size": "full", "--release": "standard", "--data": "data"}
    options = shlex.join(word for pair in typed.items() if plain.get(pair[0]) != pair[1] for word in pair)
    count = write_page(_valid(size, release, data, on), out, clips, seed, options)
    click.echo(f"{out}: {count} clips, {out.stat().st_size / 1e6:.1f} MB; open it in a browser")


@human.command()
@click.argument("file", type=click.Path(path_type=Path))
@_of_data
@place("--runs", "runs", "Folder for results, at human/RELEASE-SIZE/human.json.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result there.")
def score(file: Path, size: str, release: str, data: Path, on: Path | None, runs: Path, overwrite: bool) -> None:
    """Scores the answers in FILE, which a page of `bench human` gave, and keeps them for `bench table --runs`.

    \b
    Example:
        bench human score human-standard-seed0.json --size mini
    """
    import dynamics_gen
    from benchmark.human import answers, result

    given = answers.read_answers(file)
    name = f"{release}-{size}" if on is None else on.resolve().name
    made = answers.score(
        given, dynamics_gen.open(_valid(size, release, data, on)), size if on is None else "own", str(file)
    )
    path = runs / "human" / name / result.FILE
    if path.exists() and not overwrite:
        raise Failure(f"{path} holds an earlier result: use --overwrite, or --runs for another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    result.write(made, path)
    low, high = made.interval.low, made.interval.high
    click.echo(
        f"human on {made.release} {made.size}: {100 * made.scores.error:.1f} % error on {len(made.answers)} clips of "
        f"valid (95 %: {100 * low:.1f}–{100 * high:.1f} %; {made.seconds:.1f} s a clip); {path}"
    )

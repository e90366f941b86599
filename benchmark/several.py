"""Several models at one command: which, and one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from benchmark import spec
from benchmark.errors import StoppedError
from dynamics_gen.console import Failure, sentence_of
from dynamics_gen.errors import DynamicsError


def described(models: Sequence[str], all_of: Sequence[str]) -> list[spec.Description]:
    """The models of these names and paths, each once; `all` is every one of the package whose task is in `all_of`."""
    everyone = [one for one in spec.list_models() if one.task in all_of]
    found = [one for name in models for one in (everyone if name == "all" else [spec.find(name)])]
    return list({one.path.resolve(): one for one in found}.values())


def in_turn(models: Sequence[spec.Description], work: Callable[[spec.Description], None], go_on: bool) -> None:
    """Does something with each model; one that fails is told of, and does not keep the others from their turn.

    Args:
        models: which.
        work: done with each.
        go_on: whether there is a next turn after a failure.

    Raises:
        Failure: some of several failed; the error itself, if it is the only one.
    """
    failed = []
    for one in models:
        try:
            work(one)
        except StoppedError:
            raise
        except (DynamicsError, OSError) as error:
            if len(models) == 1 or not go_on:
                raise
            failed.append(one.name)
            sentence = sentence_of(error) if isinstance(error, OSError) else str(error)
            click.echo(f"error: {one.name}: {sentence}", err=True)
    if failed:
        raise Failure(f"{len(failed)} of {len(models)} models failed: {', '.join(failed)}")

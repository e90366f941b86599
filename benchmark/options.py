"""Options that several commands of `bench` take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DEVICE = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu or cuda; auto takes CUDA if it is there."
)

RESUME = click.option("--resume", is_flag=True, help="Go on where the same command stopped, or add seeds to it.")
OVERWRITE = click.option(
    "--overwrite", is_flag=True, help="Remove an earlier run of this model on these data, and start again."
)
WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that build missing data, or read for a fitted model.  [default: cores]",
)


def place(flag: str, default: str, help_text: str) -> Decorator:
    """A file or folder that has a usual place."""
    return click.option(flag, type=click.Path(path_type=Path), default=Path(default), show_default=True, help=help_text)

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


def place(flag: str, default: str, help_text: str) -> Decorator:
    """A file or folder that has a usual place."""
    return click.option(flag, type=click.Path(path_type=Path), default=Path(default), show_default=True, help=help_text)

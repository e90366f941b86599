"""Dynamics: video clips in which only motion carries the class, simulated and rendered with Bullet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynamics_gen.version import __version__

if TYPE_CHECKING:
    from dynamics_gen.dataset import ClipDataset

__all__ = ["ClipDataset", "__version__", "open"]


def open(directory: str | os.PathLike[str], annotations: Sequence[str] = ()) -> ClipDataset:
    """Opens a split that `dynamics-gen` built: `dynamics_gen.open("data/dynamics/train")`.

    Args:
        directory: the split's folder.
        annotations: ground truth to give with each clip, of `mask`, `depth` and `flow`, if the split has it.

    Raises:
        ShardError: there is no finished split there, or it is damaged.
    """
    from dynamics_gen.dataset import ClipDataset

    return ClipDataset(directory, annotations)


def __getattr__(name: str) -> object:
    """Imports `ClipDataset` when it is first asked for, so that the package itself imports at once."""
    if name == "ClipDataset":
        from dynamics_gen.dataset import ClipDataset

        return ClipDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

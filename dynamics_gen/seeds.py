"""One generator per clip and purpose; nothing else in the package draws a number."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dynamics_gen.classes import CLASSES
from dynamics_gen.config import SPLITS, BuildConfig

PURPOSES = (
    "order",
    "motion",
    "appearance",
    "backdrop",
    "grade",
    "camera",
    "props",
    "companion",
    "companion_motion",
    "companion_surface",
)
"""What a stream is for. Appearance and class come from separate streams, so they are independent."""

ORDER_BLOCK = 100
"""Class order is shuffled in balanced blocks of this many clips, so any contiguous run is mixed."""


def stream(config: BuildConfig, index: int, purpose: str, attempt: int = 0) -> np.random.Generator:
    """Opens the generator of one clip (for "order": of one block) and one purpose.

    `attempt` counts redraws of a clip that turned out unfit.
    """
    key = (SPLITS.index(config.split), index, PURPOSES.index(purpose), attempt)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(config.seed, spawn_key=key)))


def labels(config: BuildConfig, first: int, last: int) -> np.ndarray:
    """Labels of clips `first` to `last` (exclusive) of the split, int64.

    Every block of `ORDER_BLOCK` clips holds each class equally often, in an order drawn for that block.
    """
    blocks = range(first // ORDER_BLOCK, -(-last // ORDER_BLOCK))
    drawn = [_block_labels(config, block) for block in blocks]
    skipped = first - blocks.start * ORDER_BLOCK
    return np.concatenate(drawn)[skipped : skipped + last - first]


@lru_cache(maxsize=1024)
def _block_labels(config: BuildConfig, block: int) -> np.ndarray:
    size = min(ORDER_BLOCK, config.clips - block * ORDER_BLOCK)
    return stream(config, block, "order").permutation(np.arange(size) % len(CLASSES))

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
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(config.entropy(purpose), spawn_key=key)))


def labels(config: BuildConfig, first: int, last: int) -> np.ndarray:
    """Labels of clips `first` to `last` (exclusive) of the split, int64.

    Every block of `ORDER_BLOCK` clips holds each class equally often, in an order drawn for that block. A hidden split
    is one block, so that labels that are known, or guessed, say nothing of their neighbours'.
    """
    size = config.clips if config.secret else ORDER_BLOCK
    blocks = range(first // size, -(-last // size))
    drawn = [_block_labels(config, block, size) for block in blocks]
    skipped = first - blocks.start * size
    return np.concatenate(drawn)[skipped : skipped + last - first]


@lru_cache(maxsize=1024)
def _block_labels(config: BuildConfig, block: int, size: int) -> np.ndarray:
    size = min(size, config.clips - block * size)
    return stream(config, block, "order").permutation(np.arange(size) % len(CLASSES))

"""What a predictor offers the benchmark, and how many frames it is given and asked for.

Clips are [B, C, T, H, W] in [-1, 1]. What is drawn comes from torch's global generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from benchmark.data import Batch
from benchmark.players import Player

CONTEXT = 10
"""Frames that a model is given, the first of a clip."""

HORIZON = 10
"""Frames after them that it learns to predict; scores are of these, and of `LONG`."""

LONG = 22
"""Frames after the context up to the end of a clip of 32."""

Clips: TypeAlias = Float[Tensor, "batch channels time height width"]


@runtime_checkable
class Predictor(Protocol):
    """The least that a network must offer.

    Attributes:
        stochastic: whether it draws, so that a context has several continuations.
    """

    stochastic: bool

    def players(self) -> Mapping[str, Player]:
        """As `benchmark.players.Game`."""
        ...

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """As `benchmark.players.Game`; clips have `CONTEXT + HORIZON` frames, from anywhere in true clips."""
        ...

    def predict(self, context: Clips, count: int) -> Clips:
        """The next `count` frames, one continuation of each clip."""
        ...

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
from benchmark.prediction.steps import CONTEXT as CONTEXT
from benchmark.prediction.steps import HORIZON as HORIZON
from benchmark.prediction.steps import LONG as LONG

Clips: TypeAlias = Float[Tensor, "batch channels time height width"]
Maps: TypeAlias = Float[Tensor, "batch feature moments rows columns"]


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


@runtime_checkable
class Represents(Protocol):
    """A predictor whose layers can serve another purpose; not what it says, but what it makes of what it sees."""

    def represent(self, clips: Clips) -> Maps:
        """Maps of features of whole clips, of as many frames as it learnt from or more, in order of time.

        Nothing is drawn, and gradients flow back to the layers that made them; in evaluation mode a clip's are its own,
        whatever else is in the batch. Models that see so many frames at once see windows (`baselines.windows`), whose
        features stand one after the other; features that have no place stand in one row and one column.
        """
        ...

"""What is measured of a predictor: the columns of every table of its page, and by which of them one is ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaderboard.results.committed import mean_of, shown
from leaderboard.results.predicted import Predicted


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A column.

    Attributes:
        of: its value; None where there is none.
        higher: whether more is better; None where neither is.
    """

    name: str
    of: Callable[[Predicted], float | None]
    digits: int
    higher: bool | None = False

    def best(self, runs: Sequence[Predicted]) -> Predicted | None:
        """The best of several by this measure, the first of equals; None where one has no value or none is better."""
        values = [self.of(one) for one in runs]
        if self.higher is None or any(value is None for value in values):
            return None
        ordered = [value if self.higher else -value for value in values if value is not None]
        return runs[ordered.index(max(ordered))]

    def shown(self, one: Predicted) -> str:
        """Its value as text, or a dash."""
        return shown(self.of(one), self.digits)


MEASURES = (
    Measure(name="MSE 10", of=lambda one: one.frame_error("mse", 10), digits=1),
    Measure(name="MSE 22", of=lambda one: one.frame_error("mse", 22), digits=1),
    Measure(name="MAE 10", of=lambda one: one.frame_error("mae", 10), digits=1),
    Measure(name="PSNR 10", of=lambda one: one.frame_error("psnr", 10), digits=1, higher=True),
    Measure(name="SSIM 10", of=lambda one: one.frame_error("ssim", 10), digits=3, higher=True),
    Measure(name="SSIM 22", of=lambda one: one.frame_error("ssim", 22), digits=3, higher=True),
    Measure(name="off 10", of=lambda one: one.motion("error", 10), digits=1),
    Measure(name="off 22", of=lambda one: one.motion("error", 22), digits=1),
    Measure(name="lost %", of=lambda one: _percent(one.motion("lost", 22)), digits=1),
    Measure(name="split %", of=lambda one: _percent(one.motion("split", 22)), digits=1),
    Measure(name="class %", of=lambda one: _percent(one.motion("class_agreement")), digits=1, higher=True),
    Measure(name="Fréchet", of=lambda one: mean_of([scores.frechet for scores in one.scores]), digits=1),
    Measure(name="speed kept %", of=lambda one: _percent(one.motion("speed_kept")), digits=1, higher=True),
    Measure(name="came back %", of=lambda one: _percent(one.motion("came_back")), digits=1, higher=True),
    Measure(name="density", of=lambda one: mean_of([scores.density for scores in one.scores]), digits=2, higher=None),
    Measure(name="coverage", of=lambda one: mean_of([scores.coverage for scores in one.scores]), digits=2, higher=True),
)
"""All that a record has of a continuation, so that none is picked. A density above one is not better than one."""


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share

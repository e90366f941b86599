"""A committed run of a predictor, and the numbers that pages take from it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from benchmark.prediction import record
from benchmark.prediction.record import Motion, Record, Scores, summed
from leaderboard.results.committed import Committed, mean_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Predicted(Committed[Record]):
    """A committed run of a predictor."""

    @property
    def scores(self) -> list[Scores]:
        """Of each seed."""
        return [seed.test for seed in self.record.seeds]

    @property
    def steps(self) -> int:
        """How many frames it predicts of a clip."""
        return len(self.scores[0].single.mse)

    def frame_error(self, metric: str, steps: int, of: str = "single") -> float | None:
        """A metric of frames, mean over the first `steps` predicted ones; None where there is no such thing.

        Args:
            metric: one of `METRICS`.
            steps: how many.
            of: `single`, `best` or `mean`.
        """
        if steps > self.steps:
            return None
        found = mean_of([_mean(getattr(scores, of), metric, steps) for scores in self.scores])
        if found is None or metric not in ("mse", "mae"):
            return found
        side = self.record.view.image_size
        return summed(found, 3, side, side)

    def motion(self, what: str, step: int | None = None, of: str = "motion") -> float | None:
        """What became of the object; of what is told by step, at a step, from 1.

        None of clips that nobody simulated, or that end before.

        Args:
            what: a field of `record.Motion`.
            step: after the context.
            of: `motion`, or `motion_of_data`, that of true clips.
        """
        if step is not None and step > self.steps:
            return None
        motions: list[Motion | None] = [getattr(scores, of) for scores in self.scores]
        values = [getattr(motion, what) for motion in motions if motion is not None]
        return mean_of([value if step is None else value[step - 1] for value in values])

    @property
    def frames_per_s(self) -> float:
        """How many it predicts."""
        return fmean(seed.predicted_frames_per_s for seed in self.record.seeds)


def _mean(errors: record.Errors | None, metric: str, steps: int) -> float | None:
    return None if errors is None else fmean(getattr(errors, metric)[:steps])

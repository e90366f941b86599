"""A trained predictor against what came: frames step by step, whole clips as a set, and the object's motion.

Of clips that were not simulated, such as imported ones, nobody knows the true motion: nothing is said of it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from benchmark.data import Clips, sequential
from benchmark.generation import metrics
from benchmark.generation.class_reader import CLIPS_A_BATCH, class_reader
from benchmark.generation.contract import Features
from benchmark.generation.pictures import grey_levels
from benchmark.prediction import physics
from benchmark.prediction.contract import CONTEXT
from benchmark.prediction.frames import METRICS, FrameErrors, best_of, frame_errors
from benchmark.prediction.record import Errors, Motion, Scores
from dynamics_gen.classes import SPEEDS

SAMPLES = 10
"""Continuations of each context, of stochastic models."""

TEST_SEED = 20_170_602
"""Of what stochastic models draw when they are scored."""

Continue = Callable[[Tensor, int], Tensor]
"""From clips and a number of frames to as many frames, the first `CONTEXT` of them those of the clips."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrueMotion:
    """What is known of the clips of a split."""

    backdrops: Float32[np.ndarray, "clips height width 3"]
    followed: physics.Followed
    places: Float64[np.ndarray, "clips time 2"]
    constant: np.ndarray
    bouncing: np.ndarray

    @classmethod
    def of(cls, videos: UInt8[np.ndarray, "clips time height width 3"], dataset: Any, frames: int) -> TrueMotion:
        """Of true clips and those of their frames that are compared.

        Args:
            videos: whole clips, as the model sees them: what stands still is known the better, the longer they are.
            dataset: the same clips, with what the simulator knows.
            frames: how many of each are compared, from the first on.
        """
        backdrops = physics.backdrops_of(videos)
        speed = dataset.column("speed")
        return cls(
            backdrops=backdrops,
            followed=physics.follow(backdrops, videos[:, :frames]),
            places=physics.true_places(dataset)[:, :frames],
            constant=speed == SPEEDS.index("constant"),
            bouncing=speed == SPEEDS.index("bouncing"),
        )

    def motion(self, said: physics.Followed, classes: np.ndarray, labels: np.ndarray) -> Motion:
        """What became of the motion, and of the class.

        Args:
            said: the object in continued clips.
            classes: what is seen of each, int64 [clips].
            labels: its true class.
        """
        found = physics.motion_of(said, self.followed.area, self.places, self.constant, self.bouncing)
        return Motion(**dataclasses.asdict(found), class_agreement=float(np.mean(classes == labels)))


def score(
    go_on: Continue, stochastic: bool, features: Features, test: Clips, dataset: Any, train: Clips
) -> tuple[Scores, float]:
    """Scores a predictor; returns also how many frames it predicts in a second.

    Args:
        go_on: continues clips.
        stochastic: whether it draws.
        features: of whole clips.
        test: the clips that are continued.
        dataset: their split, with what the simulator knows of them, if they were simulated.
        train: clips from whose features the classes are learnt, and whose distance is what true clips come to.
    """
    truth = _true_motion(test, dataset)
    single, best, mean = [], [], []
    videos, rows, true_rows, shuffled_rows = [], [], [], []
    spent, frames = 0.0, test.shape[0]
    order = torch.randperm(frames - CONTEXT, generator=torch.Generator().manual_seed(TEST_SEED)) + CONTEXT
    moments = torch.cat([torch.arange(CONTEXT), order])
    with torch.random.fork_rng():
        torch.manual_seed(TEST_SEED)
        for batch in _batches(test):
            came, drawn = _unit(batch.clips), []
            for draw in range(SAMPLES if stochastic else 1):
                start = time.monotonic()
                said = go_on(batch.clips, frames)
                spent += time.monotonic() - start
                drawn.append(_unit(said))
                if draw == 0:
                    if truth is not None:
                        videos.append(grey_levels(said))
                    rows.append(features(said))
            compared = [frame_errors(came, one) for one in drawn]
            single.append(compared[0])
            if stochastic:
                best.append(best_of(compared))
                mean.append(frame_errors(came, torch.stack(drawn).mean(0)))
            true_rows.append(features(batch.clips))
            shuffled_rows.append(features(batch.clips[:, :, moments]))
    learnt_rows = [features(batch.clips) for batch in train.spread(min(len(test), len(train)), CLIPS_A_BATCH)]
    made, true, shuffled, learnt = (
        _numbers(torch.cat(parts)) for parts in (rows, true_rows, shuffled_rows, learnt_rows)
    )
    neighbourhoods = metrics.density_coverage(true, made)
    motion, motion_of_data = None, None
    if truth is not None:
        labels, classes = test.labels.numpy(), class_reader(features, train)
        motion = truth.motion(physics.follow(truth.backdrops, np.concatenate(videos)), classes(made), labels)
        motion_of_data = truth.motion(truth.followed, classes(true), labels)
    found = Scores(
        clips=len(test),
        single=mean_errors(single),
        best=mean_errors(best) if stochastic else None,
        mean=mean_errors(mean) if stochastic else None,
        samples=SAMPLES if stochastic else 1,
        frechet=metrics.frechet_distance(true, made),
        frechet_shuffled=metrics.frechet_distance(true, shuffled),
        frechet_of_train=metrics.frechet_distance(true, learnt),
        density=neighbourhoods.density,
        coverage=neighbourhoods.coverage,
        motion=motion,
        motion_of_data=motion_of_data,
    )
    predicted = len(test) * (frames - CONTEXT) * (SAMPLES if stochastic else 1)
    return found, predicted / max(spent, 1e-9)


def _true_motion(test: Clips, dataset: Any) -> TrueMotion | None:
    """What is known of the motion; None of clips that nobody simulated."""
    if not physics.is_known(dataset):
        return None
    videos = np.concatenate([grey_levels(batch.clips) for batch in _batches(test)])
    return TrueMotion.of(videos, dataset, test.shape[0])


def _batches(clips: Clips) -> Any:
    return clips.batches(sequential(len(clips), CLIPS_A_BATCH))


def _unit(clips: Tensor) -> Tensor:
    """The part of a clip that is predicted, in [0, 1]."""
    return ((clips[:, :, CONTEXT:] + 1) / 2).clamp(0, 1)


def _numbers(features: Tensor) -> Float64[np.ndarray, "clips feature"]:
    return features.double().cpu().numpy()


def mean_errors(parts: Sequence[FrameErrors]) -> Errors:
    """The means over all clips, by step."""
    means = {metric: torch.cat([getattr(part, metric) for part in parts]).mean(0) for metric in METRICS}
    return Errors(**{metric: tuple(values.tolist()) for metric, values in means.items()})

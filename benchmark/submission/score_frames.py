"""The host's side for entries of frames: every number anew from what was sent, clips of test, and clips of train."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

import dynamics_gen
from benchmark.data import CLIPS_A_READ, Clips, places_of, sequential
from benchmark.errors import RecordError
from benchmark.generation import record as generation
from benchmark.generation.class_reader import CLIPS_A_BATCH, class_reader
from benchmark.generation.frozen import features_of
from benchmark.generation.metrics import nearest_distances
from benchmark.generation.record import Network
from benchmark.generation.scores import failures_of, features_in_parts, one_a_clip, set_scores
from benchmark.generation.views import View as SplitView
from benchmark.machine import commit, libraries
from benchmark.parts import PartOfSplit
from benchmark.prediction import physics
from benchmark.prediction import record as prediction
from benchmark.prediction.contract import CONTEXT, HORIZON
from benchmark.prediction.frames import FrameErrors, frame_errors
from benchmark.prediction.scores import TrueMotion, mean_errors
from benchmark.statistics import mean_error_interval, t_quantile
from benchmark.submission.check import Checked
from benchmark.submission.frames_result import (
    RESULT_VERSION,
    Bounds,
    GenerationResult,
    GenerationScores,
    PredictionResult,
    PredictionScores,
    ScoredGeneration,
    ScoredPrediction,
    truth_sha256,
)
from benchmark.submission.result import OPEN, salted_sha256
from benchmark.submission.split import OpenedSplit
from benchmark.submission.views import CLIPS, PREDICTION, View
from dynamics_gen.errors import ShardError

Videos = UInt8[np.ndarray, "clips time height width 3"]

CLOSEST = 0.01
"""Share of the clips of train that lie nearer to a clip of test than a sample may before it counts as a copy."""

_CPU = torch.device("cpu")


def score_frames(checked: Checked, split: OpenedSplit, salt: str) -> PredictionResult | GenerationResult:
    """Scores an entry that is in order; nothing is written.

    Args:
        checked: the entry.
        split: the open test split, with the train split in the folder beside.
        salt: 64 hexadecimal digits.

    Raises:
        RecordError: the train split is missing, or of another release.
        ShardError: a split is damaged.
        OSError: a file cannot be read.
    """
    train = _train_beside(split)
    score = _score_prediction if checked.task == PREDICTION else _score_generation
    return score(checked, split, train, salt)


def _train_beside(split: OpenedSplit) -> dynamics_gen.ClipDataset:
    folder = split.folder.resolve().parent / "train"
    try:
        train = dynamics_gen.open(folder)
    except ShardError as error:
        raise RecordError(
            f"{error}: frames are scored beside those of train, expected in the same folder as {split.folder}; build it"
            " with `dynamics-gen --split train`"
        ) from None
    shape = split.video_shape or train.video_shape
    if (train.manifest.release, train.manifest.split, train.video_shape) != (split.test.release, "train", shape):
        raise RecordError(
            f"{folder} is the split {train.manifest.split} of {train.manifest.release}: expected train of"
            f" {split.test.release}, with clips like those of {split.folder}"
        )
    return train


@dataclass(frozen=True, kw_only=True, slots=True)
class _Common:
    """What results of both tasks say alike."""

    checked: Checked
    split: OpenedSplit
    train: dynamics_gen.ClipDataset
    salt: str
    features: Any

    def fields(self) -> dict[str, Any]:
        """By name."""
        made = self.checked.submission
        assert made is not None
        fingerprint = self.train.manifest.fingerprint
        return {
            "result_version": RESULT_VERSION,
            "task": made.task,
            "board": OPEN,
            "view": made.view,
            "test": self.split.test,
            "train_fingerprint": fingerprint,
            "features": Network(name=self.features.name, sha256=self.features.sha256),
            "submission_sha256": self.checked.submission_sha256,
            "salt": self.salt,
            "predictions_sha256": salted_sha256(self.salt, [(one.seed, one.sha256) for one in made.seeds]),
            "truth_sha256": truth_sha256(self.salt, self.split.test.fingerprint, fingerprint),
            "commit": commit(),
            "python": platform.python_version(),
            "libraries": libraries(),
        }


def _score_prediction(
    checked: Checked, split: OpenedSplit, train: dynamics_gen.ClipDataset, salt: str
) -> PredictionResult:
    made = checked.submission
    assert made is not None
    assert made.view is not None
    size, frames = made.view.image_size, CONTEXT + HORIZON
    whole = dynamics_gen.open(split.folder)
    part = PartOfSplit(whole, _numbers(whole, split.ids_of(PREDICTION)))
    videos = SplitView(part, "clips", part.video_shape[0], size).read_videos(slice(None))
    labels = np.asarray(part.labels)
    truth = TrueMotion.of(videos, part, frames)
    features = features_of("clips", _CPU)
    classes = class_reader(features, _pixels(SplitView(PartOfSplit(train, frames=(0, frames)), "clips", frames, size)))
    true = classes(features_in_parts(features, _floats(videos[:, :frames])))
    seeds, errors = [], []
    for stated in made.seeds:
        said = checked.frames[stated.predictions].sorted().frames
        parts = _errors_in_parts(videos[:, CONTEXT:frames], said)
        continued = np.concatenate([videos[:, :CONTEXT], said], axis=1)
        seen = classes(features_in_parts(features, _floats(continued)))
        motion = truth.motion(physics.follow(truth.backdrops, continued), seen, labels)
        scores = PredictionScores(clips=len(said), errors=mean_errors(parts), motion=motion)
        seeds.append(ScoredPrediction(seed=stated.seed, sha256=stated.sha256, scores=scores))
        errors.append(torch.cat([part.mse for part in parts]).mean(1).numpy())
    return PredictionResult(
        metric_version=prediction.METRIC_VERSION,
        seeds=tuple(seeds),
        motion_of_data=truth.motion(truth.followed, true, labels),
        interval=interval_of_errors(np.stack(errors), labels),
        **_Common(checked=checked, split=split, train=train, salt=salt, features=features).fields(),
    )


def _score_generation(
    checked: Checked, split: OpenedSplit, train: dynamics_gen.ClipDataset, salt: str
) -> GenerationResult:
    made = checked.submission
    assert made is not None
    assert made.view is not None
    test = _view_of(dynamics_gen.open(split.folder), made.view)
    learnt = _view_of(train, made.view)
    samples = {one.seed: checked.frames[one.predictions].frames for one in made.seeds}
    count = min(len(test), len(learnt), *map(len, samples.values()))
    places = places_of(len(test), count)
    held_out, seen = _read(test, places), _read(learnt, places_of(len(learnt), count))
    features = features_of("clips" if made.view == CLIPS else "frames", _CPU)
    true, known = (features_in_parts(features, _floats(videos)) for videos in (held_out, seen))
    apart = one_a_clip(places, test.copies)
    coarse = np.concatenate([coarse_of(test.read_videos(rows)) for rows in sequential(len(test), CLIPS_A_READ)])
    least = float(np.quantile(nearest_distances(coarse_of(seen), coarse), CLOSEST))

    def scores_of(videos: Videos, rows: np.ndarray) -> tuple[GenerationScores, float | None]:
        failures = failures_of(*(clips.transpose(0, 4, 1, 2, 3) for clips in (seen, held_out, videos)))
        failed_of_data = failures.pop("failed_of_data")
        copied = float((nearest_distances(coarse_of(videos), coarse) < least).mean())
        found = GenerationScores(samples=count, copied=copied, **set_scores(true, rows, apart), **failures)
        return found, failed_of_data

    seeds = []
    for stated in made.seeds:
        videos = samples[stated.seed][:count]
        scores, _ = scores_of(videos, features_in_parts(features, _floats(videos)))
        seeds.append(ScoredGeneration(seed=stated.seed, sha256=stated.sha256, scores=scores))
    of_train, failed_of_data = scores_of(seen, known)
    return GenerationResult(
        metric_version=generation.METRIC_VERSION,
        seeds=tuple(seeds),
        of_train=of_train,
        failed_of_data=failed_of_data,
        interval=interval_of_seeds([one.scores.frechet for one in seeds]),
        **_Common(checked=checked, split=split, train=train, salt=salt, features=features).fields(),
    )


def interval_of_errors(errors: Float64[np.ndarray, "seeds clips"], labels: np.ndarray) -> Bounds:
    """The 95 % interval of a mean squared error in [0, 1], over new clips of each class and new seeds.

    It is that of a mean error, `statistics.mean_error_interval`, whose resamples are of any numbers; of a single value
    for all clips and seeds, that value.
    """
    mean = float(errors.mean())
    if np.ptp(errors) == 0:
        return Bounds(low=mean, high=mean)
    found = mean_error_interval(errors, labels, np.random.default_rng(0))
    return Bounds(low=float(found.low), high=float(found.high))


def interval_of_seeds(values: Sequence[float]) -> Bounds | None:
    """The 95 % interval of a mean over new seeds, by Student's t; None of a single one."""
    if len(values) < 2:
        return None
    reach = t_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    mean = sum(values) / len(values)
    return Bounds(low=max(0.0, mean - reach), high=mean + reach)


def coarse_of(videos: Videos) -> Float64[np.ndarray, "clips values"]:
    """Clips by eight times eight pixels a frame, which are means; grey levels."""
    clips, time, side = videos.shape[:3]
    squares = videos.reshape(clips, time, 8, side // 8, 8, side // 8, 3)
    return squares.mean(axis=(3, 5), dtype=np.float64).reshape(clips, -1)


def _errors_in_parts(came: Videos, said: Videos) -> list[FrameErrors]:
    """Of some clips after others."""
    pairs = [(came[rows], said[rows]) for rows in sequential(len(said), CLIPS_A_BATCH)]
    return [frame_errors(*(_floats(one).add(1).div(2) for one in pair)) for pair in pairs]


def _view_of(split: Any, view: View) -> SplitView:
    form = "clips" if view == CLIPS else "frames"
    return SplitView(split, form, view.frames, view.image_size)


def _read(view: SplitView, places: np.ndarray) -> Videos:
    """Some clips of a view; of those of the split, which are larger, a few at a time."""
    parts = [places[rows] for rows in sequential(len(places), CLIPS_A_READ)]
    return np.concatenate([view.read_videos(part) for part in parts])


def _pixels(split: Any) -> Clips:
    return Clips(split, _CPU, "pixels", resident=False)


def _floats(videos: Videos) -> Tensor:
    """Clips [clips, 3, time, height, width] in [-1, 1], as networks see them."""
    return torch.from_numpy(np.moveaxis(videos, -1, 1).astype(np.float32)) / 127.5 - 1


def _numbers(split: dynamics_gen.ClipDataset, ids: np.ndarray) -> np.ndarray:
    """Where clips of these ids stand in a split."""
    numbers = {name: number for number, name in enumerate(split.column("clip_id").tolist())}
    return np.array([numbers[name] for name in ids.tolist()])

"""Rows of boards of frames: of records of predictors and generators, committed or local, and of entries of frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from benchmark import record_file
from benchmark.generation import record as generation
from benchmark.prediction import record as prediction
from benchmark.prediction.record import METRICS, Errors, Motion, Scores, summed
from benchmark.prediction.steps import CONTEXT
from benchmark.record import Tags
from benchmark.submission.frames_result import GenerationScores, PredictionResult, PredictionScores
from benchmark.submission.schema import EvaluationSplit
from leaderboard.entries import ENTRIES, RECORD_FILE
from leaderboard.frame_submissions import SubmittedFrames, read_frame_submissions
from leaderboard.frames import GENERATION, PREDICTION, FrameBoard, FrameRow, Kind, Score, make_frame_boards
from leaderboard.results.committed import read_run
from leaderboard.results.generators import GENERATORS, Made, read_generators
from leaderboard.results.predictors import PREDICTORS, Predicted, read_predictors

OURS = "dynamics"
"""The group that committed runs are entered by."""
RUNS = "runs"
"""The folder of local ones."""

OF_SAMPLES = (
    *("frechet", "frechet_of_train", "precision", "recall", "density", "coverage"),
    *("spread", "nats", "error", "failed"),
)
OF_RECONSTRUCTIONS = ("mean_squared_error", "psnr", "feature_distance")
"""Scores of a generator, as its record names them."""


def read_frame_boards(root: Path, runs: Path | None = None) -> list[FrameBoard]:
    """The boards of every committed run of a predictor or a generator, and of every entry, of the board at `root`.

    Args:
        root: the board's folder.
        runs: a folder of local runs to show among them, `<runs>/<model>/<release>-<size>/`.

    Raises:
        BoardError: a folder of an entry has an odd name.
        RecordError: a record is malformed or contradicts itself, or an entry is not in order.
        OSError: a file cannot be read.
    """
    rows = _entered_rows(root)
    rows += [predictor_row(one, root / PREDICTORS / one.name) for one in read_predictors(root)]
    rows += [generator_row(one, root / GENERATORS / one.name) for one in read_generators(root)]
    return make_frame_boards([*rows, *(_local_rows(runs) if runs is not None else [])])


def read_entered_boards(root: Path) -> list[FrameBoard]:
    """The boards of entries of frames alone.

    Raises:
        BoardError: as `read_frame_boards`.
        RecordError: an entry is not in order.
        OSError: a file cannot be read.
    """
    return make_frame_boards(_entered_rows(root))


def _entered_rows(root: Path) -> list[FrameRow]:
    return [submitted_frames_row(one, root / ENTRIES / one.group / one.name) for one in read_frame_submissions(root)]


def _local_rows(runs: Path) -> Iterator[FrameRow]:
    for path in sorted(runs.glob(f"*/*/{RECORD_FILE}")):
        task, name = record_file.task_of(path), path.parent.relative_to(runs).as_posix()
        if task == PREDICTION:
            yield predictor_row(read_run(path, name, Predicted, prediction.read), path.parent, local=True)
        elif task == GENERATION:
            yield generator_row(read_run(path, name, Made, generation.read), path.parent, local=True)


def predictor_row(one: Predicted, folder: Path, *, local: bool = False) -> FrameRow:
    """Derives the row of a run of a predictor; `folder` holds it."""
    made, tests = one.record, one.scores
    data = made.dataset
    return FrameRow(
        group="" if local else OURS,
        name=one.name,
        folder=folder,
        place=f"{RUNS if local else PREDICTORS}/{one.name}",
        source=one,
        kind=Kind(
            task=PREDICTION,
            view=made.view,
            context=made.context,
            horizon=made.horizon,
            labels="",
            draws=0,
            split=EvaluationSplit(
                release=data.release, size=data.size, clips=tests[0].clips, fingerprint=data.splits.test.fingerprint
            ),
            features=made.features,
        ),
        model=made.model,
        label=made.model,
        learnt_from=data.splits.train.clips,
        seeds=len(tests),
        scores=_known(prediction_scores(one)),
        samples=tests[0].samples if made.stochastic else 0,
        parameters=made.parameters,
        flops=made.flops_per_frame,
        made_per_s=one.frames_per_s,
        wall_time_s=fmean(seed.wall_time_s for seed in made.seeds),
        device=made.environment.device,
        tags=_tags(made.tags, local, ["draws"] if made.stochastic else ["rule"] if not made.parameters else []),
    )


def prediction_scores(one: Predicted) -> dict[str, Score | None]:
    """Every score of a predictor that a board or a page shows, by name."""
    found = {
        f"{prefix}{metric}": Score.over(frame_error(one, scores, metric, of) for scores in one.scores)
        for prefix, of in (("", "single"), ("best_", "best"), ("mean_", "mean"))
        for metric in METRICS
    }
    learnt = one.record.horizon
    found["learnt_mse"] = Score.over(frame_error(one, scores, "mse", "single", learnt) for scores in one.scores)
    found |= _of_motion([scores.motion for scores in one.scores if scores.motion is not None])
    for name in ("frechet", "density", "coverage"):
        found[name] = Score.over(getattr(scores, name) for scores in one.scores)
    return found


def frame_error(one: Predicted, scores: Scores, metric: str, of: str, steps: int | None = None) -> float | None:
    """A metric of one seed's frames, mean over the first `steps` predicted ones, or all; None where there is none."""
    errors: Errors | None = getattr(scores, of)
    return None if errors is None else fmean(by_step(one, errors, metric)[:steps])


def by_step(one: Predicted, errors: Errors, metric: str) -> list[float]:
    """A metric by step, squared and absolute errors as sums over pixels and channels."""
    values, side = getattr(errors, metric), one.record.view.image_size
    return [summed(value, 3, side, side) if metric in ("mse", "mae") else value for value in values]


def generator_row(one: Made, folder: Path, *, local: bool = False) -> FrameRow:
    """Derives the row of a run of a generator; `folder` holds it."""
    made, data = one.record, one.record.dataset
    scores = {name: Score.over(getattr(seed.test, name) for seed in made.seeds) for name in OF_SAMPLES}
    scores |= {
        name: Score.over(getattr(seed.test.reconstruction, name, None) for seed in made.seeds)
        for name in OF_RECONSTRUCTIONS
    }
    return FrameRow(
        group="" if local else OURS,
        name=one.name,
        folder=folder,
        place=f"{RUNS if local else GENERATORS}/{one.name}",
        source=one,
        kind=Kind(
            task=GENERATION,
            view=made.view,
            context=0,
            horizon=0,
            labels=made.labels,
            draws=made.seeds[0].test.samples,
            split=EvaluationSplit(
                release=data.release,
                size=data.size,
                clips=data.splits.test.clips,
                fingerprint=data.splits.test.fingerprint,
            ),
            features=made.features,
        ),
        model=made.model,
        label=made.model,
        learnt_from=data.splits.train.clips,
        seeds=len(made.seeds),
        scores=_known(scores),
        samples=0,
        parameters=made.parameters,
        flops=made.flops_per_sample,
        made_per_s=fmean(seed.samples_per_s for seed in made.seeds),
        wall_time_s=60 * one.minutes,
        device=made.environment.device,
        tags=_tags(made.tags, local, [f"told {', '.join(made.attributes)}"] if made.attributes else []),
    )


def submitted_frames_row(one: SubmittedFrames, folder: Path) -> FrameRow:
    """Derives the row of an entry of frames: scores are the host's, everything else is what the entrant says."""
    about, found = one.submission.about, one.result
    if isinstance(found, PredictionResult):
        context, draws, form = CONTEXT, 0, "clips"
        clips, scores = found.seeds[0].scores.clips, _submitted_predictions(found)
    else:
        context, draws = 0, found.of_train.samples
        form = "clips" if found.view.frames > 1 else "frames"
        clips, of_seeds = found.test.clips, [seed.scores for seed in found.seeds]
        names = [one.name for one in dataclasses.fields(GenerationScores) if one.name in (*OF_SAMPLES, "copied")]
        scores = {name: Score.over(getattr(seed, name) for seed in of_seeds) for name in names}
        scores["frechet_of_train"] = Score(found.of_train.frechet)
        if found.interval is not None:
            scores["frechet"] = Score(fmean(found.values), interval=(found.interval.low, found.interval.high))
    return FrameRow(
        group=one.group,
        name=one.name,
        folder=folder,
        place=f"{ENTRIES}/{one.group}/{one.name}",
        source=one,
        kind=Kind(
            task=found.task,
            view=generation.View(form=form, frames=context + found.view.frames, image_size=found.view.image_size),
            context=context,
            horizon=found.view.frames if context else 0,
            labels="",
            draws=draws,
            split=replace(found.test, clips=clips),
            features=found.features,
            entered=True,
        ),
        model=about.method,
        label=about.method,
        learnt_from=None,
        seeds=len(found.seeds),
        scores=_known(scores),
        samples=0,
        parameters=about.parameters,
        flops=None,
        made_per_s=None,
        wall_time_s=3_600 * about.training_hours,
        device=about.hardware,
        tags=("scored by the host", *(["extra data"] if about.extra_data else []), f"input {about.input}"),
    )


def _submitted_predictions(found: PredictionResult) -> dict[str, Score | None]:
    of_seeds: list[PredictionScores] = [seed.scores for seed in found.seeds]
    side = found.view.image_size
    pixels = summed(1.0, 3, side, side)
    scores = {
        metric: Score.over(
            (pixels if metric in ("mse", "mae") else 1.0) * fmean(getattr(one.errors, metric)) for one in of_seeds
        )
        for metric in METRICS
    }
    bounds = (pixels * found.interval.low, pixels * found.interval.high)
    scores["mse"] = Score(pixels * fmean(found.values), interval=bounds)
    return scores | _of_motion([one.motion for one in of_seeds])


def _of_motion(motions: Sequence[Motion]) -> dict[str, Score | None]:
    """What became of the object, by name; what is told by step, in the last frame."""
    found = {name: Score.over(getattr(one, name)[-1] for one in motions) for name in ("error", "lost", "split")}
    for name in ("speed", "speed_kept", "came_back", "class_agreement"):
        found[name] = Score.over(getattr(one, name) for one in motions)
    return found


def _known(scores: Mapping[str, Score | None]) -> dict[str, Score]:
    return {name: score for name, score in scores.items() if score is not None}


def _tags(said: Tags, local: bool, words: Sequence[str]) -> tuple[str, ...]:
    vouched = "local" if local else "verified" if said.verified else "self-reported"
    return (vouched, *(["extra data"] if said.extra_data else []), *words, *([said.note] if said.note else []))

"""The predictors' page: how clips are continued, frame by frame and as motion, with a filmstrip of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmark.prediction import record
from benchmark.prediction.record import METRICS
from leaderboard.markdown import escape, table
from leaderboard.results.ablations import section
from leaderboard.results.committed import mean_of, named, read_committed, shown
from leaderboard.results.measures import MEASURES
from leaderboard.results.predicted import Predicted
from leaderboard.results.words import GENERATED, NOT_MEASURED

PREDICTORS = "predictors"

STEPS = (1, 5, 10, 22)
"""Frames after the context at which errors are told."""

LEGEND = (
    "**MSE**, **MAE**: sums over the pixels and channels of a frame in [0, 1], as OpenSTL has them (Tan et al. 2023,"
    " arXiv 2306.11249), and **PSNR**, **SSIM**, of one continuation; means over the first 10 predicted frames, which"
    " were learnt, and over all 22. **off**: median distance of the object, found in the predicted frames, from where"
    " the simulator has it, in pixels of 64×64; **lost**, **split**: shares of the clips in whose last frame no object"
    " is found, or one in parts; **class**: share of the clips in whose continuation a frozen network sees the true"
    " class. **Fréchet**: squared Fréchet distance of continued clips from true ones in features of that network."
    " **speed kept**: of objects of constant speed, the share that in the end is within a fifth of it; **came back**:"
    " of those that bounce while they are predicted, the share that turns as they truly do. **density**, **coverage**:"
    " nearest neighbours in the same features (Naeem et al. 2020, arXiv 2002.09797); a density above 1 is not better"
    " than 1. Means over seeds."
)


def read_predictors(root: Path, folder: str = PREDICTORS) -> list[Predicted]:
    """Every committed run of a predictor, of the board at `root`, by name.

    Args:
        root: the board's folder.
        folder: in it, `ablations.ABLATIONS` for runs that differ from others in a setting.

    Raises:
        RecordError: a record is malformed or contradicts itself.
        OSError: a file cannot be read.
    """
    return read_committed(root / folder, Predicted, record.read)


def make_predictors_page(made: Sequence[Predicted], ablations: Sequence[Predicted] = ()) -> str:
    """The whole page, of committed runs of predictors, and of those that differ from them in a setting."""
    parts = [
        GENERATED,
        "# Predictors",
        "Given the first 10 frames of a clip, what comes? Every number below is computed from the records in this"
        " folder. They are runs of our own; weights are not kept here, so `bench run` with the settings of a record"
        f" makes them again. {LEGEND}",
    ]

    def kind(one: Predicted) -> tuple[Any, ...]:
        seen = one.record.view
        return seen.image_size, seen.frames, one.record.dataset.release, one.record.dataset.size

    for _, group in groupby(sorted(made, key=kind), key=kind):
        rows = sorted(group, key=lambda one: one.frame_error("mse", 10) or 0.0)
        seen, dataset = rows[0].record.view, rows[0].record.dataset
        what = f"{seen.frames} frames of {seen.image_size}×{seen.image_size}, {dataset.release}, {dataset.size}"
        parts += [
            f"## {escape(what)}",
            _about(rows),
            _board(rows, made),
            "Step by step:",
            _by_step(rows, made),
            *_drawn(rows, made),
        ]
        for one in rows:
            parts += [f"### {named(one, made)}", *_pictures(one)]
    parts += section(made, ablations) if made else [NOT_MEASURED]
    return "\n\n".join(parts) + "\n"


def _about(rows: Sequence[Predicted]) -> str:
    one = rows[0]
    splits, features = one.record.dataset.splits, one.record.features
    shuffled = mean_of([scores.frechet_shuffled for scores in one.scores])
    known = [scores.frechet_of_train for other in rows for scores in other.scores if _same_truth(one, other)]
    floor = mean_of([value for value in known if value is not None])  # noted since version 2 of the records
    return (
        f"{splits.test.clips:,} clips (fingerprint `{splits.test.fingerprint[:12]}`), learnt from"
        f" {splits.train.clips:,}. Features: `{escape(features.name)}`, `{features.sha256[:12]}`; the distance of true"
        f" clips with their later frames in random order is {shown(shuffled, 1)}, that of as many clips of train"
        f" {shown(floor, 1)}.{_of_true_clips(one)} Least MSE first."
    )


def _same_truth(one: Predicted, other: Predicted) -> bool:
    """Whether two were compared with the same clips, in the same features."""
    tests = [made.record.dataset.splits.test.fingerprint for made in (one, other)]
    return tests[0] == tests[1] and one.record.features == other.record.features


def _of_true_clips(one: Predicted) -> str:
    """What the tracker says of true clips; nothing of a user's own, whose motion nobody knows."""
    true, last = "motion_of_data", one.record.view.frames - one.record.context
    if one.motion("error", 10, true) is None:
        return ""
    return (
        f" On true clips the object is found {shown(one.motion('error', 10, true), 2)} pixels off after 10 frames and"
        f" {shown(one.motion('error', last, true), 2)} after {last}; in the last of them"
        f" {shown(one.motion('lost', last, true), 1, 100)} % are lost and"
        f" {shown(one.motion('split', last, true), 1, 100)} % split;"
        f" {shown(one.motion('speed_kept', of=true), 1, 100)} % keep their speed,"
        f" {shown(one.motion('came_back', of=true), 1, 100)} % come back, and"
        f" {shown(one.motion('class_agreement', of=true), 1, 100)} % are given their class."
    )


def _board(rows: Sequence[Predicted], made: Sequence[Predicted]) -> str:
    headings = ["model", *(measure.name for measure in MEASURES), "parameters", "epochs", "frames/s", "device", "seeds"]
    lines = []
    for one in rows:
        record_ = one.record
        line = [f"[{named(one, made)}]({quote(one.name)}/)", *(measure.shown(one) for measure in MEASURES)]
        line += [f"{record_.parameters / 1e6:.2f} M", str(record_.config.training.get("epochs", "–"))]
        line += [shown(one.frames_per_s, 0), escape(record_.environment.device), str(len(record_.seeds))]
        lines.append(line)
    return table(headings, [False, *[True] * (len(headings) - 3), False, True], lines)


def _by_step(rows: Sequence[Predicted], made: Sequence[Predicted]) -> str:
    headings = ["model", *(f"{name} {step}" for name in ("PSNR", "SSIM", "off") for step in STEPS)]
    lines = []
    for one in rows:
        line = [named(one, made)]
        for metric, digits in (("psnr", 1), ("ssim", 3)):
            by_step = [mean_of(values) for values in zip(*(getattr(s.single, metric) for s in one.scores), strict=True)]
            line += [shown(by_step[step - 1] if step <= one.steps else None, digits) for step in STEPS]
        lines.append([*line, *(shown(one.motion("error", step), 1) for step in STEPS)])
    return table(headings, [False, *[True] * (len(headings) - 1)], lines)


def _drawn(rows: Sequence[Predicted], made: Sequence[Predicted]) -> list[str]:
    """Of models that draw: one continuation, the best of several, and the mean of them."""
    drawing = [one for one in rows if one.record.stochastic]
    if not drawing:
        return []
    kinds: Mapping[str, str] = {"single": "one", "best": "best", "mean": "mean"}
    headings = ["model", *(f"{metric.upper()}, {word}" for metric in METRICS for word in kinds.values())]
    digits = {"mse": 1, "mae": 1, "psnr": 1, "ssim": 3}
    lines = [
        [
            named(one, made),
            *(shown(one.frame_error(metric, 10, kind), digits[metric]) for metric in METRICS for kind in kinds),
        ]
        for one in drawing
    ]
    count = drawing[0].scores[0].samples
    return [
        f"Models that draw, over 10 frames: one continuation, by each metric the best of {count}, and the mean of"
        f" {count}:",
        table(headings, [False, *[True] * (len(headings) - 1)], lines),
    ]


def _pictures(one: Predicted) -> list[str]:
    """The filmstrip of the first seed, and the way to the moving one."""
    stem = f"filmstrips-seed{one.record.seeds[0].seed}"
    if f"{stem}.png" not in one.pictures:
        return []
    moving = f" [Moving]({quote(one.name)}/{stem}.gif)." if f"{stem}.gif" in one.pictures else ""
    return [
        f"True above, predicted below; the line stands between what was given and what is predicted.{moving}",
        f"![true and predicted frames]({quote(one.name)}/{stem}.png)",
    ]

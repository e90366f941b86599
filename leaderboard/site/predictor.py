"""The page of a predictor's run: what it predicts beside what came, how errors grow frame by frame, how it learnt."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from benchmark.prediction.record import METRICS, Motion
from leaderboard.frame_columns import put
from leaderboard.frame_rows import by_step, frame_error
from leaderboard.frames import FrameBoard, FrameRow, Score
from leaderboard.results.committed import mean_of, shown
from leaderboard.results.predictors import Predicted
from leaderboard.site import curves
from leaderboard.site.curves import Curve
from leaderboard.site.frame_parts import by_seed, frame_page, moving, score_fact, still
from leaderboard.site.html import Html, Part, table, tag
from leaderboard.site.parts import section
from leaderboard.site.pictures import SHOWS, shown_pictures

CONTROL = "copy_last"
"""The rule whose errors stand beside those of every other predictor."""
DIGITS = {"mse": 2, "mae": 1, "psnr": 2, "ssim": 3}
LABELS = {"mse": "MSE, sum over a frame", "mae": "MAE, sum over a frame", "psnr": "PSNR, dB", "ssim": "SSIM"}


def predictor_page(row: FrameRow, made: Predicted, board: FrameBoard) -> bytes:
    """The whole page of a row of a board, made of a run of a predictor."""
    first = [
        score_fact("MSE", row.scores.get("mse"), 2),
        score_fact("PSNR, dB", row.scores.get("psnr"), 1),
        score_fact("SSIM", row.scores.get("ssim"), 3),
        *([score_fact("off at the end, px", row.scores["error"], 1)] if _motions(made) else []),
        score_fact("Fréchet distance", row.scores.get("frechet"), 1),
    ]
    true = made.scores[0].motion_of_data
    beside = [motion_table(_motions(made), true) if true is not None else None, _drawn(row)]
    body = [
        _films(row),
        _by_step(made, _control(row, board)),
        tag("div", _by_seed(row, made), tag("div", beside) if any(beside) else None, class_="columns"),
    ]
    return frame_page(row, board, first, body)


def _motions(made: Predicted) -> list[Motion]:
    """Of each seed; none of clips that nobody simulated, whose pages leave it out."""
    return [scores.motion for scores in made.scores if scores.motion is not None]


def _control(row: FrameRow, board: FrameBoard) -> Predicted | None:
    """The rule's run on the same board, unless the row is that."""
    if row.model == CONTROL:
        return None
    runs = [other.source for other in board.rows if other.model == CONTROL]
    return next((run for run in runs if isinstance(run, Predicted)), None)


def _films(row: FrameRow) -> Part:
    files = dict(shown_pictures(row))
    if "filmstrips" not in files:
        return None
    strip = still(row, "filmstrips", files["filmstrips"], SHOWS["filmstrips"])
    films = moving(row, files["moving"], files["filmstrips"]) if "moving" in files else None
    return section("What it predicts", tag("div", strip, films, class_="films"))


def _by_step(made: Predicted, control: Predicted | None) -> Html:
    figures = [_errors(made, control, metric) for metric in METRICS]
    true = made.scores[0].motion_of_data
    if true is not None:
        figures.append(_followed(made, true, "error", "off, pixels of 64×64", 1))
        figures.append(_followed(made, true, "lost", "lost, % of clips", 100))
    keys = [tag("span", made.record.model, class_="key valid")]
    keys += [tag("span", CONTROL, class_="key other")] if control is not None else []
    keys += [tag("span", "found on true clips", class_="key train")] if true is not None else []
    if made.record.horizon < made.record.view.frames - made.record.context:
        keys.append(tag("span", f"dotted: {made.record.horizon} frames were learnt", class_="key"))
    return section(
        "Errors frame by frame",
        tag("p", keys, class_="about"),
        tag("div", figures, class_="plots small"),
        _steps_table(made),
    )


def _errors(made: Predicted, control: Predicted | None, metric: str) -> Html:
    def lines(of: Predicted, class_: str) -> list[Curve]:
        return [Curve(by_step(of, scores.single, metric), class_) for scores in of.scores]

    others = lines(control, "other") if control is not None else []
    about = f"{LABELS[metric]}, by predicted frame."
    chart = curves.by_step(
        "", [*others, *lines(made, "valid")], made.record.horizon, about, zero=metric in ("mse", "mae")
    )
    return tag("figure", tag("figcaption", LABELS[metric]), chart)


def _followed(made: Predicted, true: Motion, name: str, label: str, times: float) -> Html:
    """By predicted frame, what became of the object, and what the tracker itself makes of true clips."""

    def line(motion: Motion, class_: str) -> Curve:
        return Curve([times * value for value in getattr(motion, name)], class_)

    lines = [line(true, "train"), *(line(motion, "valid") for motion in _motions(made))]
    chart = curves.by_step("", lines, made.record.horizon, f"{label}, by predicted frame.", zero=True)
    return tag("figure", tag("figcaption", label), chart)


def _steps_table(made: Predicted) -> Html:
    """The same in numbers, means over seeds, at a few frames."""
    last = made.record.view.frames - made.record.context
    steps = sorted({step for step in (1, 2, 5, made.record.horizon, 15, last) if step <= last})
    known = bool(_motions(made))
    rows: list[list[Part]] = []
    for step in steps:
        errors = [
            shown(fmean([by_step(made, scores.single, metric)[step - 1] for scores in made.scores]), DIGITS[metric])
            for metric in METRICS
        ]
        off = [shown(made.motion("error", step, of), 2) for of in ("motion", "motion_of_data")]
        shares = [shown(made.motion(name, step), 1, 100) for name in ("lost", "split")]
        rows.append([str(step), *errors, *([*off, *shares] if known else [])])
    headings = ["frame", "MSE", "MAE", "PSNR", "SSIM"]
    headings += ["off, px", "true clips, px", "lost %", "split %"] if known else []
    return table(headings, rows, words=(), caption="Means over seeds, of the frame itself and not of those before it")


MOTION = (
    ("off in the last frame, px", "error", 2, 1.0),
    ("lost in the last frame, %", "lost", 1, 100.0),
    ("in parts in the last frame, %", "split", 1, 100.0),
    ("given their class, %", "class_agreement", 1, 100.0),
    ("speed over the true one, of constant speed", "speed", 2, 1.0),
    ("speed kept, %", "speed_kept", 1, 100.0),
    ("came back from a bounce, %", "came_back", 1, 100.0),
)
"""What is told of the motion: words, field of a record, decimals, and what it is multiplied by."""


def motion_table(said: Sequence[Motion], true: Motion) -> Html:
    """What became of the object, as means over seeds, beside what the measurement makes of true clips."""

    def cell(motions: Sequence[Motion], name: str, digits: int, times: float) -> str:
        values = [getattr(motion, name) for motion in motions]
        return shown(mean_of([value[-1] if isinstance(value, tuple) else value for value in values]), digits, times)

    rows: list[list[Part]] = [
        [text, *(cell(motions, name, digits, times) for motions in (said, [true]))]
        for text, name, digits, times in MOTION
    ]
    about = "The object is found in frames by what differs from the backdrop; true clips show what that itself misses."
    return section(
        "The object's motion", tag("p", about, class_="about"), table(["", "predicted clips", "true clips"], rows)
    )


def _drawn(row: FrameRow) -> Part:
    """Of a model that draws: one continuation, the best of several, and the mean of them."""
    if not row.samples:
        return None
    rows: list[list[Part]] = []
    for metric in METRICS:
        scores = [row.scores.get(f"{prefix}{metric}") for prefix in ("", "best_", "mean_")]
        rows.append([metric.upper(), *(_said(score, DIGITS[metric]) for score in scores)])
    headings = ["over all predicted frames", "one", f"best of {row.samples}", f"mean of {row.samples}"]
    return section("What it draws", table(headings, rows))


def _said(score: Score | None, digits: int) -> str:
    return " ".join(filter(None, put(score, lambda value: shown(value, digits))))


def _by_seed(row: FrameRow, made: Predicted) -> Html:
    lines: list[tuple[str, Sequence[float | None], int, float]] = [
        (f"{metric.upper()}", [frame_error(made, scores, metric, "single") for scores in made.scores], digits, 1.0)
        for metric, digits in DIGITS.items()
    ]
    motions = _motions(made)
    for text, name, digits, times in MOTION[:4] if motions else ():
        values = [getattr(motion, name) for motion in motions]
        lines.append((text, [value[-1] if isinstance(value, tuple) else value for value in values], digits, times))
    for text, name, digits in (("Fréchet", "frechet", 1), ("density", "density", 2), ("coverage", "coverage", 2)):
        lines.append((text, [getattr(scores, name) for scores in made.scores], digits, 1.0))
    shuffled = "Fréchet, true frames in random order"
    lines.append((shuffled, [scores.frechet_shuffled for scores in made.scores], 1, 1.0))
    lines.append(("Fréchet, clips of train", [scores.frechet_of_train for scores in made.scores], 1, 1.0))
    seeds = made.record.seeds
    lines += [
        ("frames/s", [seed.predicted_frames_per_s for seed in seeds], 0, 1.0),
        ("training, minutes", [seed.wall_time_s for seed in seeds], 1, 1 / 60),
        ("peak memory, GB", [seed.peak_memory_bytes or None for seed in seeds], 2, 1e-9),
    ]
    return by_seed(row, lines)

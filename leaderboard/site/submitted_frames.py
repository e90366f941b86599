"""The page of an entry of predicted or generated frames: what its entrant sent and says, and what the host found."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.prediction.record import METRICS, summed
from benchmark.submission.frames_result import GenerationResult, PredictionResult, ScoredGeneration
from leaderboard.columns import count, duration
from leaderboard.frame_submissions import SubmittedFrames
from leaderboard.frames import FrameBoard, FrameRow
from leaderboard.results.committed import shown
from leaderboard.site import curves
from leaderboard.site.curves import Curve
from leaderboard.site.frame_parts import score_fact
from leaderboard.site.html import Html, Part, table, tag
from leaderboard.site.names import address, anchor
from leaderboard.site.parts import facts, section, words
from leaderboard.site.predictor import DIGITS, LABELS, motion_table
from leaderboard.site.sent import SENT
from leaderboard.site.shell import page
from leaderboard.site.submitted import WAY, about_facts, checking


def submitted_frames_page(row: FrameRow, made: SubmittedFrames, board: FrameBoard) -> bytes:
    """The whole page of a row of a board, made of an entry of frames."""
    about, found = made.submission.about, made.result
    if isinstance(found, PredictionResult):
        first = [
            score_fact("MSE", row.scores.get("mse"), 2),
            score_fact("PSNR, dB", row.scores.get("psnr"), 1),
            score_fact("SSIM", row.scores.get("ssim"), 3),
            score_fact("off at the end, px", row.scores.get("error"), 1),
        ]
        body = [_by_step(found), motion_table([one.scores.motion for one in found.seeds], found.motion_of_data)]
    else:
        first = [
            score_fact("Fréchet distance", row.scores.get("frechet"), 1),
            score_fact("that of true ones", row.scores.get("frechet_of_train"), 1),
            score_fact("coverage", row.scores.get("coverage"), 2),
        ]
        body = [_samples(found)]
    costs: list[tuple[str, Part]] = [
        ("rank", tag("strong", "–" if row.rank is None else str(row.rank))),
        ("parameters", tag("strong", count(row.parameters))),
        ("training of a seed", tag("strong", duration(row.wall_time_s))),
        ("seeds", tag("strong", str(row.seeds))),
    ]
    lead = f"{board.title}; entered by {row.by} as {row.name}, scored by the host. Open test: anyone can derive it."
    parts: list[Part] = [
        tag("h1", row.model),
        tag("p", lead, class_="lead"),
        facts([*first, *costs], "headline"),
        facts(about_facts(about), "settings"),
        section("What it sent", _picture(row, made, board)),
        *body,
        checking(row, found, [("true frames", found.truth_sha256)]),
    ]
    crumb = tag("a", board.title, href=f"{WAY}index.html#{anchor(board)}")
    return page(f"{row.label}, {board.title}", WAY, parts, [crumb])


def _picture(row: FrameRow, made: SubmittedFrames, board: FrameBoard) -> Html:
    many = board.kind.view.frames > 1
    said = "predicted frames, a clip in each row" if board.kind.context else "samples, a clip in each row"
    told = f"{said if many else 'samples'}: seed {made.result.seeds[0].seed}"
    source = address(f"{row.name}/{SENT}")
    return tag(
        "figure",
        tag("img", src=source, alt=told, loading="lazy"),
        tag("figcaption", f"{told[:1].upper()}{told[1:]}."),
        class_="picture",
    )


def _by_step(found: PredictionResult) -> Html:
    """How errors grow from frame to frame, of every seed."""
    side = found.view.image_size

    def values(metric: str) -> list[list[float]]:
        times = summed(1.0, 3, side, side) if metric in ("mse", "mae") else 1.0
        return [[times * value for value in getattr(one.scores.errors, metric)] for one in found.seeds]

    def chart(label: str, lines: Sequence[Sequence[float]], true: Sequence[float] | None, *, zero: bool) -> Html:
        drawn = [] if true is None else [Curve(true, "train")]
        drawn += [Curve(line, "valid") for line in lines]
        picture = curves.by_step("", drawn, found.view.frames, f"{label}, by predicted frame.", zero=zero)
        return tag("figure", tag("figcaption", label), picture)

    figures = [chart(LABELS[metric], values(metric), None, zero=metric in ("mse", "mae")) for metric in METRICS]
    off = [one.scores.motion.error for one in found.seeds]
    figures.append(chart("off, pixels of 64×64", off, found.motion_of_data.error, zero=True))
    keys = [tag("span", "each seed", class_="key valid"), tag("span", "found on true clips", class_="key train")]
    about = tag("p", keys, class_="about")
    return section("Errors frame by frame", about, tag("div", figures, class_="plots small"), _seeds(found))


def _seeds(found: PredictionResult) -> Html:
    side, rows = found.view.image_size, []
    for one in found.seeds:
        cells: list[Part] = [str(one.seed)]
        for metric, digits in DIGITS.items():
            values = getattr(one.scores.errors, metric)
            mean = sum(values) / len(values)
            cells.append(shown(summed(mean, 3, side, side) if metric in ("mse", "mae") else mean, digits))
        rows.append(cells)
    return table(["seed", *(metric.upper() for metric in DIGITS)], rows, caption="Means over the predicted frames")


_SAMPLED = ("frechet", "precision", "recall", "density", "coverage", "spread", "copied", "failed")


def _samples(found: GenerationResult) -> Html:
    """Every score of every seed, beside those of as many clips of train."""
    names = [name for name in _SAMPLED if getattr(found.of_train, name) is not None]
    rows: list[list[Part]] = []
    for name in names:
        values = [getattr(one.scores, name) for one in found.seeds]
        rows.append([words(name), *(shown(value, 3) for value in values), shown(getattr(found.of_train, name), 3)])
    headings = ["score", *(f"seed {one.seed}" for one in found.seeds), "true ones"]
    return section("Scores by seed", table(headings, rows), _causes(found.seeds))


def _causes(seeds: Sequence[ScoredGeneration]) -> Part:
    causes = dict.fromkeys(cause for one in seeds for cause in one.scores.failed_by_cause)
    if not causes:
        return None
    rows: list[list[Part]] = [
        [words(cause), *(shown(one.scores.failed_by_cause.get(cause), 1, 100) for one in seeds)] for cause in causes
    ]
    return table(["% failed by cause", *(f"seed {one.seed}" for one in seeds)], rows)

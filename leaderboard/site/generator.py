"""The page of a generator's run: what it made, every score of every seed, and how it learnt."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.frame_rows import OF_RECONSTRUCTIONS, OF_SAMPLES
from leaderboard.frames import FrameBoard, FrameRow
from leaderboard.results.committed import mean_of, shown
from leaderboard.results.generators import Made, shows
from leaderboard.site.frame_parts import by_seed, frame_page, score_fact, still
from leaderboard.site.html import Html, Part, table, tag
from leaderboard.site.parts import section, words
from leaderboard.site.pictures import shown_pictures


def generator_page(row: FrameRow, made: Made, board: FrameBoard) -> bytes:
    """The whole page of a row of a board, made of a run of a generator."""
    first = [
        score_fact("Fréchet distance", row.scores.get("frechet"), 1),
        score_fact("that of true ones", row.scores.get("frechet_of_train"), 1),
        score_fact("coverage", row.scores.get("coverage"), 2),
    ]
    figures = [
        section(name.capitalize(), still(row, name, file, shows(made, name))) for name, file in shown_pictures(row)
    ]
    body = [tag("div", figures, class_="columns"), _told(made), _causes(made), _scores(row, made)]
    return frame_page(row, board, first, body)


def _told(made: Made) -> Part:
    """Of a conditional model, what a second network reads off samples, beside what it reads off true ones."""
    tests = [seed.test for seed in made.record.seeds]
    if not tests[0].agreement:
        return None
    rows: list[list[Part]] = [
        [
            words(name),
            shown(mean_of([one.agreement.get(name) for one in tests]), 2),
            shown(mean_of([one.agreement_of_data.get(name) for one in tests]), 2),
        ]
        for name in tests[0].agreement
    ]
    about = (
        "Accuracy, or correlation, of what a second network of another seed reads off samples with what they were told."
    )
    headings = ["attribute", "samples", "true ones"]
    return section("Does it listen?", tag("p", about, class_="about"), table(headings, rows))


def _causes(made: Made) -> Part:
    """Of clips, why they failed, one of several causes counting for each."""
    tests = [seed.test for seed in made.record.seeds]
    if not tests[0].failed_by_cause:
        return None
    rows: list[list[Part]] = [
        [words(name), shown(mean_of([one.failed_by_cause.get(name) for one in tests]), 1, 100)]
        for name in tests[0].failed_by_cause
    ]
    return section("Why clips failed", table(["cause", "% of clips"], rows))


def _scores(row: FrameRow, made: Made) -> Html:
    """Every score by seed."""
    seeds = made.record.seeds
    lines: list[tuple[str, Sequence[float | None], int, float]] = []
    for name in (*OF_SAMPLES, "failed_of_data"):
        lines.append((words(name), [getattr(seed.test, name) for seed in seeds], 3, 1.0))
    for name in OF_RECONSTRUCTIONS:
        values = [getattr(seed.test.reconstruction, name, None) for seed in seeds]
        lines.append((f"reconstruction: {words(name)}", values, 3, 1.0))
    lines = [line for line in lines if any(value is not None for value in line[1])]
    lines += [
        ("samples/s", [seed.samples_per_s for seed in seeds], 0, 1.0),
        ("training, minutes", [seed.wall_time_s for seed in seeds], 1, 1 / 60),
        ("peak memory, GB", [seed.peak_memory_bytes or None for seed in seeds], 2, 1e-9),
    ]
    return by_seed(row, lines)

"""What the results page says of the study of transfer."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.comparison import between_choices
from leaderboard.results.transfer import in_short, section
from leaderboard.results.words import NOT_MEASURED, points


def row(way: str, features: str, weights: str, labels: int, *errors: float, target: str = "class") -> dict[str, Any]:
    """As the study writes it."""
    told = {"image_size": 16 if features == "drnet" else 32, "clips": 500, "errors": list(errors), "clips_per_s": 9.0}
    return {"way": way, "target": target, "features": features, "weights": weights, "labels": labels, **told}


def study(*seeds: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The study, of made-up rows."""
    return {
        "transfer": {
            "study": "transfer",
            "config": {"steps": 80, "batch_size": 16},
            "seeds": [{"seed": i, "findings": {"rows": rows}, "seconds": 90.0} for i, rows in enumerate(seeds)],
            "environment": {"device": "a card"},
        }
    }


ROWS = [
    row("probe", "pixels", "", 100, 0.8, 0.82),
    row("probe", "pixels", "", 1000, 0.6),
    row("probe", "pixels", "", 100, 0.5, 0.5, target="path"),
    row("probe", "simvp", "trained", 100, 0.5, 0.52),
    row("probe", "simvp", "trained", 1000, 0.3),
    row("fine-tuned", "simvp", "trained", 100, 0.7, 0.72),
    row("probe", "simvp", "untrained", 100, 0.7, 0.71),
    row("probe", "simvp", "untrained", 1000, 0.55),
    row("fine-tuned", "simvp", "untrained", 100, 0.71, 0.72),
    row("probe", "drnet", "trained", 100, 0.6, 0.61),
    row("probe", "drnet", "trained", 1000, 0.45),
    row("probe", "drnet", "untrained", 100, 0.3, 0.31),
    row("probe", "drnet", "untrained", 1000, 0.44),
]


def cells(text: str, start: str) -> list[str]:
    """Of the first row of a table that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_use_of_every_kind_of_features_stands_in_one_table() -> None:
    """Means and deviations over choices, probes first, fewest labels first; what was not measured is a dash."""
    about, by_class, _, _, differences, path, speed = section(study(ROWS))
    assert "80 batches of 16" in about
    assert "it took 2 minutes of a card" in about
    assert cells(by_class, "the class")[1:] == [
        "weights",
        "pixels a side",
        "probe, 100",
        "probe, 1,000",
        "fine-tuned, 100",
    ]
    assert cells(by_class, "pixels") == ["pixels", "–", "32", "81.0 ± 1.4", "60.0", "–"]
    assert cells(by_class, "simvp | trained")[2:] == ["32", "51.0 ± 1.4", "30.0", "71.0 ± 1.4"]
    assert cells(by_class, "drnet | untrained")[2:] == ["16", "30.5 ± 0.7", "44.0", "–"]
    expected = [
        points(between_choices((0.5, 0.52), (0.7, 0.71), 500)),
        points(between_choices((0.3,), (0.55,), 500)),
        points(between_choices((0.7, 0.72), (0.71, 0.72), 500)),
    ]
    assert cells(differences, "simvp")[1:] == expected
    assert cells(path, "pixels")[3:] == ["50.0 ± 0.0"]
    assert speed == NOT_MEASURED


def test_sentences_are_computed_from_the_numbers() -> None:
    """What pretraining is worth by either use, which features are best, by how much, and beside colours alone."""
    worth, tuned, best = section(study(ROWS))[2].splitlines()
    assert worth == (
        "- Under a linear probe, pretraining helps in 2 of 4 comparisons (2 models), harms in 1, and in 1 it cannot be"
        " told (Holm's adjusted p below 0.05). It helps with every number of labels: simvp."
    )
    assert tuned.startswith("- Fine-tuned, pretraining helps in 0 of 1 comparisons (1 models), harms in 0, and in 1 it")
    assert tuned.endswith("It helps with every number of labels: no model.")
    next_one, colours = (points(between_choices((error,), (0.3,), 500)) for error in (0.45, 0.6))
    assert best == (
        "- With 1,000 labels, under a linear probe, the best features are those of **simvp** (30.0 %); next is drnet:"
        f" {next_one} points, p < 0.001; colours alone: {colours} points, p < 0.001."
    )
    assert in_short(study(ROWS)) == f"{worth[2:]} {tuned[2:]}"


def test_seeds_are_taken_together() -> None:
    """Their choices are so many more; a study that is not there measures nothing."""
    other = [{**one, "errors": [error + 0.1 for error in one["errors"]]} for one in ROWS]
    assert cells(section(study(ROWS, other))[1], "pixels")[3:5] == ["86.0 ± 5.9", "65.0 ± 7.1"]
    assert section({}) == [NOT_MEASURED]
    assert in_short({}) == NOT_MEASURED


def test_differences_know_choices_and_clips() -> None:
    """Closed form: of one choice the interval is that of two independent shares; choices that disagree widen it."""
    one = between_choices([0.3], [0.5], 500)
    half = 1.96 * ((0.3 * 0.7 + 0.5 * 0.5) / 500) ** 0.5
    assert (one.mean, one.low, one.high) == pytest.approx((-0.2, -0.2 - half, -0.2 + half), abs=1e-3)
    agreeing = between_choices([0.3, 0.4, 0.2], [0.5, 0.6, 0.4], 500)
    assert agreeing.high - agreeing.low == pytest.approx(one.high - one.low, rel=1e-3)
    apart = between_choices([0.3, 0.4, 0.2], [0.5, 0.4, 0.6], 500)
    assert apart.high - apart.low > 2 * (one.high - one.low)
    assert between_choices([0.0], [0.0], 500).p == 1.0

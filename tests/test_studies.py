"""What the results page says of committed studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmark.errors import RecordError
from benchmark.generation import record
from leaderboard.results.studies import in_short, read_studies, stability, toy
from leaderboard.results.words import NOT_MEASURED

BOARD = Path(__file__).parent.parent / "leaderboard"


def test_the_toy_is_told_with_budget_figures_and_picture() -> None:
    """The table's means are those of the committed runs; the thesis's figures and a picture stand beside them."""
    found = read_studies(BOARD)["ali_toy"]["seeds"][0]
    findings = found["findings"]
    text = "\n".join(toy(read_studies(BOARD), "way/"))
    assert f"{findings['iterations']:,} iterations each" in text
    for kind in ("ali", "gan"):
        runs = findings["kinds"][kind]["runs"]
        mean = sum(one["filled"] for one in runs) / len(runs)
        assert len(runs) == 10
        assert f"{mean:.1f} ±" in text
    assert "13.4 ± 5.8 (8–25) against 10.4 ± 9.2 (1–22)" in text
    assert all(f"| {one['title']} |" in text for one in findings["models"])
    assert "way/studies/ali_toy/ali_toy-seed0.png" in text
    with Image.open(BOARD / "studies" / "ali_toy" / "ali_toy-seed0.png") as picture:
        picture.verify()


def test_without_studies_nothing_is_claimed() -> None:
    """What was not measured says so."""
    assert toy({}, "") == [NOT_MEASURED]
    assert in_short({}) == NOT_MEASURED


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    """A study that is none names its path."""
    folder = tmp_path / "studies" / "broken"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text("[]")
    with pytest.raises(RecordError, match=r"broken.study\.json: the document is a list of 0: expected an object"):
        read_studies(tmp_path)


def outcome(
    name: str, frechets: list[float], failed: float | None, clips: int = 5000, **causes: float
) -> dict[str, Any]:
    """Of one variant and seed, with so many clips in an epoch."""
    scores = None if failed is None else {"frechet": frechets[-1], "failed": failed, "failed_by_cause": causes}
    apart = {"train_judged_real": 0.6, "valid_judged_real": 1.0, "valid_samples_judged_real": 0.9}
    shares = apart | {record.TRAIN_IN_PLAY: 0.9, record.VALID_IN_PLAY: 0.8, record.SAMPLES_IN_PLAY: 0.1}
    history = [{"valid_frechet": value, "train_clips": clips, **shares} for value in frechets]
    return {"name": name, "about": "suspect", "scores": scores, "history": history}


def test_stability_is_told_for_each_factor() -> None:
    """Means and ranges over seeds, the commonest causes, how restless the distance was, collapses counted."""
    seeds = [
        [outcome("data", [10.0, 20.0], 0.5, lost=0.4, split=0.2, vast=0.1), outcome("noise", [30.0], None)],
        [outcome("data", [10.0, 10.0], 0.3, lost=0.2, split=0.0, vast=0.1), outcome("noise", [30.0], None)],
    ]
    found = {"rali_stability": {"seeds": [{"findings": {"rows": rows}} for rows in seeds]}}
    (text,) = stability(found)
    lines = [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]
    assert lines[0][2:7] == ["0 of 2", "15.0 (10.0–20.0)", "40 (30–50)", "lost 30 %, split 10 %", "0.35 (0.00–0.69)"]
    assert lines[0][7:] == ["90 (90–90)", "80 (80–80)", "10 (10–10)"]
    assert lines[1][2:7] == ["2 of 2", "–", "–", "–", "0.00 (0.00–0.00)"]
    assert stability({}) == [NOT_MEASURED]


def test_unrest_of_few_data_is_told_by_as_many_clips() -> None:
    """Epochs of a fifth of the data count by fives, from the fifth on."""
    rows = [
        outcome("reference", [10.0, 10.0], 0.1),
        outcome("few data", [*[99.0, 1.0] * 2, 10.0, *[99.0, 1.0] * 2, 20.0], 0.1, clips=1000),
    ]
    (text,) = stability({"rali_stability": {"seeds": [{"findings": {"rows": rows}}]}})
    assert [line.strip("| ").split(" | ")[6] for line in text.splitlines()[2:]] == ["0.00", "0.69"]


def test_what_was_held_to_be_real_in_two_modes_is_not_told() -> None:
    """Of a variant without a discriminator, and of a study from before it was watched in play, there are dashes."""
    row = outcome("no adversary", [10.0, 20.0], 0.5)
    row["history"] = [{key: value for key, value in one.items() if "in_play" not in key} for one in row["history"]]
    (text,) = stability({"rali_stability": {"seeds": [{"findings": {"rows": [row]}}]}})
    assert text.splitlines()[-1].endswith("| – | – | – |")

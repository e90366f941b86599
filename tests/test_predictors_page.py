"""The predictors' page: every number from a record, nothing said of what was not measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from synthetic_records import DATASET, ENVIRONMENT

from benchmark.errors import RecordError
from benchmark.generation.record import Network, View
from benchmark.prediction import record
from benchmark.prediction.record import Errors, Motion, Record, Scores, Seed
from benchmark.record import Settings, Tags
from leaderboard.results.predictors import PREDICTORS, make_predictors_page, read_predictors

BOARD = Path(__file__).parent.parent / "leaderboard"
HASH = "0" * 64
STEPS = 22


def errors(mse: float) -> Errors:
    """That grow by as much with every step."""
    rising = tuple(mse * (step + 1) for step in range(STEPS))
    return Errors(mse=rising, mae=rising, psnr=tuple(40.0 - step for step in range(STEPS)), ssim=(0.9,) * STEPS)


def motion(off: float, agreement: float) -> Motion:
    """Of an object that is so many pixels off after a step, twice as many after two."""
    return Motion(
        error=tuple(off * (step + 1) for step in range(STEPS)),
        lost=(0.25,) * STEPS,
        split=(0.0,) * STEPS,
        speed=None,
        speed_kept=None,
        came_back=0.5,
        class_agreement=agreement,
    )


def made(model: str, mse: float, *, drawn: tuple[float, float] | None = None, size: int = 32) -> Record:
    """A record of one seed; `drawn`: the errors of the best of ten and of their mean, of a model that draws."""
    best, mean = (errors(value) for value in drawn) if drawn else (None, None)
    scores = Scores(
        clips=500,
        single=errors(mse),
        best=best,
        mean=mean,
        samples=10 if drawn else 1,
        frechet=12.34,
        frechet_shuffled=83.8,
        frechet_of_train=3.29,
        density=1.25,
        coverage=0.75,
        motion=motion(0.5, 0.29),
        motion_of_data=motion(0.01, 0.966),
    )
    return Record(
        record_version=record.RECORD_VERSION,
        metric_version=record.METRIC_VERSION,
        model=model,
        task="prediction",
        view=View(form="clips", frames=32, image_size=size),
        context=10,
        horizon=10,
        stochastic=drawn is not None,
        source="none",
        dataset=DATASET,
        config=Settings(model={"image_size": size}, training={"epochs": 7}),
        features=Network(name="motion", sha256=HASH),
        seeds=(
            Seed(
                seed=0,
                chosen_epoch=1,
                chosen_by="mse",
                history=({"epoch": 1.0},),
                test=scores,
                weights_sha256=HASH,
                wall_time_s=60.0,
                training_clips_per_s=10.0,
                predicted_frames_per_s=1234.0,
                peak_memory_bytes=1,
            ),
        ),
        parameters=1_500_000,
        flops_per_frame=1,
        environment=replace(ENVIRONMENT, device="a card"),
        tags=Tags(verified=False, extra_data=False, note=""),
    )


def page(root: Path, **records: Record) -> str:
    """The page of these records, written and read back."""
    for name, one in records.items():
        folder = root / PREDICTORS / name
        folder.mkdir(parents=True)
        record.write(one, folder / "record.json")
    return make_predictors_page(read_predictors(root))


def row(text: str, start: str) -> list[str]:
    """The cells of the first row that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_clips_that_nobody_simulated_have_no_motion(tmp_path: Path) -> None:
    """Frames are compared all the same; dashes stand where nobody knows. A half of the motion is refused."""
    whole = made("simvp", 0.001)
    scores = replace(whole.seeds[0].test, motion=None, motion_of_data=None)
    own = replace(whole, dataset=replace(DATASET, size="own"), seeds=(replace(whole.seeds[0], test=scores),))
    text = page(tmp_path, mine=own)
    assert "On true clips" not in text
    cells = row(text, "[simvp]")
    assert cells[6:12] == ["0.900", "–", "–", "–", "–", "–"]
    half = replace(own, seeds=(replace(own.seeds[0], test=replace(scores, motion=motion(0.5, 0.29))),))
    with pytest.raises(RecordError, match="has motion without motion_of_data"):
        record.write(half, tmp_path / "record.json")
    two = replace(own, seeds=(*own.seeds, replace(whole.seeds[0], seed=1)))
    with pytest.raises(RecordError, match=r"seeds\[1\]\.test has motion .* otherwise than seeds\[0\]"):
        record.write(two, tmp_path / "record.json")


def test_distance_of_train_is_of_the_records_that_have_it(tmp_path: Path) -> None:
    """One record that says it is enough for all of the same test clips; without one there is a dash."""
    knows = made("simvp", 0.002)
    scores = replace(knows.seeds[0].test, frechet_of_train=None)
    older = replace(made("copy_last", 0.001), seeds=(replace(knows.seeds[0], test=scores),))
    splits = replace(DATASET.splits, test=replace(DATASET.splits.test, fingerprint="f" * 64))
    elsewhere = replace(knows, dataset=replace(DATASET, splits=splits))
    assert "in random order is 83.8, that of as many clips of train 3.3." in page(tmp_path / "a", a=older, b=knows)
    for name, records in (("b", {"a": older}), ("c", {"a": older, "b": elsewhere})):
        assert "in random order is 83.8, that of as many clips of train –." in page(tmp_path / name, **records)


def test_page_without_records_measures_nothing(tmp_path: Path) -> None:
    """It says so."""
    assert "Not measured yet." in page(tmp_path)


def test_errors_are_summed_over_pixels_and_averaged_over_steps(tmp_path: Path) -> None:
    """Steps 1 to 10 of an error that rises by 0.001 have a mean of 0.0055, times 32 · 32 · 3 values."""
    cells = row(page(tmp_path, a=made("copy_last", 0.001)), r"[copy\_last](a/)")
    assert cells[1:3] == [f"{0.0055 * 3072:.1f}", f"{0.0115 * 3072:.1f}"]
    assert cells[4] == "35.5"
    assert cells[7:13] == ["5.0", "11.0", "25.0", "0.0", "29.0", "12.3"]
    assert cells[13:20] == ["–", "50.0", "1.25", "0.75", "1.50 M", "7", "1,234"]


def test_clips_that_end_before_have_no_later_steps(tmp_path: Path) -> None:
    """Of 20 frames: what would be told of 22 after the context is a dash, and not the mean of fewer."""
    whole = made("simvp", 0.001)
    (seed,) = whole.seeds
    parts = {name: getattr(seed.test.single, name)[:10] for name in ("mse", "mae", "psnr", "ssim")}
    moved = {name: getattr(motion(0.5, 0.29), name)[:10] for name in ("error", "lost", "split")}
    short = {name: replace(getattr(seed.test, name), **moved) for name in ("motion", "motion_of_data")}
    test = replace(seed.test, single=replace(seed.test.single, **parts), **short)
    view = replace(whole.view, frames=20)
    text = page(tmp_path, a=replace(whole, view=view, seeds=(replace(seed, test=test),)))
    cells = row(text, "[simvp]")
    assert (cells[1] == "–", cells[2] == "–") == (False, True)
    assert row(text, "simvp")[1:5] == ["40.0", "36.0", "31.0", "–"]


def test_what_the_measurement_misses_on_true_clips_is_told(tmp_path: Path) -> None:
    """All of it: place, lost, split, speed, turns, class."""
    one = made("copy_last", 0.001)
    (seed,) = one.seeds
    assert seed.test.motion_of_data is not None
    true = replace(seed.test.motion_of_data, lost=(0.0,) * 21 + (0.015,), split=(0.0,) * 21 + (0.002,), speed_kept=0.99)
    scores = replace(seed.test, motion_of_data=true)
    text = page(tmp_path, a=replace(one, seeds=(replace(seed, test=scores),)))
    assert (
        "On true clips the object is found 0.10 pixels off after 10 frames and 0.22 after 22; in the last of them 1.5 %"
        " are lost and 0.2 % split; 99.0 % keep their speed, 50.0 % come back, and 96.6 % are given their class."
    ) in text


def test_least_error_stands_first_and_sizes_apart(tmp_path: Path) -> None:
    """Frames of another size have a board of their own."""
    text = page(tmp_path, a=made("worse", 0.02), b=made("better", 0.01), c=made("large", 0.001, size=64))
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 32 frames of 32×32, standard, mini",
        "## 32 frames of 64×64, standard, mini",
        "## One factor at a time",
    ]
    assert text.index("[better](b/)") < text.index("[worse](a/)") < text.index("[large](c/)")


def test_models_that_draw_are_told_thrice(tmp_path: Path) -> None:
    """One continuation, the best of ten, the mean of ten; models that do not draw are not in that table."""
    text = page(tmp_path, a=made("rule", 0.01), b=made("flow", 0.02, drawn=(0.005, 0.008)))
    table = text.split("Models that draw")[1].split("###")[0]
    assert "rule" not in table
    assert row(table, "flow")[1:4] == [f"{1000 * 5.5 * value * 3.072:.1f}" for value in (0.02, 0.005, 0.008)]
    assert "Models that draw" not in page(tmp_path / "other", a=made("rule", 0.01))


def test_what_a_record_says_is_text(tmp_path: Path) -> None:
    """A device's name makes no link, tag or cell."""
    one = made("copy_last", 0.01)
    one = replace(one, environment=replace(one.environment, device="<b>|[x](y)"))
    text = page(tmp_path, a=one)
    assert "<b>" not in text
    assert "[x](y)" not in text


@pytest.mark.parametrize("one", read_predictors(BOARD), ids=lambda one: one.name)
def test_committed_runs_have_their_pictures(one: Any) -> None:
    """A filmstrip for each seed, which opens."""
    for seed in one.record.seeds:
        with Image.open(BOARD / PREDICTORS / one.name / f"filmstrips-seed{seed.seed}.png") as opened:
            assert opened.width > 300

"""One factor at a time: what differs is read from records, and the best is told by each measure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from test_predictors_page import made, row

from benchmark.prediction.record import Record
from benchmark.record import Settings
from leaderboard.results.ablations import section, variants
from leaderboard.results.predicted import Predicted
from leaderboard.results.predictors import make_predictors_page

USUAL = {"image_size": 32, "grid": 4, "copy_mask": True}


def run(name: str, mse: float, model: str = "feature_flow", **changes: Any) -> Predicted:
    """A run with the usual settings but for some."""
    one = made(model, mse)
    return Predicted(name=name, record=with_settings(one, {**USUAL, **changes}), pictures=())


def with_settings(one: Record, settings: dict[str, Any]) -> Record:
    """The record of the same with other settings of the model."""
    return replace(one, config=Settings(model=settings, training=one.config.training))


def test_variants_differ_in_settings_and_share_the_clips() -> None:
    """In the order of the questions; what is the same run, of another model or of other frames, is none."""
    base = run("base", 0.01)
    changed = [run("mask", 0.02, copy_mask=False), run("grid", 0.03, grid=8)]
    strange = [run("same", 0.01), run("other", 0.01, model="cdna", grid=8)]
    large = replace(base.record, view=replace(base.record.view, image_size=64))
    strange.append(Predicted(name="large", record=with_settings(large, {**USUAL, "grid": 8}), pictures=()))
    found = variants(base, [*changed, *strange])
    assert [(settings, one.name) for settings, one in found] == [({"grid": 8}, "grid"), ({"copy_mask": False}, "mask")]


def test_a_run_is_a_variant_of_the_row_that_it_is_nearest_to() -> None:
    """Where a model has two rows, each question is answered around each of them, by name; what is missing differs."""
    coarse, fine = run("coarse", 0.01), run("fine", 0.02, grid=1, carried=True)
    changed = [run("mask", 0.03, copy_mask=False), run("left", 0.04, grid=1), run("open", 0.05, grid=1, carried=False)]
    rows = [coarse, fine]
    assert [one.name for _, one in variants(coarse, changed, rows)] == ["left", "mask"]
    assert variants(fine, changed, rows) == [({"carried": False}, changed[2])]
    assert variants(fine, changed) == [
        ({"grid": 4, "copy_mask": False, "carried": None}, changed[0]),
        ({"carried": None}, changed[1]),
        ({"carried": False}, changed[2]),
    ]
    text = "\n".join(section(rows, changed))
    assert "carried do?** `carried`, best by MSE 10 **True** of True" in text
    assert "(feature\\_flow (grid 1, carried True))" in text
    assert "(feature\\_flow (grid 4))" in text


def test_best_value_is_told_by_each_measure() -> None:
    """Least error, most agreement, the row itself among them; what differs in two settings is in the table alone."""
    base = run("base", 0.01)
    changed = [run("a", 0.02, grid=8), run("b", 0.005, grid=2), run("both", 0.03, grid=2, copy_mask=False)]
    text = "\n".join(section([base], changed))
    mse = {4: 0.055 * 3072, 8: 0.11 * 3072, 2: 0.0275 * 3072}
    numbers = ", ".join(f"{grid} ({value:.1f})" for grid, value in mse.items())
    assert f"- **At which grid does the flow work best?** `grid`, best by MSE 10 **2** of {numbers}; by off 10" in text
    assert "What does the copy mask add?" not in text  # never varied alone
    assert row(text, "its row above")[1] == f"{mse[4]:.1f}"
    assert row(text, "grid=8")[1] == f"{mse[8]:.1f}"
    assert row(text, "grid=2, copy\\_mask=False")[1] == f"{0.165 * 3072:.1f}"


def test_feature_flow_stands_beside_cdna_on_the_same_clips() -> None:
    """With both numbers of parameters; of two equal values neither is ahead."""
    ours, theirs = run("ours", 0.01), run("theirs", 0.02, model="cdna")
    text = "\n".join(section([ours, theirs], []))
    assert f"MSE 10 {0.055 * 3072:.1f} and {0.11 * 3072:.1f}" in text
    assert "feature\\_flow (1.50 M parameters) and cdna (1.50 M)" in text
    assert "Feature flow is ahead in 2 of 6." in text


def test_nothing_is_said_of_what_was_not_measured() -> None:
    """A page of other models asks no question of feature flow."""
    text = make_predictors_page([run("rule", 0.01, model="copy_last")])
    assert text.split("## One factor at a time")[1].strip().startswith("Not measured yet.")

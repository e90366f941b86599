"""One factor at a time: what differs is read from records, and the best is told by each measure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from test_predictors_page import BOARD, made, row

from benchmark.prediction.record import Record
from benchmark.record import Settings
from leaderboard.results.ablations import between, section, variants
from leaderboard.results.measures import MEASURES
from leaderboard.results.predicted import Predicted
from leaderboard.results.predictors import make_predictors_page, read_predictors

USUAL = {"image_size": 32, "grid": 4, "copy_mask": True}


def run(name: str, mse: float, model: str = "feature_flow", **changes: Any) -> Predicted:
    """A run with the usual settings but for some."""
    one = made(model, mse)
    return Predicted(name=name, record=with_settings(one, {**USUAL, **changes}), pictures=())


def with_settings(one: Record, settings: dict[str, Any]) -> Record:
    """The record of the same with other settings of the model."""
    return replace(one, config=Settings(model=settings, training=one.config.training))


def scored(one: Record, frechet: float, came_back: float) -> Record:
    """The same with other scores."""
    (seed,) = one.seeds
    assert seed.test.motion is not None
    motion = replace(seed.test.motion, came_back=came_back)
    return replace(one, seeds=(replace(seed, test=replace(seed.test, frechet=frechet, motion=motion)),))


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
    (mask,) = [line for line in text.splitlines() if "What does the copy mask add?" in line]
    assert mask.endswith("(feature\\_flow with grid=2)")  # never varied alone from the row
    assert row(text, "its row above")[1] == f"{mse[4]:.1f}"
    assert row(text, "grid=8")[1] == f"{mse[8]:.1f}"
    assert row(text, "grid=2, copy\\_mask=False")[1] == f"{0.165 * 3072:.1f}"


def test_feature_flow_stands_beside_cdna_on_the_same_clips() -> None:
    """With both numbers of parameters; of two equal values neither is ahead."""
    ours, theirs = run("ours", 0.01), run("theirs", 0.02, model="cdna")
    text = "\n".join(section([ours, theirs], []))
    assert f"MSE 10 {0.055 * 3072:.1f} and {0.11 * 3072:.1f}" in text
    assert "feature\\_flow (1.50 M parameters) and cdna (1.50 M)" in text
    judged = [measure.name for measure in MEASURES if measure.name not in ("speed kept %", "density")]
    told = "MSE 10", "MSE 22", "MAE 10"
    level = ", ".join(name for name in judged if name not in told)
    assert f"Feature flow is ahead in 3 of {len(judged)}; level in {level}." in text
    assert "speed kept % – and –" in text  # not measured, not judged
    assert "the larger has" not in text


def test_measures_that_feature_flow_loses_are_named() -> None:
    """Fréchet distance and bounces count as all others do; sizes that differ are said."""
    ours, theirs = run("ours", 0.01), run("theirs", 0.02, model="cdna")
    theirs = replace(theirs, record=replace(scored(theirs.record, frechet=10.0, came_back=0.6), parameters=3_000_000))
    text = "\n".join(section([ours, theirs], []))
    assert "(1.50 M parameters) and cdna (3.00 M); the larger has 2.0 times the parameters: MSE 10" in text
    assert "Fréchet 12.3 and 10.0" in text
    assert "came back % 50.0 and 60.0" in text
    assert "Feature flow is ahead in 3 of 14; behind in Fréchet, came back %; level in PSNR 10" in text


def test_committed_comparison_has_every_measure() -> None:
    """Feature flow of pixels against CDNA that sees frames alone: it loses the Fréchet distance and the bounces."""
    lines = section(read_predictors(BOARD), [])[1].splitlines()
    (line,) = [one for one in lines if "grid 1" in one and "cdna (changes False)" in one]
    assert "Fréchet 40.1 and 37.8" in line
    assert "came back % 32.3 and 38.7" in line
    assert "(0.02 M parameters) and cdna (changes False) (0.16 M); the larger has 6.7 times" in line
    assert "behind in Fréchet, speed kept %, came back %" in line


def test_ablations_answer_what_no_row_can_be_asked() -> None:
    """Two that differ in one setting, around the one nearer to a row; a row's own variants are not told twice."""
    base = run("base", 0.01, latent=0)
    drawn, once = run("drawn", 0.02, latent=16), run("once", 0.015, latent=16, resample=False)
    others = [run("coarse", 0.03, latent=0, grid=8), run("fine", 0.04, latent=0, grid=2)]
    assert between([once, *others, drawn], [base]) == [(drawn, [({"resample": False}, once)])]
    text = "\n".join(section([base], [once, *others, drawn]))
    question = "**What does it add to draw z anew in every step?** `resample`, best by MSE 10 **False** of not set"
    (line,) = [one for one in text.splitlines() if question in one]
    assert line.endswith("(feature\\_flow with latent=16)")
    assert row(text, "feature\\_flow with latent=16")[1] == "MSE 10"
    assert row(text, "itself")[1] == f"{0.11 * 3072:.1f}"
    assert row(text, "resample=False")[1] == f"{0.0825 * 3072:.1f}"
    assert text.count("| grid=8 |") == 1


def test_ablations_of_three_values_are_one_comparison() -> None:
    """All values of a setting stand around one base; with a row of its own nothing is left between ablations."""
    base = run("base", 0.01)
    kinds = [run(kind, 0.02, adversary=0.1, inverse=kind) for kind in ("none", "correlation", "relation")]
    ((first, changed),) = between(kinds, [base])
    assert first is kinds[0]
    assert [settings["inverse"] for settings, _ in changed] == ["correlation", "relation"]
    assert between(kinds, [base, run("row", 0.01, adversary=0.1, inverse="pairs")]) == []
    elsewhere = replace(kinds[1].record, view=replace(kinds[1].record.view, image_size=64))
    assert between([kinds[0], replace(kinds[1], record=elsewhere)], [base]) == []


def test_grid_is_asked_also_where_the_width_keeps_the_size() -> None:
    """Apart from the grid alone, as two settings, with the parameters of each."""
    base = run("base", 0.01, width=8)
    matched = run("matched", 0.005, grid=2, width=16)
    matched = replace(matched, record=replace(matched.record, parameters=1_400_000))
    mask = run("mask", 0.001, width=16, copy_mask=False)
    text = "\n".join(section([base], [matched, run("small", 0.02, grid=2, width=8), mask]))
    alone, both = [line for line in text.splitlines() if "At which grid does the flow work best?" in line]
    if "and `width`" in alone:
        alone, both = both, alone
    assert f"`grid`, best by MSE 10 **4** of 4 ({0.055 * 3072:.1f}), 2 ({0.11 * 3072:.1f}); by off 10" in alone
    assert (
        "`grid` and `width`, which is varied to match the size, best by MSE 10 **grid 2, width 16, 1.40 M parameters**"
        f" of grid 4, width 8, 1.50 M parameters ({0.055 * 3072:.1f}), grid 2, width 16, 1.40 M parameters"
        f" ({0.0275 * 3072:.1f}); by off 10"
    ) in both
    assert "What does the copy mask add?" not in text  # never varied alone, and width goes with the grid


def test_nothing_is_said_of_what_was_not_measured() -> None:
    """A page of other models asks no question of feature flow."""
    text = make_predictors_page([run("rule", 0.01, model="copy_last")])
    assert text.split("## One factor at a time")[1].strip().startswith("Not measured yet.")

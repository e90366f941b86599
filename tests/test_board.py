"""Boards: what compares stands together, sorted by test error; rows that cannot be told apart share a rank."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from synthetic_records import make_record, write_run

from benchmark.comparison import Difference, between_models, holm
from benchmark.record import Record
from benchmark.statistics import Interval
from leaderboard.board import Row, compared, make_boards, make_row, ranked
from leaderboard.columns import more
from leaderboard.entries import Entry, read_entry


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """A synthetic entry of three seeds."""
    write_run(tmp_path / "a", *make_record())
    return read_entry(tmp_path / "a", "ours", "a")


def with_record(entry: Entry, **changes: Any) -> Entry:
    """The entry with another name and record."""
    name = changes.pop("name", entry.name)
    return replace(entry, name=name, record=replace(entry.record, **changes))


def rows(entry: Entry, *intervals: tuple[float, float], seeds: dict[str, int] | None = None) -> list[Row]:
    """Rows a, b, c … with errors in the middle of `intervals`; `seeds` cuts the seeds of some."""
    template = make_row(entry)
    made = []
    for name, (low, high) in zip("abcdef", intervals, strict=False):
        made.append(
            replace(
                template,
                name=name,
                seeds=(seeds or {}).get(name, 3),
                test_error=(low + high) / 2,
                interval=Interval(low=low, high=high),
            )
        )
    return made


def ranks(rows: list[Row]) -> dict[str, int | None]:
    """Ranks by name, in the order of the board."""
    return {row.name: row.rank for row in ranked(rows)}


def test_row_holds_means_over_seeds(entry: Entry) -> None:
    """Every number is derived from the record and its predictions, and the interval holds the mean."""
    row = make_row(entry)
    seeds = entry.record.seeds
    assert row.test_error == pytest.approx(fmean(seed.scores.test.error for seed in seeds))
    assert row.error_path == pytest.approx(fmean(seed.scores.test.error_path or 0 for seed in seeds))
    assert row.error_speed == pytest.approx(fmean(seed.scores.test.error_speed or 0 for seed in seeds))
    assert row.valid_error == pytest.approx(fmean(seed.scores.valid.error for seed in seeds))
    assert row.train_error == 0
    assert row.interval.low < row.test_error < row.interval.high
    assert make_row(entry).interval == row.interval


def test_first_seed_of_what_is_fitted_says_what_it_costs(entry: Entry) -> None:
    """It finds the features that the others are given; of what is trained, every seed costs the same."""
    record, seeds = entry.record, []
    for one in record.seeds:
        seeds.append(replace(one, wall_time_s=60.0 - 20 * one.seed, training_clips_per_s=1.0 + one.seed))
    trained = make_row(with_record(entry, seeds=seeds))
    fitted = make_row(with_record(entry, seeds=seeds, config=replace(record.config, training={})))
    assert (trained.wall_time_s, trained.training_clips_per_s) == (40, 2)
    assert (fitted.wall_time_s, fitted.training_clips_per_s) == (60, 1)


def test_row_tells_how_seeds_differ_and_how_sure_it_says_it_is(entry: Entry) -> None:
    """The deviation of the seeds' errors and the mean of their calibration errors; one seed has no deviation."""
    row = make_row(entry)
    errors = [seed.scores.test.error for seed in entry.record.seeds]
    mean = sum(errors) / 3
    assert row.deviation == pytest.approx((sum((error - mean) ** 2 for error in errors) / 2) ** 0.5)
    # Every clip is said to be of a class with a confidence of 0.82.
    assert row.calibration_error == pytest.approx(fmean(abs(1 - error - 0.82) for error in errors), abs=1e-6)
    alone = replace(entry, record=replace(entry.record, seeds=entry.record.seeds[:1]))
    assert make_row(alone).deviation is None


def test_ranked_rows_are_held_against_the_one_above(tmp_path: Path) -> None:
    """By a paired test on the same clips, adjusted for all; rows without a rank, and other clips, are left out."""
    made = {}
    errors = {"a": (0.1, 0.12, 0.11), "b": (0.12,), "c": (0.18, 0.2, 0.19), "d": (0.26, 0.25, 0.28)}
    for place, (name, of_seeds) in enumerate(errors.items()):
        write_run(tmp_path / name, *make_record(errors=of_seeds, rng_seed=place))
        made[name] = read_entry(tmp_path / name, "ours", name)
    (board,) = make_boards(list(made.values()))
    found = {row.name: row.above for row in board.rows}
    assert found["a"] is found["b"] is None
    expected = {
        (one, other): between_models(made[one].wrong, made[other].wrong, made[one].label)
        for one, other in (("c", "a"), ("d", "c"))
    }
    adjusted = holm([each.p for each in expected.values()])
    for ((one, _), each), p in zip(expected.items(), adjusted, strict=True):
        assert found[one] == replace(each, p=p)
    assert adjusted[0] > expected["c", "a"].p or adjusted[1] > expected["d", "c"].p
    elsewhere = replace(made["c"], test=replace(made["c"].test, clip_id=made["c"].test.clip_id[::-1]))
    ranks = compared(make_boards([made["a"], elsewhere])[0].rows)
    assert [row.above for row in ranks] == [None, None]


def test_clearly_different_rows_are_ranked_by_place(entry: Entry) -> None:
    """1, 2, 3, best first, whatever the order they come in."""
    assert ranks(rows(entry, (0.5, 0.6), (0.1, 0.2), (0.3, 0.4))) == {"b": 1, "c": 2, "a": 3}
    assert list(ranks(rows(entry, (0.5, 0.6), (0.1, 0.2), (0.3, 0.4)))) == ["b", "c", "a"]


def test_rows_that_overlap_the_best_of_a_rank_share_it(entry: Entry) -> None:
    """Compared with the first row of the rank, not with the last: ties do not chain. The next rank is the place."""
    assert ranks(rows(entry, (0.10, 0.20), (0.18, 0.30), (0.28, 0.40), (0.29, 0.5))) == {"a": 1, "b": 1, "c": 3, "d": 3}


def test_wide_row_does_not_climb_over_its_neighbours(entry: Entry) -> None:
    """Ranks never fall going down, even where a wide interval reaches up to the best."""
    assert ranks(rows(entry, (0.10, 0.20), (0.25, 0.27), (0.15, 0.65))) == {"a": 1, "b": 2, "c": 2}


def test_rows_of_few_seeds_have_no_rank(entry: Entry) -> None:
    """They stand where their error puts them and take nobody's place."""
    made = rows(entry, (0.01, 0.02), (0.1, 0.2), (0.3, 0.4), seeds={"a": 2})
    assert ranks(made) == {"a": None, "b": 1, "c": 2}


def test_local_rows_have_no_rank(entry: Entry) -> None:
    """A run of this machine changes no rank."""
    made = rows(entry, (0.01, 0.02), (0.1, 0.2))
    made[0] = replace(made[0], group="")
    assert ranks(made) == {"a": None, "b": 1}


def test_equal_rows_are_in_the_order_of_their_names(entry: Entry) -> None:
    """The board is the same whatever the file system's order."""
    made = rows(entry, (0.1, 0.2), (0.1, 0.2))
    assert list(ranks(made[::-1])) == ["a", "b"]


def other_data(record: Record, **changes: Any) -> Record:
    """The record with another dataset."""
    return replace(record, dataset=replace(record.dataset, **changes))


def test_what_was_tested_on_other_clips_is_another_board(entry: Entry) -> None:
    """One board a task, release, size and test fingerprint; full before mini before tiny."""
    data = entry.record.dataset
    other = replace(data.splits, test=replace(data.splits.test, fingerprint="cd" * 32))
    entries = [
        with_record(entry, name="mini"),
        with_record(entry, name="more"),
        replace(entry, name="hard", record=other_data(entry.record, release="hard")),
        replace(entry, name="full", record=other_data(entry.record, size="full")),
        replace(entry, name="other", record=other_data(entry.record, splits=other)),
    ]
    boards = make_boards(entries)
    assert [[row.name for row in board.rows] for board in boards] == [
        ["hard"],
        ["full"],
        ["mini", "more"],
        ["other"],
    ]
    assert boards[2].clips == 200


def test_new_neighbour_changes_no_interval(entry: Entry) -> None:
    """Each row's resamples start from the same generator."""
    (alone,) = make_boards([entry])
    (both,) = make_boards([with_record(entry, name="0"), entry])
    assert both.rows[1].interval == alone.rows[0].interval


@pytest.mark.parametrize(
    ("mean", "p", "text"),
    [(0.0314, 0.0212, "+3.1 (0.02)"), (-0.001, 0.8, "-0.1 (0.80)"), (0.2, 1e-9, "+20.0 (<0.001)")],
)
def test_a_difference_is_told_in_points_with_its_p(mean: float, p: float, text: str) -> None:
    """With its sign; where there is none, a dash."""
    assert more(Difference(mean=mean, low=-1, high=1, p=p)) == text
    assert more(None) == "–"

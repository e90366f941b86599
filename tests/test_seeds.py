"""Streams are separate, and class order is a balanced shuffle."""

import numpy as np
import pytest

from dynamics_gen.config import BuildConfig
from dynamics_gen.seeds import PURPOSES, labels, stream

CONFIG = BuildConfig(split="train", per_class=37)


def test_a_stream_is_a_function_of_seed_split_clip_purpose_and_attempt() -> None:
    """The same five give the same numbers; changing any one changes them."""
    variants = [
        stream(CONFIG, 5, "motion"),
        stream(CONFIG, 6, "motion"),
        stream(CONFIG, 5, "motion", 1),
        stream(BuildConfig(split="valid", per_class=37), 5, "motion"),
        stream(BuildConfig(split="train", per_class=37, seed=1), 5, "motion"),
        *(stream(CONFIG, 5, purpose) for purpose in PURPOSES if purpose != "motion"),
    ]
    draws = {float(rng.uniform()) for rng in variants}
    assert len(draws) == len(variants)
    assert float(stream(CONFIG, 5, "motion").uniform()) in draws


def test_seed_zero_and_large_seeds_are_seeds() -> None:
    """Seeds 0, 1 and 2³² + 1 give three different streams: none is truncated or taken for 'no seed'."""
    seeds = (0, 1, 2**32, 2**32 + 1)
    draws = {float(stream(BuildConfig(split="train", per_class=1, seed=s), 0, "motion").uniform()) for s in seeds}
    assert len(draws) == len(seeds)


def test_a_split_is_balanced() -> None:
    """Every class occurs equally often, also when the last block is short."""
    assert np.bincount(labels(CONFIG, 0, CONFIG.clips)).tolist() == [37] * 10


def test_labels_do_not_depend_on_the_range_asked_for() -> None:
    """Any range gives the same labels as the whole split does there."""
    whole = labels(CONFIG, 0, CONFIG.clips)
    for first, last in ((0, 1), (99, 101), (250, 370), (7, 7)):
        np.testing.assert_array_equal(labels(CONFIG, first, last), whole[first:last])


def test_an_index_does_not_give_the_class_away() -> None:
    """Index modulo anything up to 100 predicts the label no better than chance, at four deviations."""
    config = BuildConfig(split="train", per_class=1000)
    drawn = labels(config, 0, config.clips)
    for modulus in (2, 7, 10, 25, 100):
        table = np.zeros((modulus, 10))
        np.add.at(table, (np.arange(len(drawn)) % modulus, drawn), 1)
        expected = len(drawn) / modulus / 10
        chi2 = ((table - expected) ** 2 / expected).sum()
        freedom = (modulus - 1) * 9
        assert chi2 < freedom + 4 * np.sqrt(2 * freedom) + 4


@pytest.mark.parametrize("first", [0, 123, 300])
def test_a_contiguous_run_is_mixed(first: int) -> None:
    """Any 50 clips in a row hold at least eight classes."""
    assert len(np.unique(labels(CONFIG, first, first + 50))) >= 8

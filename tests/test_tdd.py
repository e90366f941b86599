"""Trajectory-pooled descriptors: sums of normalised maps at a track's places, and stacks of flows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.classifiers import tdd
from baselines.dense_trajectories import Tracks
from dynamics_gen.errors import ConfigError


def test_pooling_equals_a_plain_loop() -> None:
    """Every third frame of each track, at the map's pixel that covers its place."""
    rng = np.random.default_rng(0)
    times = np.arange(0, 20, tdd.STRIDE)
    maps = rng.normal(size=(len(times), 5, 8, 12)).astype(np.float32)
    tracks = Tracks(
        start=rng.integers(0, 12, 30), places=rng.uniform(-0.5, (47.4, 31.4), (30, 9, 2)).astype(np.float32)
    )
    expected = np.zeros((30, 5))
    for n in range(30):
        for step in range(8):
            frame = tracks.start[n] + step
            if frame % tdd.STRIDE == 0:
                x, y = tracks.places[n, step] + 0.5
                expected[n] += maps[frame // tdd.STRIDE, :, int(y // 4), int(x // 4)]
    np.testing.assert_allclose(tdd.pooled(maps, times, tracks, 4), expected, rtol=1e-5, atol=1e-5)


def test_maps_of_ones_count_the_frames() -> None:
    """A track of fifteen steps meets five maps, wherever it begins."""
    tracks = Tracks(start=np.arange(16), places=np.full((16, 16, 2), 20, np.float32))
    times = np.arange(0, 31, tdd.STRIDE)
    assert (tdd.pooled(np.ones((len(times), 3, 16, 16), np.float32), times, tracks, 4) == 5).all()


def test_normalised_maps_reach_one_in_each_channel_and_at_each_place() -> None:
    """Whatever their scale; zeros stay zeros."""
    maps = torch.rand(4, 3, 5, 6) * torch.tensor([1.0, 10.0, 100.0])[:, None, None] + 0.1
    found = tdd.normalised_maps(maps)
    torch.testing.assert_close(found["volume"].amax((0, 2, 3)), torch.ones(3))
    torch.testing.assert_close(found["channel"].amax(1), torch.ones(4, 5, 6))
    torch.testing.assert_close(tdd.normalised_maps(7 * maps), found)
    assert not any(one.any() for one in tdd.normalised_maps(torch.zeros(2, 3, 4, 4)).values())


def test_stacks_are_centred_and_their_ends_repeat() -> None:
    """Channels go x, y by time; before the first flow stands the first."""
    flow = np.zeros((2, 6, 1, 1, 2), np.float16)
    flow[1, :, 0, 0, 0] = np.arange(6)
    flow[1, :, 0, 0, 1] = 10 + np.arange(6)
    stacks = tdd.stacked(flow, np.array([1, 1, 0]), np.array([3, 0, 5]), 4)
    assert stacks.shape == (3, 8, 1, 1)
    assert stacks[0, :, 0, 0].tolist() == [1, 11, 2, 12, 3, 13, 4, 14]
    assert stacks[1, :, 0, 0].tolist() == [0, 10, 0, 10, 0, 10, 1, 11]
    assert not stacks[2].any()


def test_maps_are_as_wide_as_is_said() -> None:
    """`REDUCTIONS` are pixels of the frame; flows have half of them."""
    maps = tdd.FlowNet(5, 4, 10).eval().maps(torch.zeros(2, 10, 32, 24))
    assert {name: 64 // one.shape[2] for name, one in maps.items()} == tdd.REDUCTIONS
    assert {name: 48 // one.shape[3] for name, one in maps.items()} == tdd.REDUCTIONS
    assert all((one >= 0).all() for one in maps.values())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"length": 2}, "got tracks of 2 steps, expected 3 or more"), ({"stack": 0}, "got stack 0, expected 1 or more")],
)
def test_setting_of_no_track_is_refused(change: dict, sentence: str) -> None:
    """In a sentence."""
    with pytest.raises(ConfigError, match=sentence):
        tdd.Config(**change)


def test_clips_too_short_for_a_track_are_refused() -> None:
    """In a sentence."""
    with pytest.raises(ConfigError, match="got clips of 8 frames for tracks of 15 steps, expected longer ones"):
        tdd.extract_chunk(tdd.Config(), np.zeros((1, 8, 32, 32, 3), np.uint8))

"""Tracked object: clips taken apart and put together again, motion that goes on, and what is learnt of its changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.predictors.tracked_object import Config, build, found_in, pasted, turned_and_mirrored
from benchmark import tracking
from benchmark.data import Batch
from benchmark.generation.pictures import grey_levels
from benchmark.prediction.contract import CONTEXT, HORIZON
from dynamics_gen.errors import ConfigError

SIDE, SQUARE = 32, 5


def clips_of(corners: Tensor, seed: int = 0) -> Tensor:
    """Bright squares before dark noise, in whole grey levels; `corners` [B, T, 2] are their first columns and rows."""
    drawn = torch.Generator().manual_seed(seed)
    backdrop = torch.randint(0, 90, (len(corners), 3, 1, SIDE, SIDE), generator=drawn)
    looks = torch.randint(160, 256, (len(corners), 3, SQUARE, SQUARE), generator=drawn)
    clips = backdrop.expand(-1, -1, corners.shape[1], -1, -1).clone()
    for clip, look, track in zip(clips, looks, corners.tolist(), strict=True):
        for time, (column, row) in enumerate(track):
            clip[:, time, row : row + SQUARE, column : column + SQUARE] = look
    return clips / 127.5 - 1


def straight(starts: list[tuple[int, int]], steps: list[tuple[int, int]], frames: int) -> Tensor:
    """Corners of squares that go on and on."""
    times = torch.arange(frames)[:, None]
    return torch.tensor(starts)[:, None] + times * torch.tensor(steps)[:, None]


CORNERS = straight([(1, 2), (25, 20), (12, 25)], [(1, 0), (-1, -1), (0, -1)], CONTEXT + HORIZON)


def test_a_clip_is_taken_apart_as_the_tracker_takes_it() -> None:
    """Backdrop, weights, places and areas are those of `benchmark.tracking`, which is written for single clips."""
    clips = clips_of(CORNERS)
    found = found_in(clips)
    for at, video in enumerate(grey_levels(clips)):
        places, areas, weights = tracking.track(video)
        backdrop = 127.5 * (found.backdrop[at].permute(1, 2, 0).numpy() + 1)
        np.testing.assert_allclose(backdrop, tracking.backdrop_of(video), atol=1e-3)
        np.testing.assert_allclose(found.weights[at], weights, atol=1e-5)
        np.testing.assert_allclose((found.places[at] + 1) * SIDE / 2, places, atol=1e-4)
        np.testing.assert_allclose(found.sides[at] * SIDE, np.sqrt(areas), atol=1e-4)


def test_frames_without_change_have_the_place_before_them_or_the_first_after() -> None:
    """An object that enters late, and one that is hidden for a while."""
    corners = straight([(3, 3)], [(2, 1)], CONTEXT)
    clips = clips_of(corners)
    backdrop = found_in(clips).backdrop
    clips[:, :, :2] = backdrop[:, :, None]
    clips[:, :, 5] = backdrop
    places = found_in(clips).places[0]
    middle = (corners[0] + SQUARE / 2) * 2 / SIDE - 1
    torch.testing.assert_close(places[[2, 3, 4, 6, 9]], middle[[2, 3, 4, 6, 9]], atol=1e-5, rtol=0)
    assert torch.equal(places[5], places[4])
    assert torch.equal(places[:2], places[2].expand(2, 2))


def test_a_clip_in_which_nothing_changes_goes_on_as_it_is() -> None:
    """There is no object; it stays in the middle, and no number is lost."""
    clips = clips_of(straight([(3, 3)], [(0, 0)], CONTEXT))
    found = found_in(clips)
    assert not found.weights.any()
    assert not found.places.any()
    network = build(Config(image_size=SIDE), (32, 3, SIDE, SIDE))
    torch.testing.assert_close(network.predict(clips, 3), clips[:, :, :3])


def test_what_is_pasted_where_it_was_is_the_frame() -> None:
    """The soft edge of the object, too; and a whole number of pixels away it is the same object."""
    clips = clips_of(CORNERS)
    clips[:, :, :, ::2] = clips[:, :, :, ::2].lerp(clips[:, :, :1, ::2], 0.1)  # weights that are neither 0 nor 1
    found = found_in(clips[:, :, :CONTEXT])
    last = clips[:, :, CONTEXT - 1]
    moves = torch.zeros(len(clips), 2, 2)
    moves[:, 1] = torch.tensor([3, -2]) * 2 / SIDE
    made = pasted(last, found, moves)
    torch.testing.assert_close(made[:, :, 0], last)
    layer = last - found.backdrop
    shade = found.weights[:, -1:]
    cut, seen = (layer + shade * found.backdrop).roll((-2, 3), (2, 3)), shade.roll((-2, 3), (2, 3))
    torch.testing.assert_close(made[:, :, 1], cut + (1 - seen) * found.backdrop)


def test_before_it_has_learnt_motion_goes_on_as_it_went() -> None:
    """Squares that go straight: the true frames, to a grey level, also further ahead than it learns."""
    clips = clips_of(CORNERS)
    network = build(Config(image_size=SIDE), (32, 3, SIDE, SIDE))
    said = network.predict(clips[:, :, :CONTEXT], HORIZON)
    torch.testing.assert_close(said, clips[:, :, CONTEXT:], atol=1 / 127.5, rtol=0)
    assert network.predict(clips[:, :, :CONTEXT], 22).shape == (3, 3, 22, SIDE, SIDE)
    assert network.losses(Batch(clips=clips, labels=torch.arange(3)), 0.0)["predictor"] < 0.25  # but the first step


def test_it_learns_how_motion_changes() -> None:
    """Squares that turn back at a column: wrong by steps at first, after a little learning by far less."""
    torch.manual_seed(0)
    starts, times = torch.arange(4, 16, 3), torch.arange(CONTEXT + HORIZON)
    columns = 20 - (20 - starts[:, None] - times).abs()
    corners = torch.stack([columns, torch.full_like(columns, 9)], dim=2)
    batch = Batch(clips=clips_of(corners), labels=torch.zeros(len(corners)).long())
    network = build(Config(image_size=SIDE, hidden=32, layers=1), (32, 3, SIDE, SIDE))
    player = network.players()["predictor"]
    optimiser = torch.optim.Adam(player.parameters, lr=0.01)
    errors = []
    for _ in range(60):
        losses = network.losses(batch, 0.0)
        optimiser.zero_grad()
        losses["predictor"].backward()
        optimiser.step()
        errors.append(float(losses["open_error"]))
    assert errors[-1] < errors[0] / 4


def test_it_learns_from_all_eight_symmetries_of_the_square() -> None:
    """Of a track without any of its own: eight different ones, the first as it is, all equally far from the middle."""
    places = torch.tensor([[[0.1, 0.5], [0.2, 0.7]]])
    all_of_them = turned_and_mirrored(places)
    assert torch.equal(all_of_them[0], places[0])
    assert len({tuple(track.flatten().tolist()) for track in all_of_them}) == 8
    torch.testing.assert_close(all_of_them.norm(dim=2), places.norm(dim=2).expand(8, 2))
    torch.testing.assert_close(all_of_them.diff(dim=1).norm(dim=2), places.diff(dim=1).norm(dim=2).expand(8, 1))


@pytest.mark.parametrize(("name", "value"), [("hidden", 0), ("layers", 0), ("image_size", 0)])
def test_settings_that_make_no_network_are_refused(name: str, value: int) -> None:
    """With the number and what was expected."""
    with pytest.raises(ConfigError, match=f"got {name} {value}, expected a whole number of 1 or more"):
        Config(**{name: value})


def test_its_size_is_the_lstm_s() -> None:
    """Four gates of each layer, two biases each, and two numbers of a step."""
    network = build(Config(), (32, 3, 64, 64))
    hidden = 128
    gates = sum(4 * hidden * (inputs + hidden + 2) for inputs in (5, hidden))
    assert sum(math.prod(weight.shape) for weight in network.parameters()) == gates + 2 * (hidden + 1)

"""Soft tracks: where points point, how far they spread, and what a moved picture does to them."""

import torch
from torch import nn

from baselines.classifiers import soft_tracks
from baselines.classifiers.soft_tracks import Points

SHAPE = (8, 3, 32, 32)


def points_at(maps):
    """A point module of one channel and one point whose heat is its input, doubled."""
    points = Points(1, 1)
    with torch.no_grad():
        nn.init.ones_(points.heat.weight)
        points.heat.bias = None
        points.sharpness.fill_(2.0).log_()
    return points(maps)


def test_a_peak_is_found_where_it_is():
    """One hot pixel of 9×9 gives its place in [-1, 1] and no spread; two give their middle and half their distance."""
    maps = torch.full((2, 1, 9, 9), -100.0)
    maps[0, 0, 2, 7] = 100
    maps[1, 0, 4, 0] = maps[1, 0, 4, 8] = 100
    found = points_at(maps)[:, 0, :3]
    expected = torch.tensor([[7 / 4 - 1, 2 / 4 - 1, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_an_even_map_points_to_the_middle():
    """Its spread is the variance of a uniform grid, twice."""
    found = points_at(torch.zeros(1, 1, 9, 9))[0, 0, :3]
    variance = torch.linspace(-1, 1, 9).square().mean()
    torch.testing.assert_close(found, torch.stack([torch.tensor(0.0), torch.tensor(0.0), 2 * variance]))


def test_a_gaussian_is_found_between_pixels():
    """Heat that falls with the squared distance from (0.13, -0.21): the point is there, to 1 % of the view."""
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing="ij")
    heat = -((columns - 0.13) ** 2 + (rows + 0.21) ** 2) / (2 * 0.15**2) / 2
    x, y, spread = points_at(heat[None, None])[0, 0, :3].tolist()
    assert abs(x - 0.13) < 0.01
    assert abs(y + 0.21) < 0.01
    assert abs(spread - 2 * 0.15**2) < 0.005


def test_a_still_backdrop_is_not_seen():
    """Any picture added to every frame changes nothing; one added to a single frame does."""
    torch.manual_seed(0)
    net = soft_tracks.build(soft_tracks.Config(), SHAPE, 10)
    clips = torch.randn(4, 3, 8, 32, 32)
    net(clips)
    net.eval()
    backdrop = torch.randn(1, 3, 1, 32, 32)
    torch.testing.assert_close(net(clips + backdrop), net(clips), atol=1e-4, rtol=1e-4)
    other = clips.clone()
    other[:, :, 3] += backdrop[:, :, 0]
    assert (net(other) - net(clips)).abs().max() > 1e-3


def test_it_is_smaller_than_two_million_weights():
    """At the size of the benchmark."""
    net = soft_tracks.build(soft_tracks.Config(), (32, 3, 64, 64), 10)
    assert sum(weight.numel() for weight in net.parameters()) < 2_000_000

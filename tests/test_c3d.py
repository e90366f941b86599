"""C3D and LTC: the layers of the sources, windows averaged, the whole clip at once."""

import pytest
import torch
from torch import nn

from baselines.classifiers import c3d, ltc
from dynamics_gen.errors import ConfigError


def test_layers_are_those_of_the_authors_configuration():
    """64, 128, 256, 256, 256 channels of 3×3×3; the first pooling spares time; 2,048 units twice."""
    net = c3d.build(c3d.Config(width=64, hidden=2048), (16, 3, 128, 128), 101)
    convolutions = [layer for layer in net.features if isinstance(layer, nn.Conv3d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 256, 256]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3, 3)}
    pools = [layer.kernel_size for layer in net.features if isinstance(layer, nn.MaxPool3d)]
    assert pools == [(1, 2, 2)] + [(2, 2, 2)] * 4
    linear = [(layer.in_features, layer.out_features) for layer in net.head if isinstance(layer, nn.Linear)]
    assert linear == [(256 * 1 * 4 * 4, 2048), (2048, 2048), (2048, 101)]
    weights = 27 * (3 * 64 + 64 * 128 + 128 * 256 + 2 * 256 * 256)
    assert sum(layer.weight.numel() for layer in convolutions) == weights


def test_logits_are_the_mean_over_windows_of_sixteen():
    """A clip of 40 frames has two windows; its last eight frames are not seen."""
    torch.manual_seed(0)
    net = c3d.build(c3d.Config(), (40, 3, 32, 32), 10).eval()
    clips = torch.randn(2, 3, 40, 32, 32)
    halves = [net(clips[:, :, start : start + 16]) for start in (0, 16)]
    torch.testing.assert_close(net(clips), (halves[0] + halves[1]) / 2)


def test_ltc_is_c3d_on_the_whole_clip_in_small():
    """Frames averaged two by two, one window of all of them."""
    torch.manual_seed(0)
    net = ltc.build(ltc.Config(), (32, 3, 64, 64), 10).eval()
    assert net.net.window == 32
    clips = torch.randn(2, 3, 32, 64, 64)
    small = clips.unflatten(4, (32, 2)).unflatten(3, (32, 2)).mean((4, 6))
    torch.testing.assert_close(net(clips), net.net(small), atol=1e-6, rtol=1e-5)


def test_ltc_may_see_less_at_once_and_flow():
    """Two windows of 16 frames are averaged, four of 8, none of which sees another; flow is welcome."""
    torch.manual_seed(0)
    clips = torch.randn(2, 2, 32, 64, 64)
    for window in (16, 8):
        net = ltc.build(ltc.Config(window=window), (32, 2, 64, 64), 10).eval()
        parts = [net(part) for part in clips.split(window, 2)]
        assert len(parts) == 32 // window
        torch.testing.assert_close(net(clips), torch.stack(parts).mean(0), atol=1e-6, rtol=1e-5)
    with pytest.raises(ConfigError, match="got window -1, expected a number of frames, or 0 for all"):
        ltc.Config(window=-1)

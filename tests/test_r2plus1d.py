"""R(2+1)D: factors of a 3D convolution with its number of weights, and its separable special case."""

import pytest
import torch
from torch import nn

from baselines.classifiers import r2plus1d
from baselines.classifiers.r2plus1d import Conv2Plus1D, middle_channels


@pytest.mark.parametrize(("channels", "wide"), [(16, 16), (16, 32), (64, 128), (3, 24)])
def test_both_factors_have_the_weights_of_one_3d_convolution(channels, wide):
    """No more, and less by under one middle channel's worth."""
    block = Conv2Plus1D(channels, wide)
    weights = sum(layer.weight.numel() for layer in block if isinstance(layer, nn.Conv3d))
    whole = nn.Conv3d(channels, wide, 3, bias=False).weight.numel()
    assert whole - (9 * channels + 3 * wide) < weights <= whole
    assert middle_channels(64, 64) == 144  # the paper's example for equal widths: 27·64·64 / (9·64 + 3·64)


def test_a_separable_kernel_is_met_exactly():
    """With one middle channel's worth of weights set, the pair equals the 3D convolution with their outer product."""
    torch.manual_seed(0)
    block = Conv2Plus1D(1, 1).eval()
    space, time = torch.rand(3, 3), torch.randn(3)
    for layer in block:
        if isinstance(layer, nn.Conv3d):
            with torch.no_grad():
                layer.weight.zero_()
                kernel = space[None] if layer.kernel_size == (1, 3, 3) else time[:, None, None]
                layer.weight[0, 0] = kernel
    clips = torch.rand(2, 1, 6, 8, 8)  # nothing negative comes to the ReLU
    expected = nn.functional.conv3d(clips, (time[:, None, None] * space)[None, None], padding=1)
    torch.testing.assert_close(block(clips), expected, atol=1e-4, rtol=1e-4)


def test_network_halves_time_three_times():
    """32 frames of 64×64 become 4 steps of 4×4 before they are averaged."""
    net = r2plus1d.build(r2plus1d.Config(), (32, 3, 64, 64), 10).eval()
    assert net.stages(net.stem(torch.randn(1, 3, 32, 64, 64))).shape == (1, 128, 4, 4, 4)

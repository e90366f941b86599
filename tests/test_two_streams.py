"""Two streams: windows of flow, mirror images, still clips, and the fusion of softmaxes."""

import copy
import itertools

import pytest
import torch
from torch import nn

from baselines.classifiers import two_streams
from dynamics_gen.errors import ConfigError

FLOW = (15, 2, 32, 32)
BOTH = (15, 5, 32, 32)


def build(shape=FLOW, **settings):
    """A narrow network, in evaluation, whose norms have seen something."""
    torch.manual_seed(0)
    net = two_streams.build(two_streams.Config(**{"width": 4, **settings}), shape, 10)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # one batch is all they see
    net(torch.randn(8, shape[1], shape[0], *shape[2:]))
    return net.eval()


def clips_of(shape=FLOW, count=3):
    """Random clips [B, C, T, H, W]."""
    return torch.randn(count, shape[1], shape[0], *shape[2:])


def test_blocks_are_those_of_the_thesis():
    """Two 3×3 convolutions of stride 1 and a pooling, until one position is left; 20 channels go in."""
    net = two_streams.build(two_streams.Config(batch_norm=False), (31, 2, 64, 64), 10)
    kinds = [type(layer) for layer in net.temporal if not isinstance(layer, nn.ReLU)]
    assert kinds == [nn.Conv2d, nn.Conv2d, nn.MaxPool2d] * 6 + [nn.Flatten, nn.Dropout, nn.Linear]
    convolutions = [layer for layer in net.temporal if isinstance(layer, nn.Conv2d)]
    assert {(layer.kernel_size, layer.stride) for layer in convolutions} == {((3, 3), (1, 1))}
    widths = [20, 32, 32, 64, 64, 128, 128, 128, 128, 256, 256, 256, 256]
    assert [convolutions[0].in_channels, *(layer.out_channels for layer in convolutions)] == widths
    weights = sum((9 * one + 1) * other for one, other in itertools.pairwise(widths)) + 257 * 10
    assert sum(weight.numel() for weight in net.parameters()) == weights


def test_evaluation_averages_the_softmaxes_of_windows():
    """Those of five windows of ten consecutive fields, spread from the first to the last."""
    net, clips = build(), clips_of()
    assert net.starts(2, 15).tolist() == [[0, 1, 2, 4, 5]] * 2
    windows = [clips[:, :, start : start + 10].transpose(1, 2).flatten(1, 2) for start in (0, 1, 2, 4, 5)]
    expected = torch.stack([net.temporal(window).softmax(1) for window in windows]).mean(0)
    torch.testing.assert_close(net(clips).softmax(1), expected)


def test_training_sees_one_window_of_each_clip_anywhere():
    """Every place comes up, each clip has its own, and nothing outside the window matters."""
    net = build(batch_norm=False).train()
    drawn = net.starts(400, 15)
    assert drawn.shape == (400, 1)
    assert set(drawn.flatten().tolist()) == set(range(6))
    clips = clips_of(count=6)
    torch.manual_seed(1)
    starts = net.starts(6, 15)[:, 0].tolist()
    masked = torch.zeros_like(clips)
    for clip, start in enumerate(starts):
        masked[clip, :, start : start + 10] = clips[clip, :, start : start + 10]
    logits = []
    for seen in (clips, masked):
        torch.manual_seed(1)
        logits.append(net(seen))
    assert torch.equal(*logits)
    assert not torch.equal(clips, masked)


def test_short_clip_is_one_window():
    """Fewer fields than are stacked: all of them."""
    net = build((6, 2, 16, 16))
    clips = clips_of((6, 2, 16, 16))
    expected = net.temporal(clips.transpose(1, 2).flatten(1, 2)).log_softmax(1)
    torch.testing.assert_close(net(clips), expected)


def test_still_clip_takes_the_path_of_the_biases():
    """Without motion the first kernel is nothing to the logits; with motion it is."""
    net = build()
    other = copy.deepcopy(net)
    nn.init.normal_(next(other.temporal.parameters()))
    still = torch.zeros(1, 2, 15, 32, 32)
    assert torch.equal(net(still), other(still))
    assert not torch.allclose(net(clips_of()), other(clips_of()))


def test_mirrored_motion_is_seen_by_the_mirrored_net():
    """Clips mirrored in x, with dx negated, through kernels mirrored in x whose dx weights are negated: same logits."""
    net, clips = build(), clips_of()
    mirrored = copy.deepcopy(net)
    for number, layer in enumerate(layer for layer in mirrored.temporal if isinstance(layer, nn.Conv2d)):
        layer.weight.data = layer.weight.data.flip(-1)
        if number == 0:
            layer.weight.data[:, 0::2] *= -1
    image = clips.flip(-1).clone()
    assert not torch.allclose(mirrored(image), net(clips), atol=1e-3)
    image[:, 0] *= -1
    torch.testing.assert_close(mirrored(image), net(clips), atol=1e-5, rtol=1e-4)


def test_flow_scale_multiplies_the_flow():
    """And not the colours."""
    net, halved = build(BOTH), build(BOTH, flow_scale=0.5)
    halved.load_state_dict(net.state_dict())
    clips = clips_of(BOTH)
    doubled = torch.cat([clips[:, :3], 2 * clips[:, 3:]], dim=1)
    torch.testing.assert_close(halved(doubled), net(clips))
    assert not torch.allclose(halved(clips), net(clips))


def test_fusion_is_the_mean_of_both_nets_softmaxes():
    """The temporal net's over windows, the spatial net's over their middle frames; it sums to one."""
    net, clips = build(BOTH, windows=1), clips_of(BOTH)
    assert net.spatial is not None
    temporal = net.temporal(clips[:, 3:, :10].transpose(1, 2).flatten(1, 2))
    spatial = net.spatial(clips[:, :3, 5])
    fused = net(clips)
    torch.testing.assert_close(fused.exp(), (temporal.softmax(1) + spatial.softmax(1)) / 2)
    torch.testing.assert_close(fused.exp().sum(1), torch.ones(3))


def test_clips_without_flow_are_refused():
    """With what to try."""
    with pytest.raises(ConfigError, match=r"got clips of 3 channels for two_streams, .*try --input flow_farneback"):
        build((15, 3, 32, 32))


@pytest.mark.parametrize("settings", [{"stack": 0}, {"windows": 0}, {"flow_scale": 0.0}, {"flow_scale": float("nan")}])
def test_settings_that_build_nothing_are_refused(settings):
    """When the Config is made."""
    with pytest.raises(ConfigError, match=f"got {next(iter(settings))}"):
        two_streams.Config(**settings)

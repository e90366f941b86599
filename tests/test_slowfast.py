"""SlowFast: which frames each pathway sees, and how wide it is."""

import torch

from baselines.classifiers import slowfast

SHAPE = (16, 3, 32, 32)


def test_fast_pathway_has_a_quarter_of_the_channels_on_four_times_the_frames():
    """At every stage; the lateral convolutions bring it to the slow one's steps."""
    net = slowfast.build(slowfast.Config(), SHAPE, 10).eval()
    clips = torch.randn(1, *(SHAPE[1], SHAPE[0], *SHAPE[2:]))
    slow, fast = clips[:, :, ::4], clips
    for depth, multiple in enumerate(slowfast.MULTIPLES):
        if depth:
            slow = torch.cat([slow, net.lateral[depth - 1](fast)], dim=1)
        slow, fast = net.slow[depth](slow), net.fast[depth](fast)
        assert slow.shape[1:3] == (32 * multiple, 4)
        assert fast.shape[1:3] == (8 * multiple, 16)


def test_without_the_fast_pathway_other_frames_are_not_seen():
    """Lateral weights and the fast part of the readout at zero: only every fourth frame counts."""
    torch.manual_seed(0)
    net = slowfast.build(slowfast.Config(), SHAPE, 10).eval()
    with torch.no_grad():
        for lateral in net.lateral:
            for weight in lateral.parameters():
                weight.zero_()
        net.readout.weight[:, 128:] = 0
    clips = torch.randn(2, 3, 16, 32, 32)
    other = torch.randn_like(clips)
    other[:, :, ::4] = clips[:, :, ::4]
    torch.testing.assert_close(net(other), net(clips))
    other[:, :, 4] += 1
    assert not torch.allclose(net(other), net(clips))

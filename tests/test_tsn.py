"""TSN: sparse snippets, a shared net, the mean of their logits."""

import torch

from baselines.classifiers import single_frame, tsn

SHAPE = (12, 3, 16, 16)


def test_one_segment_is_the_plain_net_on_the_middle_frame():
    """With the same weights, the logits of `single_frame`."""
    torch.manual_seed(0)
    net = tsn.build(tsn.Config(segments=1), SHAPE, 10).eval()
    plain = single_frame.build(single_frame.Config(), SHAPE, 10).eval()
    plain.net.load_state_dict(net.net.state_dict())
    clips = torch.randn(3, 3, 12, 16, 16)
    assert torch.equal(net(clips), plain(clips))


def test_consensus_does_not_see_the_order_of_the_segments():
    """Snippets exchanged between segments give the same logits."""
    torch.manual_seed(0)
    net = tsn.build(tsn.Config(), SHAPE, 10).eval()
    clips = torch.randn(3, 3, 12, 16, 16)
    middles = net.snippets(12)
    assert middles.tolist() == [2, 6, 10]
    exchanged = clips.clone()
    exchanged[:, :, middles] = clips[:, :, middles.flip(0)]
    torch.testing.assert_close(net(exchanged), net(clips))


def test_training_draws_one_frame_of_each_segment():
    """Every frame comes up, and none outside its segment."""
    torch.manual_seed(0)
    net = tsn.build(tsn.Config(), SHAPE, 10).train()
    drawn = torch.stack([net.snippets(12) for _ in range(300)])
    for segment in range(3):
        assert set(drawn[:, segment].tolist()) == set(range(4 * segment, 4 * segment + 4))

"""The controls see what they are said to see, and nothing else."""

import torch

from baselines.classifiers import mean_frame, shuffled_frames, single_frame

SHAPE = (8, 3, 16, 16)


def clips(count=4):
    """Random clips [B, C, T, H, W]."""
    return torch.randn(count, 3, 8, 16, 16)


def built(module):
    """The control in evaluation, its norms' statistics moved."""
    torch.manual_seed(0)
    net = module.build(module.Config(), SHAPE, 10)
    net(clips(16))
    return net.eval()


def test_single_frame_sees_the_middle_frame_alone():
    """Other frames change nothing, the middle one does."""
    net, one = built(single_frame), clips()
    other = torch.randn_like(one)
    other[:, :, 4] = one[:, :, 4]
    assert torch.equal(net(one), net(other))
    other[:, :, 4] += 1
    assert not torch.allclose(net(one), net(other))


def test_mean_frame_does_not_see_the_order():
    """Any order of the frames gives the same logits, to rounding."""
    net, one = built(mean_frame), clips()
    torch.testing.assert_close(net(one[:, :, torch.randperm(8)]), net(one), atol=1e-5, rtol=1e-4)


def test_shuffled_frames_keeps_frames_and_loses_their_order():
    """Each clip's frames are all there, in an order of its own; every order comes up."""
    one = torch.arange(8.0).expand(1000, 1, 8)[..., None, None]
    mixed = shuffled_frames.shuffled(one)[:, 0, :, 0, 0]
    assert torch.equal(mixed.sort(1).values, one[:, 0, :, 0, 0])
    counts = torch.stack([(mixed == value).sum(0) for value in range(8)])  # [frame, place]
    assert (counts - 125).abs().max() < 50  # five deviations of a binomial


def test_shuffled_frames_averages_fixed_orders_in_evaluation():
    """The logits are the mean of the plain network's over the orders it drew."""
    net, one = built(shuffled_frames), clips()
    parts = [net.net(one[:, :, order]) for order in net.orders]
    torch.testing.assert_close(net(one), torch.stack(parts).mean(0))
    assert len({tuple(order.tolist()) for order in net.orders}) == len(parts) > 1

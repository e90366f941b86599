"""Divided attention: torch's own attention as reference, what mixes with what, and the space-only control."""

import torch
from torch import nn

from baselines.classifiers import video_transformer
from baselines.classifiers.video_transformer import Attention, Block, Config

SHAPE = (6, 3, 16, 16)


def test_attention_is_that_of_torch():
    """With the same weights, `nn.MultiheadAttention` after a layer norm."""
    torch.manual_seed(0)
    ours, theirs = Attention(12, 3).eval(), nn.MultiheadAttention(12, 3, batch_first=True).eval()
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.project.weight,
            "in_proj_bias": ours.project.bias,
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    tokens = torch.randn(4, 7, 12)
    normed = ours.norm(tokens)
    torch.testing.assert_close(ours(tokens), theirs(normed, normed, normed, need_weights=False)[0])


def test_time_attention_mixes_frames_at_one_place_and_space_attention_places_in_one_frame():
    """A change of one token reaches its own place, or its own frame, and nothing else."""
    torch.manual_seed(0)
    block = Block(Config(dim=12, heads=3)).eval()
    tokens = torch.randn(1, 5, 7, 12)
    changed = tokens.clone()
    changed[0, 2, 3] += 1
    assert block.time is not None
    moved = (block.time(changed.transpose(1, 2)) - block.time(tokens.transpose(1, 2))).abs().sum(-1).transpose(1, 2)
    assert (moved[0] > 0).nonzero()[:, 1].unique().tolist() == [3]
    moved = (block.space(changed) - block.space(tokens)).abs().sum(-1)
    assert (moved[0] > 0).nonzero()[:, 0].unique().tolist() == [2]


def test_space_only_control_does_not_see_the_order_of_frames():
    """Frame by frame, once its positions in time are gone; with attention over time and positions, the order counts."""
    torch.manual_seed(0)
    clips = torch.randn(2, 3, 6, 16, 16)
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    net = video_transformer.build(Config(temporal=False, tubelet=1), SHAPE, 10).eval()
    with torch.no_grad():
        net.when.zero_()
    torch.testing.assert_close(net(clips[:, :, order]), net(clips), atol=1e-5, rtol=1e-4)
    net = video_transformer.build(Config(), SHAPE, 10).eval()
    assert (net(clips[:, :, order]) - net(clips)).abs().max() > 1e-5

"""The ConvLSTM classifier against frame-wise convolutions followed by PyTorch's own LSTM."""

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d

from baselines.classifiers.convlstm import Config, build
from dynamics_gen.errors import ConfigError


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def frame_wise(blocks, frame):
    """Applies convolution blocks of temporal kernel 1 to one frame [B, C, H, W], in evaluation."""
    for block in blocks:
        conv, norm = block.conv, block.norm
        frame = conv2d(frame, conv.weight[:, :, 0], stride=2, padding=1)
        frame = batch_norm(frame, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()
    return frame


def test_it_is_a_frame_by_frame_recurrence_read_at_the_last_step():
    """Frame after frame through CNN, cell, CNN and nn.LSTMCell: the final state alone gives the logits."""
    model = build(Config(width=3, hidden=5, late=2), (6, 3, 16, 16), 10).double()
    clips = torch.randn(2, 3, 6, 16, 16, dtype=torch.float64)
    model(clips)  # moves the norms' running statistics away from the identity
    model.eval()
    recurrent = nn.LSTMCell(24 // 2, 24 // 2).double()
    cell = model.last.cell
    with torch.no_grad():
        recurrent.weight_ih.copy_(cell.from_input.weight[:, :, 0, 0])
        recurrent.weight_hh.copy_(cell.from_hidden.weight[:, :, 0, 0])
        assert cell.from_input.bias is not None
        recurrent.bias_ih.copy_(cell.from_input.bias)
        recurrent.bias_hh.zero_()
    middle, last = None, None
    for t in range(6):
        middle = model.middle.cell(frame_wise(model.early, clips[:, :, t]), middle)
        last = recurrent(frame_wise(model.late, middle[0]).flatten(1), last)
    assert last is not None
    torch.testing.assert_close(model(clips), model.readout(last[0]), atol=1e-12, rtol=0)


def test_every_frame_counts():
    """The last step's logits change with the first frame as with the last."""
    model = build(Config(width=4, hidden=4), (8, 3, 32, 32), 10).double()
    clips = torch.randn(2, 3, 8, 32, 32, dtype=torch.float64, requires_grad=True)
    model(clips).square().sum().backward()
    assert clips.grad is not None
    assert (clips.grad.abs().amax((0, 1, 3, 4)) > 0).all()


@pytest.mark.parametrize("late", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("peepholes", [False, True])
def test_parameters_follow_the_formula(late, peepholes):
    """Convolutions 9·c·c' + 2·c'; ConvLSTMs 4·h·(k²·(c + h) + 1), and 3·h for peepholes; one linear layer."""
    width, hidden = 4, 7
    channels = [3, *(width * m for m in (1, 2, 4, 4, 8, 8))]
    inputs = [hidden if i == 6 - late else c for i, c in enumerate(channels[:-1])]
    expected = sum(9 * a * b + 2 * b for a, b in zip(inputs, channels[1:], strict=True))
    for k, c, h in ((3, channels[6 - late], hidden), (1, 32, 32)):
        expected += 4 * h * (k * k * (c + h) + 1) + 3 * h * peepholes
    expected += (32 + 1) * 10
    model = build(Config(width=width, hidden=hidden, late=late, peepholes=peepholes), (32, 3, 64, 64), 10)
    assert sum(p.numel() for p in model.parameters()) == expected


def test_the_first_convlstm_stands_at_two_to_the_late_pixels():
    """With three convolutions to come it sees 8×8 maps of every frame."""
    model = build(Config(width=2, hidden=3, late=3), (4, 3, 64, 64), 10)
    assert model.middle(model.early(torch.zeros(1, 3, 4, 64, 64))).shape == (1, 3, 4, 8, 8)


def test_frames_too_small_for_the_late_convolutions_are_refused():
    """The sentence names the frames, what was asked for and what would fit."""
    with pytest.raises(ConfigError, match=r"8×8 pixels.*try late=2"):
        build(Config(late=3), (8, 3, 8, 8), 10)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"hidden": 0}, {"late": 0}, {"dropout": -0.1}])
def test_impossible_settings_are_refused(wrong):
    """One sentence that says what was expected."""
    with pytest.raises(ConfigError, match="expected"):
        Config(**wrong)

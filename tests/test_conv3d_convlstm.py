"""Conv3D + ConvLSTM against the two models it merges."""

import pytest
import torch
from torch import nn

from baselines.classifiers import conv3d, conv3d_convlstm, convlstm
from baselines.classifiers.conv3d_convlstm import Config, build
from dynamics_gen.errors import ConfigError

SHAPE = (16, 3, 32, 32)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def test_without_its_recurrences_it_is_conv3d_read_at_the_last_step():
    """ConvLSTMs replaced by the identity leave a Conv3D whose readout ignores all steps but the last."""
    config = Config(width=4, hidden=4 * 4, late=2)
    model = build(config, SHAPE, 10)
    for recurrence in ("middle", "last"):
        setattr(model, recurrence, nn.Identity())
    plain = conv3d.build(
        conv3d.Config(width=4, temporal_kernels=config.temporal_kernels, temporal_strides=config.temporal_strides),
        SHAPE,
        10,
    )
    for block, other in zip(plain.blocks, [*model.early, *model.late], strict=True):
        block.load_state_dict(other.state_dict())
    with torch.no_grad():
        steps = plain.readout.weight.zero_().unflatten(1, (4 * 8, -1))
        steps[:, :, -1] = model.readout.weight
        plain.readout.bias.copy_(model.readout.bias)
    clips = torch.randn(3, 3, *SHAPE[:1], *SHAPE[2:])
    torch.testing.assert_close(model(clips), plain(clips), atol=1e-5, rtol=1e-5)


def test_without_temporal_kernels_it_is_the_convlstm_classifier():
    """Temporal kernels and strides of one leave the ConvLSTM classifier, weight for weight."""
    model = build(Config(width=4, hidden=6, temporal_kernels=(1,), temporal_strides=(1,)), SHAPE, 10)
    frame_wise = convlstm.build(convlstm.Config(width=4, hidden=6), SHAPE, 10)
    frame_wise.load_state_dict(model.state_dict())
    clips = torch.randn(3, 3, *SHAPE[:1], *SHAPE[2:])
    torch.testing.assert_close(model(clips), frame_wise(clips), atol=1e-6, rtol=1e-6)


def test_every_frame_counts():
    """The last step's logits change with the first frame as with the last."""
    model = build(Config(width=4, hidden=4), (32, 3, 32, 32), 10).double()
    clips = torch.randn(2, 3, 32, 32, 32, dtype=torch.float64, requires_grad=True)
    model(clips).square().sum().backward()
    assert clips.grad is not None
    assert (clips.grad.abs().amax((0, 1, 3, 4)) > 0).all()


def test_parameters_follow_the_formula():
    """Convolutions 9·k·c·c' + 2·c'; ConvLSTMs 4·h·(k²·(c + h) + 1); one linear layer on the last step."""
    width, hidden = 5, 7
    channels = [3, *(width * m for m in (1, 2, 4, 4, 8, 8))]
    inputs = [*channels[:3], hidden, *channels[4:-1]]
    kernels = (7, 5, 3, 1, 1, 1)
    expected = sum(9 * k * a * b + 2 * b for k, a, b in zip(kernels, inputs, channels[1:], strict=True))
    expected += 4 * hidden * (9 * (channels[3] + hidden) + 1) + 4 * 40 * (40 + 40 + 1) + 41 * 10
    config = Config(width=width, hidden=hidden, late=3, temporal_kernels=kernels)
    assert sum(p.numel() for p in build(config, (32, 3, 64, 64), 10).parameters()) == expected


def test_the_recurrence_reads_a_shortened_clip():
    """Of 32 frames of 64×64 the first ConvLSTM sees 8 steps of 8×8."""
    model = build(Config(width=2, hidden=3, late=3), (32, 3, 64, 64), 10)
    maps = model.middle(model.early(torch.zeros(1, 3, 32, 64, 64)))
    assert maps.shape == (1, 3, 8, 8, 8)
    assert model.last(model.late(maps)).shape == (1, 16, 8, 1, 1)


def test_frames_too_small_for_the_late_convolutions_are_refused():
    """The sentence names the frames, what was asked for and what would fit."""
    with pytest.raises(ConfigError, match=r"8×8 pixels.*try late=2"):
        build(Config(late=3), (8, 3, 8, 8), 10)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"hidden": 0},
        {"late": 0},
        {"dropout": 1.5},
        {"temporal_kernels": ()},
        {"temporal_strides": ()},
    ],
)
def test_impossible_settings_are_refused(wrong):
    """One sentence that says what was expected."""
    with pytest.raises(ConfigError, match="expected"):
        Config(**wrong)
    assert conv3d_convlstm.INPUT == "rgb"

"""Conv3D against frame-wise convolutions, its mirror image in time and its parameter formula."""

import pytest
import torch
from torch.nn.functional import batch_norm, conv2d

from baselines.classifiers import conv3d
from baselines.classifiers.conv3d import Config, build
from baselines.layers import ConvBlock
from dynamics_gen.errors import ConfigError


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def randomise_norms(model):
    """Gives every batch norm running statistics and an affine map that are far from the identity."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            channels = module.num_features
            module.load_state_dict(
                {
                    "running_mean": torch.randn(channels),
                    "running_var": 0.5 + torch.rand(channels),
                    "weight": 0.5 + torch.rand(channels),
                    "bias": torch.randn(channels),
                },
                strict=False,
            )


def test_centred_deltas_in_time_make_it_a_2d_cnn_on_every_frame():
    """With only the centre temporal taps and stride 1, features equal conv2d + norm + ReLU frame by frame."""
    model = build(Config(width=4, temporal_strides=(1,)), (5, 3, 32, 32), 10).eval()
    randomise_norms(model)
    frames = clips = torch.randn(2, 3, 5, 32, 32)
    for block in model.blocks:
        assert isinstance(block, ConvBlock)
        conv, norm = block.conv, block.norm
        centre = conv.weight.shape[2] // 2
        with torch.no_grad():
            tap = conv.weight[:, :, centre].clone()
            conv.weight.zero_()
            conv.weight[:, :, centre] = tap
        outputs = [conv2d(frames[:, :, t], tap, stride=2, padding=1) for t in range(5)]
        statistics = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        frames = torch.stack([batch_norm(out, *statistics).relu() for out in outputs], dim=2)
    torch.testing.assert_close(model.blocks(clips), frames, atol=1e-4, rtol=1e-4)


def test_reversing_time_in_clips_and_kernels_leaves_the_logits():
    """Odd kernels and stride 1: clips, kernels and readout all played backwards give the same logits."""
    model = build(Config(width=4, temporal_strides=(1,)), (8, 3, 16, 16), 10).double().eval()
    randomise_norms(model)
    clips = torch.randn(2, 3, 8, 16, 16, dtype=torch.float64)
    forwards = model(clips)
    assert not torch.allclose(model(clips.flip(2)), forwards, atol=1e-3)
    with torch.no_grad():
        for block in model.blocks:
            assert isinstance(block, ConvBlock)
            block.conv.weight.copy_(block.conv.weight.flip(2))
        steps = model.readout.weight.unflatten(1, (-1, 8))
        model.readout.weight.copy_(steps.flip(2).flatten(1))
    torch.testing.assert_close(model(clips.flip(2)), forwards, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("shape", "steps", "depth"), [((32, 3, 64, 64), 4, 6), ((16, 3, 32, 32), 2, 5), ((33, 3, 120, 100), 5, 7)]
)
def test_parameters_follow_the_formula(shape, steps, depth):
    """Σ 9·k·c·c' + 2·c' over convolutions and norms, and one linear layer on all remaining steps."""
    kernels = (7, 5, 3, 3, 3, 3, 3)[:depth]
    channels = [3, *(6 * m for m in (1, 2, 4, 4, 8, 8, 8)[:depth])]
    convolutions = sum(9 * k * a * b + 2 * b for k, a, b in zip(kernels, channels[:-1], channels[1:], strict=True))
    model = build(Config(width=6), shape, 10)
    assert sum(p.numel() for p in model.parameters()) == convolutions + (channels[-1] * steps + 1) * 10
    features = model.blocks(torch.zeros(1, shape[1], shape[0], *shape[2:]))
    assert features.shape == (1, channels[-1], steps, 1, 1)


def test_default_settings_are_those_of_the_pattern():
    """Temporal kernels never grow with depth, and six convolutions take 64×64 to one position."""
    config = Config()
    assert list(config.temporal_kernels) == sorted(config.temporal_kernels, reverse=True)
    assert len(build(config, (32, 3, 64, 64), 10).blocks) == 6
    assert conv3d.TASK == "classification"


@pytest.mark.parametrize("wrong", [{"width": 0}, {"temporal_kernels": ()}, {"temporal_strides": ()}, {"dropout": 1.0}])
def test_impossible_settings_are_refused(wrong):
    """One sentence that says what was expected."""
    with pytest.raises(ConfigError, match="expected"):
        Config(**wrong)

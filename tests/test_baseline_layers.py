"""The shared blocks of the baselines, against closed forms and PyTorch's own LSTM."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import batch_norm, conv2d

from baselines.layers import ConvBlock, ConvLSTM, ConvLSTMCell, halvings, schedule
from dynamics_gen.errors import ConfigError


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_halvings_reach_one_position_and_not_before(height, width):
    """The number of stride-2 convolutions is the smallest that leaves 1×1, whatever the frame's size."""
    count = halvings(height, width)
    sizes = [(height, width)]
    for _ in range(count):
        sizes.append(tuple((n + 2 - 3) // 2 + 1 for n in sizes[-1]))
    assert sizes[-1] == (1, 1)
    assert count == 1 or sizes[-2] != (1, 1)


def test_a_schedule_is_cut_or_goes_on_with_its_last_value():
    """A network deeper than the schedule repeats its last entry; a shallower one takes the first entries."""
    assert schedule((7, 5, 3), 5) == (7, 5, 3, 3, 3)
    assert schedule((7, 5, 3), 2) == (7, 5)


def test_a_block_with_temporal_kernel_one_is_a_frame_wise_cnn():
    """In evaluation it equals conv2d, batch norm by running statistics and ReLU on every frame by itself."""
    block = ConvBlock(3, 5).eval()
    mean, var = torch.randn(5), torch.rand(5) + 0.5
    block.norm.load_state_dict({"running_mean": mean, "running_var": var}, strict=False)
    clips = torch.randn(2, 3, 4, 9, 8)
    out = block(clips)
    assert out.shape == (2, 5, 4, 5, 4)
    for t in range(4):
        frame = conv2d(clips[:, :, t], block.conv.weight[:, :, 0], stride=2, padding=1)
        frame = batch_norm(frame, mean, var, block.norm.weight, block.norm.bias)
        torch.testing.assert_close(out[:, :, t], frame.relu(), atol=1e-5, rtol=1e-5)


def test_a_blocks_norm_shares_its_statistics_over_clips_time_and_space():
    """Before the ReLU, in training, channels have mean 0 and variance 1 over all of these, not per step."""
    block = ConvBlock(3, 4, temporal_kernel=3)
    drift = torch.linspace(-3, 3, 6)[None, None, :, None, None]
    normed = block.norm(block.conv(torch.randn(5, 3, 6, 8, 8) + drift))
    torch.testing.assert_close(normed.mean((0, 2, 3, 4)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(normed.var((0, 2, 3, 4), correction=0), torch.ones(4), atol=1e-3, rtol=0)
    assert normed.mean((0, 3, 4)).abs().max() > 0.1


@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (0, 1), (3, 0)])
def test_a_block_refuses_kernels_without_a_centre(kernel, stride):
    """An even temporal kernel would shift time by half a frame: one sentence, no network."""
    with pytest.raises(ConfigError, match="expected"):
        ConvBlock(3, 4, kernel, stride)


def bias_of(conv: nn.Conv2d) -> torch.Tensor:
    """The bias of a convolution that has one."""
    assert conv.bias is not None
    return conv.bias


def centre_only(conv: nn.Conv2d) -> torch.Tensor:
    """Zeroes all but the centre tap and returns that tap."""
    with torch.no_grad():
        tap = conv.weight[:, :, conv.kernel_size[0] // 2, conv.kernel_size[1] // 2].clone()
        conv.weight.zero_()
        conv.weight[:, :, conv.kernel_size[0] // 2, conv.kernel_size[1] // 2] = tap
    return tap


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_on_one_position_the_cell_is_torchs_lstm_cell(kernel_size):
    """Same gates in the same order (input, forget, candidate, output): equal to rounding over ten steps."""
    cell = ConvLSTMCell(4, 6, kernel_size=kernel_size).double()
    nn.init.normal_(bias_of(cell.from_input))
    reference = nn.LSTMCell(4, 6).double()
    with torch.no_grad():
        reference.weight_ih.copy_(centre_only(cell.from_input))
        reference.weight_hh.copy_(centre_only(cell.from_hidden))
        reference.bias_ih.copy_(bias_of(cell.from_input))
        reference.bias_hh.zero_()
    state, expected = None, None
    for frame in torch.randn(10, 3, 4, dtype=torch.float64):
        state = cell(frame[:, :, None, None], state)
        expected = reference(frame, expected)
        for got, want in zip(state, expected, strict=True):
            torch.testing.assert_close(got[:, :, 0, 0], want, atol=1e-13, rtol=0)


def test_the_cell_is_the_published_equation():
    """With peepholes and full kernels it equals Shi et al.'s equation 3 written out, gate by gate."""
    cell = ConvLSTMCell(2, 3, peepholes=True).double()
    assert cell.peepholes is not None
    nn.init.normal_(cell.peepholes)
    nn.init.normal_(bias_of(cell.from_input))
    frame, hidden, memory = (torch.randn(2, n, 5, 4, dtype=torch.float64) for n in (2, 3, 3))
    parts = zip(
        cell.from_input.weight.split(3),
        cell.from_hidden.weight.split(3),
        bias_of(cell.from_input).split(3),
        strict=True,
    )
    i, f, g, o = (
        conv2d(frame, wx, padding=1) + conv2d(hidden, wh, padding=1) + b[:, None, None] for wx, wh, b in parts
    )
    to_input, to_forget, to_output = cell.peepholes
    new_memory = torch.sigmoid(f + to_forget * memory) * memory
    new_memory = new_memory + torch.sigmoid(i + to_input * memory) * torch.tanh(g)
    new_hidden = torch.sigmoid(o + to_output * new_memory) * torch.tanh(new_memory)
    for got, want in zip(cell(frame, (hidden, memory)), (new_hidden, new_memory), strict=True):
        torch.testing.assert_close(got, want, atol=1e-13, rtol=0)


def test_peepholes_of_zero_change_nothing():
    """A cell with peepholes starts as the plain cell of the thesis."""
    with_peepholes = ConvLSTM(3, 4, peepholes=True)
    plain = ConvLSTM(3, 4)
    plain.load_state_dict({k: v for k, v in with_peepholes.state_dict().items() if "peepholes" not in k})
    clips = torch.randn(2, 3, 5, 6, 6)
    torch.testing.assert_close(with_peepholes(clips), plain(clips), atol=1e-6, rtol=0)
    assert with_peepholes.cell.peepholes is not None
    nn.init.normal_(with_peepholes.cell.peepholes)
    assert not torch.allclose(with_peepholes(clips), plain(clips), atol=1e-3)


def test_only_the_forget_gate_starts_open():
    """Biases start at zero, the forget gate's (second quarter) at one."""
    bias = bias_of(ConvLSTMCell(2, 3).from_input)
    assert bias.tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 6


def test_a_layer_is_its_cell_run_frame_by_frame():
    """Projecting all inputs at once gives the outputs of the cell called on one frame after the other."""
    layer = ConvLSTM(3, 4).double()
    clips = torch.randn(2, 3, 6, 5, 7, dtype=torch.float64)
    outputs = layer(clips)
    assert outputs.shape == (2, 4, 6, 5, 7)
    state = None
    for t in range(6):
        state = layer.cell(clips[:, :, t], state)
        torch.testing.assert_close(outputs[:, :, t], state[0], atol=1e-13, rtol=0)


def test_a_layer_is_causal():
    """No output depends on a later frame."""
    layer = ConvLSTM(3, 4)
    clips = torch.randn(2, 3, 6, 5, 5)
    other = clips.clone()
    other[:, :, 4:] = 7
    assert torch.equal(layer(clips)[:, :, :4], layer(other)[:, :, :4])
    assert not torch.equal(layer(clips)[:, :, 4], layer(other)[:, :, 4])


def test_a_layer_commutes_with_translation_away_from_the_border():
    """Where no path of kernels reaches the border (steps × 1 pixel), shifted clips give shifted outputs."""
    layer = ConvLSTM(2, 3).double()
    clips = torch.randn(1, 2, 4, 16, 16, dtype=torch.float64)
    shifted = torch.roll(clips, (2, 1), dims=(3, 4))
    out, out_shifted = layer(clips), layer(shifted)
    interior = (slice(None), slice(None), slice(None), slice(6, 10), slice(6, 10))
    back = torch.roll(out_shifted, (-2, -1), dims=(3, 4))
    torch.testing.assert_close(out[interior], back[interior], atol=1e-13, rtol=0)
    assert not torch.allclose(out, back, atol=1e-3)


def test_the_memory_is_single_precision_under_autocast():
    """Convolutions in bfloat16 leave the state in float32, and its values within bfloat16's rounding."""
    layer = ConvLSTM(3, 4)
    clips = torch.randn(2, 3, 6, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = layer(clips)
        state = layer.cell(clips[:, :, 0])
    assert {tensor.dtype for tensor in (outputs, *state)} == {torch.float32}
    torch.testing.assert_close(outputs, layer(clips), atol=0.03, rtol=0)


def test_a_cell_refuses_even_kernels():
    """A "half" padding has no meaning for an even kernel: one sentence, no cell."""
    with pytest.raises(ConfigError, match="odd"):
        ConvLSTMCell(2, 3, kernel_size=2)

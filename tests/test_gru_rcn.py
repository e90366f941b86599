"""The convolutional GRU: its equations written out, its gates at their ends, one position."""

import torch

from baselines.classifiers.gru_rcn import ConvGRU


def test_state_is_that_of_the_equations_step_by_step():
    """At one position and with kernels of one, matrix products in a loop give the same state."""
    torch.manual_seed(0)
    unit = ConvGRU(3, 5, kernel_size=1).double()
    clips = torch.randn(4, 3, 6, 1, 1, dtype=torch.float64)
    weight, bias = unit.from_input.weight[..., 0, 0], unit.from_input.bias
    assert bias is not None
    gates, candidate = unit.gates.weight[..., 0, 0], unit.candidate.weight[..., 0, 0]
    state = torch.zeros(4, 5, dtype=torch.float64)
    for t in range(6):
        z, r, new = (clips[:, :, t, 0, 0] @ weight.T + bias).split(5, dim=1)
        z = torch.sigmoid(z + state @ gates[:5].T)
        r = torch.sigmoid(r + state @ gates[5:].T)
        state = (1 - z) * state + z * torch.tanh(new + (r * state) @ candidate.T)
    torch.testing.assert_close(unit(clips)[..., 0, 0], state)


def test_a_shut_update_gate_keeps_the_state():
    """Zero, from the start; an open one takes the candidate of the last frame alone."""
    unit = ConvGRU(3, 5)
    bias = unit.from_input.bias
    assert bias is not None
    clips = torch.randn(2, 3, 4, 6, 6)
    with torch.no_grad():
        bias[:5] = -1e4
        assert not unit(clips).any()
        bias[:5] = 1e4
        unit.candidate.weight.zero_()
        last = torch.tanh(unit.from_input(clips[:, :, -1])[:, 10:])
        torch.testing.assert_close(unit(clips), last)

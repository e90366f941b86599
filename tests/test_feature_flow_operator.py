"""The operator of feature flow: equation 6.3 as loops, exact shifts, sums and levels that are kept, its adjoint."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor
from torch.nn.functional import conv2d

from baselines.feature_flow import flowed, folded, gather, scatter, shares, unfolded
from baselines.layers import displaced, offsets

AROUND = offsets(3)
MOVES = [scatter, gather]


def program() -> ModuleType:
    """The file of `benchmarks` that holds equation 6.3 as loops."""
    path = Path(__file__).parent.parent / "benchmarks" / "feature_flow.py"
    found = importlib.util.spec_from_file_location("benchmarks_feature_flow", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def noise(*size: int, seed: int = 0) -> Tensor:
    """The same numbers every time, of double precision."""
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def only(channel: int, *, kappa: int = 3, side: int = 7) -> Tensor:
    """A flow all of which moves by one displacement."""
    flow = torch.zeros(2, kappa**2, side, side, dtype=torch.float64)
    flow[:, channel] = 1
    return flow


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("kappa", [1, 3, 5])
def test_each_form_is_equation_6_3(kappa: int, bounded: bool) -> None:
    """As the loop over places and displacements says, and the gradients with respect to features and logits."""
    features = noise(2, 3, 4, 5).requires_grad_()
    logits = noise(2, kappa**2, 4, 5, seed=1).requires_grad_()
    weights, ends = noise(2, 3, 4, 5, seed=2), []
    for move in (scatter, folded, program().over_places, program().over_displacements):
        arrived = move(features, shares(logits, bounded=bounded))
        ends.append((arrived, *torch.autograd.grad((arrived * weights).sum(), (features, logits))))
    for mine, *others in zip(*ends, strict=True):
        for other in others:
            torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("size", [(3, 4), (1, 3), (2, 2)])
def test_both_forms_are_the_same_flow_and_the_same_slope(size: tuple[int, int]) -> None:
    """Of what arrives, too, also where a window is larger than the map; numbers that differ a little say as much."""
    flow = noise(1, 25, *size, seed=1).requires_grad_()
    features = noise(1, 2, *size).requires_grad_()
    for sums, few in ((scatter, folded), (gather, unfolded)):
        torch.testing.assert_close(sums(features, flow), few(features, flow))
        assert torch.autograd.gradcheck(sums, (features, flow))
        assert torch.autograd.gradgradcheck(sums, (features, flow))


@pytest.mark.parametrize("channel", range(9))
def test_a_flow_of_one_displacement_is_an_exact_shift(channel: int) -> None:
    """By k rows down and l columns to the right, bit for bit; what arrives comes from the place by as much further."""
    features, (rows, columns) = noise(2, 3, 7, 7), AROUND[channel]
    assert torch.equal(scatter(features, only(channel)), displaced(features, -rows, -columns))
    assert torch.equal(gather(features, only(channel)), displaced(features, rows, columns))
    if (rows, columns) == (1, -1):
        assert torch.equal(scatter(features, only(channel))[:, :, 3, 3], features[:, :, 2, 4])


@pytest.mark.parametrize("move", MOVES)
def test_a_flow_that_stays_is_the_identity(move: object) -> None:
    """All in the channel of the middle."""
    features = noise(2, 3, 7, 7)
    assert torch.equal(move(features, only(4)), features)  # type: ignore[operator]
    assert torch.equal(move(features, only(12, kappa=5)), features)  # type: ignore[operator]


@pytest.mark.parametrize("normalisation", ["outgoing", "incoming"])
def test_a_window_of_one_place_moves_nothing(normalisation: str) -> None:
    """Whatever the logits are."""
    features = noise(2, 4, 7, 7)
    assert torch.equal(flowed(features, noise(2, 1, 7, 7, seed=1), normalisation=normalisation), features)


def test_what_leaves_arrives() -> None:
    """Sums over a map away from the border are kept; at the border they are where nothing may cross it, else less."""
    flow = {bounded: shares(noise(2, 25, 9, 9, seed=1), bounded=bounded) for bounded in (True, False)}
    ones = torch.ones(2, 1, 9, 9, dtype=torch.float64)
    inner = ones.clone()
    inner[:, :, :2] = inner[:, :, -2:] = inner[:, :, :, :2] = inner[:, :, :, -2:] = 0
    torch.testing.assert_close(scatter(inner, flow[False]).sum(), inner.sum())
    torch.testing.assert_close(scatter(ones, flow[True]).sum(), ones.sum())
    assert 0.6 * ones.sum() < scatter(ones, flow[False]).sum() < 0.85 * ones.sum()


def test_gather_is_the_adjoint_of_scatter() -> None:
    """⟨F(h), g⟩ = ⟨h, F*(g)⟩ for all h and g."""
    flow, h, g = shares(noise(2, 25, 6, 8), bounded=False), noise(2, 3, 6, 8, seed=1), noise(2, 3, 6, 8, seed=2)
    torch.testing.assert_close((scatter(h, flow) * g).sum(), (h * gather(g, flow)).sum(), rtol=1e-13, atol=1e-13)


def test_a_flow_that_is_the_same_everywhere_is_a_convolution() -> None:
    """As in CDNA: one kernel for a whole map; a convolution of torch's, which is a correlation, has it turned round."""
    features, kernel = noise(1, 3, 8, 8), noise(25, seed=1).softmax(0)
    flow = kernel[None, :, None, None].expand(1, -1, 8, 8)
    turned = kernel.flip(0).reshape(1, 1, 5, 5).expand(3, -1, -1, -1)
    torch.testing.assert_close(scatter(features, flow), conv2d(features, turned, padding=2, groups=3))


def test_what_arrives_keeps_a_constant_map_and_what_leaves_does_not() -> None:
    """Shares of one sum at each place that they come to; where flows that leave meet, features grow."""
    constant, logits = torch.full((2, 4, 9, 9), 0.7, dtype=torch.float64), noise(2, 25, 9, 9)
    torch.testing.assert_close(flowed(constant, logits, normalisation="incoming"), constant)
    grown = flowed(constant, logits) / constant
    assert grown.min() < 0.8
    assert grown.max() > 1.3


def test_no_share_crosses_the_border() -> None:
    """Each share that leads to no place is nothing and the others sum to one; without bounds all are above nothing."""
    flow = shares(noise(2, 9, 4, 5), bounded=True)
    torch.testing.assert_close(flow.sum(1), torch.ones_like(flow[:, 0]))
    for channel, (rows, columns) in enumerate(AROUND):
        inside = displaced(torch.ones(4, 5), rows, columns) > 0
        assert (flow[:, channel] > 0).equal(inside.expand(2, -1, -1))
    assert (shares(noise(2, 9, 4, 5), bounded=False) > 0).all()


def test_groups_of_features_move_apart() -> None:
    """The first half of the channels by the first κ² logits, the second by the others."""
    features, logits = noise(2, 4, 5, 5), noise(2, 18, 5, 5, seed=1)
    apart = [flowed(features[:, 2 * i : 2 * i + 2], logits[:, 9 * i : 9 * i + 9]) for i in range(2)]
    torch.testing.assert_close(flowed(features, logits, groups=2), torch.cat(apart, dim=1))


@pytest.mark.parametrize("normalisation", ["outgoing", "incoming"])
def test_shares_are_of_single_precision_where_features_are_of_less(normalisation: str) -> None:
    """So that they sum to one: a map of ones in bfloat16 keeps its sum, or its level."""
    ones, logits = torch.ones(1, 2, 6, 6, dtype=torch.bfloat16), noise(1, 9, 6, 6).bfloat16()
    arrived = flowed(ones, logits, normalisation=normalisation)
    assert arrived.dtype == torch.float32
    assert arrived.mean().item() == pytest.approx(1, abs=1e-5)


def test_the_flow_is_measured_against_loops() -> None:
    """A line for each form; those of the same sums agree."""
    words = ["--device", "cpu", "--batch-size", "1", "--channels", "2", "--side", "4", "--kappa", "3", "--rounds", "1"]
    done = CliRunner().invoke(program().main, words, catch_exceptions=False)
    lines = [line.split() for line in done.output.splitlines()[2:]]
    assert [line[0] for line in lines] == ["places", "displacements", "fold", "sums", "unfold", "gathered"]
    assert all(float(line[-1]) < 1e-5 for line in lines)
    assert all(float(line[2]) > 0 and float(line[5]) > 0 for line in lines)

"""The perceptron of pairs: nested loops, a dot product as special case, and the printed form."""

import pytest
import torch
from torch import nn

from baselines.classifiers.cross_correlation import products_around
from baselines.classifiers.relation_network import Relations
from baselines.layers import displaced, offsets

KAPPA = 3


def relations(indexing, channels=5, hidden=7):
    """The module in evaluation and double precision."""
    torch.manual_seed(0)
    return Relations(channels, hidden, KAPPA, indexing).double().eval()


def features():
    """Two frames of random features."""
    return torch.randn(2, 2, 5, 6, 6, dtype=torch.float64)


@pytest.mark.parametrize("indexing", ["displaced", "printed"])
def test_scores_are_those_of_nested_loops(indexing):
    """Each pair by itself through the perceptron; beyond the border stands a feature of zeros."""
    net, (before, after) = relations(indexing), features()
    found = net(before, after)

    def feature(maps, b, i, j):
        inside = 0 <= i < 6 and 0 <= j < 6
        return maps[b, :, i, j] if inside else torch.zeros(5, dtype=torch.float64)

    for channel, (k, el) in enumerate(offsets(KAPPA)):
        for b, i, j in ((0, 0, 0), (0, 3, 2), (1, 5, 5), (1, 2, 0)):
            at = (i + k, j + el) if indexing == "printed" else (i, j)
            one, other = feature(before, b, *at), feature(after, b, i + k, j + el)
            hidden = net.from_before(one[None, :, None, None]) + net.from_after(other[None, :, None, None])
            torch.testing.assert_close(found[b, channel, i, j], net.rest(hidden).squeeze())


def test_a_product_in_place_of_the_perceptron_is_a_correlation():
    """One half of the hidden units is the earlier feature, the other the later; their inner product is equation 6.5."""
    net, (before, after) = relations("displaced", hidden=10), features()
    either, none = torch.eye(5, dtype=torch.float64), torch.zeros(5, 5, dtype=torch.float64)
    with torch.no_grad():
        net.from_before.weight.copy_(torch.cat([either, none])[..., None, None])
        net.from_after.weight.copy_(torch.cat([none, either])[..., None, None])
        assert net.from_before.bias is not None
        net.from_before.bias.zero_()

    class Product(nn.Module):
        def forward(self, hidden):
            return (hidden[:, :5] * hidden[:, 5:]).sum(1, keepdim=True)

    net.rest = nn.Sequential(Product())
    torch.testing.assert_close(net(before, after), products_around(before, after, KAPPA))


def test_printed_channels_are_the_middle_one_moved():
    """Away from the border."""
    net, (before, after) = relations("printed"), features()
    scores = net(before, after)
    for channel, (rows, columns) in enumerate(offsets(KAPPA)):
        moved = displaced(scores[:, KAPPA**2 // 2], rows, columns)
        torch.testing.assert_close(scores[:, channel, 1:-1, 1:-1], moved[:, 1:-1, 1:-1])


def test_displaced_scores_tell_where_a_feature_went():
    """Trained for a few steps on random shifts, the scores' argmax finds them; as printed, they cannot."""
    found = {}
    for indexing in ("displaced", "printed"):
        torch.manual_seed(0)
        net = Relations(5, 32, KAPPA, indexing)
        loss = torch.zeros(())
        optimiser = torch.optim.Adam(net.parameters(), 3e-3)
        for _ in range(150):
            before = torch.randn(16, 5, 6, 6)
            which = torch.randint(0, KAPPA**2, (16,))
            after = torch.stack([torch.roll(b, offsets(KAPPA)[w], (1, 2)) for b, w in zip(before, which, strict=True)])
            loss = torch.nn.functional.cross_entropy(net(before, after)[..., 1:-1, 1:-1].mean((2, 3)), which)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found[indexing] = loss.item()
    assert found["displaced"] < 0.5 * found["printed"]

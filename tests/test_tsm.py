"""TSM: the shift, and the frame-wise CNN that is left without it."""

import torch

from baselines.classifiers import tsm


def test_shift_moves_an_eighth_of_the_channels_each_way():
    """Channels 0 and 1 of 16 see the next frame, 2 and 3 the one before, zeros beyond the ends; the rest stays."""
    features = torch.randn(2, 16, 5, 4, 4)
    moved = tsm.shift(features, 8)
    for t in range(5):
        after = features[:, :2, t + 1] if t < 4 else torch.zeros(2, 2, 4, 4)
        before = features[:, 2:4, t - 1] if t > 0 else torch.zeros(2, 2, 4, 4)
        assert torch.equal(moved[:, :2, t], after)
        assert torch.equal(moved[:, 2:4, t], before)
        assert torch.equal(moved[:, 4:, t], features[:, 4:, t])


def test_without_shift_the_order_of_frames_does_not_matter():
    """With it, it does."""
    torch.manual_seed(0)
    clips = torch.randn(2, 3, 8, 16, 16)
    mixed = clips[:, :, [3, 1, 0, 2, 7, 5, 6, 4]]
    plain = tsm.build(tsm.Config(fold=0), (8, 3, 16, 16), 10).eval()
    torch.testing.assert_close(plain(mixed), plain(clips), atol=1e-5, rtol=1e-4)
    shifted = tsm.build(tsm.Config(), (8, 3, 16, 16), 10).eval()
    assert (shifted(mixed) - shifted(clips)).abs().max() > 1e-4


def test_shift_costs_no_weights():
    """The same number of parameters with and without."""
    one, other = (tsm.build(tsm.Config(fold=fold), (8, 3, 16, 16), 10) for fold in (0, 8))
    assert sum(p.numel() for p in one.parameters()) == sum(p.numel() for p in other.parameters())

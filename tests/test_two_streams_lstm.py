"""Two streams and LSTM: late steps weigh more, causality, the fusion of streams."""

import pytest
import torch

from baselines.classifiers import two_streams_lstm
from baselines.classifiers.two_streams_lstm import late_mean_softmax
from dynamics_gen.errors import ConfigError

FLOW = (6, 2, 16, 16)
BOTH = (6, 5, 16, 16)


def build(shape=FLOW, **settings):
    """A narrow network, in evaluation."""
    torch.manual_seed(0)
    config = two_streams_lstm.Config(**{"width": 4, "features": 8, "hidden": 8, **settings})
    return two_streams_lstm.build(config, shape, 10).eval()


def clips_of(shape=FLOW, count=3):
    """Random clips [B, C, T, H, W]."""
    return torch.randn(count, shape[1], shape[0], *shape[2:])


def test_softmaxes_are_weighted_by_their_step():
    """1, 2, 3 … over their sum; logits that are the same at every step come out as they are."""
    logits = torch.randn(4, 5, 10, dtype=torch.float64)
    weights = torch.arange(1, 6, dtype=torch.float64) / 15
    expected = (weights[:, None] * logits.softmax(-1)).sum(1)
    torch.testing.assert_close(late_mean_softmax(logits).exp(), expected)
    same = logits[:, :1].expand(-1, 5, -1)
    torch.testing.assert_close(late_mean_softmax(same), logits[:, 0].log_softmax(-1))


def test_a_step_has_seen_those_before_it_and_no_other():
    """Another flow at step 3 changes the scores from there on."""
    net, clips = build().temporal, clips_of()
    changed = clips.clone()
    changed[:, :, 3] += 1
    moved = (net(changed) - net(clips)).abs().amax((0, 2)) > 1e-6
    assert moved.tolist() == [False] * 3 + [True] * 3


def test_order_of_the_steps_is_seen():
    """Unlike a mean over frames, the LSTM tells a clip from its reverse."""
    net, clips = build(), clips_of()
    assert not torch.allclose(net(clips), net(clips.flip(2)), atol=1e-5)


def test_streams_have_equal_say():
    """The mean of both weighted softmaxes, which sums to one; each stream sees its own channels."""
    net, clips = build(BOTH), clips_of(BOTH)
    assert net.spatial is not None
    temporal = late_mean_softmax(net.temporal(clips[:, 3:])).exp()
    spatial = late_mean_softmax(net.spatial(clips[:, :3])).exp()
    torch.testing.assert_close(net(clips).exp(), (temporal + spatial) / 2)
    torch.testing.assert_close(net(clips).exp().sum(1), torch.ones(3))


def test_flow_scale_multiplies_the_flow():
    """Twice the flow at half the scale is the same."""
    clips = clips_of()
    torch.testing.assert_close(build(flow_scale=0.5)(2 * clips), build()(clips))


def test_forget_gate_starts_where_it_is_told():
    """All else as without; the gates stand in the order input, forget, candidate, output."""
    biases = [dict(build(forget_bias=bias).temporal.lstm.named_parameters())["bias_ih_l0"] for bias in (0.0, 1.5)]
    expected = torch.tensor([0.0, 1.5, 0.0, 0.0]).repeat_interleave(8)
    torch.testing.assert_close(biases[1] - biases[0], expected)


def test_clips_without_flow_are_refused():
    """With the model's name and what to try."""
    with pytest.raises(ConfigError, match=r"got clips of 3 channels for two_streams_lstm, .*try --input"):
        build((6, 3, 16, 16))

"""Key volumes: the maximum over sub-volumes, its gradient, and where volumes lie."""

import pytest
import torch

from baselines.classifiers import conv3d, kvmf
from dynamics_gen.errors import ConfigError

SHAPE = (12, 3, 16, 16)


def build(**settings):
    """A narrow network, in evaluation."""
    torch.manual_seed(0)
    return kvmf.build(kvmf.Config(**{"width": 4, "frames": 6, **settings}), SHAPE, 10).eval()


def test_one_whole_volume_is_the_plain_net():
    """All frames, the whole side, one volume: Conv3D with the same weights."""
    net = build(volumes=1, frames=12, side=1.0)
    plain = conv3d.build(conv3d.Config(width=4), SHAPE, 10).eval()
    plain.load_state_dict(net.net.state_dict())
    clips = torch.randn(3, 3, 12, 16, 16)
    assert torch.equal(net(clips), plain(clips))


def test_each_class_has_its_highest_score():
    """Never below the mean over volumes, and equal to one volume's, not the same one for every class."""
    net, clips = build(), torch.randn(8, 3, 12, 16, 16)
    scores, logits = net.scores(clips), net(clips)
    assert scores.shape == (8, 4, 10)
    assert (logits > scores.mean(1)).all()
    assert torch.equal(logits, scores.max(1).values)
    assert len(scores.argmax(1).unique()) > 1


def test_only_the_key_volume_learns():
    """The gradient of a class's logit reaches the frames of the volume that has it, and no others."""
    net = build(volumes=2, side=1.0)
    clips = torch.randn(1, 3, 12, 16, 16, requires_grad=True)
    for label in range(10):
        (gradient,) = torch.autograd.grad(net(clips)[0, label], clips)
        first = int(net.scores(clips)[0, :, label].argmax()) * 6
        touched = gradient.abs().amax((0, 1, 3, 4)) > 0
        assert touched[first : first + 6].any()
        assert not touched[:first].any()
        assert not touched[first + 6 :].any()


def test_volumes_are_even_in_evaluation_and_anywhere_in_training():
    """From the first frame to the last, in the middle; then every corner that leaves room comes up, and no other."""
    net = build(volumes=3)
    assert net.size == (6, 14, 14)
    assert net.corners((12, 16, 16)).tolist() == [[0, 1, 1], [3, 1, 1], [6, 1, 1]]
    torch.manual_seed(0)
    drawn = torch.cat([net.train().corners((12, 16, 16)) for _ in range(300)])
    for axis, room in enumerate((6, 2, 2)):
        assert set(drawn[:, axis].tolist()) == set(range(room + 1))


def test_short_clip_is_seen_whole():
    """A clip has no more frames than it has."""
    assert build(frames=50).size[0] == 12


@pytest.mark.parametrize("settings", [{"volumes": 0}, {"frames": 0}, {"side": 0.0}, {"side": 1.5}])
def test_settings_that_build_nothing_are_refused(settings):
    """When the Config is made."""
    with pytest.raises(ConfigError, match=f"got {next(iter(settings))}"):
        kvmf.Config(**settings)

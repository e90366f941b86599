"""DrNet: published sizes, what each loss teaches whom, phases, and poses that follow each other."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from one_step import Players, moved, snapshot
from torch import Tensor, nn

from baselines.predictors.drnet import Config, DrNet, build, hiding_loss
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT
from dynamics_gen.errors import ConfigError

SMALL: dict[str, Any] = {"width": 0.1, "content": 6, "pose": 3, "hidden": 8}
APPEARANCE, DYNAMICS = 0.0, 0.9


def network(side: int = 8, **settings: Any) -> DrNet:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Config(**SMALL | settings), (20, 3, side, side))


def clips_batch(count: int = 4, side: int = 8, frames: int = 20) -> Batch:
    """Clips of noise in [-1, 1], the same ones every time."""
    clips = torch.rand(count, 3, frames, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(clips=clips, labels=torch.zeros(count, dtype=torch.long))


def fixed(net: nn.Module, value: float) -> nn.Module:
    """The same, whose last layer now gives one number whatever it is told."""
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, value)
    return net


def test_encoders_and_decoder_have_the_published_sizes() -> None:
    """Kernels of 4×4 and 64, 128, 256, 512 maps; skips double what each layer of the decoder but the first sees."""
    ends = {"content": 128, "pose": 10}
    maps, kernel = (3, 64, 128, 256, 512), 16
    body = sum(kernel * a * b + 2 * b for a, b in pairwise(maps))
    for skips in (True, False):
        net = build(Config(skips=skips), (20, 3, 64, 64))
        for name, size in ends.items():
            counted = sum(weight.numel() for weight in getattr(net, name).parameters())
            assert counted == body + kernel * maps[-1] * size + 2 * size
        seen = sum(kernel * (1 + skips) * a * b for a, b in pairwise(maps))
        norms = 2 * sum(maps[1:])
        first = kernel * sum(ends.values()) * maps[-1]
        assert sum(weight.numel() for weight in net.decoder.parameters()) == first + seen + norms + 3
    lstm = net.dynamics.lstm
    assert (lstm.hidden_size, lstm.num_layers) == (256, 2)


def test_every_weight_belongs_to_one_player() -> None:
    """No player shares any; none is left out."""
    net = network()
    owned = [id(weight) for player in net.players().values() for weight in player.parameters]
    assert sorted(owned) == sorted(id(weight) for weight in net.parameters())


@pytest.mark.parametrize("skips", [True, False])
def test_swapping_contents_of_like_appearance_changes_nothing(skips: bool) -> None:
    """Two clips that end in the same frame, after others, keep their continuations; a clip of another look does not."""
    net = network(skips=skips).eval()
    clips = clips_batch().clips[:3, :, :CONTEXT].clone()
    clips[1, :, -1] = clips[0, :, -1]
    content, maps = net.content(clips[:, :, -1])
    poses = net.dynamics.continued(net.poses(clips), content, 3)
    assert not torch.equal(poses[0], poses[1])

    def swapped(order: list[int]) -> Tensor:
        return net.composed(content[order], [each[order] for each in maps], poses)

    own = net.predict(clips, 3)
    torch.testing.assert_close(swapped([0, 1, 2]), own)
    torch.testing.assert_close(swapped([1, 0, 2]), own)
    assert (swapped([2, 1, 0])[0] - own[0]).abs().max() > 1e-4


def test_without_skips_only_the_content_vector_reaches_the_decoder() -> None:
    """Other maps of the same content change nothing; with skips they do."""
    for skips in (True, False):
        net = network(skips=skips).eval()
        content, maps = net.content(clips_batch().clips[:, :, 0])
        poses = torch.zeros(len(content), 1, 3)
        same = torch.equal(
            net.composed(content, maps, poses), net.composed(content, [each + 1 for each in maps], poses)
        )
        assert same is not skips


def test_an_adversary_at_one_half_teaches_the_poses_nothing() -> None:
    """There the loss is at its least, ln 2, and its gradient zero; a logit away it is not."""
    logits = torch.tensor([0.0, 0.0], requires_grad=True)
    loss = hiding_loss(logits)
    assert loss.item() == pytest.approx(math.log(2))
    assert torch.autograd.grad(loss, logits)[0].eq(0).all()
    away = torch.tensor([1.5, -0.5], requires_grad=True)
    slope = torch.autograd.grad(hiding_loss(away), away)[0]
    torch.testing.assert_close(slope, (away.detach().sigmoid() - 0.5) / 2)
    assert hiding_loss(away).item() > math.log(2)


def test_what_hides_poses_is_one_half_in_the_whole_network_too() -> None:
    """An adversary that always says one half leaves the encoder of poses without gradient; another does not."""
    batch = clips_batch()
    for undecided in (True, False):
        net = network()
        if undecided:
            fixed(net.adversary, 0.0)
        found = net.losses(batch, APPEARANCE)
        slopes = torch.autograd.grad(found["secrecy"], list(net.pose.parameters()))
        assert all(slope.eq(0).all() for slope in slopes) is undecided


def test_poses_of_one_kind_are_told_apart_by_chance() -> None:
    """An encoder whose poses are all the same leaves an adversary at 50 % and ln 2, however long it learns."""
    net = network()
    for weight in net.pose.head.parameters():
        nn.init.zeros_(weight)
    fooled = Players(net, 1e-2)
    found = [fooled.step(clips_batch(), only=["adversary"]) for _ in range(40)]
    assert all(row["adversary_right"].item() == 0.5 for row in found)
    assert all(row["adversary"].item() >= math.log(2) - 1e-6 for row in found)
    assert found[-1]["adversary"].item() == pytest.approx(math.log(2), abs=1e-3)


def test_poses_that_tell_the_clip_are_told_apart() -> None:
    """Of still clips, each frame of which has the clip's own pose, the adversary learns which belong together."""
    net = network(pairs=4)
    clips = clips_batch().clips
    still = Batch(clips=clips[:, :, :1].expand_as(clips), labels=torch.zeros(4, dtype=torch.long))
    telling = Players(net, 1e-2)
    found = [telling.step(still, only=["adversary"]) for _ in range(80)]
    assert found[-1]["adversary"].item() < 0.3
    assert found[-1]["adversary_right"].item() > 0.9


def test_a_lone_clip_teaches_the_adversary_nothing() -> None:
    """There is no other to tell it from."""
    found = network().losses(clips_batch(1), APPEARANCE)
    assert "autoencoder" in found
    assert "adversary" not in found


def test_likeness_of_contents_pulls_at_one_frame_only() -> None:
    """Its gradient reaches the earlier frame and not the later one; that of hiding only the later."""
    net = network()
    early, late = (frames.requires_grad_() for frames in net.drawn(clips_batch().clips))
    found = net.of_appearance(early, late)
    for name, reached, spared in (("similarity", early, late), ("secrecy", late, early)):
        slopes = torch.autograd.grad(found[name], (reached, spared), retain_graph=True, allow_unused=True)
        assert slopes[0] is not None
        assert slopes[0].abs().max() > 0
        assert slopes[1] is None


def test_the_loss_is_the_weighted_sum_of_three() -> None:
    """The error on the scale of [0, 1], similarity and secrecy times their weights."""
    net = network(similarity=3.0, secrecy=0.5)
    found = net.losses(clips_batch(), APPEARANCE)
    expected = found["reconstruction"] + 3 * found["similarity"] + 0.5 * found["secrecy"]
    torch.testing.assert_close(found["autoencoder"], expected)
    early, late = net.drawn(clips_batch().clips)
    found = net.of_appearance(early, late)
    content, maps = net.content(early.flatten(0, 1))
    said = net.decoder(content, net.pose(late.flatten(0, 1))[0], maps)
    torch.testing.assert_close(found["reconstruction"], ((said - late.flatten(0, 1)) / 2).square().mean())


@pytest.mark.parametrize("max_step", [1, 4, 30])
def test_pairs_are_of_one_clip_and_so_many_frames_apart(max_step: int) -> None:
    """All distances from 1 to `max_step`, or as far as a clip goes, and no others."""
    net = network(max_step=max_step, pairs=400)
    numbered = torch.arange(60.0).view(3, 1, 20, 1, 1).expand(3, 3, 20, 8, 8)
    early, late = (frames[:, :, 0, 0, 0] for frames in net.drawn(numbered))
    assert early.shape == (400, 3)
    assert torch.equal(early // 20, late // 20)
    assert torch.equal(early[0] // 20, torch.arange(3.0))
    assert (late - early).unique().tolist() == list(range(1, min(max_step, 19) + 1))


@pytest.mark.parametrize(
    ("progress", "moving", "parts"),
    [
        (APPEARANCE, {"autoencoder", "adversary"}, {"content", "pose", "decoder", "adversary"}),
        (DYNAMICS, {"dynamics"}, {"dynamics"}),
    ],
)
def test_phases_move_their_own_part_alone(progress: float, moving: set[str], parts: set[str]) -> None:
    """In the second, weights and running statistics of all but the LSTM stay bit for bit."""
    net = network()
    before = snapshot(net)
    found = Players(net).step(clips_batch(), progress)
    assert moving == set(found) & set(net.players())
    assert {name.partition(".")[0] for name in moved(before, net)} == parts


def test_the_share_of_the_run_decides_the_phase() -> None:
    """From it on, the LSTM learns."""
    net = network(appearance_share=0.25)
    for progress, name in ((0.24, "autoencoder"), (0.25, "dynamics")):
        assert name in net.losses(clips_batch(), progress)


@pytest.mark.parametrize(
    ("player", "progress", "rate"), [("autoencoder", APPEARANCE, 3e-3), ("dynamics", DYNAMICS, 1e-2)]
)
def test_each_phase_lowers_its_loss(player: str, progress: float, rate: float) -> None:
    """Forty steps on the same clips."""
    players, batch = Players(network(), rate), clips_batch()
    losses = [players.step(batch, progress, only=[player])[player].item() for _ in range(40)]
    assert losses[-1] < 0.7 * losses[0]


def test_poses_foreseen_are_those_said_when_they_come_true() -> None:
    """Told its own predictions as truth, the LSTM repeats them; told others, it does not."""
    net = network().eval()
    context, content = torch.rand(2, 5, 3) * 2 - 1, torch.rand(2, 6)
    foreseen = net.dynamics.continued(context, content, 7)
    assert foreseen.shape == (2, 7, 3)
    told = net.dynamics(torch.cat([context, foreseen[:, :-1]], dim=1), content)[0]
    torch.testing.assert_close(told[:, 4:], foreseen)
    other = net.dynamics(torch.cat([context, -foreseen[:, :-1]], dim=1), content)[0]
    assert not torch.allclose(other[:, 5:], foreseen[:, 1:])


def test_the_lstm_learns_each_next_pose_given_the_last_shown_content() -> None:
    """Its loss is the mean squared error of all but the first pose; the content is that of the context's last frame."""
    net, clips = network(), clips_batch().clips
    found = net.losses(Batch(clips=clips, labels=torch.zeros(4, dtype=torch.long)), DYNAMICS)
    poses, content = net.poses(clips), net.content(clips[:, :, 9])[0]
    expected = (net.dynamics(poses[:, :19], content)[0] - poses[:, 1:]).square().mean()
    torch.testing.assert_close(found["dynamics"], expected)


def test_poses_are_of_single_frames() -> None:
    """In their order, whatever the clip's other frames are."""
    net, clips = network().eval(), clips_batch().clips
    torch.testing.assert_close(net.poses(clips)[:, 7], net.pose(clips[:, :, 7])[0])


@pytest.mark.parametrize("setting", [{"beta1": 0.3}, {"layers": 3}, {"hidden": 9}, {"pairs": 3}, {"width": 0.2}])
def test_other_settings_have_an_effect(setting: dict[str, Any]) -> None:
    """On weights, on the optimiser or on how much is learnt from at once."""
    kinds = []
    for net in (network(), network(**setting)):
        kinds.append(
            (
                sum(weight.numel() for weight in net.parameters()),
                {player.beta1 for player in net.players().values()},
                len(net.drawn(clips_batch().clips)[0]),
            )
        )
    assert kinds[0] != kinds[1]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"pose": 0}, "got pose 0, expected a whole number of 1 or more"),
        ({"secrecy": -1.0}, "got secrecy -1.0, expected a number of 0 or more"),
        ({"appearance_share": 1.0}, r"got appearance_share 1.0, expected a share of the run in \(0, 1\)"),
        ({"width": 0.0}, "got width 0.0, expected a number above 0"),
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, Any], message: str) -> None:
    """With what was expected."""
    with pytest.raises(ConfigError, match=message):
        Config(**setting)


@pytest.mark.parametrize("size", [(48, 48), (4, 4), (16, 32)])
def test_other_frames_are_refused(size: tuple[int, int]) -> None:
    """The sentence says which sides there are."""
    with pytest.raises(ConfigError, match="expected a side of 8, 16, 32, 64, …: try --set image_size=32"):
        build(Config(), (20, 3, *size))

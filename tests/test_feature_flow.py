"""Feature flow: its two loops, losses, every setting, and what the discriminator is told."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from one_step import Players, moved, snapshot
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils import parametrize

from baselines.feature_flow_networks import Memory
from baselines.layers import offsets
from baselines.predictors.feature_flow import Config, FeatureFlow, build
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT, HORIZON
from dynamics_gen.errors import ConfigError

SIDE = 16
AROUND = offsets(3)
PIXELS_MOVE = {"grid": 1, "changes": True, "carried": True, "stay": 5.0}


def noise(*size: int, seed: int = 0) -> Tensor:
    """The same numbers every time, of double precision."""
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(side: int = SIDE, **settings: object) -> FeatureFlow:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Config(**{"width": 4, "latent": 3, "kappa": 3, **settings}), (32, 3, side, side))  # type: ignore[arg-type]


def batch(count: int = 2, side: int = SIDE) -> Batch:
    """Clips of noise."""
    clips = noise(count, 3, CONTEXT + HORIZON, side, side).float().tanh()
    return Batch(clips=clips, labels=torch.zeros(count, dtype=torch.long))


def said(net: FeatureFlow, context: Tensor, count: int, seed: int = 3) -> Tensor:
    """All frames that follow, in closed loop and in open loop, of a model that learns no more."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return net.eval().continued(context, count)


def test_a_mask_of_one_copies_the_frame() -> None:
    """Bit for bit, again and again; a mask of nothing leaves what is painted, which without a mask stands alone."""
    net, context = network(), batch().clips[:, :, :CONTEXT]
    *_, last = net.generator.decoder.children()
    assert isinstance(last, nn.ConvTranspose2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight[:, 3:] = 0
        last.bias[3] = 1000
        assert torch.equal(net.eval().predict(context, 4), context[:, :, -1:].expand(-1, -1, 4, -1, -1))
        last.bias[3] = -1000
    bare, state = network(copy_mask=False), net.state_dict()
    name = f"generator.decoder.{len(net.generator.decoder) - 1}"
    state[f"{name}.weight"], state[f"{name}.bias"] = last.weight[:, :3], last.bias[:3]
    bare.load_state_dict(state)
    torch.testing.assert_close(said(net, context, 2), said(bare, context, 2))


@pytest.mark.parametrize("settings", [{}, PIXELS_MOVE])
def test_closed_loop_sees_all_steps_at_once_as_one_by_one(settings: dict[str, object]) -> None:
    """Every frame's successor from it, the latent and what was remembered."""
    net, clips = network(**settings).eval(), batch().clips  # type: ignore[arg-type]
    latents = noise(4, 2, 3).float()
    with torch.no_grad():
        together, _ = net.generator(clips[:, :, :4], latents, Memory())
        memory, apart = Memory(), []
        for step in range(4):
            one, memory = net.generator(clips[:, :, step : step + 1], latents[step : step + 1], memory)
            apart.append(one)
    torch.testing.assert_close(together, torch.cat(apart, dim=2))


@pytest.mark.parametrize("settings", [{}, PIXELS_MOVE])
def test_open_loop_is_closed_loop_on_its_own_frames(settings: dict[str, object]) -> None:
    """What is said of a context two frames on is what is said of it and its own first successor one frame on."""
    net, context = network(**settings), batch().clips[:, :, :CONTEXT]  # type: ignore[arg-type]
    opened = said(net, context, 2)
    closed = said(net, torch.cat([context, opened[:, :, CONTEXT - 1 : CONTEXT]], dim=2), 1)
    torch.testing.assert_close(opened, closed)


def test_one_frame_on_both_loops_are_the_same() -> None:
    """The first prediction is of true frames alone; the open loop begins after it."""
    net, given = network(latent=0), batch().clips
    context = given[:, :, :CONTEXT]
    closed = said(net, given[:, :, :CONTEXT], 1)
    torch.testing.assert_close(said(net, context, 5)[:, :, :CONTEXT], closed)
    with torch.no_grad():
        torch.testing.assert_close(net.predict(context, 5)[:, :, :1], closed[:, :, -1:])
        assert not torch.allclose(net.predict(context, 2)[:, :, 1:], said(net, given, 1)[:, :, CONTEXT : CONTEXT + 1])


def losses(net: FeatureFlow, given: Batch, progress: float = 0.0) -> dict[str, Tensor]:
    """Of the same draws every time."""
    torch.manual_seed(4)
    return dict(net.losses(given, progress))


@pytest.mark.parametrize("closed", [1, 4, 19])
def test_true_frames_are_seen_in_closed_loop_alone(closed: int) -> None:
    """A later frame changes errors but nothing that is said; with all steps closed there is no open loop."""
    net, given, seen = network(closed_steps=closed, adversary=0), batch(), []
    continued = net.continued
    net.continued = lambda *told: seen.append(continued(*told)) or seen[-1]  # type: ignore[method-assign]
    other = given.clips.clone()
    other[:, :, closed:] *= -1
    found = losses(net.eval(), given), losses(net.eval(), Batch(clips=other, labels=given.labels))
    assert torch.equal(*seen)
    assert seen[0].shape[2] == 19
    assert found[0]["generator"] != found[1]["generator"]
    assert ("open_error" in found[0]) == (closed < 19)
    errors = (seen[0] - given.clips[:, :, 1:]).square()
    torch.testing.assert_close(found[0]["closed_error"], errors[:, :, :closed].mean())
    torch.testing.assert_close(found[0]["generator"], 10 * errors.mean())


def test_errors_of_both_loops_have_their_weights() -> None:
    """The mean over 19 frames, of which 4 are in closed loop."""
    found = losses(network(closed_steps=4, adversary=0, error=3.0, open_error=0.5).eval(), batch())
    expected = 3 * (4 * found["closed_error"] + 0.5 * 15 * found["open_error"]) / 19
    torch.testing.assert_close(found["generator"], expected)


def test_the_curriculum_lengthens_the_open_loop() -> None:
    """From nothing to 15 steps over the first half of a run; without one it is 15 steps long throughout."""
    net = network(closed_steps=4, curriculum=True)
    lengths = [net.open_steps(20, progress / 100) for progress in range(100)]
    assert lengths[0] == 0
    assert lengths[25] == 8
    assert set(lengths) == set(range(16))
    assert lengths == sorted(lengths)
    assert set(lengths[50:]) == {15}
    assert {network(closed_steps=4).open_steps(20, progress) for progress in (0.0, 0.9)} == {15}
    seen: list[Tensor] = []
    assert net.discriminator is not None
    net.discriminator.register_forward_pre_hook(lambda _, told: seen.append(told[0]))
    for progress in (0.0, 0.25, 0.9):
        losses(net, batch(), progress)
    assert [clips.shape[2] for clips in seen] == [5, 13, 20]


def test_the_discriminator_sees_real_clips_and_made_ones_that_start_alike() -> None:
    """The first frame is the true one; the losses are those of the logits."""
    net, given, seen = network(), batch(), []
    assert net.discriminator is not None
    net.discriminator.register_forward_hook(lambda _, told, logits: seen.append((told[0], logits)))
    found = losses(net, given)
    ((clips, logits),) = seen
    (real, made), (real_logits, made_logits) = clips.chunk(2), logits.chunk(2)
    assert torch.equal(real, given.clips)
    assert torch.equal(made[:, :, 0], given.clips[:, :, 0])
    torch.testing.assert_close(found["discriminator"], softplus(-real_logits).mean() + softplus(made_logits).mean())
    error = (made - real)[:, :, 1:].square().mean()
    torch.testing.assert_close(found["generator"], 10 * error + 0.1 * softplus(-made_logits).mean())


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_each_player_lowers_its_own_loss(player: str) -> None:
    """A few steps alone on clips that stand still, which move nothing of the other."""
    net, given = network(closed_steps=4), batch()
    given = Batch(clips=given.clips[:, :, :1].expand(-1, -1, 8, -1, -1).contiguous(), labels=given.labels)
    players, before = Players(net, 1e-2), snapshot(net)
    start = losses(net, given)[player].item()
    for _ in range(8):
        players.step(given, only=[player])
    assert losses(net, given)[player].item() < 0.9 * start
    weights = {name for name, _ in net.named_parameters()}
    assert moved(before, net) & weights == {name for name in weights if name.startswith(player)}


def test_without_an_adversary_there_is_one_player() -> None:
    """Its loss is the squared error times its weight; with both, each has its first momentum."""
    net = network(adversary=0.0)
    assert net.discriminator is None
    assert set(net.players()) == {"generator"}
    assert set(losses(net, batch())) == {"generator", "closed_error", "open_error"}
    both = network(beta1=0.7).players()
    assert {name: player.beta1 for name, player in both.items()} == {"generator": 0.7, "discriminator": 0.7}


def test_latents_are_drawn_for_every_step_or_once() -> None:
    """From N(0, I); a model without any says the same whatever the seed."""
    each, once = (network(resample=resample).latents(500, 4) for resample in (True, False))
    assert each.shape == once.shape == (4, 500, 3)
    assert each.mean().item() == pytest.approx(0, abs=0.05)
    assert each.std().item() == pytest.approx(1, abs=0.05)
    assert all(torch.equal(one, other) for one, other in pairwise(once))
    assert not any(torch.equal(one, other) for one, other in pairwise(each))
    context, net = batch().clips[:, :, :CONTEXT], network(latent=0)
    assert not net.stochastic
    assert torch.equal(said(net, context, 3, seed=1), said(net, context, 3, seed=2))
    assert network().stochastic
    assert not torch.equal(said(network(), context, 3, seed=1), said(network(), context, 3, seed=2))


@pytest.mark.parametrize("conditioned", [True, False])
def test_the_flow_may_depend_on_latents_alone(conditioned: bool) -> None:
    """Then frames change what moves, not where to."""
    net, latents = network(conditioned=conditioned).eval().generator, noise(1, 2, 3).float()
    one, other = (net.flow_logits(noise(2, 8, 4, 4, seed=seed).float(), latents, None)[0] for seed in (0, 1))
    assert torch.equal(one, other) != conditioned
    assert not torch.equal(one, net.flow_logits(noise(2, 8, 4, 4).float(), latents + 1, None)[0])


@pytest.mark.parametrize("recurrent", [True, False])
def test_memory_is_in_the_two_convlstms(recurrent: bool) -> None:
    """Without them the frames before the last one have no say."""
    net, context = network(recurrent=recurrent, latent=0), batch().clips[:, :, :CONTEXT]
    short, long = said(net, context[:, :, -1:], 3)[:, :, -3:], said(net, context, 3)[:, :, -3:]
    assert torch.allclose(short, long, atol=1e-6) != recurrent


def test_changes_tell_of_one_frame_more() -> None:
    """Without ConvLSTMs the last frame and the one before it have a say, and none earlier."""
    net, context = network(recurrent=False, latent=0, changes=True), batch().clips[:, :, :CONTEXT]
    one, two, all_of_them = (said(net, context[:, :, -given:], 3)[:, :, -3:] for given in (1, 2, CONTEXT))
    torch.testing.assert_close(two, all_of_them)
    assert not torch.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 0), (-1, 1)])
def test_carried_pixels_move_with_the_flow(rows: int, columns: int) -> None:
    """Where the masks take neither what is painted nor what stays, and all goes one way, so does the frame."""
    net, context = network(latent=0, bounded=False, **PIXELS_MOVE), batch().clips[:, :, :CONTEXT]  # type: ignore[arg-type]
    *_, last = net.generator.decoder.children()
    assert isinstance(last, nn.ConvTranspose2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight[:, 3:], last.bias[3], last.bias[4] = 0, 1000, -1000
        net.generator.logits.weight.zero_()
        net.generator.logits.bias[AROUND.index((rows, columns))] = 1000  # type: ignore[index]
    expected = context[:, :, -1].roll((rows, columns), (-2, -1))[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(said(net, context, 1)[:, :, -1, 1:-1, 1:-1], expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_features_can_start_by_staying(groups: int) -> None:
    """Of every group, the share that stays leads by e to the power of the setting."""
    free, staying = (network(stay=stay, groups=groups).generator.logits.bias for stay in (0.0, 5.0))
    assert free is not None
    assert staying is not None
    expected = torch.zeros(groups, 9)
    expected[:, 4] = 5
    torch.testing.assert_close(staying - free, expected.flatten())


@pytest.mark.parametrize(("norm", "alone"), [("batch", False), ("group", True)])
@pytest.mark.parametrize("setting", [{}, PIXELS_MOVE], ids=["features", "pixels"])
def test_a_clip_is_learnt_by_itself_where_norms_are_of_one_frame(norm: str, alone: bool, setting: dict) -> None:
    """What follows is then the same whatever else is in the batch, and the same when nothing more is learnt."""
    net, clips = network(norm=norm, latent=0, **setting), batch(3).clips
    assert (not any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())) == alone
    with torch.no_grad():
        whole = net.train().continued(clips[:, :, :CONTEXT], 2)
        fewer = net.continued(clips[:2, :, :CONTEXT], 2)
    assert torch.allclose(whole[:2], fewer, atol=1e-5) == alone
    assert torch.allclose(said(net, clips[:, :, :CONTEXT], 2), whole, atol=1e-5) == alone


@pytest.mark.parametrize("setting", [{"normalisation": "incoming"}, {"bounded": False}])
def test_how_features_move_changes_what_is_said(setting: dict[str, object]) -> None:
    """The weights are the same, what follows is not."""
    net, other = network(), network(**setting)  # type: ignore[arg-type]
    other.load_state_dict(net.state_dict())
    context = batch().clips[:, :, :CONTEXT]
    assert not torch.allclose(said(net, context, 1), said(other, context, 1), atol=1e-6)


@pytest.mark.parametrize(("kappa", "groups"), [(1, 1), (5, 1), (3, 4)])
def test_there_are_logits_for_every_displacement_of_every_group(kappa: int, groups: int) -> None:
    """With a window of one place, they say nothing."""
    net = network(kappa=kappa, groups=groups, latent=0)
    assert net.generator.logits.out_channels == groups * kappa**2
    context = batch().clips[:, :, :3]
    start = said(net, context, 2)
    with torch.no_grad():
        net.generator.logits.weight.mul_(30)
    assert torch.equal(start, said(net, context, 2)) == (kappa == 1)


@pytest.mark.parametrize("grid", [1, 2, 4, 8, 16])
def test_features_lie_on_a_grid_of_any_size(grid: int) -> None:
    """So many pixels a side for each place; frames come out at their own size."""
    net, seen = network(side=32, grid=grid), []
    net.generator.logits.register_forward_hook(lambda _, __, logits: seen.append(logits))
    clips = batch(side=32).clips[:, :, :2]
    assert said(net, clips, 2).shape == (2, 3, 3, 32, 32)
    assert seen[0].shape[2:] == (32 // grid, 32 // grid)


def test_sizes_follow_the_width() -> None:
    """All layers double with it, and the weights between them quadruple."""
    net, wide = network(latent=0, inverse="correlation"), network(latent=0, inverse="correlation", width=8)
    for name in ("generator.feature_memory.from_hidden.weight", "generator.flow_memory.from_hidden.weight"):
        assert wide.state_dict()[name].numel() == 4 * net.state_dict()[name].numel()


@pytest.mark.parametrize("inverse", ["none", "correlation", "relation"])
def test_the_discriminator_judges_each_clip_by_itself(inverse: str) -> None:
    """Of any length from two frames on: weight norm in all of its layers, and no statistics of batches."""
    net = network(inverse=inverse).discriminator
    assert net is not None
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear)]
    assert len(layers) >= 6
    assert all(parametrize.is_parametrized(layer, "weight") for layer in layers)
    assert not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in net.modules())
    clips = batch(3).clips
    for length in (2, 5, 20):
        together = net(clips[:, :, :length])
        assert together.shape == (3,)
        torch.testing.assert_close(together[1:2], net(clips[1:2, :, :length]))


def sliding(rows: int, columns: int) -> Tensor:
    """A texture that moves by so many pixels from frame to frame, [1, 3, 4, 32, 32]."""
    texture = noise(1, 3, 64, 64).float()
    starts = [(16 - step * rows, 16 - step * columns) for step in range(4)]
    return torch.stack([texture[:, :, top : top + 32, left : left + 32] for top, left in starts], dim=2)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 4), (-4, 0), (4, -4)])
def test_correlations_peak_where_features_moved_to(rows: int, columns: int) -> None:
    """By whole places, at all of them away from the border; nothing is said of the first frame."""
    net = network(side=32, inverse="correlation").discriminator
    assert net is not None
    volume = net.motion(sliding(rows, columns))
    assert volume.shape == (1, 9, 4, 8, 8)
    assert not volume[:, :, 0].any()
    peaks = volume[:, :, 1:, 3:-3, 3:-3].argmax(1)
    assert (peaks == AROUND.index((rows // 4, columns // 4))).all()


@pytest.mark.parametrize("inverse", ["printed correlation", "printed relation"])
def test_as_printed_the_discriminator_is_told_of_no_motion(inverse: str) -> None:
    """Away from the border each displacement has what no displacement has, of another place."""
    net = network(side=32, inverse=inverse).discriminator
    assert net is not None
    assert (net.relations is None) == (inverse == "printed correlation")
    volume = net.motion(sliding(0, 4))[:, :, 1:]
    for channel, (rows, columns) in enumerate(AROUND):
        middle = volume[:, AROUND.index((0, 0)), :, 3 + rows : 5 + rows, 3 + columns : 5 + columns]
        torch.testing.assert_close(volume[:, channel, :, 3:5, 3:5], middle)


def test_relations_are_a_perceptron_on_pairs_of_features() -> None:
    """Of a place in one frame and the displaced one in the next."""
    net = network(inverse="relation").discriminator
    assert net is not None
    assert net.frames is not None
    assert net.relations is not None
    clips = batch().clips[:, :, :3]
    volume = net.motion(clips)
    before, after = net.frames(clips[:, :, 1]), net.frames(clips[:, :, 2])
    for channel, (rows, columns) in enumerate(AROUND):
        pair = net.relations.from_before(before[:, :, 1:2, 1:2])
        pair = pair + net.relations.from_after(after[:, :, 1 + rows : 2 + rows, 1 + columns : 2 + columns])
        torch.testing.assert_close(net.relations.rest(pair)[:, 0, 0, 0], volume[:, channel, 2, 1, 1])


@pytest.mark.parametrize("inverse", ["correlation", "relation"])
def test_motion_has_a_say_in_the_judgement(inverse: str) -> None:
    """Its layers learn from it."""
    net = network(inverse=inverse)
    assert net.discriminator is not None
    before = snapshot(net)
    found = Players(net).step(batch())
    assert all(value.isfinite() for value in found.values())
    names = {name for name, _ in net.discriminator.named_parameters() if name.startswith(("frames.", "relations."))}
    assert len(names) >= 6
    still = {name for name in names if f"discriminator.{name}" not in moved(before, net)}
    assert not {name for name in still if not name.endswith("bias")}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 0}, "got width 0, expected a whole number of 1 or more"),
        ({"latent": -1}, "got latent -1, expected a whole number of 0 or more"),
        ({"kappa": 4}, "got kappa 4, expected an odd number"),
        ({"grid": 3}, "got grid 3, expected 1 or 2 or 4 or 8 or 16"),
        ({"groups": 3}, "got groups 3, expected a divisor of the 8 maps"),
        ({"stay": -1.0}, "got stay -1.0, expected a number of 0 or more"),
        ({"carried": True}, "got carried with grid=4 and groups=1, expected 1 and 1"),
        ({"carried": True, "grid": 1, "groups": 2}, "got carried with grid=1 and groups=2, expected 1 and 1"),
        ({"norm": "layer"}, "got norm 'layer', expected batch or group"),
        ({"normalisation": "both"}, "got normalisation 'both', expected outgoing or incoming"),
        ({"closed_steps": 20}, "got closed_steps 20, expected a whole number from 1 to 19"),
        ({"adversary": -1.0}, "got adversary -1.0, expected a number of 0 or more"),
        (
            {"inverse": "flow"},
            "got inverse 'flow', expected none or correlation or relation or printed correlation or printed relation",
        ),
        ({"inverse": "relation", "adversary": 0.0}, "expected a discriminator to tell it to"),
        ({"conditioned": False, "latent": 0}, "expected something to make a flow from"),
        ({"error": 0.0, "adversary": 0.0}, "expected something to learn from"),
        ({"side": 4}, "got frames of 4×4 pixels with grid=4, expected sides that are twice it or more"),
        ({"side": 6, "grid": 2}, "got frames of 6×6 pixels, expected 8×8 or more"),
    ],
)
def test_what_cannot_be_built_is_refused(settings: dict[str, object], sentence: str) -> None:
    """The sentence says what there is and what would do."""
    with pytest.raises(ConfigError, match=sentence):
        network(**settings)  # type: ignore[arg-type]

"""The composite predictor: published counts, own outputs fed back, errors by hand, and small frames."""

from __future__ import annotations

import pytest
import torch
from one_step import Players, moved, snapshot
from torch import Tensor, nn

from baselines.predictors.composite_lstm_predictor import CompositePredictor, Config, build
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT, HORIZON
from dynamics_gen.errors import ConfigError

FRAMES = CONTEXT + HORIZON


def network(side: int = 8, **settings: object) -> CompositePredictor:
    """A narrow one, whose peepholes and biases are not what they start as."""
    torch.manual_seed(0)
    made = build(Config(**{"width": 12, "side": 4, **settings}), (FRAMES, 3, side, side))  # type: ignore[arg-type]
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.endswith(("peepholes", "bias")):
                weight.normal_(0, 0.3)
    return made


def some_clips(count: int = 3, side: int = 8) -> Tensor:
    """Noise."""
    return torch.rand(count, 3, FRAMES, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def batch_of(clips: Tensor) -> Batch:
    """Without classes."""
    return Batch(clips=clips, labels=torch.zeros(len(clips), dtype=torch.long))


def test_it_has_the_published_count_of_parameters() -> None:
    """Without conditions, in two layers of 2,048, on 4,096 grey pixels: the FC-LSTM of Shi et al. 2015, table 1."""
    with torch.device("meta"):
        net = build(Config(layers=2, conditional=False, side=64), (FRAMES, 1, 64, 64))
    count = sum(weight.numel() for part in (net.encoder, net.future) for weight in part.parameters())
    assert count == 142_667_776


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@torch.no_grad()
def test_it_predicts_from_what_it_said_before(layers: int, conditional: bool) -> None:
    """As its decoder does when the truth is what was said; a longer prediction begins with the shorter one."""
    net, context = network(layers=layers, conditional=conditional, side=4), some_clips(side=4)[:, :, :CONTEXT]
    said = net.predict(context, 22)
    _, state = net.encoder(net.frames(context))
    torch.testing.assert_close(net.future(net.frames(said), state), net.frames(said))
    for count in (1, HORIZON):
        torch.testing.assert_close(net.predict(context, count), said[:, :, :count])
    other = torch.cat([said[:, :, :1] + 1, said[:, :, 1:]], dim=2)
    told_otherwise = net.future(net.frames(other), state)
    assert torch.allclose(told_otherwise, net.frames(said), atol=1e-5) != conditional


@torch.no_grad()
def test_the_first_frame_is_read_from_the_encoders_state() -> None:
    """Without a step between."""
    net, context = network(side=4), some_clips(side=4)[:, :, :CONTEXT]
    outputs, _ = net.encoder(net.frames(context))
    torch.testing.assert_close(net.frames(net.predict(context, 1))[:, 0], net.future.readout(outputs[:, -1]))


@torch.no_grad()
def test_the_past_is_recalled_last_frame_first_and_the_future_in_order() -> None:
    """Both decoders start from the state after the context; their targets are its reverse, and what comes."""
    net, given = network(), {}
    for name in ("past", "future"):
        getattr(net, name).register_forward_hook(lambda _, inputs, __, name=name: given.update({name: inputs}))
    net.losses(batch_of(some_clips()), 0.0)
    frames = net.frames(some_clips())
    _, expected = net.encoder(frames[:, :CONTEXT])
    assert torch.equal(given["past"][0], torch.stack([frames[:, place] for place in range(9, -1, -1)], dim=1))
    assert torch.equal(given["future"][0], frames[:, CONTEXT:])
    for name in given:
        torch.testing.assert_close(given[name][1], expected, atol=0, rtol=0)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
@torch.no_grad()
def test_the_loss_is_the_sum_of_both_errors(weight: float) -> None:
    """Decoders that say zero are wrong by the mean square of what there was, in small frames."""
    net, clips = network(reconstruction=weight), some_clips()
    for decoder in (net.past, net.future):
        nn.init.zeros_(decoder.readout.weight)
        nn.init.zeros_(decoder.readout.bias)
    small = clips.unflatten(3, (4, 2)).unflatten(5, (4, 2)).mean((4, 6)).square()
    past, future = small[:, :, :CONTEXT].mean(), small[:, :, CONTEXT:].mean()
    found = net.losses(batch_of(clips), 0.3)
    torch.testing.assert_close(found["reconstruction"], past)
    torch.testing.assert_close(found["prediction"], future)
    torch.testing.assert_close(found["predictor"], future + weight * past)


@torch.no_grad()
def test_frames_are_shrunk_and_predictions_enlarged() -> None:
    """By means of squares and by straight lines; frames of `side` or less are left as they are, bit for bit."""
    net, clips = network(side=16), some_clips(side=16)
    small = clips.unflatten(3, (4, 4)).unflatten(5, (4, 4)).mean((4, 6))
    torch.testing.assert_close(net.frames(clips), small.transpose(1, 2).flatten(2))
    shades = torch.rand(2, 3, 5, 1, 1).expand(-1, -1, -1, 16, 16)
    torch.testing.assert_close(net.clips(net.frames(shades)), shades)
    ramp = net.clips(torch.arange(4.0).repeat(1, 1, 12))
    assert ramp[0, 0, 0, 5, 2:14].tolist() == pytest.approx([place / 4 for place in range(12)], abs=0.126)
    assert ramp[0, 0, 0, 5].diff()[2:13].tolist() == pytest.approx([0.25] * 11)
    large = build(Config(width=2, side=16), (FRAMES, 3, 16, 16))
    assert torch.equal(large.clips(large.frames(clips)), clips)


@torch.no_grad()
def test_frames_may_be_of_any_shape_and_side_of_any_size() -> None:
    """Rows and columns need not be as many, and channels not three."""
    for side, shrunk in ((4, (4, 4)), (10, (8, 10)), (99, (8, 12))):
        net = build(Config(width=3, side=side), (FRAMES, 2, 8, 12))
        assert net.shrunk == shrunk
        assert net.predict(torch.zeros(2, 2, CONTEXT, 8, 12), 2).shape == (2, 2, 2, 8, 12)


def test_without_the_past_nothing_of_it_is_learnt() -> None:
    """The encoder and the other decoder move."""
    for weight, parts in ((0.0, {"encoder", "future"}), (1.0, {"encoder", "past", "future"})):
        net = network(reconstruction=weight)
        before = snapshot(net)
        Players(net).step(batch_of(some_clips()))
        assert {name.partition(".")[0] for name in moved(before, net)} == parts


def test_it_learns_how_clips_go_on() -> None:
    """Stripes that move by two pixels a frame, from as many phases as there are clips; its own outputs lead it on."""
    places = torch.arange(8) - 2 * torch.arange(FRAMES)[:, None] + torch.arange(4)[:, None, None]
    clips = torch.where(places % 8 < 4, 0.8, -0.8)[:, None, :, None, :].expand(-1, 3, -1, 8, -1).contiguous()
    torch.manual_seed(0)
    net = build(Config(width=32, side=8), (FRAMES, 3, 8, 8))
    players = Players(net, 1e-2)
    for _ in range(60):
        players.step(batch_of(clips))
    with torch.no_grad():
        said = net.predict(clips[:, :, :CONTEXT], HORIZON)
    truth, last = clips[:, :, CONTEXT:], clips[:, :, CONTEXT - 1 : CONTEXT]
    assert (said - truth).square().mean() < 0.2 * (last - truth).square().mean()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"side": 0}, "got side 0, expected 1 or more pixels"),
        ({"width": 0}, "got width 0, expected a number above 0"),
        ({"width": 0.5}, "got width 0.5, expected a whole number of units"),
        ({"layers": 0}, "got layers 0, expected a whole number of 1 or more"),
        ({"reconstruction": -0.5}, "got reconstruction -0.5, expected a weight of 0 or more"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(ConfigError, match=sentence):
        Config(**settings)

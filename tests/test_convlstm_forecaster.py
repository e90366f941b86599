"""The ConvLSTM forecaster: published counts, LSTMs on single patches, and where its states and steps go."""

from __future__ import annotations

import pytest
import torch
from one_step import Players
from torch import Tensor, nn

from baselines.peephole_lstm import PeepholeLSTM
from baselines.predictors.convlstm_forecaster import Config, ConvLSTMForecaster, Layer, build, patchify, unpatchify
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT, HORIZON
from dynamics_gen.errors import ConfigError

FRAMES = CONTEXT + HORIZON


def network(side: int = 8, **settings: object) -> ConvLSTMForecaster:
    """A narrow one, whose peepholes and biases are not what they start as."""
    torch.manual_seed(0)
    made = build(Config(**{"width": 0.05, **settings}), (FRAMES, 3, side, side))  # type: ignore[arg-type]
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.endswith(("peepholes", "bias")):
                weight.normal_(0, 0.5)
    return made


def some_clips(count: int = 3, side: int = 8) -> Tensor:
    """Noise."""
    return torch.rand(count, 3, FRAMES, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def batch_of(clips: Tensor) -> Batch:
    """Without classes."""
    return Batch(clips=clips, labels=torch.zeros(len(clips), dtype=torch.long))


@pytest.mark.parametrize(("layers", "count"), [(1, 13_524_496), (2, 10_042_896), (3, 7_585_296)])
def test_it_has_the_published_count_of_parameters(layers: int, count: int) -> None:
    """On grey frames of 64×64, which are maps of 16×16 patches of 16 pixels (Shi et al. 2015, table 1)."""
    with torch.device("meta"):
        net = build(Config(layers=layers), (FRAMES, 1, 64, 64))
    assert sum(weight.numel() for weight in net.parameters()) == count
    assert sum(weight.numel() for weight in net.players()["predictor"].parameters) == count


@pytest.mark.parametrize("kernel", [3, 7])
def test_counts_follow_from_the_settings(kernel: int) -> None:
    """Colour, patches of 2×2, two layers of 16 maps: kernels, 4 biases and 3 peepholes a map, a 1×1 readout."""
    net = build(Config(width=0.125, layers=2, kernel=kernel, patch=2), (FRAMES, 3, 16, 16))
    inputs = 12 + 16 + 16 + 16 + 16 + 16 + 16  # of the four layers, from below and from their own past; one has none
    by_hand = kernel**2 * inputs * 4 * 16 + 4 * 7 * 16 + (32 + 1) * 12
    assert sum(weight.numel() for weight in net.parameters()) == by_hand


def test_patches_are_the_frames_pixels_and_make_the_frames_again() -> None:
    """Bit for bit, time step after time step, and each map is one place in a patch of one channel."""
    clips = torch.arange(2 * 3 * 5 * 8 * 12).float().reshape(2, 3, 5, 8, 12)
    maps = patchify(clips, 4)
    assert maps.shape == (5 * 2, 3 * 16, 2, 3)
    assert torch.equal(maps[3 * 2 + 1, 2 * 16 + 4 * 1 + 2], clips[1, 2, 3, 1::4, 2::4])
    assert torch.equal(unpatchify(maps, 4, 5), clips)


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_on_single_patches_it_is_an_lstm_with_peepholes(layers: int) -> None:
    """Frames of one patch see the kernels' centres alone: encoder and forecaster are then those of vectors."""
    net = network(side=4, layers=layers)
    clips = some_clips(side=4)[:, :, :CONTEXT]
    below = patchify(clips, 4).reshape(CONTEXT, 3, 48).transpose(0, 1)
    ahead, outputs = torch.zeros(3, 6, 0), []  # into the forecaster comes nothing for six steps
    for encoder, forecaster in zip(net.encoder, net.forecaster, strict=True):
        reader, writer = vectors(encoder, below.shape[2]), vectors(forecaster, ahead.shape[2])
        below, state = reader(below)
        later, _ = writer(ahead, state)
        first = state[0][0][:, None]
        outputs.append(torch.cat([first, later], dim=1))
        ahead = outputs[-1][:, 1:]
    expected = net.readout(torch.cat(outputs, dim=2).transpose(1, 2)[..., None])[..., 0].transpose(1, 2)
    said = net.predict(clips, 7)
    torch.testing.assert_close(patchify(said, 4).reshape(7, 3, 48).transpose(0, 1), expected)


def vectors(layer: nn.Module, inputs: int) -> PeepholeLSTM:
    """The LSTM of vectors with the weights that a layer has at its kernels' centres."""
    assert isinstance(layer, Layer)
    cell, made = layer.cell, PeepholeLSTM(inputs, layer.cell.hidden_channels, 1)
    own = made.layers[0]
    if inputs:
        own.from_input.copy_(cell.from_input.weight[:, :, 2, 2])  # type: ignore[operator]
    own.from_hidden.copy_(cell.from_hidden.weight[:, :, 2, 2])  # type: ignore[operator]
    own.bias.copy_(cell.from_input.bias)  # type: ignore[operator]
    own.peepholes.copy_(cell.peepholes.flatten(1))  # type: ignore[operator, union-attr]
    return made


@torch.no_grad()
def test_a_peephole_is_one_weight_for_all_places() -> None:
    """Maps of any size have as many weights, and a turned clip of symmetric kernels is continued by a turned one."""
    net = network(side=16)
    small = network(side=8)
    assert [weight.shape for weight in net.parameters()] == [weight.shape for weight in small.parameters()]
    for layer in [*net.encoder, *net.forecaster]:
        for convolution in (layer.cell.from_input, layer.cell.from_hidden):  # type: ignore[union-attr]
            if convolution.weight is not None:  # type: ignore[union-attr]
                convolution.weight.add_(convolution.weight.clone().transpose(2, 3))  # type: ignore[operator, union-attr]
    context = some_clips(side=16)[:, :, :CONTEXT]
    maps, turned = (patchify(net.predict(one, 4), 4) for one in (context, crosswise(context)))
    torch.testing.assert_close(turned, maps.transpose(2, 3), atol=1e-5, rtol=1e-4)
    assert (maps - maps.transpose(2, 3)).abs().max() > 0.01


def crosswise(clips: Tensor) -> Tensor:
    """Patches stand where they stood, rows and columns of them exchanged; each is as it was."""
    return unpatchify(patchify(clips, 4).transpose(2, 3), 4, clips.shape[2])


@torch.no_grad()
def test_a_longer_prediction_begins_with_the_shorter_one() -> None:
    """The forecaster takes further steps; nothing that was said comes back into it."""
    net, context = network(), some_clips()[:, :, :CONTEXT]
    long = net.predict(context, 22)
    for count in (1, HORIZON):
        torch.testing.assert_close(net.predict(context, count), long[:, :, :count])
    assert (long[:, :, 1:] - long[:, :, :-1]).abs().amax((0, 1, 3, 4)).min() > 0


@torch.no_grad()
def test_the_first_frame_is_read_from_the_encoders_last_states() -> None:
    """The forecaster has not run yet: its weights do not matter, as they do for the second frame."""
    net, context = network(), some_clips()[:, :, :CONTEXT]
    before = net.predict(context, 2)
    for weight in net.forecaster.parameters():
        weight.add_(0.1)
    changed = (net.predict(context, 2) - before).abs().amax((0, 1, 3, 4))
    assert changed[0] == 0
    assert changed[1] > 0


@torch.no_grad()
def test_the_squared_error_is_of_the_frames_to_come() -> None:
    """One that says zero is wrong by their mean square; what was given counts for nothing."""
    net, clips = network(), some_clips()
    nn.init.zeros_(net.readout.weight)
    nn.init.zeros_(net.readout.bias)  # type: ignore[arg-type]
    torch.testing.assert_close(net.losses(batch_of(clips), 0.3)["predictor"], clips[:, :, CONTEXT:].square().mean())


@torch.no_grad()
def test_the_cross_entropy_is_that_of_brightness_as_a_probability() -> None:
    """Black is 0 and white 1; what is predicted is the probability, back on the scale of clips."""
    net, clips = network(loss="cross_entropy"), some_clips()
    said = net.predict(clips[:, :, :CONTEXT], HORIZON)
    assert said.abs().max() < 1
    shares, truth = (1 + said) / 2, (1 + clips[:, :, CONTEXT:]) / 2
    expected = -(truth * shares.log() + (1 - truth) * (1 - shares).log()).mean()
    torch.testing.assert_close(net.losses(batch_of(clips), 0.0)["predictor"], expected)
    linear = network()
    torch.testing.assert_close(said, 2 * linear.predict(clips[:, :, :CONTEXT], HORIZON).sigmoid() - 1)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_it_learns_how_clips_go_on(loss: str) -> None:
    """Stripes that move by two pixels a frame, from as many phases as there are clips."""
    places = torch.arange(8) - 2 * torch.arange(FRAMES)[:, None] + torch.arange(4)[:, None, None]
    clips = torch.where(places % 8 < 4, 0.8, -0.8)[:, None, :, None, :].expand(-1, 3, -1, 8, -1).contiguous()
    torch.manual_seed(0)
    net = build(Config(width=0.03, layers=1, kernel=3, loss=loss), (FRAMES, 3, 8, 8))
    players = Players(net, 2e-2)
    for _ in range(40):
        players.step(batch_of(clips))
    with torch.no_grad():
        said = net.predict(clips[:, :, :CONTEXT], HORIZON)
    truth, last = clips[:, :, CONTEXT:], clips[:, :, CONTEXT - 1 : CONTEXT]
    assert (said - truth).square().mean() < 0.2 * (last - truth).square().mean()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"layers": 4}, "got layers 4, expected 1, 2 or 3"),
        ({"layers": 0}, "got layers 0, expected a whole number of 1 or more"),
        ({"kernel": 4}, "got kernel 4, expected an odd number of 3 or more"),
        ({"width": 0.0}, "got width 0.0, expected a number above 0"),
        ({"patch": 0}, "got patch 0, expected 1 or more pixels"),
        ({"loss": "absolute"}, "got loss 'absolute', expected squared or cross_entropy"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(ConfigError, match=sentence):
        Config(**settings)


def test_frames_that_patches_do_not_fill_are_refused() -> None:
    """The sentence says which ones there are."""
    with pytest.raises(ConfigError, match="got frames of 30×32 pixels, expected a multiple of patch=4"):
        build(Config(), (FRAMES, 3, 30, 32))

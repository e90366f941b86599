"""SimVP: published counts, what each block sees, which frame goes where, and horizons beyond the first ten."""

from __future__ import annotations

import pytest
import torch
from one_step import Players
from torch import Tensor, nn

from baselines.predictors.simvp import (
    Attention,
    Config,
    Decoder,
    Encoder,
    Gate,
    Inception,
    Inceptions,
    SimVP,
    attentions,
    build,
)
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT, HORIZON
from dynamics_gen.errors import ConfigError

FRAMES = CONTEXT + HORIZON
TRANSLATORS = {"inception": Inceptions, "attention": attentions}


def network(side: int = 8, **settings: object) -> SimVP:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Config(**{"width": 0.05, "blocks": 3, **settings}), (FRAMES, 3, side, side))  # type: ignore[arg-type]


def some_clips(count: int = 3, side: int = 8) -> Tensor:
    """Noise."""
    return torch.rand(count, 3, FRAMES, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def batch_of(clips: Tensor) -> Batch:
    """Without classes."""
    return Batch(clips=clips, labels=torch.zeros(len(clips), dtype=torch.long))


def weights(*parts: nn.Module) -> int:
    """How many there are."""
    return sum(weight.numel() for part in parts for weight in part.parameters())


@pytest.mark.parametrize(("translator", "millions"), [("inception", 57.95), ("attention", 46.77)])
def test_it_has_the_published_count_of_parameters(translator: str, millions: float) -> None:
    """On grey frames of 64×64; OpenSTL says 58.0 and 46.8 million."""
    with torch.device("meta"):
        net = build(Config(translator=translator), (FRAMES, 1, 64, 64))
    assert round(weights(net) / 1e6, 2) == millions
    assert sum(weight.numel() for weight in net.players()["predictor"].parameters) == weights(net)


@pytest.mark.parametrize(
    ("frames", "channels", "translator", "millions"),
    [
        (4, 2, "inception", 13.79),
        (4, 2, "attention", 9.96),
        (12, 1, "inception", 14.67),
        (12, 1, "attention", 12.76),
    ],
)
def test_its_parts_have_the_published_counts(frames: int, channels: int, translator: str, millions: float) -> None:
    """As OpenSTL has them for traffic and for weather: 32 maps of a frame, 256 of a clip, one halving."""
    with torch.device("meta"):
        parts = Encoder(channels, 32, 1), TRANSLATORS[translator](frames * 32, 256, 8), Decoder(channels, 32, 1)
    assert round(weights(*parts) / 1e6, 2) == millions


@pytest.mark.parametrize("halvings", [1, 2, 3])
@torch.no_grad()
def test_frames_are_halved_on_the_way_in_and_doubled_on_the_way_out(halvings: int) -> None:
    """Rows and columns alike; the first maps are as large as the frames."""
    maps, first = Encoder(3, 4, halvings)(torch.zeros(2, 3, 16, 24))
    assert maps.shape == (2, 4, 16 >> halvings, 24 >> halvings)
    assert first.shape == (2, 4, 16, 24)
    assert Decoder(3, 4, halvings)(maps, first).shape == (2, 3, 16, 24)


@torch.no_grad()
def test_a_frames_maps_come_back_at_its_own_place_in_time() -> None:
    """With a translator that moves nothing, every predicted frame is that of one given, and of no other."""
    net, context = network(), some_clips()[:, :, :CONTEXT]
    net.translator = nn.Identity()  # type: ignore[assignment]
    before = net(context)
    for place in (0, 3, 9):
        other = context.clone()
        other[:, :, place] += 1
        changed = (net(other) - before).abs().amax((0, 1, 3, 4)) > 1e-6
        assert changed.nonzero().flatten().tolist() == [place]
    alone = net.encoder(context[:, :, 3])
    torch.testing.assert_close(net.decoder(*alone), before[:, :, 3])


@pytest.mark.parametrize("translator", ["inception", "attention"])
@torch.no_grad()
def test_beyond_ten_frames_it_is_given_what_it_said(translator: str) -> None:
    """Ten at a time, as many as are asked for."""
    net, context = network(translator=translator).eval(), some_clips()[:, :, :CONTEXT]
    once = net(context)
    twice = net(once)
    long = net.predict(context, 22)
    torch.testing.assert_close(long, torch.cat([once, twice, net(twice)[:, :, :2]], dim=2))
    assert long.shape[2] == 22
    for count in (1, HORIZON):
        torch.testing.assert_close(net.predict(context, count), long[:, :, :count])
    torch.testing.assert_close(net.predict(context[:1], 22), long[:1], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_an_inception_block_is_the_sum_of_its_branches() -> None:
    """Each a convolution in eight groups, a norm in as many and a leaky rectifier, on the same narrow maps."""
    torch.manual_seed(0)
    block, maps = Inception(5, 32, 24), torch.randn(2, 5, 12, 12)
    narrow = torch.einsum("oi,bixy->boxy", block.narrow.weight[:, :, 0, 0], maps) + block.narrow.bias[:, None, None]  # type: ignore[index]
    expected = torch.zeros(2, 24, 12, 12)
    for branch, side in zip(block.branches, (3, 5, 7, 11), strict=True):
        convolution = branch[0]  # type: ignore[index]
        assert convolution.weight.shape == (24, 2, side, side)
        dense = torch.zeros(24, 16, side, side)
        for group in range(8):
            mine = slice(3 * group, 3 * group + 3)
            dense[mine, 2 * group : 2 * group + 2] = convolution.weight[mine]
        said = nn.functional.conv2d(narrow, dense, convolution.bias, padding="same").unflatten(1, (8, 3))
        mean, variance = said.mean((2, 3, 4), keepdim=True), said.var((2, 3, 4), unbiased=False, keepdim=True)
        normal = ((said - mean) / (variance + 1e-5).sqrt()).flatten(1, 2)
        expected += torch.where(normal > 0, normal, 0.2 * normal)
    torch.testing.assert_close(block(maps), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_blocks_on_the_way_out_see_those_on_the_way_in_last_first() -> None:
    """The middle ones have no partner: what the last block in has made goes on as it is."""
    torch.manual_seed(0)
    net, made, seen = Inceptions(8, 16, 4), [], []
    for block in net.inward:
        block.register_forward_hook(lambda _, __, maps: made.append(maps))
    for block in net.outward:
        block.register_forward_hook(lambda _, maps, said: seen.append((maps[0], said)))
    assert net(torch.randn(2, 8, 6, 6)).shape == (2, 8, 6, 6)
    assert torch.equal(seen[0][0], made[3])
    for place in (1, 2, 3):
        assert torch.equal(seen[place][0], torch.cat([seen[place - 1][1], made[3 - place]], dim=1))


def test_an_attention_block_sees_23_places_a_side() -> None:
    """Two from the 5×5 kernel and nine from the dilated one, either way; its perceptron sees one more."""
    torch.manual_seed(0)
    block, maps = Attention(4).eval(), torch.randn(1, 4, 31, 31, requires_grad=True)
    for place, reach in ((block.gate, 11), (block.perceptron, 1)):
        (slope,) = torch.autograd.grad(place(maps)[0, :, 15, 15].sum(), maps)
        rows = slope.abs().amax((0, 1, 3)).nonzero().flatten().tolist()
        assert (rows[0], rows[-1]) == (15 - reach, 15 + reach)


@torch.no_grad()
def test_an_attention_block_adds_what_its_scales_let_through() -> None:
    """A hundredth at the start; at zero nothing, and its translator is then 1×1 convolutions alone."""
    torch.manual_seed(0)
    block, maps = Attention(6).eval(), torch.randn(2, 6, 5, 5)
    gate = block.gate[1]
    assert isinstance(gate, Gate)
    assert block.scales.unique().tolist() == pytest.approx([0.01])
    middle = maps + 0.01 * block.gate(maps)
    torch.testing.assert_close(block(maps), middle + 0.01 * block.perceptron(middle))
    nn.init.zeros_(gate.split.weight)
    gate.split.bias[:6], gate.split.bias[6:] = 3.0, 0.0  # half of three passes  # type: ignore[index]
    half = gate.merge(torch.full((2, 6, 5, 5), 1.5))
    torch.testing.assert_close(gate(maps), maps + half)
    net = attentions(6, 16, 4).eval()
    for layer in net:
        if isinstance(layer, Attention):
            nn.init.zeros_(layer.scales)
    torch.testing.assert_close(net(maps), net[-1](net[1](maps)))
    assert [type(layer) for layer in net] == [Attention, nn.Conv2d, Attention, Attention, Attention, nn.Conv2d]


@torch.no_grad()
def test_the_squared_error_is_of_the_frames_to_come() -> None:
    """One that says zero is wrong by their mean square."""
    net, clips = network(), some_clips()
    nn.init.zeros_(net.decoder.readout.weight)
    nn.init.zeros_(net.decoder.readout.bias)  # type: ignore[arg-type]
    torch.testing.assert_close(net.losses(batch_of(clips), 0.3)["predictor"], clips[:, :, CONTEXT:].square().mean())


@pytest.mark.parametrize("translator", ["inception", "attention"])
def test_it_learns_how_clips_go_on(translator: str) -> None:
    """Stripes that move by two pixels a frame, from as many phases as there are clips."""
    places = torch.arange(8) - 2 * torch.arange(FRAMES)[:, None] + torch.arange(4)[:, None, None]
    clips = torch.where(places % 8 < 4, 0.8, -0.8)[:, None, :, None, :].expand(-1, 3, -1, 8, -1).contiguous()
    net = network(translator=translator, halvings=1, blocks=2)
    players = Players(net, 1e-2)
    for _ in range(30):
        players.step(batch_of(clips))
    with torch.no_grad():
        said = net.predict(clips[:, :, :CONTEXT], HORIZON)
    truth, last = clips[:, :, CONTEXT:], clips[:, :, CONTEXT - 1 : CONTEXT]
    assert (said - truth).square().mean() < 0.2 * (last - truth).square().mean()


@pytest.mark.parametrize("blocks", [2, 5])
@pytest.mark.parametrize("width", [0.05, 0.1])
def test_width_and_blocks_are_what_they_are_called(width: float, blocks: int) -> None:
    """Maps are rounded to what norms and groups divide."""
    net = network(width=width, blocks=blocks)
    assert isinstance(net.translator, Inceptions)
    assert (len(net.translator.inward), len(net.translator.outward)) == (blocks, blocks)
    assert net.decoder.readout.in_channels == {0.05: 4, 0.1: 8}[width]
    assert net.translator.inward[0].narrow.out_channels == {0.05: 16, 0.1: 24}[width]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"halvings": 0}, "got halvings 0, expected 1 or more"),
        ({"blocks": 1}, "got blocks 1, expected 2 or more"),
        ({"width": -1.0}, "got width -1.0, expected a number above 0"),
        ({"translator": "recurrent"}, "got translator 'recurrent', expected inception or attention"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(ConfigError, match=sentence):
        Config(**settings)


def test_frames_that_cannot_be_halved_are_refused() -> None:
    """The sentence says which ones there are."""
    with pytest.raises(ConfigError, match="got frames of 30×32 pixels with halvings=2, expected a multiple of 4"):
        build(Config(), (FRAMES, 3, 30, 32))

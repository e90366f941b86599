"""CDNA and DNA: kernels that move things, masks that choose, sampling that lets go of the truth."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from one_step import Players
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from baselines.layers import displaced
from baselines.moving_kernels import CDNA, Options, build, truth_share
from baselines.pixel_motion import moved, moved_by_place, softly_normalised
from baselines.predictors import cdna, dna
from benchmark.data import Batch
from benchmark.prediction.contract import CONTEXT, HORIZON
from dynamics_gen.errors import ConfigError


def network(side: int = 16, **settings: Any) -> CDNA:
    """A narrow one."""
    torch.manual_seed(0)
    return build(Options(image_size=side, **{"width": 0.1, **settings}), (32, 3, side, side))


def noise(*size: int) -> Tensor:
    """Numbers in [0, 1], the same ones every time."""
    return torch.rand(size, generator=torch.Generator().manual_seed(1))


def a_batch(count: int = 4, side: int = 16) -> Batch:
    """Clips of a context and what follows."""
    return Batch(clips=2 * noise(count, 3, CONTEXT + HORIZON, side, side) - 1, labels=torch.zeros(count).long())


def delta(rows: int, columns: int, side: int = 5) -> Tensor:
    """A kernel of one entry, so many rows below its middle and columns to the right of it."""
    kernel = torch.zeros(side, side)
    kernel[side // 2 + rows, side // 2 + columns] = 1
    return kernel


def choose(net: CDNA, mask: int) -> None:
    """Lets one mask be one everywhere."""
    nn.init.zeros_(net.to_masks.weight)
    assert net.to_masks.bias is not None
    net.to_masks.bias.data.fill_(-1e4)[mask] = 1e4


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 1), (2, -1), (-2, 2), (-1, 0)])
def test_a_kernel_of_one_entry_is_an_exact_shift(rows: int, columns: int) -> None:
    """The middle one leaves all as it is; one to the right of it moves things to the right, as eq. 6.1 says."""
    images, kernel = noise(2, 3, 9, 8), delta(rows, columns)
    expected = displaced(images, -rows, -columns)
    assert torch.equal(moved(images, kernel.expand(2, 1, 5, 5))[:, 0], expected)
    assert torch.equal(moved_by_place(images, kernel.reshape(1, 25, 1, 1).expand(2, 25, 9, 8)), expected)


def test_a_bright_pixel_moves_down_and_to_the_right() -> None:
    """In numbers: from row 3 and column 2 to row 4 and column 4."""
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3, 2] = 1
    assert moved(image, delta(1, 2)[None, None])[0, 0, 0].nonzero().tolist() == [[4, 4]]


def test_moving_is_equation_6_1_of_each_clip_by_itself() -> None:
    """A sum over k and l of m(k, l) · x[i - k, j - l], written as loops over clips, kernels and entries."""
    images, kernels = noise(3, 2, 7, 6), noise(3, 4, 5, 5)
    expected = torch.zeros(3, 4, 2, 7, 6)
    for clip in range(3):
        for one in range(4):
            for k in range(-2, 3):
                for m in range(-2, 3):
                    expected[clip, one] += kernels[clip, one, 2 + k, 2 + m] * displaced(images[clip], -k, -m)
    torch.testing.assert_close(moved(images, kernels), expected)


def test_dna_has_a_name_of_its_own() -> None:
    """The same network as `cdna` with its transform, and no other."""
    torch.manual_seed(0)
    net = dna.build(dna.Config(width=0.125), (20, 3, 16, 16))
    torch.manual_seed(0)
    same = build(Options(width=0.125, transform="dna"), (20, 3, 16, 16))
    assert net.to_scratch is None
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), same.state_dict().values(), strict=True))
    for one, other in ((cdna, "dna"), (dna, "cdna")):
        with pytest.raises(ConfigError, match=f"got transform '{other}', expected .*: run {other} for the other"):
            one.Config(transform=other)


def test_dna_with_one_kernel_everywhere_is_cdna() -> None:
    """A kernel for each pixel, all the same."""
    images, kernels = noise(3, 2, 7, 6), noise(3, 1, 5, 5)
    spread = kernels.reshape(3, 25, 1, 1).expand(3, 25, 7, 6)
    torch.testing.assert_close(moved_by_place(images, spread), moved(images, kernels)[:, 0])


def test_kernels_by_place_differ_from_place_to_place() -> None:
    """The left half stays, the right half takes what stands above it."""
    images, kernels = noise(1, 3, 6, 6), delta(0, 0).reshape(1, 25, 1, 1).repeat(1, 1, 6, 6)
    kernels[..., 3:] = delta(1, 0).reshape(1, 25, 1, 1)
    found = moved_by_place(images, kernels)
    assert torch.equal(found[..., :3], images[..., :3])
    assert torch.equal(found[..., 1:, 3:], images[..., :-1, 3:])


def test_kernels_are_weights_that_leave_flat_images_flat() -> None:
    """Never negative, sum one, what is negative next to nothing; the interior of a constant image stays constant."""
    raw = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    kernels = softly_normalised(raw, (2, 3))
    assert kernels.min() > 0
    torch.testing.assert_close(kernels.sum((2, 3)), torch.ones(2, 3))
    assert kernels[raw < 0].max() < 1e-9
    torch.testing.assert_close(kernels[raw > 0.1], (raw / raw.relu().sum((2, 3), keepdim=True))[raw > 0.1])
    torch.testing.assert_close(softly_normalised(-raw.abs(), (2, 3)), torch.full((2, 3, 5, 5), 1 / 25))
    flat = torch.full((2, 1, 9, 9), 0.7)
    torch.testing.assert_close(moved(flat, kernels)[..., 2:-2, 2:-2], torch.full((2, 3, 1, 5, 5), 0.7))


@pytest.mark.parametrize("transform", ["cdna", "dna"])
def test_the_first_mask_alone_copies_the_last_frame(transform: str) -> None:
    """Again and again."""
    net, context = network(transform=transform), a_batch().clips[:, :, :CONTEXT]
    choose(net, 0)
    torch.testing.assert_close(net.predict(context, 3), context[:, :, -1:].expand(-1, -1, 3, -1, -1))


def test_the_last_of_ten_kernels_has_a_mask() -> None:
    """Twelve in all: with it alone, a kernel one to the right of the middle moves frames to the right by a pixel."""
    net, context = network(), a_batch().clips[:, :, :CONTEXT]
    assert net.to_masks.out_channels == 12
    choose(net, 11)
    nn.init.zeros_(net.to_kernels.weight)
    assert net.to_kernels.bias is not None
    net.to_kernels.bias.data.copy_(torch.cat([torch.zeros(9, 5, 5), delta(0, 1)[None]]).flatten())
    said = net.predict(context, 2)
    torch.testing.assert_close(said[:, :, 1, :, 2:], context[:, :, -1, :, :-2])
    torch.testing.assert_close(said[:, :, 1, :, :2], torch.full((4, 3, 16, 2), -1.0))


def test_the_second_mask_is_of_a_frame_from_scratch() -> None:
    """Its colours do not depend on the last frame's when the layer that makes it has only a bias."""
    net = network()
    choose(net, 1)
    assert net.to_scratch is not None
    nn.init.zeros_(net.to_scratch.weight)
    assert net.to_scratch.bias is not None
    net.to_scratch.bias.data.copy_(torch.tensor([0.0, 2.0, -2.0]))
    said = net.predict(a_batch().clips[:, :, :CONTEXT], 1)
    expected = torch.tensor([0.0, 2.0, -2.0]).sigmoid() * 2 - 1
    torch.testing.assert_close(said, expected[:, None, None, None].expand_as(said))


def test_the_truth_is_let_go_of_as_published() -> None:
    """All of it at k = ∞, nothing at k = -1, half after k ln k iterations of 100,000, little at the end."""
    assert truth_share(0.7, math.inf) == 1
    assert truth_share(0.0, -1) == 0
    assert truth_share(900 * math.log(900) / 100_000, 900) == pytest.approx(0.5)
    for progress in (0.0, 0.03, 0.1):
        i = 100_000 * progress
        assert truth_share(progress, 900) == pytest.approx(900 / (900 + math.exp(i / 900)))
    assert truth_share(0.999, 900) < 1e-40


def test_without_sampling_it_learns_from_its_own_predictions() -> None:
    """The loss is that of what it predicts, on the scale of [0, 1]; progress is nothing to it."""
    net, batch = network(sampling=-1), a_batch()
    said = net.predict(batch.clips[:, :, :CONTEXT], HORIZON)
    expected = mse_loss(said, batch.clips[:, :, CONTEXT:]) / 4
    for progress in (0.0, 0.5):
        torch.testing.assert_close(net.losses(batch, progress)["predictor"], expected)


def test_with_all_of_the_truth_each_prediction_is_of_one_step() -> None:
    """As if the context had been longer each time."""
    net, batch = network(sampling=1e9), a_batch()
    steps = [net.predict(batch.clips[:, :, :seen], 1) for seen in range(CONTEXT, CONTEXT + HORIZON)]
    expected = mse_loss(torch.cat(steps, dim=2), batch.clips[:, :, CONTEXT:]) / 4
    torch.testing.assert_close(net.losses(batch, 0.5)["predictor"], expected)


def test_some_of_the_truth_goes_to_clips_drawn_anew_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of them after k ln k iterations, and not the same half."""
    net, batch, seen = network(), a_batch(6), []

    def noted(context: Tensor, count: int, truth: Tensor, fed: Tensor) -> Tensor:
        seen.append(fed)
        return truth

    monkeypatch.setattr(net, "continued", noted)
    assert net.losses(batch, 900 * math.log(900) / 100_000)["predictor"].item() == 0
    assert seen[0].shape == (HORIZON, 6)
    assert seen[0].sum(1).tolist() == [3] * HORIZON
    assert len(seen[0].unique(dim=0)) > 1


@pytest.mark.parametrize("changes", [False, True])
def test_frames_are_seen_one_after_the_other_or_at_once(changes: bool) -> None:
    """Ten frames of context leave the same states and maps either way."""
    net = network(changes=changes)
    frames = noise(CONTEXT, 2, 3, 16, 16)
    fine, coarse, states = net.watch(frames, None, None)
    kept, fine_again, coarse_again, before = None, None, None, None
    for frame in frames:
        fine_again, coarse_again, kept = net.watch(frame[None], kept, before)
        before = frame
    assert kept is not None
    torch.testing.assert_close((fine, coarse), (fine_again, coarse_again), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(states, kept, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("changes", [False, True])
def test_changes_are_of_frames_whoever_made_them(changes: bool) -> None:
    """What is said of a context two frames on is what is said of it and its own first successor one frame on."""
    net, context = network(changes=changes), noise(2, 3, CONTEXT, 16, 16)
    two = net.continued(context, 2)
    one = net.continued(torch.cat([context, two[:, :, :1]], dim=2), 1)
    torch.testing.assert_close(two[:, :, 1:], one, atol=1e-5, rtol=1e-4)


def test_it_has_the_published_layers() -> None:
    """Counted by hand: a ConvLSTM of n maps on m has 4n(25(m + n) + 1) weights, and its norm 2n."""
    net = build(Options(), (32, 3, 64, 64))
    pairs = [(32, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 64), (96, 32)]
    recurrent = sum(4 * n * (25 * (m + n) + 1) + 2 * n for m, n in pairs)
    convolutions = (75 * 32 + 32 + 64) + (9 * 32 + 1) * 32 + (9 * 64 + 1) * 64 + (64 + 1) * 64
    convolutions += (9 * 128 + 1) * 128 + (9 * 96 + 1) * 96 + (9 * 64 + 1) * 64 + 2 * 64
    heads = (64 * 128 + 1) * 250 + (64 + 1) * 3 + (64 + 1) * 12
    assert sum(weight.numel() for weight in net.parameters()) == recurrent + convolutions + heads


def test_each_setting_changes_the_network() -> None:
    """Width the maps, kernels how many, kernel their side, transform the layer that makes them."""
    assert network(width=0.25).first.out_channels == 8
    assert network(kernels=3).to_masks.out_channels == 5
    assert network(kernels=3, kernel=3).to_kernels.weight.shape[0] == 27
    assert network(changes=True).first.in_channels == 2 * network().first.in_channels
    dna = network(transform="dna", kernel=3)
    assert dna.to_kernels.weight.shape[:2] == (9, dna.from_half.out_channels)
    assert (dna.to_masks.out_channels, dna.to_scratch) == (2, None)
    assert network(32).to_kernels.weight.shape[1] == 4 * network(16).to_kernels.weight.shape[1]


@pytest.mark.parametrize("transform", ["cdna", "dna"])
def test_it_learns_and_stays_in_range(transform: str) -> None:
    """Twelve steps lower the error of a square on its way; frames are mixtures of what is in [-1, 1]."""
    clips = torch.full((2, 3, CONTEXT + 2, 16, 16), -0.5)
    for time in range(CONTEXT + 2):
        clips[:, :, time, 5:10, time // 2 : time // 2 + 5] = 0.8
    net, batch = network(transform=transform, sampling=-1), Batch(clips=clips, labels=torch.zeros(2).long())
    players = Players(net, 5e-3)
    losses = [players.step(batch)["predictor"].item() for _ in range(12)]
    assert losses[-1] < 0.7 * losses[0]
    with torch.no_grad():
        assert net.predict(clips[:, :, :CONTEXT], HORIZON).abs().max() <= 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"transform": "stp"}, "got transform 'stp', expected cdna or dna"),
        ({"kernels": 0}, "got kernels 0, expected a whole number of 1 or more"),
        ({"kernel": 4}, "got kernel 4, expected an odd number of 3 or more"),
        ({"sampling": 0.0}, "got sampling 0.0, expected a number above 0, or -1"),
        ({"sampling": math.inf}, "got sampling inf, expected a number above 0, or -1"),
        ({"side": 20}, "got frames of 20×20 pixels, expected multiples of 8"),
    ],
)
def test_what_no_network_can_be_built_from_is_refused(settings: dict[str, Any], sentence: str) -> None:
    """In a sentence that says what would do."""
    with pytest.raises(ConfigError, match=sentence):
        network(**settings)

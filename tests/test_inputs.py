"""The forms of input, against NumPy, and the symmetries of the square."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from benchmark import inputs
from benchmark.spec import FRAME_INPUTS, INPUTS
from dynamics_gen.errors import UnknownNameError


def videos(clips: int = 3, side: int = 8) -> torch.Tensor:
    """Random frames whose channels have different means and deviations."""
    rng = np.random.default_rng(0)
    scale = np.array([20, 40, 5])
    values = rng.normal(size=(clips, 5, side, side, 3)) * scale + np.array([128, 90, 200])
    return torch.from_numpy(values.clip(0, 255).astype(np.uint8))


def reference(video: np.ndarray, form: str) -> np.ndarray:
    """The definition, in float64; [T, H, W, 3] in and out."""
    values = video.astype(np.float64)
    if form == "pixels":
        return values / 127.5 - 1
    standardised = (values - values.mean((0, 1, 2))) / values.std((0, 1, 2))
    if form == "rgb":
        return standardised
    if form == "centred":
        return standardised - standardised.mean(0)
    return np.diff(standardised, axis=0)


@pytest.mark.parametrize("form", FRAME_INPUTS)
def test_form_is_its_definition(form: str) -> None:
    """Every clip, on its own, is what the definition in NumPy says."""
    clips = videos()
    made = inputs.prepare([clips], form, *inputs.statistics([clips]))
    expected = np.stack([reference(clip, form) for clip in clips.numpy()]).transpose(0, 4, 1, 2, 3)
    np.testing.assert_allclose(made.numpy(), expected, atol=2e-5)
    assert made.dtype == torch.float32


@pytest.mark.parametrize("form", FRAME_INPUTS)
def test_parts_make_no_difference(form: str) -> None:
    """A clip at a time, as on a processor, or all at once, as on a GPU."""
    clips = videos(clips=5)
    whole = inputs.prepare([clips], form, *inputs.statistics([clips]))
    for step in (1, 2):
        parts = clips.split(step)
        made = inputs.prepare(parts, form, *inputs.statistics(parts))
        torch.testing.assert_close(made, whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", FRAME_INPUTS)
def test_shape_is_known_before_the_clips_are(form: str) -> None:
    """`shape_of` gives what `prepare` makes."""
    clips = videos()
    made = inputs.prepare([clips], form, *inputs.statistics([clips]))
    frames, channels, height, width = inputs.shape_of(form, (5, 8, 8, 3))
    assert made.shape == (3, channels, frames, height, width)


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ("flow_farneback", (4, 2, 8, 6)),
        ("flow_exact", (4, 2, 8, 6)),
        ("rgb+flow_farneback", (4, 5, 8, 6)),
        ("rgb+flow_exact", (4, 5, 8, 6)),
    ],
)
def test_flow_has_two_channels_and_a_step_less(form: str, shape: tuple[int, ...]) -> None:
    """Beside colours, it follows them."""
    assert inputs.shape_of(form, (5, 8, 6, 3)) == shape
    assert form in INPUTS


def test_flow_goes_in_as_it_is() -> None:
    """Pixels a frame, (right, down) as channels, in single precision, whatever the parts."""
    flow = torch.randn(5, 4, 6, 6, 2).half()
    made = inputs.prepare_flow([flow])
    assert torch.equal(made, flow.permute(0, 4, 1, 2, 3).float())
    assert torch.equal(made, inputs.prepare_flow(flow.split(2)))
    assert made.is_contiguous(memory_format=torch.channels_last_3d)


def test_flow_is_not_made_of_frames() -> None:
    """Frames cannot be brought into a form of flow."""
    clips = videos()
    with pytest.raises(UnknownNameError, match="unknown input of frames 'flow_exact': expected one of rgb"):
        inputs.prepare([clips], "flow_exact", *inputs.statistics([clips]))


def test_channels_stay_innermost_in_memory() -> None:
    """The layout of the shards is channels_last_3d: nothing is transposed on the way."""
    clips = videos()
    made = inputs.prepare([clips], "rgb", *inputs.statistics([clips]))
    assert made.is_contiguous(memory_format=torch.channels_last_3d)


def test_frames_are_not_written_to() -> None:
    """The resident split survives being read."""
    clips = videos()
    before = clips.clone()
    for form in FRAME_INPUTS:
        inputs.prepare([clips], form, *inputs.statistics([clips]))
    assert torch.equal(clips, before)


def test_statistics_are_those_of_numpy() -> None:
    """Mean and deviation by clip and channel, over time and space."""
    clips = videos()
    mean, deviation = inputs.statistics([clips])
    np.testing.assert_allclose(mean.numpy(), clips.numpy().mean((1, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(deviation.numpy(), clips.numpy().std((1, 2, 3)), rtol=1e-5)


def test_flat_clip_becomes_zeros() -> None:
    """A clip of one colour has no deviation to divide by."""
    flat = torch.full((1, 4, 8, 8, 3), 200, dtype=torch.uint8)
    made = inputs.prepare([flat], "rgb", *inputs.statistics([flat]))
    assert torch.all(made.abs() < 1e-3)


def test_unknown_form_is_refused() -> None:
    """A form that is not there is named, with those that are."""
    with pytest.raises(UnknownNameError, match="unknown input 'sound': expected one of rgb"):
        inputs.shape_of("sound", (5, 8, 8, 3))


def test_codes_are_the_eight_symmetries_of_the_square() -> None:
    """The eight codes give eight different pictures, and turning twice gives one of the eight again."""
    picture = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4, 1).expand(1, 1, 4, 4, 3).contiguous()

    def turned(clip: torch.Tensor, code: int) -> torch.Tensor:
        return inputs.turn(clip, torch.tensor([code]))

    images = [turned(picture, code).numpy().tobytes() for code in range(inputs.SYMMETRIES)]
    assert len(set(images)) == 8
    for first, second in itertools.product(range(8), repeat=2):
        assert turned(turned(picture, first), second).numpy().tobytes() in images


def test_each_clip_is_turned_by_its_own_code() -> None:
    """Bit 0 mirrors x, bit 1 mirrors y, bit 2 swaps them afterwards; the whole clip alike."""
    clips = videos(clips=8)
    turned = inputs.turn(clips, torch.arange(8)).numpy()
    for code, (clip, result) in enumerate(zip(clips.numpy(), turned, strict=True)):
        expected = clip[:, :, ::-1] if code & 1 else clip
        expected = expected[:, ::-1] if code & 2 else expected
        expected = expected.transpose(0, 2, 1, 3) if code & 4 else expected
        assert np.array_equal(result, expected)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float16])
def test_a_clip_by_itself_is_turned_like_one_of_many(kind: torch.dtype) -> None:
    """Bytes and flow: alone by moving frames on a processor, of many by gathering pixels."""
    clips = torch.randint(0, 255, (8, 3, 6, 6, 3 if kind == torch.uint8 else 2)).to(kind)
    together = inputs.turn(clips, torch.arange(8))
    for code in range(8):
        alone = inputs.turn(clips[code : code + 1], torch.tensor([code]))
        assert torch.equal(alone, together[code : code + 1])


def test_vectors_turn_with_their_clip() -> None:
    """A mirror in x negates dx, one in y dy, and x and y change places afterwards: all eight, by hand."""
    flow = torch.zeros(8, 1, 3, 3, 2, dtype=torch.float16)
    flow[:, 0, 0, 1] = torch.tensor([2.0, 5.0]).half()  # row 0, column 1
    expected = [
        ((0, 1), (2, 5)),
        ((0, 1), (-2, 5)),
        ((2, 1), (2, -5)),
        ((2, 1), (-2, -5)),
        ((1, 0), (5, 2)),
        ((1, 0), (5, -2)),
        ((1, 2), (-5, 2)),
        ((1, 2), (-5, -2)),
    ]
    for turned, ((row, column), vector) in zip(inputs.turn_flow(flow, torch.arange(8)), expected, strict=True):
        assert turned[0, row, column].tolist() == list(vector)
        assert turned.count_nonzero() == 2


def test_turning_keeps_the_statistics() -> None:
    """So they may be looked up for a turned clip."""
    clips = videos(clips=8)
    before, after = inputs.statistics([clips]), inputs.statistics([inputs.turn(clips, torch.arange(8))])
    torch.testing.assert_close(before, after, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("shape", [(4, 3, 8, 8, 3), (4, 3, 5, 5, 3)])  # in words of eight bytes, and not
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16])
def test_selected_clips_are_those_at_their_places(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """What `select` gives is what indexing gives, moved in words or not."""
    clips = torch.randint(0, 256, shape).to(dtype)
    places = torch.tensor([3, 0, 3])

    assert torch.equal(inputs.select(clips, places), clips[places])

"""The forms in which a model may ask for its clips, made on the device from uint8 frames or float16 flow.

Clips arrive as uint8 [B, T, H, W, 3] and leave as float32 [B, 3, T', H, W] whose memory stays [B, T', H, W, 3]: what
PyTorch calls channels_last_3d, so that nothing is ever transposed; flow, [B, T - 1, H, W, 2], likewise. They come in
parts: one clip each on a processor, in whose cache it then stays from the first pass to the last; the whole batch on a
GPU. Arithmetic goes over rows of W × 3 values: with the axis of three channels innermost, it is six times as slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

import torch
from jaxtyping import Float, Float16, Int64, UInt8
from torch import Tensor

from benchmark.spec import FLOW_INPUTS, FRAME_INPUTS, INPUTS
from dynamics_gen.errors import UnknownNameError

Part: TypeAlias = UInt8[Tensor, "clips time height width 3"]
"""Some clips of a batch, contiguous, on the device."""

FlowPart: TypeAlias = Float16[Tensor, "clips steps height width 2"]
"""The flow of some clips, (right, down) in pixels, from each frame to the next."""

LEAST_DEVIATION = 1.0
"""Grey levels; a flat clip is not blown up."""

SYMMETRIES = 8
"""Of the square: mirror in x (bit 0), mirror in y (bit 1), swap x and y (bit 2). Every class is closed under them."""


def shape_of(form: str, video_shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The (T', C, H, W) of one clip in a form, given the (T, H, W, 3) of its video.

    A form of frames and flow has the frames' channels first, and as many time steps as the flow.

    Raises:
        UnknownNameError: no such form.
    """
    if form not in INPUTS:
        raise UnknownNameError("input", form, INPUTS)
    frames, height, width, channels = video_shape
    parts = form.split("+")
    shorter = any(part == "difference" or part in FLOW_INPUTS for part in parts)
    channels = sum(2 if part in FLOW_INPUTS else channels for part in parts)
    return (frames - 1 if shorter else frames, channels, height, width)


def statistics(parts: Sequence[Part]) -> tuple[Float[Tensor, "batch 3"], Float[Tensor, "batch 3"]]:
    """Each clip's mean and deviation by channel, in grey levels; the deviation is at least `LEAST_DEVIATION`."""
    sums, count = [], 0
    for part in parts:
        batch, frames, height, width, channels = part.shape
        count = frames * height * width
        rows = part.view(batch, frames * height, width * channels).float().sub_(128.0)
        both = torch.stack([rows.sum(1), rows.square_().sum(1)])  # [2, b, W × 3]
        sums.append(both.view(2, batch, width, channels).double().sum(2))
    first, second = torch.cat(sums, dim=1) / count
    variance = (second - first.square()).clamp_min(LEAST_DEVIATION**2)
    return (first + 128.0).float(), variance.sqrt().float()


def prepare(
    parts: Sequence[Part],
    form: str,
    mean: Float[Tensor, "batch 3"],
    deviation: Float[Tensor, "batch 3"],
) -> Float[Tensor, "batch 3 frames height width"]:
    """Brings frames into a form.

    `rgb` is each clip less its own channel means, over its own channel deviations; `pixels` is [-1, 1]; `centred` is
    `rgb` less its mean over time; `difference` is what `rgb` changes by from frame to frame, one frame shorter.

    Args:
        parts: the clips.
        form: one of `FRAME_INPUTS`.
        mean: as `statistics` gives it.
        deviation: as `statistics` gives it.

    Raises:
        UnknownNameError: no such form.
    """
    if form not in FRAME_INPUTS:
        raise UnknownNameError("input of frames", form, FRAME_INPUTS)
    _, time, height, width, channels = parts[0].shape
    frames = shape_of(form, (time, height, width, channels))[0]
    one_pass = form == "rgb" and parts[0].is_cuda  # a processor is faster in two
    scale, shift = deviation.reciprocal()[:, None], mean.neg()[:, None]
    if not one_pass:  # by channel, for rows of W × 3 values
        scale, shift = scale.repeat(1, 1, width), shift.repeat(1, 1, width)  # [B, 1, W × 3]
    shift = shift * scale
    clips = torch.empty(len(mean), frames, height, width, channels, device=mean.device)
    start = 0
    for part in parts:
        these = slice(start, start + len(part))
        start += len(part)
        target = clips[these]
        if one_pass:
            pixels = target.view(len(part), -1, channels)
            torch.addcmul(shift[these], part.view(pixels.shape), scale[these], out=pixels)
            continue
        rows = target.view(len(part), frames * height, width * channels)
        if form == "difference":
            values = part.float()
            torch.sub(values[:, 1:], values[:, :-1], out=target)
        else:
            target.copy_(part)
        if form == "pixels":
            target.mul_(2 / 255).sub_(1)
        elif form == "rgb":
            torch.addcmul(shift[these], rows, scale[these], out=rows)
        else:
            if form == "centred":
                target.sub_(target.mean(1, keepdim=True))
            rows.mul_(scale[these])
    return clips.permute(0, 4, 1, 2, 3)


def select(clips: Part | FlowPart, places: Int64[Tensor, " some"]) -> Part | FlowPart:
    """Some of the clips, moved in words of eight bytes where a clip is made of these: byte by byte is slower on a GPU.

    Args:
        clips: contiguous.
        places: which ones, on the clips' device.
    """
    if clips[0].nbytes % 8:
        return clips.index_select(0, places)
    words = clips.view(len(clips), -1).view(torch.int64).index_select(0, places)
    return words.view(clips.dtype).view(len(places), *clips.shape[1:])


def turn(part: Part | FlowPart, codes: Tensor) -> Part | FlowPart:
    """Applies to each clip the symmetry of the square with its code, 0..7; a bijection of pixels, 0 the identity.

    Args:
        part: the clips, height equal to width.
        codes: one for each clip, on the clips' device or the CPU.
    """
    if len(part) == 1 and not codes.is_cuda:  # else it would be waited for
        return _turned_alone(part, int(codes))
    clips, frames, height, width, channels = part.shape
    places = _sources(height, part.device)[codes.to(part.device, non_blocking=True)]  # [B, H × W]
    pixels = part.view(clips, frames, height * width, channels)
    return pixels.gather(2, places[:, None, :, None].expand_as(pixels)).view_as(part)


def _turned_alone(clip: Part | FlowPart, code: int) -> Part | FlowPart:
    """One clip on a processor, where frames are transposed in its cache, thrice as fast as all at once."""
    clip = _turned(clip, code & 3, 2, 3)
    if not code & 4:
        return clip
    import cv2

    turned = torch.empty_like(clip)
    known_to_opencv = torch.int16 if clip.dtype == torch.float16 else clip.dtype
    for source, target in zip(*(one[0].view(known_to_opencv).numpy() for one in (clip, turned)), strict=True):
        cv2.transpose(source, dst=target)
    return turned


def _turned(values: Tensor, code: int, rows: int, columns: int) -> Tensor:
    """Values turned in two of their axes."""
    mirrored = [axis for bit, axis in ((1, columns), (2, rows)) if code & bit]
    values = values.flip(mirrored) if mirrored else values
    return values.transpose(rows, columns) if code & 4 else values


@cache
def _sources(side: int, device: torch.device) -> Int64[Tensor, "symmetry pixel"]:
    """Where each pixel of a turned square comes from, by code: for all clips at once, as a GPU likes it."""
    square = torch.arange(side * side).view(side, side)
    return torch.stack([_turned(square, code, 0, 1).flatten() for code in range(SYMMETRIES)]).to(device)


def prepare_flow(parts: Sequence[FlowPart]) -> Float[Tensor, "batch 2 steps height width"]:
    """Brings flow into the form that models see: its numbers as they are, pixels a frame."""
    return torch.cat(list(parts)).float().permute(0, 4, 1, 2, 3)


def turn_flow(part: FlowPart, codes: Tensor) -> FlowPart:
    """The flow of turned clips: its vectors stand elsewhere, and are turned themselves.

    Args:
        part: the flow of the clips as they were.
        codes: as `turn` takes them.
    """
    turned = turn(part, codes)
    axes = torch.arange(2, device=codes.device)
    signs = 1 - 2 * (codes[:, None] >> axes & 1)  # [B, 2], of right and down
    axes = axes ^ (codes[:, None] >> 2 & 1)  # swapped or not
    signs, axes = (one.to(part.device, non_blocking=True)[:, None, None, None] for one in (signs.to(part.dtype), axes))
    return (turned * signs).gather(-1, axes.expand_as(turned))

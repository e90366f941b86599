"""The forms in which a model may ask for its clips, made on the device from uint8 frames.

Clips arrive as uint8 [B, T, H, W, 3] and leave as float32 [B, 3, T', H, W] whose memory stays [B, T', H, W, 3]: what
PyTorch calls channels_last_3d, so that nothing is ever transposed. Each form is one or two passes over the clips,
over rows of W × 3 values: with the axis of three channels innermost, the same arithmetic is six times as slow.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from benchmark.spec import INPUTS
from dynamics_gen.errors import UnknownNameError

LEAST_DEVIATION = 1.0
"""Grey levels; a flat clip is not blown up."""

SYMMETRIES = 8
"""Of the square: mirror in x (bit 0), mirror in y (bit 1), swap x and y (bit 2). Every class is closed under them."""


def shape_of(form: str, video_shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The (T', C, H, W) of one clip in a form, given the (T, H, W, 3) of its video.

    Raises:
        UnknownNameError: no such form.
    """
    if form not in INPUTS:
        raise UnknownNameError("input", form, INPUTS)
    frames, height, width, channels = video_shape
    return (frames - 1 if form == "difference" else frames, channels, height, width)


def statistics(
    videos: UInt8[Tensor, "batch time height width 3"],
) -> tuple[Float[Tensor, "batch 3"], Float[Tensor, "batch 3"]]:
    """Each clip's mean and deviation by channel, in grey levels; the deviation is at least `LEAST_DEVIATION`."""
    batch, frames, height, width, channels = videos.shape
    sums = torch.empty(batch, 2, width * channels, device=videos.device)
    step = 1 if videos.device.type == "cpu" else batch  # a clip at a time stays in the processor's cache
    for part, sum_ in zip(videos.split(step), sums.split(step), strict=True):
        rows = part.view(-1, frames * height, width * channels).float().sub_(128.0)
        torch.sum(rows, 1, out=sum_[:, 0])
        torch.sum(rows.square_(), 1, out=sum_[:, 1])
    first, second = sums.view(batch, 2, width, channels).double().sum(2).div_(frames * height * width).unbind(1)
    variance = (second - first.square()).clamp_min(LEAST_DEVIATION**2)
    return (first + 128.0).float(), variance.sqrt().float()


def prepare(
    videos: UInt8[Tensor, "batch time height width 3"],
    form: str,
    mean: Float[Tensor, "batch 3"],
    deviation: Float[Tensor, "batch 3"],
) -> Float[Tensor, "batch 3 frames height width"]:
    """Brings clips into a form.

    `rgb` is each clip less its own channel means, over its own channel deviations; `pixels` is [-1, 1]; `centred` is
    `rgb` less its mean over time; `difference` is what `rgb` changes by from frame to frame, one frame shorter.

    Args:
        videos: the clips.
        form: one of `INPUTS`.
        mean: as `statistics` gives it.
        deviation: as `statistics` gives it.

    Raises:
        UnknownNameError: no such form.
    """
    batch, _, height, width, channels = videos.shape
    frames = shape_of(form, (videos.shape[1], height, width, channels))[0]
    scale = deviation.reciprocal()
    values = videos.view(batch, -1, height * width * channels).float()  # [B, T, H × W × 3]
    if form == "pixels":
        values.mul_(2 / 255).sub_(1)
    elif form == "rgb":
        values = _by_channel(values, scale, -mean * scale, width)
    elif form == "centred":
        values = _by_channel(values.sub_(values.mean(1, keepdim=True)), scale, None, width)
    else:
        values = _by_channel(values[:, 1:] - values[:, :-1], scale, None, width)
    return values.view(batch, frames, height, width, channels).permute(0, 4, 1, 2, 3)


def turn(
    videos: UInt8[Tensor, "batch time height width 3"], codes: Tensor
) -> UInt8[Tensor, "batch time height width 3"]:
    """Applies to each clip the symmetry of the square with its code, 0..7; a bijection of pixels, 0 the identity.

    Args:
        videos: the clips, height equal to width.
        codes: [B], on the CPU.
    """
    turned = torch.empty_like(videos)
    for clip, result, code in zip(videos, turned, codes.tolist(), strict=True):
        mirrored = [axis for bit, axis in ((1, 2), (2, 1)) if code & bit]
        part = clip.flip(mirrored) if mirrored else clip
        result.copy_(part.transpose(1, 2) if code & 4 else part)
    return turned


def _by_channel(values: Tensor, scale: Tensor, shift: Tensor | None, width: int) -> Tensor:
    """`values` × `scale` + `shift`, by clip and channel, in place; one pass over rows of W × 3 values."""
    batch, frames, pixels = values.shape
    rows = values.view(batch, -1, 3 * width)
    wide_scale = scale.repeat(1, width)[:, None]  # [B, 1, W × 3]
    if shift is None:
        rows.mul_(wide_scale)
    else:
        torch.addcmul(shift.repeat(1, width)[:, None], rows, wide_scale, out=rows)
    return rows.view(batch, frames, pixels)

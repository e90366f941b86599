"""How far predicted frames are from true ones, step by step.

Frames are in [0, 1], so that the data range is 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional

Frames = Float[Tensor, "clips channels time height width"]
Steps = Float64[Tensor, "clips time"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameErrors:
    """Of every clip and step.

    Attributes:
        mse: squared error, a mean over pixels and channels.
        mae: absolute error, a mean over pixels and channels.
        psnr: decibels, for a data range of 1; at most `MOST_DECIBELS`.
        ssim: structural similarity, in [-1, 1].
    """

    mse: Steps
    mae: Steps
    psnr: Steps
    ssim: Steps


METRICS = tuple(field.name for field in dataclasses.fields(FrameErrors))
HIGHER_IS_BETTER = ("psnr", "ssim")

SSIM_WINDOW, SSIM_DEVIATION = 11, 1.5
SSIM_CONSTANTS = (0.01**2, 0.03**2)
"""Of Wang et al., for a data range of 1."""

MOST_DECIBELS = 100.0
"""For frames that are equal, whose ratio is infinite."""


def frame_errors(truth: Frames, said: Frames) -> FrameErrors:
    """Compares predictions with what came.

    SSIM is that of Wang et al. 2004 (doi 10.1109/TIP.2003.819861) in an 11×11 Gaussian window of deviation 1.5, of
    each channel, over whole frames with mirrored borders.

    Raises:
        ValueError: the two have different shapes, or values beyond [0, 1].
    """
    if truth.shape != said.shape or truth.ndim != 5:
        raise ValueError(
            f"got frames of shapes {tuple(truth.shape)} and {tuple(said.shape)}, expected the same [B, C, T, H, W]"
        )
    for name, frames in (("true", truth), ("predicted", said)):
        if not (frames.amin() >= 0 and frames.amax() <= 1):
            raise ValueError(
                f"got {name} frames with values from {frames.amin():.3g} to {frames.amax():.3g}, expected [0, 1]"
            )
    clips, _, time = truth.shape[:3]
    difference = said.double() - truth.double()
    mse = difference.square().mean(dim=(1, 3, 4))
    one, other = (frames.transpose(1, 2).flatten(0, 1).double() for frames in (said, truth))
    ssim = similarity(one, other).flatten(1).mean(1)
    return FrameErrors(
        mse=mse,
        mae=difference.abs().mean(dim=(1, 3, 4)),
        psnr=(-10 * mse.log10()).clamp(max=MOST_DECIBELS),
        ssim=ssim.reshape(clips, time),
    )


def similarity(
    one: Float64[Tensor, "frames channels height width"], other: Float64[Tensor, "frames channels height width"]
) -> Float64[Tensor, "frames channels height width"]:
    """SSIM of each pixel of frames in [0, 1], as torchmetrics has it; rows and columns are smoothed one by one."""
    mean, other_mean = _smoothed(one), _smoothed(other)
    variance = (_smoothed(one * one) - mean * mean).clamp(min=0)
    other_variance = (_smoothed(other * other) - other_mean * other_mean).clamp(min=0)
    covariance = _smoothed(one * other) - mean * other_mean
    likeness = (2 * mean * other_mean + SSIM_CONSTANTS[0]) * (2 * covariance + SSIM_CONSTANTS[1])
    scale = (mean**2 + other_mean**2 + SSIM_CONSTANTS[0]) * (variance + other_variance + SSIM_CONSTANTS[1])
    return likeness / scale


def _smoothed(frames: Tensor) -> Tensor:
    reach, (height, width) = SSIM_WINDOW // 2, frames.shape[2:]
    steps = torch.arange(SSIM_WINDOW, dtype=frames.dtype, device=frames.device) - reach
    weights = torch.exp(-((steps / SSIM_DEVIATION) ** 2) / 2)
    weights = (weights / weights.sum()).tolist()
    wide = functional.pad(frames, (reach, reach, reach, reach), mode="reflect")
    rows = sum(weight * wide[..., shift : shift + width] for shift, weight in enumerate(weights))
    assert isinstance(rows, Tensor)
    smooth = sum(weight * rows[..., shift : shift + height, :] for shift, weight in enumerate(weights))
    assert isinstance(smooth, Tensor)
    return smooth


def best_of(samples: Sequence[FrameErrors]) -> FrameErrors:
    """Of several continuations of each clip, by each metric the best clip as a whole (Denton and Fergus 2018)."""
    chosen = {}
    for metric in METRICS:
        values = torch.stack([getattr(one, metric) for one in samples])  # [N, clips, time]
        score = values.mean(2)
        best = score.argmax(0) if metric in HIGHER_IS_BETTER else score.argmin(0)
        chosen[metric] = values[best, torch.arange(values.shape[1])]
    return FrameErrors(**chosen)

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

MOST_DECIBELS = 100.0
"""For frames that are equal, whose ratio is infinite."""


def frame_errors(truth: Frames, said: Frames) -> FrameErrors:
    """Compares predictions with what came.

    SSIM is that of Wang et al. 2004 (doi 10.1109/TIP.2003.819861) in an 11×11 Gaussian window of deviation 1.5, of
    each channel, over whole frames with mirrored borders, by torchmetrics.

    Raises:
        ValueError: the two have different shapes, or values beyond [0, 1].
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

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
    ssim = structural_similarity_index_measure(one, other, data_range=1.0, reduction="none")
    assert isinstance(ssim, Tensor)
    return FrameErrors(
        mse=mse,
        mae=difference.abs().mean(dim=(1, 3, 4)),
        psnr=(-10 * mse.log10()).clamp(max=MOST_DECIBELS),
        ssim=ssim.reshape(clips, time),
    )


def best_of(samples: Sequence[FrameErrors]) -> FrameErrors:
    """Of several continuations of each clip, by each metric the best clip as a whole (Denton and Fergus 2018)."""
    chosen = {}
    for metric in METRICS:
        values = torch.stack([getattr(one, metric) for one in samples])  # [N, clips, time]
        score = values.mean(2)
        best = score.argmax(0) if metric in HIGHER_IS_BETTER else score.argmin(0)
        chosen[metric] = values[best, torch.arange(values.shape[1])]
    return FrameErrors(**chosen)

"""Windows of clips, for models that look no further than a few frames: drawn, or one after the other."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.chosen import window_starts
from benchmark.prediction.contract import Clips
from dynamics_gen.errors import ConfigError


def drawn_windows(clips: Clips, count: int, length: int) -> Float[Tensor, "windows length channels height width"]:
    """So many windows of neighbouring frames of each clip, drawn without replacement by torch's global generator.

    All clips' first windows come first, then their second ones, so that neighbours in a batch are of different clips.
    """
    starts = torch.rand(len(clips), clips.shape[2] - length + 1, device=clips.device).argsort(1)[:, :count]
    times = starts.T[..., None] + torch.arange(length, device=clips.device)  # [N, B, L]
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    return clips.transpose(1, 2)[rows, times].flatten(0, 1)


def covering_windows(clips: Clips, length: int) -> Float[Tensor, "batch windows channels length height width"]:
    """As few windows of neighbouring frames as cover a clip, in order: from its first frame to its last, evenly spread.

    They overlap where `length` does not divide the clip's frames.

    Raises:
        ConfigError: a clip is shorter.
    """
    frames = clips.shape[2]
    if frames < length:
        raise ConfigError(f"got clips of {frames} frames, expected {length} or more")
    starts = window_starts(frames, length)
    return torch.stack([clips[:, :, start : start + length] for start in starts], dim=1)

"""Short windows of clips, for models that look no further than a few frames."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.prediction.contract import Clips


def drawn_windows(clips: Clips, count: int, length: int) -> Float[Tensor, "windows length channels height width"]:
    """So many windows of neighbouring frames of each clip, drawn without replacement by torch's global generator.

    All clips' first windows come first, then their second ones, so that neighbours in a batch are of different clips.
    """
    starts = torch.rand(len(clips), clips.shape[2] - length + 1, device=clips.device).argsort(1)[:, :count]
    times = starts.T[..., None] + torch.arange(length, device=clips.device)  # [N, B, L]
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    return clips.transpose(1, 2)[rows, times].flatten(0, 1)

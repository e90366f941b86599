"""The frozen networks as scores use them: features of clips of any view, attributes read off samples."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.generation import attributes
from benchmark.generation.clip_features import ClipFeatures, frozen_of_clips
from benchmark.generation.contract import Clips, Features
from benchmark.generation.features import FrameFeatures, attribute_reader, frozen

BATCH, CLIPS_A_BATCH = 100, 20
"""Frames, and clips, that go through a network at a time."""


class _OfClips:
    """Features of whole clips."""

    def __init__(self, network: ClipFeatures) -> None:
        self._network = network
        self.name, self.sha256 = network.name, network.sha256

    @torch.no_grad()
    def __call__(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """Features of the motion, and of all frames on average."""
        return torch.cat([self._network(part.float()) for part in clips.split(CLIPS_A_BATCH)])


class _OfFrames:
    """Features of clips of one frame."""

    def __init__(self, network: FrameFeatures) -> None:
        self._network = network
        self.name, self.sha256 = network.name, network.sha256

    @torch.no_grad()
    def __call__(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """Features of each clip's frame."""
        return self._network(clips[:, :, 0].float())


@cache
def features_of(view: str, device: torch.device) -> Features:
    """In what samples of a view, `frames` or `clips`, are compared with held-out clips; draws nothing that is kept."""
    with torch.random.fork_rng(devices=[]):  # weights are drawn before they are read
        return _built(view, device)


def _built(view: str, device: torch.device) -> Features:
    return _OfFrames(frozen().to(device)) if view == "frames" else _OfClips(frozen_of_clips().to(device))


@torch.no_grad()
def agreement(clips: Clips, told: Float[Tensor, "batch attribute"], names: tuple[str, ...]) -> Mapping[str, float]:
    """How well attributes that are read off frames agree with those that were told of them.

    Of `shape` the share that agrees; of `size` and `colour` the correlation, for colour the mean of three. Path and
    speed cannot be read off a single frame, and are left out.

    Args:
        clips: of one frame each, in [-1, 1].
        told: their rows of attributes.
        names: of these.
    """
    reader = attribute_reader().to(clips.device)
    read = [reader(part[:, :, 0].float()) for part in clips.split(BATCH)]
    found: dict[str, float] = {}
    for part in attributes.parts(names):
        said = told[:, part.start : part.stop]
        if part.name == "shape":
            logits = torch.cat([one.shape for one in read])
            found["shape"] = (logits.argmax(1) == said.argmax(1)).double().mean().item()
        elif part.name in ("size", "colour"):
            numbers = torch.cat([one.radius[:, None] if part.name == "size" else one.color for one in read])
            found[part.name] = _correlation(numbers, said)
    return found


def _correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's, the mean over columns; 0 where one of them does not vary."""
    columns = zip(one.T.double().cpu().numpy(), other.T.double().cpu().numpy(), strict=True)
    return float(np.mean([np.corrcoef(a, b)[0, 1] if a.std() and b.std() else 0.0 for a, b in columns]))

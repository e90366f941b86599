"""Data that a tiny network learns in seconds: a square that wobbles about one of ten places; the place is the class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_clips import fake_clip

from dynamics_gen import hidden, seeds
from dynamics_gen.classes import factors
from dynamics_gen.clip import AnnotatedClip, Clip
from dynamics_gen.config import SPLITS, BuildConfig
from dynamics_gen.generate import build_split

FRAMES, SIDE = 8, 16

MODEL = '''"""A tiny network for tests."""

from dataclasses import dataclass

from torch import nn

TASK = "classification"
INPUT = "rgb"
SOURCE = "tests"
TRAINING = {"*": {"learning_rate": 0.01, "epochs": 3, "precision": "32-true"}, "tiny": {"epochs": 2}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    width: int = 4
    dropout: float = 0.1
    bias: bool = True
    strides: tuple[int, ...] = (2, 2)


def build(config, shape, classes):
    frames, channels, height, width = shape
    return nn.Sequential(
        nn.Conv3d(channels, config.width, 3, stride=config.strides[0], padding=1),
        nn.BatchNorm3d(config.width),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d((1, 4, 4)),
        nn.Flatten(),
        nn.Dropout(config.dropout),
        nn.Linear(config.width * 16, classes, bias=config.bias),
    )
'''
"""The file of a model, to be written where a test wants it."""


def square_video(rng: np.random.Generator, label: int, frames: int = FRAMES, side: int = SIDE) -> np.ndarray:
    """A bright square on noise, uint8 [T, H, W, 3]; its place is the label's."""
    video = rng.integers(60, 100, (frames, side, side, 3)).astype(np.uint8)
    row, column = divmod(label, 5)
    for frame in range(frames):
        top, left = 2 + row * side // 2 + frame % 2, column * 3 + frame // 2 % 2
        video[frame, top : top + 4, left : left + 3] = 220
    return video


def square_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """Stands in for the renderer."""
    for index in indices:
        clip = fake_clip(config, index)
        rng = np.random.default_rng([config.seed, len(config.split), index])
        arrays = {name: getattr(clip, name) for name in Clip.__dataclass_fields__}
        yield Clip(**{**arrays, "video": square_video(rng, clip.label, config.frames, config.image_size)})


def build_squares(data: Path, per_class: tuple[int, int, int] = (8, 2, 3)) -> Path:
    """Builds the three splits of `dynamics-tiny` under `data`, real shards of made-up clips; returns `data`."""
    for split, clips in zip(SPLITS, per_class, strict=True):
        config = BuildConfig(split=split, per_class=clips, image_size=SIDE, frames=FRAMES)
        build_split(config, data / "dynamics-tiny" / split, workers=1, source=square_clips)
    return data


def private_squares(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """Stands in for the renderer of a hidden test set: the places are the labels that the secret draws."""
    labels = seeds.labels(config, 0, config.clips)
    for index in indices:
        path, speed = factors(label := int(labels[index]))
        yield replace(
            fake_clip(config, index),
            clip_id=hidden.opaque_id(config.secret, index),
            label=label,
            path=path,
            speed=speed,
            video=square_video(np.random.default_rng(1_000 + index), label, config.frames, config.image_size),
        )


def public_squares(config: BuildConfig, indices: Sequence[int]) -> Iterator[AnnotatedClip]:
    """What is published of them."""
    for clip in private_squares(config, indices):
        yield AnnotatedClip(clip_id=clip.clip_id, columns=clip.large())


def build_hidden_squares(root: Path, frames: int = FRAMES) -> Path:
    """Builds a hidden test set of 30 such clips, `public` and `private` under `root`; returns `root`."""
    config = BuildConfig(split="test", per_class=3, image_size=SIDE, frames=frames, secret=bytes(range(32)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hidden, "public_clips", public_squares)
        patch.setattr(hidden, "private_clips", private_squares)
        hidden.build_hidden(config, root / "public", root / "private", 1)
    return root


class MemorySplit:
    """A split in memory, with the interface of `dynamics_gen.open`; notes how it was read."""

    def __init__(self, clips: int, seed: int = 0, frames: int = FRAMES, side: int = SIDE) -> None:
        rng = np.random.default_rng(seed)
        self.directory = Path("memory")
        self.labels = np.arange(clips) % 10
        self.directory = Path("memory")
        self.clip_ids = [f"clip-{index:04d}" for index in range(clips)]
        self.video_shape = (frames, side, side, 3)
        self.videos = np.stack([square_video(rng, int(label), frames, side) for label in self.labels])
        self.manifest: Any = SimpleNamespace(release="standard", fingerprint=f"{seed:064x}", seed=0)
        self.reads = 0

    def __len__(self) -> int:
        return len(self.labels)

    def read_videos(self, indices: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Frames of some clips."""
        self.reads += 1
        videos = self.videos[indices]
        if out is None:
            return videos.copy()
        out[:] = videos
        return out

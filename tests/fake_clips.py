"""Clips that cost next to nothing to make: for tests of storage, where what is in the pictures is no matter."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynamics_gen.classes import CLASSES, factors
from dynamics_gen.clip import Clip
from dynamics_gen.config import BuildConfig


def small_config(**changes: Any) -> BuildConfig:
    """30 clips of 4 frames of 16×16 in 4 shards, the last of which is shorter."""
    settings: dict[str, Any] = {"split": "train", "per_class": 3, "image_size": 16, "frames": 4, "shard_size": 8}
    return BuildConfig(**settings | changes)


def fake_clip(config: BuildConfig, index: int) -> Clip:
    """A clip that depends on the configuration and the index alone."""
    rng = np.random.default_rng([config.seed, len(config.split), index])
    label = (index * 7) % len(CLASSES)
    path, speed = factors(label)
    frames, side = config.frames, config.image_size
    video = np.broadcast_to(rng.integers(0, 256, (side, side, 3), np.uint8), (frames, side, side, 3)).copy()
    video[:, 0, 0, 0] = np.arange(frames)

    def state(*shape: int) -> np.ndarray:
        return rng.normal(size=(frames, *shape)).astype(np.float32)

    return Clip(
        clip_id=f"{config.split}-{index:06d}",
        label=label,
        path=path,
        speed=speed,
        video=video,
        position=state(3),
        orientation=state(4),
        linear_velocity=state(3),
        angular_velocity=state(3),
        arc_length=state(),
        camera=state(4),
        parameters={
            "radius": np.float32(rng.uniform(0.1, 0.3)),
            "falls": np.float32("nan" if speed != 2 else 2.0),
            "shape": ("box", "sphere", "")[index % 3],
            "cusps": int(rng.integers(3, 6)),
            "colour": rng.integers(0, 256, 3).astype(np.float32),
        },
    )


def fake_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """Stands in for the renderer."""
    for index in indices:
        yield fake_clip(config, index)


def slow_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """The same clips, slowly enough to be interrupted: 4 ms each."""
    for clip in fake_clips(config, indices):
        time.sleep(0.004)
        yield clip


def killed_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """The same clips, but whoever makes clip 20 is killed, as when memory runs out."""
    for index in indices:
        if index == 20:
            os.kill(os.getpid(), signal.SIGKILL)
        yield fake_clip(config, index)


def forbidden_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """Makes nothing: proves that finished shards are not made again."""
    raise AssertionError(f"clips {list(indices)} of {config.split} were asked for")


def folder_bytes(directory: Path) -> dict[str, bytes]:
    """Everything in a folder, to compare builds by."""
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}

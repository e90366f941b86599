"""Clips of a moving foreground before a background that stands still, and the network that judges clips.

Source: Vondrick et al. 2016, arXiv 1609.02612; layers and start of the code that its authors released. That code makes
32 frames of 64×64 pixels; for fewer frames or pixels, layers are left out, and those next to the latent keep the number
of frames where they cannot double it: ours.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool3d

from baselines import dcgan
from benchmark.generation.contract import Clips, Latents

Triple: TypeAlias = tuple[int, int, int]
"""Of time, rows and columns."""

DEVIATION = 0.01
"""Of the weights at the start."""

start = partial(dcgan.start, deviation=DEVIATION)
"""What draws a layer's weights as published."""


class Plan(NamedTuple):
    """How clips shrink to 4×4 places.

    Attributes:
        maps: of each layer, from the clip on.
        halves: whether the layer halves the number of frames too, not only rows and columns.
        frames: what is left of them.
    """

    maps: list[int]
    halves: list[bool]
    frames: int


def plan_for(shape: tuple[int, int, int, int], width: float) -> Plan:
    """The layers for clips of `shape` (T, C, H, W), `width` times as wide as published.

    Raises:
        ConfigError: halvings do not lead to 4×4 places.
    """
    frames, _, height, across = shape
    maps = dcgan.maps_for(height, across, width)
    halves = [frames % 2 ** (place + 1) == 0 for place in range(len(maps))]
    return Plan(maps, halves, frames >> sum(halves))


def _window(halves: bool) -> tuple[Triple, Triple, Triple]:
    """Kernel, stride and padding of a layer that halves rows and columns, and frames or not."""
    return (4 if halves else 3, 4, 4), (1 + halves, 2, 2), (1, 1, 1)


class Streams(NamedTuple):
    """What a clip is put together from.

    Attributes:
        foreground: [B, C, T, H, W] in [-1, 1].
        mask: [B, 1, T, H, W] in [0, 1], 1 where the foreground is seen.
        background: [B, C, 1, H, W] in [-1, 1].
    """

    foreground: Clips
    mask: Clips
    background: Clips

    def clips(self) -> Clips:
        """Foreground where the mask is 1, the background of all frames where it is 0."""
        return self.mask * self.foreground + (1 - self.mask) * self.background


class TwoStreams(nn.Module):
    """From latents to clips: one stream of convolutions in space and time, one in space alone.

    Args:
        latent: numbers in a latent.
        shape: of the clips (T, C, H, W).
        width: times the published maps.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int, int], width: float) -> None:
        super().__init__()
        channels, (maps, halves, frames) = shape[1], plan_for(shape, width)
        moving: list[nn.Module] = [nn.ConvTranspose3d(latent, maps[-1], (frames, 4, 4))]
        still: list[nn.Module] = [nn.ConvTranspose2d(latent, maps[-1], 4)]
        for wide, narrow, doubles in zip(maps[:0:-1], maps[-2::-1], halves[:0:-1], strict=True):
            moving += [nn.BatchNorm3d(wide), nn.ReLU(inplace=True)]
            moving.append(nn.ConvTranspose3d(wide, narrow, *_window(doubles)))
            still += [nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
            still.append(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1))
        self.moving = nn.Sequential(*moving, nn.BatchNorm3d(maps[0]), nn.ReLU(inplace=True))
        self.foreground_and_mask = nn.ConvTranspose3d(maps[0], channels + 1, *_window(halves[0]))
        self.still = nn.Sequential(
            *still,
            nn.BatchNorm2d(maps[0]),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(maps[0], channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.apply(start)

    def forward(self, latents: Latents) -> Streams:
        """The streams, in single precision."""
        both = self.foreground_and_mask(self.moving(latents[:, :, None, None, None])).float()
        background = self.still(latents[:, :, None, None]).float()[:, :, None]
        return Streams(both[:, :-1].tanh(), both[:, -1:].sigmoid(), background)


class ClipJudge(nn.Module):
    """Tells real clips from made ones, by convolutions in space and time.

    Args:
        shape: of the clips (T, C, H, W).
        width: times the published maps.
    """

    def __init__(self, shape: tuple[int, int, int, int], width: float) -> None:
        super().__init__()
        channels, (maps, halves, frames) = shape[1], plan_for(shape, width)
        layers: list[nn.Module] = []
        for place, (wide, halved) in enumerate(zip(maps, halves, strict=True)):
            layers.append(nn.Conv3d(channels, wide, *_window(halved)))
            layers += [nn.BatchNorm3d(wide, eps=1e-3)] if place else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            channels = wide
        self.features = nn.Sequential(*layers)
        self.readout = nn.Conv3d(channels, 2, (frames, 4, 4))
        self.apply(start)

    def forward(self, clips: Clips) -> Float[Tensor, " batch"]:
        """Logits in single precision, positive where clips are held to be real: the difference of two classes'."""
        made, real = self.readout(self.features(clips)).float().flatten(1).unbind(1)
        return real - made

    def represent(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """What each layer makes of the clips, shrunk to two places on each axis."""
        found, maps = [], clips
        for layer in self.features:
            maps = layer(maps)
            if isinstance(layer, nn.LeakyReLU):
                found.append(adaptive_avg_pool3d(maps, (min(2, maps.shape[2]), 2, 2)).flatten(1))
        return torch.cat(found, dim=1)

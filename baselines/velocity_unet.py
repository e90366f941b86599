"""The velocity of a block of frames on its way from noise to data, told other frames and the time of the way.

A U-Net of (2+1) dimensions: 3×3 convolutions within frames and convolutions of three frames across them, in residual
blocks that the time and a frame's place in the block shift and scale; at the coarsest level all places of all frames
attend to each other. Frames enter and leave as patches side by side, so that its finest level has fewer places.

Source: U-Net of Ho et al. 2020, arXiv 2006.11239, appendix B, with kernels apart in space and time as in Ho et al.
2022, arXiv 2204.03458, section 3. The number of levels, blocks and maps, the patches and how frames are told are ours.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import (
    group_norm,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    scaled_dot_product_attention,
    silu,
)

from benchmark.prediction.contract import Clips
from dynamics_gen.errors import ConfigError

Maps: TypeAlias = Float[Tensor, "batch*time channels height width"]

HEADS, GROUPS = 4, 8
"""Of the attention and of the norms, at most: as many as divide the maps."""

SHORTEST = 0.02
"""The shortest period of the sines of the time, which runs from 0 to 1."""


class Norm(nn.Module):
    """Group norm of each frame, whose scale and shift may be told."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.groups = math.gcd(GROUPS, maps)
        self.scale, self.shift = nn.Parameter(torch.ones(maps)), nn.Parameter(torch.zeros(maps))

    def forward(self, maps: Maps, told: Float[Tensor, "batch*time twice"] | None = None) -> Maps:
        """Maps of mean 0 and deviation 1 within groups, times 1 + scale and plus shift where these are told."""
        found = group_norm(maps, self.groups, self.scale, self.shift)
        if told is None:
            return found
        scale, shift = told[:, :, None, None].chunk(2, dim=1)
        return found * (1 + scale) + shift


class AcrossTime(nn.Module):
    """Convolution of three frames, at every place by itself; starts as nothing, so that frames begin apart."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(maps, maps, (3, 1), padding=(1, 0))
        nn.init.zeros_(self.mix.weight)
        assert self.mix.bias is not None
        nn.init.zeros_(self.mix.bias)

    def forward(self, maps: Maps, frames: int) -> Maps:
        """As many maps, of as many frames."""
        by_time = maps.unflatten(0, (-1, frames)).flatten(3).transpose(1, 2)  # [B, C, T, H·W]
        return self.mix(by_time).transpose(1, 2).unflatten(3, maps.shape[2:]).flatten(0, 1)


class Block(nn.Module):
    """A residual block: within each frame, across frames, and what is told in between."""

    def __init__(self, inputs: int, maps: int, told: int) -> None:
        super().__init__()
        self.before, self.between, self.last = Norm(inputs), Norm(maps), Norm(maps)
        self.first, self.second = nn.Conv2d(inputs, maps, 3, padding=1), nn.Conv2d(maps, maps, 3, padding=1)
        self.across = AcrossTime(maps)
        self.told = nn.Linear(told, 2 * maps)
        self.shortcut = nn.Conv2d(inputs, maps, 1) if inputs != maps else nn.Identity()

    def forward(self, maps: Maps, told: Float[Tensor, "batch*time told"], frames: int) -> Maps:
        """The maps, changed."""
        found = self.first(silu(self.before(maps)))
        found = self.second(silu(self.between(found, self.told(told))))
        found = self.shortcut(maps) + found
        return found + self.across(silu(self.last(found)), frames)


class Attention(nn.Module):
    """All places of all frames attend to each other; a residual."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.heads, self.norm = math.gcd(HEADS, maps), Norm(maps)
        self.asked, self.given = nn.Conv2d(maps, 3 * maps, 1), nn.Conv2d(maps, maps, 1)

    def forward(self, maps: Maps, frames: int) -> Maps:
        """The maps, changed."""
        each = self.asked(self.norm(maps)).unflatten(0, (-1, frames)).flatten(3)  # [B, T, 3·C, H·W]
        each = each.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 5, 4).flatten(3, 4)  # [3, B, heads, T·H·W, c]
        found = scaled_dot_product_attention(*each.unbind(0)).unflatten(2, (frames, -1))
        found = found.permute(0, 2, 1, 4, 3).flatten(2, 3).unflatten(3, maps.shape[2:]).flatten(0, 1)
        return maps + self.given(found)


class Level(nn.Module):
    """Residual blocks, one after the other."""

    def __init__(self, inputs: int, maps: int, told: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(maps if place else inputs, maps, told) for place in range(blocks))

    def forward(self, maps: Maps, told: Float[Tensor, "batch*time told"], frames: int) -> Maps:
        """The maps, changed."""
        for block in self.blocks:
            maps = block(maps, told, frames)
        return maps


class VelocityUNet(nn.Module):
    """See the module; its last layer starts at zero, and so does what it gives.

    Args:
        given: how many frames are told; 0 if none.
        shape: of the block (T, C, H, W).
        width: maps of the finest level; each further level has twice as many.
        levels: how many, each with half the rows and columns of the one before.
        blocks: residual blocks of a level, on the way down and again on the way up.
        patch: side of the squares of pixels that make one place of the finest level.
        row: how many numbers are told of the whole block; 0 if none.

    Raises:
        ConfigError: frames cannot be halved so often.
    """

    def __init__(
        self,
        given: int,
        shape: tuple[int, int, int, int],
        *,
        width: int,
        levels: int,
        blocks: int,
        patch: int,
        row: int = 0,
    ) -> None:
        super().__init__()
        frames, channels, height, across = shape
        unit = patch * 2 ** (levels - 1)
        if height % unit or across % unit:
            raise ConfigError(
                f"got frames of {height}×{across} pixels for patches of {patch} and {levels} levels, expected sides "
                f"that {unit} divides: try --set image_size={max(1, round(height / unit)) * unit}"
            )
        self.patch, told, pixels = patch, 4 * width, channels * patch**2
        wide = [width * 2**level for level in range(levels)]
        self.waves = -(-width // 2)
        self.way = nn.Sequential(nn.Linear(2 * self.waves, told), nn.SiLU(), nn.Linear(told, told))
        self.places = nn.Parameter(torch.randn(frames, told))
        self.of_block = nn.Conv2d(pixels, width, 3, padding=1)
        self.of_given = nn.Conv2d(given * pixels, width, 3, padding=1) if given else None
        self.of_row = nn.Linear(row, told, bias=False) if row else None
        inputs = [width, *wide[:-1]]
        self.down = nn.ModuleList(Level(one, maps, told, blocks) for one, maps in zip(inputs, wide, strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(maps, maps, 3, stride=2, padding=1) for maps in wide[:-1])
        self.before, self.after = Block(wide[-1], wide[-1], told), Block(wide[-1], wide[-1], told)
        self.attention = Attention(wide[-1])
        self.up = nn.ModuleList(Level(2 * maps, maps, told, blocks) for maps in reversed(wide))
        self.grow = nn.ModuleList(
            nn.Conv2d(maps, finer, 3, padding=1) for maps, finer in zip(wide[:0:-1], wide[-2::-1], strict=True)
        )
        self.norm, self.readout = Norm(width), nn.Conv2d(width, pixels, 3, padding=1)
        nn.init.zeros_(self.readout.weight)
        assert self.readout.bias is not None
        nn.init.zeros_(self.readout.bias)

    def forward(
        self,
        block: Clips,
        time: Float[Tensor, " batch"],
        given: Clips | None = None,
        row: Float[Tensor, "batch numbers"] | None = None,
    ) -> Clips:
        """The velocities of the block's pixels, in single precision.

        Args:
            block: somewhere between noise and data.
            time: where, in [0, 1].
            given: the frames told.
            row: the numbers told.
        """
        frames = block.shape[2]
        maps, told, skipped = self.coarsest(block, time, given, row)
        for level, grow in zip(self.up, [*self.grow, None], strict=True):
            maps = level(torch.cat([maps, skipped.pop()], dim=1), told, frames)
            maps = maps if grow is None else grow(interpolate(maps, scale_factor=2.0, mode="nearest"))
        found = pixel_shuffle(self.readout(silu(self.norm(maps))).float(), self.patch)
        return found.unflatten(0, (-1, frames)).transpose(1, 2)

    def coarsest(
        self,
        block: Clips,
        time: Float[Tensor, " batch"],
        given: Clips | None = None,
        row: Float[Tensor, "batch numbers"] | None = None,
    ) -> tuple[Maps, Float[Tensor, "batch*time told"], list[Maps]]:
        """Maps of each frame at the coarsest level, after the attention; what is told; each level's maps before it."""
        frames = block.shape[2]
        way = self.way(waves(time, self.waves))
        if self.of_row is not None:
            way = way + self.of_row(row)
        told = silu(way[:, None] + self.places).flatten(0, 1)  # [B·T, told]
        maps = self.of_block(pixel_unshuffle(block.transpose(1, 2).flatten(0, 1), self.patch))
        if self.of_given is not None:
            assert given is not None
            before = self.of_given(pixel_unshuffle(given.transpose(1, 2).flatten(1, 2), self.patch))
            maps = (maps.unflatten(0, (-1, frames)) + before[:, None]).flatten(0, 1)
        skipped = []
        for level, shrink in zip(self.down, [*self.shrink, None], strict=True):
            maps = level(maps, told, frames)
            skipped.append(maps)
            maps = maps if shrink is None else shrink(maps)
        return self.after(self.attention(self.before(maps, told, frames), frames), told, frames), told, skipped


def waves(time: Float[Tensor, " batch"], count: int) -> Float[Tensor, "batch twice"]:
    """Sines and cosines of the time, `count` each, of periods in equal ratios from `SHORTEST` to four."""
    shares = torch.arange(count, device=time.device) / max(1, count - 1)
    angles = time[:, None] * (math.pi / 2) * (4 / SHORTEST) ** shares
    return torch.cat([angles.sin(), angles.cos()], dim=1)

"""The generator of feature flow: from frames, by the flow of their features, to the frames after them.

Frames of clips are folded into the batch axis, first those of the first time step: [T·B, C, H, W]. All layers but the
ConvLSTMs see the given time steps at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.feature_flow import flowed
from baselines.feature_flow_options import Options
from baselines.layers import ConvLSTMCell, State, schedule
from baselines.recurrent_blocks import fold, unfold, with_changes
from benchmark.prediction.contract import Clips, Maps
from dynamics_gen.errors import ConfigError

DEEPER = 2
"""How often the maps of features are halved once more, at most, before the flow is made of them."""

_Norm: TypeAlias = Callable[[int], nn.Module]

MOVED = 2.0
"""Logit, at first, of the mask that prefers pixels that moved to what is painted."""


class Memory(NamedTuple):
    """What is kept of earlier frames; None before the first, and states also where there is no ConvLSTM.

    Attributes:
        features: state of the ConvLSTM before the flow.
        flow: state of the one of which the flow is made.
        frame: the last frame.
    """

    features: State | None = None
    flow: State | None = None
    frame: Float[Tensor, "batch channels height width"] | None = None


class Generator(nn.Module):
    """From frames to the frames after them: x̃ = D²(F[E¹(x), D¹(z, E²(E¹(x)))]).

    Attributes:
        encoder: E¹, from pixels to the grid; `feature_memory` is its last layer.
        deeper: E², from the grid to maps of a quarter of its side; None where the flow does not depend on the frame.
        seed: from a latent to maps beside those; None where there are no latents.
        flow_decoder: D¹, back to the grid; `flow_memory` and `logits` are its last layers.
        decoder: D², from the grid to pixels: colours, and the logits of masks, of pixels that moved and pixels as they
            were.
    """

    def __init__(self, config: Options, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config = config
        _, channels, height, width = shape
        halvings = config.grid.bit_length() - 1
        if height % config.grid or width % config.grid or min(height, width) < 2 * config.grid:
            raise ConfigError(
                f"got frames of {height}×{width} pixels with grid={config.grid}, expected sides that are twice it or "
                "more, and multiples of it"
            )
        counts = tuple(multiple * config.width for multiple in schedule((1, 2, 4, 4), max(1, halvings)))
        maps, side = counts[-1], (height // config.grid, width // config.grid)
        if maps % config.groups:
            raise ConfigError(f"got groups {config.groups}, expected a divisor of the {maps} maps of features")
        divisible = (math.gcd(*side) & -math.gcd(*side)).bit_length() - 1
        depth = min(DEEPER, divisible)
        inner = (2 * maps,) * max(1, depth)
        norm = _NORMS[config.norm]
        self.encoder = _down((channels * (1 + config.changes), *counts), norm, halves=halvings > 0)
        self.feature_memory = ConvLSTMCell(maps, maps) if config.recurrent else None
        self.deeper = _down((maps, *inner), norm, halves=depth > 0) if config.conditioned else None
        coarsest = (side[0] >> depth, side[1] >> depth)
        self.seed = _Seed(config.latent, maps, coarsest, norm) if config.latent else None
        told = inner[-1] * config.conditioned + maps * (config.latent > 0)
        self.flow_decoder = nn.Sequential(
            *_up((told, *inner[1:], maps), norm, halves=depth > 0), norm(maps), nn.ReLU(inplace=True)
        )
        self.flow_memory = ConvLSTMCell(maps, maps) if config.recurrent else None
        self.logits = nn.Conv2d(maps, config.groups * config.kappa**2, 3, padding=1)
        painted = channels + config.carried + config.copy_mask
        self.decoder = _up((*reversed(counts), painted), norm, halves=halvings > 0)
        self._begin_with_motion(channels)

    @torch.no_grad()
    def _begin_with_motion(self, channels: int) -> None:
        """Little moves at first, and what moves is seen: else masks leave the motion out before it is learnt."""
        config = self.config
        if self.logits.bias is not None:
            self.logits.bias.unflatten(0, (config.groups, -1))[:, config.kappa**2 // 2] += config.stay
        *_, last = self.decoder.children()
        if config.carried and isinstance(last, nn.ConvTranspose2d) and last.bias is not None:
            last.bias[channels] += MOVED

    def forward(
        self, frames: Clips, latents: Float[Tensor, "time batch latent"], memory: Memory
    ) -> tuple[Clips, Memory]:
        """The frame after each of the given ones, in [-1, 1], and what is remembered of these."""
        config, time, channels = self.config, frames.shape[2], frames.shape[1]
        folded = fold(frames)
        features, of_features = self.features(frames, memory)
        logits, of_flow = self.flow_logits(features, latents, memory.flow)
        moving = torch.cat([features, folded.to(features.dtype)], dim=1) if config.carried else features
        moved = flowed(moving, logits, groups=config.groups, normalisation=config.normalisation, bounded=config.bounded)
        painted = self.decoder(moved[:, : features.shape[1]]).float()
        said, masks = painted[:, :channels].tanh(), painted[:, channels:].sigmoid()
        if config.carried:
            said = said.lerp(moved[:, features.shape[1] :].float(), masks[:, :1])
        if config.copy_mask:
            said = said.lerp(folded.float(), masks[:, -1:])  # exact at either end
        return unfold(said, time), Memory(of_features, of_flow, frames[:, :, -1])

    def features(
        self, frames: Clips, memory: Memory
    ) -> tuple[Float[Tensor, "time_batch maps rows columns"], State | None]:
        """What moves, E¹(x), and the state of its ConvLSTM afterwards."""
        seen = fold(with_changes(frames, memory.frame) if self.config.changes else frames)
        return _over_time(self.feature_memory, self.encoder(seen), frames.shape[2], memory.features)

    def flow_logits(
        self,
        features: Float[Tensor, "time_batch maps rows columns"],
        latents: Float[Tensor, "time batch latent"],
        state: State | None,
    ) -> tuple[Float[Tensor, "time_batch grouped_displacements rows columns"], State | None]:
        """Where features go, D¹(z, E²(features)), and the state of its ConvLSTM afterwards."""
        maps, state = self.flow_maps(features, latents, state)
        return self.logits(maps), state

    def represent(self, clips: Clips) -> Maps:
        """Hidden maps of both ConvLSTMs after each frame; latents are what they are on average, zero."""
        time = clips.shape[2]
        features, _ = self.features(clips, Memory())
        latents = features.new_zeros(time, len(clips), self.config.latent)
        of_flow, _ = self.flow_maps(features, latents, None)
        return unfold(torch.cat([features, of_flow], dim=1), time)

    def flow_maps(
        self,
        features: Float[Tensor, "time_batch maps rows columns"],
        latents: Float[Tensor, "time batch latent"],
        state: State | None,
    ) -> tuple[Float[Tensor, "time_batch maps rows columns"], State | None]:
        """Of which the flow's logits are made, on the grid, and the state of the ConvLSTM that is their last layer."""
        told = [] if self.deeper is None else [self.deeper(features)]
        told += [] if self.seed is None else [self.seed(latents.flatten(0, 1))]
        maps = self.flow_decoder(torch.cat(told, dim=1))
        return _over_time(self.flow_memory, maps, len(latents), state)


class _Seed(nn.Module):
    """Latents as maps."""

    def __init__(self, latent: int, maps: int, side: tuple[int, int], norm: _Norm) -> None:
        super().__init__()
        self.size = (maps, *side)
        self.linear = nn.Linear(latent, math.prod(self.size), bias=False)
        self.norm = norm(maps)

    def forward(self, latents: Float[Tensor, "rows latent"]) -> Float[Tensor, "rows maps height width"]:
        return self.norm(self.linear(latents).unflatten(1, self.size)).relu_()


def _groups(maps: int) -> nn.GroupNorm:
    """Of four maps each, or of more or less where these do not go into them."""
    return nn.GroupNorm(math.gcd(maps, max(1, maps // 4)), maps)


_NORMS: Mapping[str, _Norm] = {"batch": nn.BatchNorm2d, "group": _groups}


def _over_time(cell: ConvLSTMCell | None, maps: Tensor, time: int, state: State | None) -> tuple[Tensor, State | None]:
    """Hidden maps after each step, and the last state; the maps themselves where there is no ConvLSTM."""
    if cell is None:
        return maps, None
    gates = cell.from_input(maps).unflatten(0, (time, -1))
    state = cell.initial_state(gates[0]) if state is None else state
    outputs = []
    for step in gates.unbind(0):
        state = cell.step(step, state)
        outputs.append(state[0])
    return torch.cat(outputs), state


def _down(counts: tuple[int, ...], norm: _Norm, *, halves: bool) -> nn.Sequential:
    """Convolutions, each with its norm, that halve the side each or keep it."""
    kernel, stride = (4, 2) if halves else (3, 1)
    layers: list[nn.Module] = []
    for before, after in pairwise(counts):
        layers.append(nn.Conv2d(before, after, kernel, stride, padding=1, bias=False))
        layers += [norm(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _up(counts: tuple[int, ...], norm: _Norm, *, halves: bool) -> nn.Sequential:
    """Transposed convolutions with norms between them, that double the side each or keep it."""
    kernel, stride = (4, 2) if halves else (3, 1)
    layers: list[nn.Module] = []
    for before, after in pairwise(counts):
        layers += [norm(before), nn.ReLU(inplace=True)] if layers else []
        layers.append(nn.ConvTranspose2d(before, after, kernel, stride, padding=1))
    return nn.Sequential(*layers)

"""Blocks of recurrent ALI: CNNs on frames, ConvLSTMs over time or what stands in their place, a discriminator.

Frames of clips are folded into the batch axis, first those of the first time step: [T·B, C, H, W]. Only the hidden
state of a ConvLSTM goes from step to step.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from baselines.layers import ConvLSTMCell, schedule
from baselines.recurrent_options import Options
from benchmark.generation.contract import Clips, Latents
from dynamics_gen.errors import ConfigError

SIDE = 4
"""Pixels a side of the maps on which ConvLSTMs run."""

SLOPE = 0.2
"""Of leaky rectifiers, for negative values."""

CHANGE_SCALE = 4.0
"""Of a frame's change from the one before, which is small beside the frame."""

DEVIATION = 0.02
"""Of weights at the start (Radford et al. 2016, arXiv 1511.06434)."""

Shape: TypeAlias = tuple[int, int, int, int]
"""Of a clip: (T, C, H, W)."""


def fold(clips: Clips) -> Float[Tensor, "time_batch channels height width"]:
    """The frames of clips, first those of the first time step; channels last in memory."""
    return clips.permute(2, 0, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)


def with_changes(
    clips: Clips, before: Float[Tensor, "batch channels height width"] | None = None
) -> Float[Tensor, "batch twice_channels time height width"]:
    """Each frame, and beside it its change from the one before, times `CHANGE_SCALE`.

    Args:
        clips: frames that follow each other.
        before: the frame before the first; unless given, the first has not changed.
    """
    changes = torch.diff(clips, dim=2, prepend=clips[:, :, :1] if before is None else before[:, :, None])
    return torch.cat([clips, CHANGE_SCALE * changes], dim=1)


def initialise(network: nn.Module) -> None:
    """Draws weights of convolutions and linear layers from N(0, `DEVIATION`²) and makes their biases zero.

    The layers over time start in their own way.
    """
    for layer in network.children():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0, DEVIATION)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif not isinstance(layer, Recurrent | Convolved):
            initialise(layer)


def unfold(frames: Float[Tensor, "time_batch channels height width"], time: int) -> Clips:
    """The clips of which these are the frames."""
    return frames.unflatten(0, (time, -1)).permute(1, 2, 0, 3, 4)


def widths(shape: Shape, width: int) -> tuple[int, ...]:
    """Channels of the convolutions from frames to maps of `SIDE`, each of which halves height and width.

    Raises:
        ConfigError: halving does not lead there.
    """
    _, _, height, rest = shape
    depth = (height // SIDE).bit_length() - 1
    if height != rest or depth < 1 or height != SIDE << depth:
        raise ConfigError(
            f"got frames of {height}×{rest} pixels, expected a square of 8, 16, 32, 64, … a side: "
            "try --set image_size=32"
        )
    return tuple(multiple * width for multiple in schedule((1, 2, 4), depth))


class Recurrent(nn.Module):
    """A ConvLSTM over the time steps, from zero states."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(channels, hidden)

    def forward(self, maps: Float[Tensor, "time_batch channels side side"], time: int) -> Tensor:
        """Hidden maps after each step, [T·B, hidden, side, side]."""
        gates = self.cell.from_input(maps).unflatten(0, (time, -1))
        state = self.cell.initial_state(gates[0])
        outputs = []
        for step in gates.unbind(0):
            state = self.cell.step(step, state)
            outputs.append(state[0])
        return torch.cat(outputs)


class Convolved(nn.Module):
    """In a ConvLSTM's place: a gated convolution over each step and its neighbours, nothing beyond the ends.

    It has as many weights as the ConvLSTM that halves the channels.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.taps = nn.Conv2d(channels, 6 * hidden, 3, padding=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(2 * hidden, 1, 1))
        nn.init.xavier_uniform_(self.taps.weight)

    def forward(self, maps: Float[Tensor, "time_batch channels side side"], time: int) -> Tensor:
        """Maps of each step, [T·B, hidden, side, side]."""
        before, here, after = self.taps(maps).unflatten(0, (time, -1)).chunk(3, dim=2)
        nothing = torch.zeros_like(here[:1])
        both = here + torch.cat([nothing, before[:-1]]) + torch.cat([after[1:], nothing]) + self.bias
        candidate, gate = both.flatten(0, 1).chunk(2, dim=1)
        return torch.tanh(candidate) * torch.sigmoid(gate)


class Steps(nn.Module):
    """What is known of a clip after each step: a CNN on its frames, then a ConvLSTM or what stands in its place.

    The batch norms share their statistics between all steps; the first convolution has none.
    """

    def __init__(self, shape: Shape, config: Options, *, batch_norm: bool = True) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = shape[1]
        for layer, count in enumerate(widths(shape, config.width)):
            normed = batch_norm and layer > 0
            blocks.append(nn.Conv2d(channels, count, 4, stride=2, padding=1, bias=not normed))
            blocks += [nn.BatchNorm2d(count)] * normed
            blocks.append(nn.LeakyReLU(SLOPE, inplace=True))
            channels = count
        hidden = max(1, channels // 2)
        self.frames = nn.Sequential(*blocks)
        self.time = Recurrent(channels, hidden) if config.recurrent else Convolved(channels, hidden)
        self.size = hidden * SIDE * SIDE

    def forward(self, clips: Clips) -> Float[Tensor, "time batch size"]:
        """One row for each step of each clip."""
        maps = self.time(self.frames(fold(clips)), clips.shape[2])
        return maps.flatten(1).unflatten(0, (clips.shape[2], -1))


class Whole(nn.Module):
    """What is known of a clip at its end: the last state, or, without ConvLSTMs, a weighted sum of the steps."""

    def __init__(self, shape: Shape, config: Options, *, batch_norm: bool = True) -> None:
        super().__init__()
        self.steps = Steps(shape, config, batch_norm=batch_norm)
        self.size = self.steps.size
        even = torch.full((shape[0], 1, self.size), 1 / shape[0])
        self.weights = None if config.recurrent else nn.Parameter(even)

    def forward(self, clips: Clips) -> Float[Tensor, "batch size"]:
        """One row for each clip."""
        steps = self.steps(clips)
        return steps[-1] if self.weights is None else (self.weights * steps).sum(0)


class Seed(nn.Module):
    """Latents as the maps from which the decoder starts."""

    def __init__(self, shape: Shape, config: Options) -> None:
        super().__init__()
        self.channels = widths(shape, config.width)[-1]
        self.linear = nn.Linear(config.latent, self.channels * SIDE * SIDE, bias=False)
        self.norm = nn.BatchNorm2d(self.channels)

    def forward(self, latents: Float[Tensor, "rows latent"]) -> Float[Tensor, "rows channels side side"]:
        """Never negative."""
        return self.norm(self.linear(latents).unflatten(1, (self.channels, SIDE, SIDE))).relu_()


class Sequence(nn.Module):
    """The decoder's input where each step has a latent of its own: [B, T·Z], the steps one after the other."""

    def __init__(self, shape: Shape, config: Options) -> None:
        super().__init__()
        self.seed, self.frames = Seed(shape, config), shape[0]

    def forward(self, latents: Latents, frames: int) -> Float[Tensor, "time_batch channels side side"]:
        """Maps of each step.

        Raises:
            ConfigError: as many steps have no latents.
        """
        require_frames(frames, self.frames)
        return self.seed(latents.unflatten(1, (frames, -1)).transpose(0, 1).flatten(0, 1))


def require_frames(frames: int, built: int) -> None:
    """Refuses clips of another length than that for which a network was built.

    Raises:
        ConfigError: they are.
    """
    if frames != built:
        raise ConfigError(f"got clips of {frames} frames, expected {built}, for which the network was built")


class Decoder(nn.Module):
    """From latents to clips: maps for each step, a ConvLSTM or what stands in its place, and a CNN on every step.

    Args:
        shape: of a clip.
        config: sizes.
        inputs: from latents and a number of frames to the maps of each step, folded.
    """

    def __init__(self, shape: Shape, config: Options, inputs: nn.Module) -> None:
        super().__init__()
        self.built = shape[0]
        self.inputs = inputs
        *counts, channels = widths(shape, config.width)
        hidden = max(1, channels // 2)
        self.time = Recurrent(channels, hidden) if config.recurrent else Convolved(channels, hidden)
        blocks: list[nn.Module] = []
        for count in reversed(counts):
            blocks.append(nn.ConvTranspose2d(hidden, count, 4, stride=2, padding=1, bias=False))
            blocks += [nn.BatchNorm2d(count), nn.ReLU(inplace=True)]
            hidden = count
        blocks += [nn.ConvTranspose2d(hidden, shape[1], 4, stride=2, padding=1), nn.Tanh()]
        self.frames = nn.Sequential(*blocks)

    def forward(self, latents: Latents, frames: int | None = None) -> Clips:
        """Clips of as many frames, or of as many as the network was built for."""
        time = self.built if frames is None else frames
        return unfold(self.frames(self.time(self.inputs(latents, time), time)), time)


class Discriminator(nn.Module):
    """Tells pairs of a clip and its latents apart, or clips alone; the two meet late, in fully connected layers.

    Args:
        shape: of a clip.
        config: sizes, norms, dropout, and whether changes are seen.
        latents: how many numbers stand beside a clip; 0 for none.
        logits: how many a pair gets.
    """

    def __init__(self, shape: Shape, config: Options, latents: int, logits: int = 1) -> None:
        super().__init__()
        beside, joint = 8 * config.width, 16 * config.width
        time, channels, height, width = shape
        seen = (time, 2 * channels if config.changes else channels, height, width)
        self.changes = config.changes
        self.of_clip = Whole(seen, config, batch_norm=config.batch_norm and not config.spectral_norm)
        self.of_latents = _layers((latents, beside, beside), 0.0) if latents else None
        self.joint = _layers((self.of_clip.size + (beside if latents else 0), joint, joint), config.dropout)
        self.readout = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(joint, logits))

    def forward(self, clips: Clips, latents: Latents | None) -> Float[Tensor, "batch *logits"]:
        """Logits in single precision; one alone is positive where a pair is held to be real."""
        with parametrize.cached():  # one estimate of singular values a batch, not one a step
            return self.of_features(self.features(clips), latents)

    def features(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """What is known of each clip at its end."""
        return self.of_clip(with_changes(clips) if self.changes else clips)

    def of_features(
        self, features: Float[Tensor, "batch feature"], latents: Latents | None
    ) -> Float[Tensor, "batch *logits"]:
        """The logits of clips of which this is known."""
        if self.of_latents is not None:
            features = torch.cat([features, self.of_latents(latents).to(features.dtype)], dim=1)
        found = self.readout(self.joint(features)).float()
        return found[:, 0] if found.shape[1] == 1 else found


def _layers(sizes: tuple[int, ...], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Dropout(dropout), nn.Linear(before, after), nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers)

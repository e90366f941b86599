"""Encoder and decoder of single frames, in the layers of adversarially learned inference.

Source: Dumoulin et al. 2017, arXiv 1606.00704, appendix A, and the code that its authors released: no padding, batch
norm and leaky ReLU after each layer but the last, weights from N(0, 0.01²), biases zero; a decoder whose last bias is
one number for each pixel and starts at the log-odds of the data.
Deviations: frames are in [-1, 1], not [0, 1], and so is what the decoder gives, 2·sigmoid - 1; the log-odds are those
of the first batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from dynamics_gen.errors import ConfigError

Frames: TypeAlias = Float[Tensor, "batch channels height width"]
Layers: TypeAlias = tuple[tuple[int, int, int], ...]
"""Kernel, stride and maps of each convolution."""

WEIGHT_DEVIATION = 0.01
"""Of the weights at the start."""

EXTREME = 0.999
"""Means of pixels beyond it count as it, so that their log-odds stay finite and the sigmoid moves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The layers for one size of frames.

    Attributes:
        encoder: all but the last, which is linear.
        decoder: transposed; all but the last, which gives the colours of each place.
        judging: how many layers of the encoder the discriminator has too, on frames.
        of_latents: features of the discriminator's layers on latents.
        of_pairs: of those on both; one that gives the logit follows.
        slope: of the leaky ReLU below zero.
    """

    encoder: Layers
    decoder: Layers
    judging: int
    of_latents: tuple[int, ...]
    of_pairs: tuple[int, ...]
    slope: float

    def times(self, width: float) -> Table:
        """The same layers with `width` times as many maps and features, rounded, at least one."""

        def wide(maps: int) -> int:
            return max(1, round(width * maps))

        return replace(
            self,
            encoder=tuple((kernel, stride, wide(maps)) for kernel, stride, maps in self.encoder),
            decoder=tuple((kernel, stride, wide(maps)) for kernel, stride, maps in self.decoder),
            of_latents=tuple(map(wide, self.of_latents)),
            of_pairs=tuple(map(wide, self.of_pairs)),
        )


SVHN = Table(
    encoder=((5, 1, 32), (4, 2, 64), (4, 1, 128), (4, 2, 256), (4, 1, 512), (1, 1, 512)),
    decoder=((4, 1, 256), (4, 2, 128), (4, 1, 64), (4, 2, 32), (5, 1, 32), (1, 1, 32)),
    judging=5,
    of_latents=(512, 512),
    of_pairs=(1024, 1024),
    slope=0.01,
)
CELEBA = Table(
    encoder=((2, 1, 64), (7, 2, 128), (5, 2, 256), (7, 2, 256), (4, 1, 512)),
    decoder=((4, 1, 512), (7, 2, 256), (5, 2, 256), (7, 2, 128), (2, 1, 64)),
    judging=5,
    of_latents=(1024, 1024),
    of_pairs=(2048, 2048),
    slope=0.02,
)
TABLES = {32: SVHN, 64: CELEBA}
"""By the side of a frame in pixels."""


def single_frame(shape: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """The (C, H, W) of clips (T, C, H, W) that are single frames.

    Raises:
        ConfigError: they are longer.
    """
    if shape[0] != 1:
        raise ConfigError(f"got clips of {shape[0]} frames for a model of single frames, expected 1")
    return shape[1:]


def table_for(shape: tuple[int, int, int, int], width: float) -> Table:
    """The layers for single frames of clips (T, C, H, W), `width` times as wide as published.

    Raises:
        ConfigError: no table is for frames of this size.
    """
    _, height, across = single_frame(shape)
    if height != across or height not in TABLES:
        sizes = " or ".join(f"{side}×{side}" for side in TABLES)
        raise ConfigError(
            f"got frames of {height}×{across} pixels, expected {sizes}: try --set image_size={min(TABLES)}"
        )
    return TABLES[height].times(width)


def initialise(network: nn.Module, deviation: float = WEIGHT_DEVIATION) -> None:
    """Draws the weights of its convolutions and linear layers from N(0, deviation²) and makes their biases zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0, deviation)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def batch_norm(maps: int) -> nn.BatchNorm2d:
    """As released: a new batch weighs 0.05 in the running statistics."""
    return nn.BatchNorm2d(maps, eps=1e-4, momentum=0.05)


class Posterior(NamedTuple):
    """What an encoder holds of some frames' latents: a Gaussian for each, or one value where it has no deviation."""

    mean: Float[Tensor, "batch latent"]
    log_deviation: Float[Tensor, "batch latent"] | None = None

    def draw(self) -> Float[Tensor, "batch latent"]:
        """One of each, through which gradients flow."""
        if self.log_deviation is None:
            return self.mean
        return self.mean + self.log_deviation.exp() * torch.randn_like(self.mean)


class Encoder(nn.Module):
    """From frames [B, C, H, W] to what is held of their latents.

    Args:
        channels: of a frame.
        table: its layers.
        latent: numbers in a latent.
        gaussian: whether there is a deviation.
        told: further numbers that the last layer is given.
    """

    def __init__(self, channels: int, table: Table, latent: int, *, gaussian: bool, told: int = 0) -> None:
        super().__init__()
        self.gaussian = gaussian
        layers: list[nn.Module] = []
        for kernel, stride, maps in table.encoder:
            layers.append(nn.Conv2d(channels, maps, kernel, stride, bias=False))
            layers += [batch_norm(maps), nn.LeakyReLU(table.slope, inplace=True)]
            channels = maps
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels + told, 2 * latent if gaussian else latent)
        initialise(self)

    def forward(self, frames: Frames, told: Float[Tensor, "batch told"] | None = None) -> Posterior:
        """What is held of each frame's latent, in single precision."""
        features = self.body(frames)
        found = self.head(features if told is None else torch.cat([features, told.to(features.dtype)], dim=1)).float()
        return Posterior(*found.chunk(2, dim=1)) if self.gaussian else Posterior(found)


def represented(body: nn.Sequential, frames: Frames, side: int = 2) -> Float[Tensor, "batch feature"]:
    """What each layer of a network of frames makes of these, shrunk to `side`×`side` places, all concatenated."""
    found = []
    maps = frames
    for layer in body:
        maps = layer(maps)
        if isinstance(layer, nn.LeakyReLU):
            found.append(adaptive_avg_pool2d(maps, min(side, maps.shape[-1])).flatten(1))
    return torch.cat(found, dim=1)


class Decoder(nn.Module):
    """From latents [B, Z] to frames [B, C, H, W] in [-1, 1].

    Args:
        frame: (C, H, W).
        table: its layers.
        inputs: numbers in a latent and in what else is told.
    """

    knows: Bool[Tensor, ""]
    """Whether it has been shown data."""

    def __init__(self, frame: tuple[int, int, int], table: Table, inputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for kernel, stride, maps in table.decoder:
            layers.append(nn.ConvTranspose2d(inputs, maps, kernel, stride, bias=False))
            layers += [batch_norm(maps), nn.LeakyReLU(table.slope, inplace=True)]
            inputs = maps
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(inputs, frame[0], 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(frame))
        self.register_buffer("knows", torch.tensor(False))
        self._asked = False  # spares a device the question at every step
        initialise(self)

    @torch.no_grad()
    def start_from(self, frames: Frames) -> None:
        """Sets the bias to the log-odds of the frames' mean, when it is called for the first time in training."""
        if not self.training or self._asked:
            return
        self._asked = True
        if not self.knows:
            mean = frames.float().mean(0).clamp(-EXTREME, EXTREME)
            self.bias.copy_(2 * mean.atanh())
            self.knows.fill_(True)

    def forward(self, latents: Float[Tensor, "batch inputs"]) -> Frames:
        """Frames in single precision."""
        return torch.tanh((self.head(self.body(latents[:, :, None, None])).float() + self.bias) / 2)

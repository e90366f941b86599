"""PixelCNN: a frame's likelihood pixel by pixel, each from those above it and those to its left.

Source: van den Oord et al. 2016, arXiv 1606.05328 (gated PixelCNN: a stack for the rows above and one for the row so
far, without a blind spot); the distribution of a pixel is that of PixelCNN++ (Salimans et al. 2017, arXiv 1701.05517),
a mixture of logistics rounded to grey levels.
Deviations: small, of frames of 32×32; the upper stack has residual connections too; no down-sampling; the recipe is
ours. Frames are rounded to `levels` a colour if these are fewer than 256, and likelihoods are then of such frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from baselines import logistics
from baselines.autoencoder import Frames, single_frame
from baselines.settings import check
from benchmark.data import Batch
from benchmark.generation.contract import Attributes, Clips
from benchmark.players import Player
from benchmark.replay import steady

TASK = "generation"
INPUT = "frames"
SOURCE = "van den Oord et al. 2016, arXiv 1606.05328; Salimans et al. 2017, arXiv 1701.05517"
TRAINING = {"*": {"batch_size": 32, "learning_rate": 1e-3, "weight_decay": 0.0, "gradient_clip": 1.0}}

FIRST_LOG_SCALE = -2.0
"""Of the logistics at the start; frames span from -1 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: side of a frame; the cost of a sample grows with its square.
        width: maps of each stack.
        layers: how many of each stack, after the first.
        kernel: side of the square whose upper half a layer sees.
        mixtures: components of a pixel's distribution.
        levels: of a colour; 256 are those of the data.
        dropout: of maps, in each layer.
        beta1: of Adam.
        averaging: decay of a moving average of the weights, from which samples then come; 0 keeps none.
    """

    image_size: int = 32
    width: int = 32
    layers: int = 6
    kernel: int = 5
    mixtures: int = 5
    levels: int = 256
    dropout: float = 0.0
    beta1: float = 0.9
    averaging: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)


def gate(maps: Float[Tensor, "batch maps height width"]) -> Float[Tensor, "batch half height width"]:
    """Half of the maps, squashed, times the other half as gates."""
    values, gates = maps.chunk(2, dim=1)
    return values.tanh() * gates.sigmoid()


class WindowConv(nn.Conv2d):
    """A convolution without padding; on a window of its own size a matrix product.

    That takes two thirds of the time on a CPU, and a sample needs thousands.
    """

    def forward(self, input: Float[Tensor, "batch maps height width"]) -> Float[Tensor, "batch out rows columns"]:
        """What `nn.Conv2d` gives."""
        if input.shape[2:] != self.kernel_size:
            return super().forward(input)
        return linear(input.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None]


class GatedLayer(nn.Module):
    """One layer of both stacks.

    `above` sees a window of rows that end with a place's own, `left` one of columns that end with it; the stacks'
    inputs are moved by a pixel, so that the place itself is never among them.
    """

    def __init__(self, features: int, kernel: int, dropout: float) -> None:
        super().__init__()
        reach = kernel // 2
        self.above = WindowConv(features, 2 * features, (reach + 1, kernel))
        self.left = WindowConv(features, 2 * features, (1, reach + 1))
        self.link = WindowConv(2 * features, 2 * features, 1)
        self.out = nn.Sequential(nn.Dropout(dropout), WindowConv(features, features, 1))

    def forward(self, upper: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks' maps [B, F, H, W] after the layer."""
        seen, linked = self.upper(_rows(upper, self.above))
        return upper + seen, row + self.row(_columns(row, self.left), linked)

    def upper(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to the upper stack, and what the other stack is told."""
        maps = self.above(window)
        return gate(maps), self.link(maps)

    def row(self, window: Tensor, linked: Tensor) -> Tensor:
        """What is added to the stack of the row."""
        return self.out(gate(self.left(window) + linked))


def _rows(maps: Tensor, above: WindowConv) -> Tensor:
    """Zeros around, so that each window of rows ends with a place's own."""
    height, width = above.kernel_size
    return pad(maps, (width // 2, width // 2, height - 1, 0))


def _columns(maps: Tensor, left: WindowConv) -> Tensor:
    return pad(maps, (left.kernel_size[1] - 1, 0, 0, 0))


class PixelCNN(nn.Module):
    """See the module."""

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, self.averaging, self.frame = config, config.averaging, single_frame(shape)
        inputs, features, reach = self.frame[0] + 1, config.width, config.kernel // 2
        self.above = WindowConv(inputs, features, (reach + 1, config.kernel))
        self.left = WindowConv(inputs, features, (1, reach + 1))
        self.layers = nn.ModuleList(GatedLayer(features, config.kernel, config.dropout) for _ in range(config.layers))
        last = WindowConv(features, logistics.numbers(config.mixtures, self.frame[0]), 1)
        self.head = nn.Sequential(nn.ReLU(), WindowConv(features, features, 1), nn.ReLU(), last)
        self._start(last)

    @torch.no_grad()
    def _start(self, last: WindowConv) -> None:
        """One mixture for all pixels, whose components are spread over the grey levels, with scales to match."""
        channels = self.frame[0]
        assert last.bias is not None
        last.weight.zero_()
        biases = last.bias.zero_().unflatten(0, (self.config.mixtures, -1))
        biases[:, 1 : 1 + channels] = torch.linspace(-1, 1, self.config.mixtures + 2)[1:-1, None]
        biases[:, 1 + channels : 1 + 2 * channels] = FIRST_LOG_SCALE

    def players(self) -> dict[str, Player]:
        """One."""
        return {"network": Player(parameters=list(self.parameters()), beta1=self.config.beta1)}

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Bits a colour of a pixel."""
        return {"network": self.nats(batch).mean() / (math.log(2) * math.prod(self.frame))}

    def nats(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Exactly the negative logarithm of each frame's likelihood, rounded to the levels."""
        frames = logistics.rounded(batch.clips[:, :, 0].float(), self.config.levels)
        found = logistics.log_probability(frames, self.mixtures(frames), self.config.levels)
        return -found.flatten(1).sum(1)

    def mixtures(self, frames: Frames) -> logistics.Mixtures:
        """The distribution of every pixel, given those before it."""
        inside = torch.cat([frames, torch.ones_like(frames[:, :1])], dim=1)
        upper = self.above(_rows(pad(inside, (0, 0, 1, -1)), self.above))
        row = self.left(_columns(pad(inside, (1, -1, 0, 0)), self.left))
        for layer in self.layers:
            upper, row = layer(upper, row)
        return logistics.unpack(self.head(row), self.frame[0])

    @torch.no_grad()
    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """Frames drawn pixel by pixel, as clips of one.

        The upper stack goes on by a row at a time, the other by a place; what they saw before is kept.
        """
        channels, height, width = self.frame
        reach, features = self.config.kernel // 2, self.config.width
        sizes = [channels + 1, *[features] * len(self.layers)]
        new = self.left.weight.new_zeros
        uppers = [new(count, size, height + reach + 1, width + 2 * reach) for size in sizes]
        for i in range(height):
            upper, links = self.above(uppers[0][:, :, i : i + reach + 1]), []
            for layer, kept in zip(self.layers, uppers[1:], strict=True):
                kept[:, :, i + reach, reach : reach + width] = upper[:, :, 0]
                seen, linked = layer.upper(kept[:, :, i : i + reach + 1])  # type: ignore[operator]
                upper, links = upper + seen, [*links, linked]
            rows = [new(count, size, 1, width + reach + 1) for size in sizes]
            for j in range(width):
                row = self.left(rows[0][..., j : j + reach + 1])
                for layer, kept, linked in zip(self.layers, rows[1:], links, strict=True):
                    kept[..., j + reach] = row[..., 0]
                    window = kept[..., j : j + reach + 1]
                    row = row + layer.row(window, linked[..., j : j + 1])  # type: ignore[operator]
                pixel = logistics.draw(logistics.unpack(self.head(row), channels), self.config.levels)[:, :, 0, 0]
                for place in (rows[0][:, :, 0, j + reach + 1], uppers[0][:, :, i + reach + 1, j + reach]):
                    place[:, :channels], place[:, channels] = pixel, 1
        return uppers[0][:, None, :channels, reach + 1 :, reach : reach + width].transpose(1, 2).contiguous()


def build(config: Config, shape: tuple[int, int, int, int]) -> PixelCNN:
    """The network for clips of `shape` (1, channels, height, width)."""
    return PixelCNN(config, shape)

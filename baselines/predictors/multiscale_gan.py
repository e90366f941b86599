"""Multi-scale GAN: the next frame from four, guessed at an eighth of its size and refined thrice, with adversaries.

Source: Mathieu et al. 2016, arXiv 1511.05440 (Mastropietro 2017, section 6.1.2), and the code that its authors
released, whose small layers these are: a pyramid by average pooling; at each scale a network of its own is given the
frames and the coarser guess, enlarged to the nearest pixel, and what it says is added to that guess before a tanh. Each
scale's discriminator tells the next frame from a made one, given the same four. The generator descends the squared
error, the difference of gradients and what the discriminators say, at all scales. Weights of these are the paper's;
further pairs of frames that do not belong together, which only the discriminators see, are the code's.
Deviations: Adam and its recipe, where the source has plain gradient descent; means where the paper has sums, so that
the paper's weights are of means; whole frames, not patches of 32×32: above this size discriminators pool their last
maps to as many places as they have at it; both players move at once; a frame that is fed back is pooled anew. The
thesis writes one generator for all scales, and a history that starts at x₀ where its frames start at x₁: here, as in
the released code, each scale has its own, and sees the last four frames.
Features: the maps before each generator's last layer, averaged over places of the coarsest scale, of four frames at a
time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate, mse_loss, softplus

from baselines.adversarial import deceiving_loss, judgements
from baselines.layers import channels_last
from baselines.settings import check
from baselines.windows import covering_windows, drawn_windows
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, HORIZON, Clips, Maps
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Mathieu et al. 2016, arXiv 1511.05440"
TRAINING = {
    "*": {"epochs": 20, "batch_size": 16, "learning_rate": 5e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 10},
}

SEEN = 4
"""Frames from which the next one is predicted."""

GENERATORS = (
    ((3, 16), (3, 32), (3, 16), 3),
    ((5, 16), (3, 32), (3, 16), 5),
    ((5, 16), (3, 32), (3, 64), (3, 32), (3, 16), 5),
    ((7, 16), (5, 32), (5, 64), (5, 32), (5, 16), 7),
)
"""Kernel and maps of each layer, from the coarsest scale on; the last layer, by its kernel, gives the colours."""

DISCRIMINATORS = (
    ((3, 32),),
    ((3, 32), (3, 32), (3, 64)),
    ((5, 32), (5, 32), (5, 64)),
    ((7, 32), (7, 32), (5, 64), (5, 128)),
)
"""The same, without padding; pooled, at the finest scale from twice the side; then two linear layers and the logit."""

PLACES = (2, 2, 4, 6)
"""Side of what is left of a frame of 32×32 before the linear layers."""

LINEAR = (256, 128)

Frames: TypeAlias = Float[Tensor, "batch channels height width"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: a multiple of 8, from 32 on.
        width: times the maps and features of the released small layers.
        adversarial: weight of what the discriminators say; 0 leaves them out.
        gradient_difference: weight of the difference of gradients; the squared error's is one.
        mismatched: discriminators also learn that the next frame of another clip is wrong.
        windows: of five frames, drawn from each clip in a step.
        discriminator_rate: times the generators' learning rate.
    """

    image_size: int = 64
    width: float = 1.0
    adversarial: float = 0.05
    gradient_difference: float = 1.0
    mismatched: bool = True
    windows: int = 4
    discriminator_rate: float = 1.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)
        for name in ("adversarial", "gradient_difference"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"got {name} {getattr(self, name)!r}, expected a number of 0 or more")
        most = CONTEXT + HORIZON - SEEN
        if not 1 <= self.windows <= most:
            raise ConfigError(f"got windows {self.windows!r}, expected a whole number from 1 to {most}")


def pyramid(frames: Frames) -> list[Frames]:
    """The frames at an eighth, a quarter and half of their size, by average pooling, and as they are."""
    return [avg_pool2d(frames, 2**halvings) for halvings in (3, 2, 1)] + [frames]


def enlarged(frames: Frames) -> Frames:
    """Twice the size: each pixel four times."""
    return interpolate(frames, scale_factor=2.0, mode="nearest")


def gradient_difference(said: Frames, true: Frames) -> Float[Tensor, ""]:
    """How far apart the sizes of steps between neighbour pixels are: a mean over rows' and one over columns', summed.

    It knows neither a frame's brightness nor which of two neighbours is the brighter one.
    """
    return torch.stack([(said.diff(dim=axis).abs() - true.diff(dim=axis).abs()).abs().mean() for axis in (2, 3)]).sum()


class Generator(nn.Sequential):
    """Of one scale."""

    def forward(self, input: Frames) -> tuple[Frames, Tensor]:
        """What its last layer gives, colours before the guess is added, and the maps that it makes them of."""
        *inner, last = self
        for layer in inner:
            input = layer(input)
        return last(input), input


class MultiScaleGAN(nn.Module):
    """See the module."""

    stochastic = False

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, (_, channels, height, width) = config, shape
        if height % 8 or width % 8 or min(height, width) < 32:
            raise ConfigError(
                f"got frames of {height}×{width} pixels, expected multiples of 8, from 32 on: try image_size=32"
            )
        self.generators = nn.ModuleList(
            _generator((SEEN + (scale > 0)) * channels, channels, layers, config.width)
            for scale, layers in enumerate(GENERATORS)
        )
        self.discriminators = nn.ModuleList(
            _discriminator((SEEN + 1) * channels, layers, places, config.width)
            for layers, places in zip(DISCRIMINATORS, PLACES, strict=True)
            if config.adversarial
        )

    def players(self) -> dict[str, Player]:
        """Discriminators and generators, all scales' together; generators alone where the others have no weight."""
        generator = Player(parameters=list(self.generators.parameters()), beta1=0.5)
        if not self.config.adversarial:
            return {"generator": generator}
        discriminator = Player(
            parameters=list(self.discriminators.parameters()), rate=self.config.discriminator_rate, beta1=0.5
        )
        return {"discriminator": discriminator, "generator": generator}

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Sums over scales, and the squared error and judgements of the finest one."""
        windows = drawn_windows(batch.clips.float(), self.config.windows, SEEN + 1)
        seen, true = pyramid(windows[:, :SEEN].flatten(1, 2)), pyramid(windows[:, SEEN])
        made = self(seen)
        errors = [mse_loss(one, other) for one, other in zip(made, true, strict=True)]
        found = {"generator": torch.stack(errors).sum(), "squared_error": errors[-1].detach()}
        if self.config.gradient_difference:
            steep = torch.stack([gradient_difference(one, other) for one, other in zip(made, true, strict=True)]).sum()
            found["generator"] = found["generator"] + self.config.gradient_difference * steep
        if self.config.adversarial:
            logits = self._judged(seen, true, made)
            deceit = torch.stack([deceiving_loss(imitated) for _, imitated, _ in logits]).sum()
            found["generator"] = found["generator"] + self.config.adversarial * deceit
            found["discriminator"] = torch.stack([_telling_loss(*one) for one in logits]).sum()
            found |= judgements(*logits[-1][:2])
        return found

    def forward(self, seen: Sequence[Frames]) -> list[Frames]:
        """The next frame at each scale, from the coarsest on, given a pyramid of frames whose colours are stacked."""
        return [frame for frame, _ in self.painted(seen)]

    def painted(self, seen: Sequence[Frames]) -> list[tuple[Frames, Tensor]]:
        """The same, each with the maps that its generator's last layer paints it from."""
        found: list[tuple[Frames, Tensor]] = []
        for frames, generator in zip(seen, self.generators, strict=True):
            guess = enlarged(found[-1][0]) if found else None
            colours, maps = generator(frames if guess is None else torch.cat([frames, guess], dim=1))
            found.append((torch.tanh(colours.float() if guess is None else colours.float() + guess), maps))
        return found

    def predict(self, context: Clips, count: int) -> Clips:
        """Frame by frame; the window slides on to what was predicted."""
        frames = list(context[:, :, -SEEN:].float().unbind(2))
        for _ in range(count):
            frames.append(self(pyramid(torch.cat(frames[-SEEN:], dim=1)))[-1])
        return torch.stack(frames[SEEN:], dim=2)

    def represent(self, clips: Clips) -> Maps:
        """Of each window of `SEEN` frames."""
        windows = covering_windows(clips.float(), SEEN).transpose(2, 3)  # [B, N, T, C, H, W]
        found = [maps for _, maps in self.painted(pyramid(windows.flatten(0, 1).flatten(1, 2)))]
        rows, columns = found[0].shape[2:]
        maps = torch.cat([adaptive_avg_pool2d(one, (rows, columns)) for one in found], dim=1)
        return maps.unflatten(0, windows.shape[:2]).transpose(1, 2)

    def _judged(
        self, seen: Sequence[Frames], true: Sequence[Frames], made: Sequence[Frames]
    ) -> list[tuple[Tensor, Tensor, Tensor | None]]:
        """Each scale's logits of true, made and mismatched frames; of the last none where there is one window."""
        mismatched = self.config.mismatched and len(seen[0]) > 1
        found = []
        for discriminator, given, right, imitated in zip(self.discriminators, seen, true, made, strict=True):
            next_ones = [right, imitated, *([right.roll(1, 0)] if mismatched else [])]
            pairs = torch.cat([torch.cat([given, one], dim=1) for one in next_ones])
            logits = discriminator(pairs).float().flatten().chunk(len(next_ones))
            found.append((logits[0], logits[1], logits[2] if mismatched else None))
        return found


def _telling_loss(real: Tensor, made: Tensor, mismatched: Tensor | None) -> Float[Tensor, ""]:
    """Minus log-likelihoods; mismatched frames share the weight of what is wrong with made ones."""
    wrong = softplus(made).mean()
    if mismatched is not None:
        wrong = (wrong + softplus(mismatched).mean()) / 2
    return softplus(-real).mean() + wrong


def _generator(channels: int, colours: int, layers: Sequence[tuple[int, int] | int], width: float) -> Generator:
    """Convolutions that keep a frame's size, ReLUs between them."""
    made: list[nn.Module] = []
    for layer in layers:
        kernel, maps = (layer, colours) if isinstance(layer, int) else (layer[0], max(1, round(width * layer[1])))
        made += [nn.Conv2d(channels, maps, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
        channels = maps
    return Generator(*made[:-1])


def _discriminator(channels: int, layers: Sequence[tuple[int, int]], places: int, width: float) -> nn.Sequential:
    """Convolutions without padding, then linear layers on as many places."""
    made: list[nn.Module] = []
    for kernel, published in layers:
        maps = max(1, round(width * published))
        made += [nn.Conv2d(channels, maps, kernel), nn.ReLU(inplace=True)]
        channels = maps
    made += [nn.AdaptiveMaxPool2d(places), nn.Flatten()]
    features = channels * places**2
    for published in LINEAR:
        wide = max(1, round(width * published))
        made += [nn.Linear(features, wide), nn.ReLU(inplace=True)]
        features = wide
    return nn.Sequential(*made, nn.Linear(features, 1))


def build(config: Config, shape: tuple[int, int, int, int]) -> MultiScaleGAN:
    """The network for clips of `shape` (frames, channels, height, width)."""
    return channels_last(MultiScaleGAN(config, shape))

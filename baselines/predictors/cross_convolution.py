"""Cross convolution: the change to the next frame, drawn: kernels made from a latent move maps of the last frame.

Source: Xue et al. 2016, arXiv 1607.02586, whose bound, scales, maps and 5×5 kernels these are: an image encoder for the
frame at an eighth, a quarter, half and all of its size, a motion encoder that sees the change, a kernel decoder, a
motion decoder of 9×9 and twice 1×1; the target is a hundred times the change of colours in [0, 1]. As in the TensorFlow
models' version of it, the motion encoder is also given the frame itself, and latents are a map as large as a kernel.
Latents of training that are kept and drawn from (`codes="stored"`) are the authors' code's. At a weight of 1 the
divergence left no latent with anything to say on clips of 32×32 (`divergence`): predictions were copies.
Deviations: the motion encoder halves its maps twice and then averages over as many places as a kernel has, so that
frames need not be 128×128; sums of squares and of the divergence, both over all values of a sample; last layers of each
part without ReLU and norm; Adam; one latent moves a whole continuation, for the paper predicts a single frame, and what
is fed back is kept in range; of the context only the last frame is seen, but for `codes="inferred"`, the latent of its
last change, which is ours.
Features: the mean that the motion encoder gives the latents of a change, of two frames at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate

from baselines.layers import channels_last
from baselines.pixel_motion import crossed
from baselines.settings import NOT_NEGATIVE, check
from baselines.windows import covering_windows, drawn_windows
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, HORIZON, Clips, Maps
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Xue et al. 2016, arXiv 1607.02586"
TRAINING = {
    "*": {"epochs": 20, "batch_size": 32, "learning_rate": 1e-3, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 20, "batch_size": 16, "learning_rate": 5e-4},
}

SCALES = 4
"""Each half as large as the next; the last is the frame's own."""

IMAGE_MAPS = (64, 64, 64, 32)
"""Of the image encoder; after the second and the fourth layer maps may be halved."""

MOTION_MAPS = (96, 96, 128, 128, 256)
"""Of the motion encoder before its last layer; after the first two maps are halved."""

DECODED_MAPS = 128
"""Of the kernel decoder and the motion decoder between their layers."""

CODES = ("prior", "stored", "inferred")

STORED = 1000
"""Latents that are kept."""

Frames: TypeAlias = Float[Tensor, "batch channels height width"]
Codes: TypeAlias = Float[Tensor, "batch maps rows columns"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: a multiple of 8, and of 8 · 2^`pools`.
        width: times the published maps; latents are as many maps as kernels are.
        kernel: side of kernels and latents.
        pools: how often the image encoder halves its maps, 0 to 2, as published; fewer move things by finer steps.
        scale: times the change of colours, on the scale of [0, 1], is what is predicted: a pixel's deviation is 1 / it.
        divergence: weight of the latents' divergence from N(0, I) in the loss; 1 is the bound.
        windows: pairs of frames, drawn from each clip in a step.
        codes: from where latents come in prediction: `prior`, N(0, I); `stored`, those of the last pairs of training;
            `inferred`, from the last change of the context.
    """

    image_size: int = 64
    width: float = 1.0
    kernel: int = 5
    pools: int = 2
    scale: float = 100.0
    divergence: float = 1.0
    windows: int = 4
    codes: str = "prior"

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self, {"divergence": NOT_NEGATIVE})
        if self.pools not in (0, 1, 2):
            raise ConfigError(f"got pools {self.pools!r}, expected 0, 1 or 2")
        if not 0 < self.scale < math.inf:
            raise ConfigError(f"got scale {self.scale!r}, expected a number above 0")
        most = CONTEXT + HORIZON - 1
        if not 1 <= self.windows <= most:
            raise ConfigError(f"got windows {self.windows!r}, expected a whole number from 1 to {most}")
        if self.codes not in CODES:
            raise ConfigError(f"got codes {self.codes!r}, expected {', '.join(CODES[:-1])} or {CODES[-1]}")


def divergence(mean: Codes, log_deviation: Codes) -> Float[Tensor, " batch"]:
    """Kullback and Leibler's of each sample's Gaussian from N(0, I), in nats: a sum over all of its latents."""
    return (mean.square() + (2 * log_deviation).exp() - 1 - 2 * log_deviation).flatten(1).sum(1) / 2


class MotionEncoder(nn.Module):
    """What change there is between two frames, as a Gaussian of latents."""

    def __init__(self, channels: int, latents: int, config: Config) -> None:
        super().__init__()
        self.kernel, layers = config.kernel, []
        for place, published in enumerate(MOTION_MAPS):
            maps = _wide(published, config.width)
            layers.append(_layer(channels, maps, 5 if place < 4 else 3))
            layers += [nn.MaxPool2d(2)] if place < 2 else []
            channels = maps
        self.layers = nn.Sequential(*layers)
        self.to_latents = nn.Conv2d(channels, 2 * latents, 3, padding=1)

    def forward(self, frame: Frames, change: Frames) -> tuple[Codes, Codes]:
        """Mean and logarithm of the deviation."""
        maps = adaptive_avg_pool2d(self.layers(torch.cat([frame, change], dim=1)), self.kernel)
        mean, log_deviation = self.to_latents(maps).float().chunk(2, dim=1)
        return mean, log_deviation


class CrossConvolution(nn.Module):
    """See the module."""

    stochastic = True
    stored: Float[Tensor, "stored maps rows columns"]
    """Latents of the last pairs of training, if they are kept; before there are any, draws from N(0, I)."""

    place: Int[Tensor, ""]
    """Where among them the next one goes."""

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, (_, channels, height, width) = config, shape
        multiple = 2 ** (SCALES - 1 + config.pools)
        if height % multiple or width % multiple:
            raise ConfigError(
                f"got frames of {height}×{width} pixels with pools={config.pools}, expected multiples of {multiple}: "
                "try --set image_size=64"
            )
        moving, decoded = _wide(IMAGE_MAPS[-1], config.width), _wide(DECODED_MAPS, config.width)
        latents = SCALES * moving
        self.image_encoders = nn.ModuleList(_image_encoder(channels, config) for _ in range(SCALES))
        self.motion_encoder = MotionEncoder(2 * channels, latents, config)
        self.kernel_decoder = nn.Sequential(
            _layer(latents, decoded, 5), nn.Conv2d(decoded, SCALES * moving, 5, padding=2)
        )
        self.motion_decoder = nn.Sequential(
            _layer(SCALES * moving, decoded, 9), _layer(decoded, decoded, 1), nn.Conv2d(decoded, channels, 1)
        )
        if config.codes == "stored":
            self.register_buffer("stored", torch.randn(STORED, latents, config.kernel, config.kernel))
            self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def players(self) -> dict[str, Player]:
        """One."""
        return {"predictor": Player(parameters=list(self.parameters()))}

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Minus the bound of the log-likelihood by sample, but for a constant and `divergence`; and its two parts."""
        last, following = drawn_windows(batch.clips.float(), self.config.windows, 2).unbind(1)
        target = self.config.scale * (following - last) / 2
        mean, log_deviation = self.motion_encoder(last, following - last)
        codes = mean + log_deviation.exp() * torch.randn_like(mean)
        self._keep(codes.detach())
        error = (self.change(last, codes) - target).square().flatten(1).sum(1).mean() / 2
        distance = divergence(mean, log_deviation).mean()
        loss = error + self.config.divergence * distance
        return {"predictor": loss, "error": error.detach(), "divergence": distance.detach()}

    def change(self, frame: Frames, codes: Codes) -> Frames:
        """What is added to a frame, times `scale`, in colours of [0, 1]."""
        return self.moved(self.maps(frame), self.kernels(codes), frame.shape[2:])

    def maps(self, frame: Frames) -> list[Tensor]:
        """What each scale's image encoder makes of a frame, from the coarsest on."""
        shrunk = [avg_pool2d(frame, 2**halvings) for halvings in range(SCALES - 1, 0, -1)]
        return [encoder(one) for encoder, one in zip(self.image_encoders, [*shrunk, frame], strict=True)]

    def kernels(self, codes: Codes) -> list[Tensor]:
        """Each scale's kernels, one for each map."""
        return list(self.kernel_decoder(codes).float().chunk(SCALES, dim=1))

    def moved(self, maps: Sequence[Tensor], kernels: Sequence[Tensor], size: Sequence[int]) -> Frames:
        """The change that the motion decoder makes of maps that their kernels moved, enlarged to one size."""
        found = [crossed(one, kernel) for one, kernel in zip(maps, kernels, strict=True)]
        enlarged = [interpolate(one, size=tuple(size), mode="bilinear", align_corners=False) for one in found]
        return self.motion_decoder(torch.cat(enlarged, dim=1)).float()

    def predict(self, context: Clips, count: int) -> Clips:
        """Frame by frame from the last one, by one latent and so the same kernels."""
        frame = context[:, :, -1].float()
        kernels, said = self.kernels(self.codes(context)), []
        for _ in range(count):
            change = self.moved(self.maps(frame), kernels, frame.shape[2:])
            frame = (frame + 2 * change / self.config.scale).clamp(-1, 1)
            said.append(frame)
        return torch.stack(said, dim=2)

    def represent(self, clips: Clips) -> Maps:
        """Of each pair of frames, in single precision."""
        windows = covering_windows(clips.float(), 2)  # [B, N, C, 2, H, W]
        frame, following = windows.flatten(0, 1).unbind(2)
        mean, _ = self.motion_encoder(frame, following - frame)
        return mean.unflatten(0, windows.shape[:2]).transpose(1, 2)

    def codes(self, context: Clips) -> Codes:
        """A latent for each clip, from where the configuration says."""
        if self.config.codes == "stored":
            return self.stored[torch.randint(STORED, (len(context),), device=context.device)]
        size = (len(context), self._latents, self.config.kernel, self.config.kernel)
        draws = torch.randn(size, device=context.device)
        if self.config.codes == "prior":
            return draws
        before, last = context[:, :, -2].float(), context[:, :, -1].float()
        mean, log_deviation = self.motion_encoder(before, last - before)
        return mean + log_deviation.exp() * draws

    @property
    def _latents(self) -> int:
        return SCALES * _wide(IMAGE_MAPS[-1], self.config.width)

    @torch.no_grad()
    def _keep(self, codes: Codes) -> None:
        """In place of the oldest ones."""
        if self.config.codes == "stored" and self.training:
            newest = codes[-STORED:]
            places = (self.place + torch.arange(len(newest), device=codes.device)) % STORED
            self.stored.index_copy_(0, places, newest)
            self.place.add_(len(newest)).remainder_(STORED)


def _wide(maps: int, width: float) -> int:
    return max(1, round(width * maps))


def _layer(channels: int, maps: int, kernel: int) -> nn.Sequential:
    """A convolution that keeps the size, batch norm, ReLU."""
    convolution = nn.Conv2d(channels, maps, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(maps), nn.ReLU(inplace=True))


def _image_encoder(channels: int, config: Config) -> nn.Sequential:
    """Four layers; the last one has neither norm nor ReLU."""
    maps = [_wide(published, config.width) for published in IMAGE_MAPS]
    layers: list[nn.Module] = [_layer(channels, maps[0], 5), _layer(maps[0], maps[1], 5)]
    layers += [nn.MaxPool2d(2)] if config.pools > 0 else []
    layers += [_layer(maps[1], maps[2], 5), nn.Conv2d(maps[2], maps[3], 5, padding=2)]
    layers += [nn.MaxPool2d(2)] if config.pools > 1 else []
    return nn.Sequential(*layers)


def build(config: Config, shape: tuple[int, int, int, int]) -> CrossConvolution:
    """The network for clips of `shape` (frames, channels, height, width)."""
    return channels_last(CrossConvolution(config, shape))

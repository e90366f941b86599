"""Conditional VGAN: two streams continue the last frame, against a judge of clips.

Source: Vondrick et al. 2016, arXiv 1609.02612, and the code that its authors released: an encoder of 128, 256, 512 and
1024 maps in the place of the latent, a generator of two streams whose first frame is to be the one given.
Deviations: 16 frames at a time, not 32, since 20 are learnt from; longer futures go on from the last frame made; a
convolution to one place ends the encoder; more than one frame can be given; both players move at once, from one forward
pass; the recipe's schedule of the learning rate; other sizes (see `baselines.two_stream_video`).
Features: the latent that the encoder makes of the frames given, of as many at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from baselines.adversarial import deceiving_loss, judgements, telling_loss
from baselines.settings import check
from baselines.two_stream_video import ClipJudge, Streams, TwoStreams, plan_for, start
from baselines.windows import covering_windows, drawn_windows
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, HORIZON, Clips, Maps
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Vondrick et al. 2016, arXiv 1609.02612"
TRAINING = {
    "*": {"epochs": 25, "batch_size": 32, "learning_rate": 2e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 40},
    "tiny": {"epochs": 2, "batch_size": 10},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: a power of two from 8 on.
        block: frames that are made at once, the first of them the last one given; powers of two keep most layers.
        given: frames that the encoder sees, the last ones; one as published, which does not tell how anything moves.
        latent: numbers between encoder and generator.
        width: times the published maps.
        frame_weight: of the distance between the first frame made and the one given.
        mask_weight: of the mask's mean, which keeps the foreground small; none as published.
        beta1: of both players' Adam.
    """

    image_size: int = 64
    block: int = 16
    given: int = 1
    latent: int = 512
    width: float = 1.0
    frame_weight: float = 10.0
    mask_weight: float = 0.0
    beta1: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what no network can be built from, and clips longer than those that it learns from."""
        check(self)
        if self.block < 2:
            raise ConfigError(f"got block {self.block!r}, expected a whole number of 2 or more")
        if not 1 <= self.given <= min(CONTEXT, CONTEXT + HORIZON + 1 - self.block):
            raise ConfigError(
                f"got given {self.given} and block {self.block}, expected 1 to {CONTEXT} given, and "
                f"{CONTEXT + HORIZON + 1} or fewer in all"
            )
        for name in ("frame_weight", "mask_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"got {name} {getattr(self, name)!r}, expected a number of 0 or more")


def encoder(shape: tuple[int, int, int, int], config: Config) -> nn.Sequential:
    """From the frames given, side by side, to the latent, [B, Z, 1, 1]: twice the maps of the generator's layers."""
    maps = [2 * each for each in plan_for(shape, config.width).maps]
    layers: list[nn.Module] = []
    for narrow, wide in zip([config.given * shape[1], *maps], maps, strict=False):
        layers.append(nn.Conv2d(narrow, wide, 4, stride=2, padding=1))
        layers += [nn.BatchNorm2d(wide), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(maps[-1], config.latent, 4)).apply(start)


class ConditionalVGAN(nn.Module):
    """See the module."""

    stochastic = False

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, shape = config, (config.block, *shape[1:])
        self.encoder = encoder(shape, config)
        self.generator = TwoStreams(config.latent, shape, config.width)
        self.discriminator = ClipJudge(shape, config.width)

    def players(self) -> dict[str, Player]:
        """Discriminator; encoder and generator."""
        return {
            "discriminator": Player(parameters=list(self.discriminator.parameters()), beta1=self.config.beta1),
            "generator": Player(
                parameters=[*self.encoder.parameters(), *self.generator.parameters()], beta1=self.config.beta1
            ),
        }

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Both players', and the parts of the generator's, of clips that start anywhere."""
        given, block = self.config.given, self.config.block
        window = drawn_windows(batch.clips, 1, given - 1 + block).transpose(1, 2)
        before, clips = window[:, :, :given], window[:, :, given - 1 :]
        streams = self.streams(before)
        said = streams.clips()
        real, made = self.discriminator(clips), self.discriminator(said)
        found = {"first_frame": l1_loss(said[:, :, 0], before[:, :, -1]), "foreground": streams.mask.mean()}
        weighed = self.config.frame_weight * found["first_frame"] + self.config.mask_weight * found["foreground"]
        return {
            "discriminator": telling_loss(real, made),
            "generator": deceiving_loss(made) + weighed,
            **found,
        } | judgements(real, made)

    def streams(self, given: Clips) -> Streams:
        """What clips that start with the last of the frames given are put together from."""
        return self.generator(self.latent(given))

    def latent(self, given: Clips) -> Float[Tensor, "batch latent"]:
        """What the encoder makes of the frames given."""
        return self.encoder(given.transpose(1, 2).flatten(1, 2)).flatten(1)

    def predict(self, context: Clips, count: int) -> Clips:
        """What follows the last frame; again from the last frames made, until there are as many as asked for."""
        frames, wanted = context, context.shape[2] + count
        while frames.shape[2] < wanted:
            said = self.streams(frames[:, :, -self.config.given :]).clips()[:, :, 1:]
            frames = torch.cat([frames, said], dim=2)
        return frames[:, :, context.shape[2] : wanted]

    def represent(self, clips: Clips) -> Maps:
        """Of each window of as many frames as are given."""
        windows = covering_windows(clips, self.config.given)
        return self.latent(windows.flatten(0, 1)).unflatten(0, windows.shape[:2]).transpose(1, 2)[..., None, None]


def build(config: Config, shape: tuple[int, int, int, int]) -> ConditionalVGAN:
    """The network for clips of `shape` (time, channels, height, width)."""
    return ConditionalVGAN(config, shape)

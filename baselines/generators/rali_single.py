"""Recurrent ALI with one latent for a clip: its encoder's last state, spread over the decoder's steps.

Source: Mastropietro 2017, section 6.2, second form; losses of Dumoulin et al. 2017, arXiv 1606.00704, equation 1.
Deviations: no hyper-parameters were ever published: all of them are ours, and so are the number of ConvLSTMs (one in
each network, on maps of 4×4), the weights' start, where latents and clips meet in the discriminator (late, as in ALI),
and the options that steady the game or leave a part of it out; clips are 16 frames of 32×32 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.recurrent_ali import RecurrentGAN, assemble
from baselines.recurrent_blocks import Seed, Sequence, Shape, Whole
from baselines.recurrent_options import Options
from baselines.recurrent_vae import RecurrentVAE
from benchmark.generation.contract import Clips, Latents
from dynamics_gen.errors import ConfigError

TASK = "generation"
INPUT = "clips"
SOURCE = "Mastropietro 2017, section 6.2"
TRAINING = {
    "*": {"epochs": 40, "batch_size": 32, "learning_rate": 2e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 24},
    "tiny": {"epochs": 2, "batch_size": 10},
}

DECODERS = ("mlp", "copy", "first")
"""How the decoder's steps are told of the latent: by a perceptron that makes a sequence of it, by a copy for each of
them, or only the first of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(Options):
    """Hyper-parameters; see `Options`. `decoder` is one of `DECODERS`; with `mlp` clips have one length alone."""

    decoder: str = "mlp"

    def __post_init__(self) -> None:
        """Refuses what no network can be built from, or what would not move."""
        Options.__post_init__(self)
        if self.decoder not in DECODERS:
            raise ConfigError(f"got decoder {self.decoder!r}, expected one of {', '.join(DECODERS)}")
        if not self.recurrent and self.decoder != "mlp":
            raise ConfigError(
                f"got recurrent=False with decoder {self.decoder!r}, whose steps nothing would tell apart, expected "
                "decoder 'mlp'"
            )


class LastEncoder(nn.Module):
    """A Gaussian from what is known of a clip at its end."""

    def __init__(self, shape: Shape, config: Options) -> None:
        super().__init__()
        self.whole = Whole(shape, config)
        self.readout = nn.Linear(self.whole.size, 2 * config.latent)

    def forward(self, clips: Clips) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Means, and logarithms of deviations."""
        mean, log_deviation = self.readout(self.whole(clips)).chunk(2, dim=-1)
        return mean, log_deviation


class Spread(nn.Module):
    """A perceptron from the latent to one for each step; it is bound to one number of steps."""

    def __init__(self, shape: Shape, config: Options) -> None:
        super().__init__()
        hidden = 8 * config.width
        self.perceptron = nn.Sequential(
            nn.Linear(config.latent, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, shape[0] * config.latent),
        )
        self.sequence = Sequence(shape, config)

    def forward(self, latents: Latents, frames: int) -> Float[Tensor, "time_batch channels side side"]:
        """Maps of each step."""
        return self.sequence(self.perceptron(latents), frames)


class Copied(nn.Module):
    """The same maps for every step, or for the first alone and zero for the others."""

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        self.seed, self.only_first = Seed(shape, config), config.decoder == "first"

    def forward(self, latents: Latents, frames: int) -> Float[Tensor, "time_batch channels side side"]:
        """Maps of each step."""
        maps = self.seed(latents)
        rest = torch.zeros_like(maps) if self.only_first else maps
        return torch.cat([maps] + [rest] * (frames - 1))


def build(config: Config, shape: Shape) -> RecurrentGAN | RecurrentVAE:
    """The network for clips of `shape` (time, channels, height, width)."""
    inputs = Spread(shape, config) if config.decoder == "mlp" else Copied(shape, config)
    return assemble(config, config.latent, shape, inputs, lambda: LastEncoder(shape, config))

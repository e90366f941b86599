"""Recurrent ALI with a latent for every time step: ConvLSTMs infer and decode clips, a discriminator sees both.

Source: Mastropietro 2017, section 6.2, first form; losses of Dumoulin et al. 2017, arXiv 1606.00704, equation 1.
Deviations: no hyper-parameters were ever published: all of them are ours, and so are the number of ConvLSTMs (one in
each network, on maps of 4×4), the weights' start, where latents and clips meet in the discriminator (late, as in ALI),
and the options that steady the game or leave a part of it out; clips are 16 frames of 32×32 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from baselines.recurrent_ali import RecurrentGAN, assemble
from baselines.recurrent_blocks import Sequence, Shape, Steps
from baselines.recurrent_options import Options
from baselines.recurrent_vae import RecurrentVAE
from benchmark.generation.contract import Clips

TASK = "generation"
INPUT = "clips"
SOURCE = "Mastropietro 2017, section 6.2"
TRAINING = {
    "*": {"epochs": 40, "batch_size": 32, "learning_rate": 2e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 24},
    "tiny": {"epochs": 2, "batch_size": 10},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(Options):
    """Hyper-parameters; see `Options`."""


class StepsEncoder(nn.Module):
    """A Gaussian for each step, from the clip up to there; flat, the steps one after the other."""

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        self.steps = Steps(shape, config)
        self.readout = nn.Linear(self.steps.size, 2 * config.latent)

    def forward(self, clips: Clips) -> tuple[Float[Tensor, "batch latents"], Float[Tensor, "batch latents"]]:
        """Means, and logarithms of deviations."""
        mean, log_deviation = self.readout(self.steps(clips)).transpose(0, 1).chunk(2, dim=-1)
        return mean.flatten(1), log_deviation.flatten(1)


def build(config: Config, shape: Shape) -> RecurrentGAN | RecurrentVAE:
    """The network for clips of `shape` (time, channels, height, width)."""
    inputs = Sequence(shape, config)
    return assemble(config, shape[0] * config.latent, shape, inputs, lambda: StepsEncoder(shape, config))

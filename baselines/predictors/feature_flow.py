"""Feature flow: features of a frame move by a predicted flow, and the next frame is painted from where they arrive.

Source: Mastropietro 2017, section 6.3, equations 6.2 and 6.3: x̃ = D²(F[E¹(x), D¹(z, E²(E¹(x)))]), a ConvLSTM on either
side of the flow F, a mask that copies pixels of the frame, batch norm in the generator and weight norm in the
discriminator, which is Conv3D with a ConvLSTM; frames are true ones at first (closed loop), then the model's own (open
loop). The flow can be told to the discriminator by its inverse (section 6.3.4).
Deviations: all sizes, weights and the recipe, which the thesis does not give, are ours; so are shares of what arrives,
flows of groups of features, the border that nothing crosses, and, where asked for, a model that sees how each frame
differs from the one before, moves pixels along with their features, starts by leaving them where they are, and has
norms of single frames. The discriminator sees the first frame and all that were made after it. Both players move at
once, from one forward pass. The thesis says of its figure 6.9 both that five frames are in closed loop and that two are
data: here `closed_steps` says how many are predicted from true ones, as many as are given if nothing else is asked for.
Features: the hidden maps of the ConvLSTMs on either side of the flow, those that move and those that say where to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.adversarial import deceiving_loss, judgements, telling_loss
from baselines.feature_flow_discriminator import Discriminator
from baselines.feature_flow_networks import Generator, Memory
from baselines.feature_flow_options import RULES as OPTIONS
from baselines.feature_flow_options import Options
from baselines.settings import NOT_NEGATIVE, Rules, check
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, HORIZON, Clips, Maps
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Mastropietro 2017, section 6.3"
TRAINING = {
    "*": {"epochs": 20, "batch_size": 32, "learning_rate": 2e-4, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 10, "batch_size": 16, "learning_rate": 3e-3},
    "tiny": {"epochs": 2, "batch_size": 10},
}

RISE = 0.5
"""Share of the run over which the curriculum lengthens the open loop, from nothing to its whole length."""

RULES: Rules = {
    "closed_steps": (f"a whole number from 1 to {CONTEXT + HORIZON - 1}", range(1, CONTEXT + HORIZON).__contains__),
    "error": NOT_NEGATIVE,
    "open_error": NOT_NEGATIVE,
    "adversary": NOT_NEGATIVE,
}
"""Of what stands in `Config`: what is expected, and whether a value is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(Options):
    """Hyper-parameters, those of the networks among them.

    Attributes:
        image_size: a multiple of `grid`.
        resample: z is drawn for each step, not once for a clip.
        closed_steps: how many frames of a clip are predicted from true ones while it learns; later ones from its own.
        curriculum: the open loop is longer the longer it has learnt.
        error: weight of the squared error.
        open_error: weight of frames of the open loop in that error; those of the closed loop have 1.
        adversary: weight of the discriminator's judgement; 0 leaves the discriminator out.
        beta1: of both players' Adam.
    """

    image_size: int = 64
    resample: bool = True
    closed_steps: int = CONTEXT
    curriculum: bool = False
    error: float = 10.0
    open_error: float = 1.0
    adversary: float = 0.1
    beta1: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what no network can be built from, and what nothing can be learnt by."""
        Options.__post_init__(self)
        check(self, {**OPTIONS, **RULES})
        if not (self.error or self.adversary):
            raise ConfigError("got error 0 and adversary 0, expected something to learn from")
        if self.inverse != "none" and not self.adversary:
            raise ConfigError(f"got inverse {self.inverse!r} and adversary 0, expected a discriminator to tell it to")


class FeatureFlow(nn.Module):
    """See the module; `discriminator` is None where the adversary has no weight."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, self.stochastic = config, config.latent > 0
        self.generator = Generator(config, shape)
        self.discriminator = Discriminator(config, shape) if config.adversary else None

    def players(self) -> dict[str, Player]:
        """The generator and, where there is one, the discriminator."""
        parts = {"generator": self.generator, "discriminator": self.discriminator}
        return {
            name: Player(parameters=list(part.parameters()), beta1=self.config.beta1)
            for name, part in parts.items()
            if part is not None
        }

    def phase(self, batch: Batch, progress: float) -> int:
        """How many frames are predicted from the model's own."""
        return self.open_steps(batch.clips.shape[2], progress)

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """The players', and both loops' squared errors; with an adversary, whom it holds to be real."""
        config, closed = self.config, self.config.closed_steps
        opened = self.phase(batch, progress)
        clips = batch.clips[:, :, : 1 + closed + opened]
        said = self.continued(clips[:, :, :closed], 1 + opened)
        errors = (said - clips[:, :, 1:]).square().mean((0, 1, 3, 4))
        weights = torch.ones_like(errors)
        weights[closed:] = config.open_error
        loss = config.error * (weights * errors).mean()
        noted = {"closed_error": errors[:closed].mean().detach()}
        if opened:
            noted["open_error"] = errors[closed:].mean().detach()
        if self.discriminator is None:
            return {"generator": loss, **noted}
        both = torch.cat([clips, torch.cat([clips[:, :, :1], said], dim=2)])
        real, made = self.discriminator(both).chunk(2)
        return {
            "generator": loss + config.adversary * deceiving_loss(made),
            "discriminator": telling_loss(real, made),
            **noted,
            **judgements(real, made),
        }

    def open_steps(self, frames: int, progress: float) -> int:
        """How many frames of a clip are predicted from the model's own."""
        most = frames - 1 - self.config.closed_steps
        return min(most, int(progress / RISE * (most + 1))) if self.config.curriculum else most

    def latents(self, batch: int, steps: int) -> Float[Tensor, "steps batch latent"]:
        """Of each step: from N(0, I), or the same ones throughout."""
        device = self.generator.logits.weight.device
        drawn = torch.randn(steps if self.config.resample else 1, batch, self.config.latent, device=device)
        return drawn.expand(steps, -1, -1)

    def continued(self, context: Clips, count: int) -> Clips:
        """The frame after each given one, in closed loop, and in open loop the further ones, `count` after the last."""
        given = context.shape[2]
        latents = self.latents(len(context), given + count - 1)
        said, memory = self.generator(context, latents[:given], Memory())
        made = [said]
        for step in range(given, given + count - 1):
            said, memory = self.generator(said[:, :, -1:], latents[step : step + 1], memory)
            made.append(said)
        return torch.cat(made, dim=2)

    def predict(self, context: Clips, count: int) -> Clips:
        """The next `count` frames: what is given is seen in closed loop."""
        return self.continued(context, count)[:, :, -count:]

    def represent(self, clips: Clips) -> Maps:
        """After each frame, in closed loop."""
        return self.generator.represent(clips)


def build(config: Config, shape: tuple[int, int, int, int]) -> FeatureFlow:
    """The network for clips of `shape` (time, channels, height, width)."""
    return FeatureFlow(config, shape)

"""Hyper-parameters of recurrent ALI: its sizes, what steadies it, and what may be left out."""

from dataclasses import dataclass, fields

from baselines.settings import check
from dynamics_gen.errors import ConfigError

OF_DISCRIMINATORS = (
    "discriminator_rate",
    "spectral_norm",
    "batch_norm",
    "gradient_penalty",
    "dropout",
    "noise",
    "changes",
)
"""Settings that move nothing without one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Hyper-parameters that both forms have; what steadies the game is off, so that each can be tried alone.

    Attributes:
        width: channels of the first convolution; the others have two and four times as many.
        latent: numbers in one latent, the clip's or that of each step.
        beta1: of both players' Adam.
        discriminator_rate: times the encoder's and decoder's learning rate.
        spectral_norm: in the discriminator, in place of batch norm, which would undo it.
        batch_norm: in the discriminator; without it and without spectral norm is the control of the latter.
        gradient_penalty: weight of R1.
        averaging: decay of a moving average of the weights, from which samples then come; 0 keeps none.
        dropout: before the discriminator's layers on pairs.
        noise: deviation of what is added to every pixel that the discriminator learns from; it sinks to 0 over the run.
        changes: whether the discriminator is also shown each frame's change from the one before.
        inference: whether there is an encoder; without one the model is a recurrent GAN.
        recurrent: whether there are ConvLSTMs; else gated convolutions over three steps, of as many weights.
        adversary: whether there is a discriminator; without one the model is a recurrent VAE.
    """

    frames: int = 16
    image_size: int = 32
    width: int = 32
    latent: int = 64
    beta1: float = 0.5
    discriminator_rate: float = 1.0
    spectral_norm: bool = False
    batch_norm: bool = True
    gradient_penalty: float = 0.0
    averaging: float = 0.0
    dropout: float = 0.0
    noise: float = 0.0
    changes: bool = False
    inference: bool = True
    recurrent: bool = True
    adversary: bool = True

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)
        for name in ("frames", "width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)!r}, expected a whole number of 1 or more")
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"got noise {self.noise!r}, expected a number of 0 or more")
        if not self.adversary:
            self._refuse_what_no_discriminator_has()

    def _refuse_what_no_discriminator_has(self) -> None:
        defaults = {field.name: field.default for field in fields(self)}
        for name in (*OF_DISCRIMINATORS, "inference"):
            got, expected = getattr(self, name), defaults[name]
            if got != expected:
                why = "there is no discriminator that has it"
                if name == "inference":
                    why = "without either nothing is learnt"
                raise ConfigError(f"got adversary=False with {name}={got!r}, expected {name}={expected!r}: {why}")

"""What a generator's network offers the benchmark: its players, their losses, samples; and, if it can, inference.

Clips are [B, C, T, H, W] in [-1, 1], also single frames, whose T is 1. Latents are flat, [B, Z]. What is drawn comes
from torch's global generator, so that the seed and the checkpoint determine it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from benchmark.data import Batch
from benchmark.players import Player

Clips: TypeAlias = Float[Tensor, "batch channels time height width"]
Latents: TypeAlias = Float[Tensor, "batch latent"]
Attributes: TypeAlias = Float[Tensor, "batch attribute"]


@runtime_checkable
class Generator(Protocol):
    """The least that a network must offer: a game, and samples; these come from averaged weights where it has them."""

    def players(self) -> Mapping[str, Player]:
        """As `players.Game`."""
        ...

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """As `players.Game`; a conditional model's batches have attributes."""
        ...

    def sample(self, count: int, attributes: Attributes | None = None) -> Clips:
        """New clips; each with its row of `attributes` where the model is conditional."""
        ...


@runtime_checkable
class Infers(Protocol):
    """A network with an encoder and a decoder."""

    def encode(self, clips: Clips, attributes: Attributes | None = None) -> Latents:
        """What the encoder holds likeliest, or draws where it has no such thing."""
        ...

    def decode(self, latents: Latents, attributes: Attributes | None = None) -> Clips:
        """What the latents stand for."""
        ...


@runtime_checkable
class Represents(Protocol):
    """A network whose layers can serve another purpose."""

    def represent(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """What its layers make of each clip, concatenated."""
        ...


@runtime_checkable
class Judges(Protocol):
    """A network with a discriminator.

    While it plays, its losses note `judged_real` and `samples_judged_real`: which share of real and of made clips it
    holds to be real. Of these the curves of `in_play` are made.
    """

    def judge(self, clips: Clips, attributes: Attributes | None = None) -> Float[Tensor, " batch"]:
        """Logits, positive where a clip is held to be real."""
        ...


@runtime_checkable
class Likelihood(Protocol):
    """A network with a likelihood, or a bound of it."""

    def nats(self, batch: Batch) -> Float[Tensor, " batch"]:
        """At least the negative logarithm of each clip's likelihood, in nats."""
        ...


@runtime_checkable
class LearnsInPhases(Protocol):
    """A network whose encoder learns last, when samples change no more: the last epoch is chosen, not the best.

    Attributes:
        last_phase: how many steps of the last phase it has learnt, a buffer.
    """

    last_phase: Tensor


@runtime_checkable
class Classifies(Protocol):
    """A network that learns the values of one attribute from few labels; its file states which, as `LABELS`.

    A setting `target` in its `Config`, the name of another one, goes before that.

    Every batch that it learns from has another in `labelled`, drawn from the clips whose labels it is given, with the
    one-hot value as attributes.

    Attributes:
        labels: how many clips these are.
    """

    labels: int

    def classify(self, clips: Clips) -> Float[Tensor, "batch value"]:
        """Logits of the attribute's values."""
        ...


class Features(Protocol):
    """A frozen network in whose features samples are compared with held-out clips; see `benchmark.generation.frozen`.

    Attributes:
        name: which.
        sha256: of the file of its weights.
    """

    name: str
    sha256: str

    def __call__(self, clips: Clips) -> Float[Tensor, "batch feature"]:
        """One row for each clip."""
        ...

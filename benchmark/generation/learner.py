"""Learning to generate: every player follows its own loss, all at once, and held-out clips choose the epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from jaxtyping import Bool
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmark.data import Batch
from benchmark.data import Clips as Split
from benchmark.errors import CollapseError, ModelError
from benchmark.generation import in_play, metrics, record
from benchmark.generation.contract import (
    Attributes,
    Classifies,
    Clips,
    Features,
    Generator,
    Judges,
    LearnsInPhases,
    Likelihood,
)
from benchmark.players import Players
from benchmark.recipe import Training

SAMPLE_SEED = 20_170_401
"""Of the samples that are scored and shown while a model learns: the same draws at every epoch."""

SAMPLES_A_BATCH = 100

COLLAPSED_SPREAD = 0.1
COLLAPSED_EPOCHS, UNBORN_EPOCHS = 3, 10
"""A run stops when its samples lie, on average, less than this share of the data's mean distance apart: in so many
epochs in a row, the second number if they never lay further apart since the start."""

_JUDGED = {record.TRAIN_IN_PLAY: "train", record.VALID_IN_PLAY: "valid", record.SAMPLES_IN_PLAY: "samples"}


class Batches(Protocol):
    """Where batches are drawn from at random."""

    def draw(self, size: int) -> Batch:
        """Some clips, from torch's global generator."""
        ...


class Generation(Players):
    """A generator that learns.

    Args:
        network: see `contract`.
        recipe: learning rate, decay, clipping of the gradient of each player.
        fabric: puts the network on its device, in its precision.
        features: in which samples are compared with held-out clips.
        conditional: whether samples are told attributes.
        labelled: the clips whose labels a network that `Classifies` is given.

    Raises:
        ModelError: the network does not keep the contract.
    """

    decays: ClassVar[bool] = False

    def __init__(
        self,
        network: nn.Module,
        recipe: Training,
        fabric: Fabric,
        features: Features,
        conditional: bool = False,
        labelled: Batches | None = None,
    ) -> None:
        if not isinstance(network, Generator):
            raise ModelError(f"{type(network).__name__} is no generator: expected players, losses and sample")
        super().__init__(network, recipe, fabric)
        self.features = features
        self._conditional, self._labelled = conditional, labelled
        self.metric = _metric_of(network)  # type: ignore[misc]
        self.lower_is_better = not isinstance(network, LearnsInPhases)  # type: ignore[misc]
        self._collapsed, self._patience = 0, UNBORN_EPOCHS

    @property
    def sampler(self) -> Any:
        """The network that samples."""
        return self.learnt

    def lesson(self, batch: Batch) -> Batch:
        """The batch, with labelled clips where the network is given some."""
        return batch if self._labelled is None else dataclasses.replace(batch, labelled=self._labelled.draw(len(batch)))

    @torch.no_grad()
    def validate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        """Fréchet distance, spread, what the discriminator holds of held-out clips and samples, and nats.

        As many samples as there are held-out clips, with the attributes of these; the same draws every time. What the
        discriminator holds is that of the network in evaluation, with inferred latents: not to be set beside what the
        losses note in training, nor beside `compare`.

        Raises:
            CollapseError: the samples have been all but one for too long.
        """
        network = self.sampler
        real, given, judged, nats, wrong = [], [], [], [], []
        with torch.random.fork_rng():
            torch.manual_seed(SAMPLE_SEED)
            for batch in batches:
                real.append(self.features(batch.clips))
                told = batch.attributes if self._conditional else None
                given.append(told)
                if isinstance(network, Judges):
                    judged.append(network.judge(batch.clips, told) > 0)
                if isinstance(network, Classifies):
                    wrong.append(missed(network, batch))
                if isinstance(network, Likelihood):
                    nats.append(network.nats(batch))
            made, fooled = [], []
            for clips, told in self.samples(sum(map(len, real)), None if given[0] is None else torch.cat(given)):
                made.append(self.features(clips))
                if isinstance(network, Judges):
                    fooled.append(network.judge(clips, told) > 0)
        true, false = (np.concatenate([part.double().cpu().numpy() for part in parts]) for parts in (real, made))
        spread = metrics.spread(false) / metrics.spread(true)
        found = {"frechet": metrics.frechet_distance(true, false), "spread": spread}
        if judged:
            found |= {"judged_real": _share(judged), "samples_judged_real": _share(fooled)}
        if nats:
            found["nats"] = torch.cat(nats).double().mean().item()
        if wrong:
            found["error"] = _share(wrong)
        if isinstance(network, LearnsInPhases):
            found["last_phase"] = network.last_phase.item()
        self._watch(spread)
        return found

    def compare(self, train: Split, valid: Split) -> Mapping[str, float]:
        """What the discriminator holds of as many clips of train and of valid, and of samples, as it plays.

        As the network was at the last step, whose noise and phase it has; the same clips and draws every time, and the
        same draws for both splits. See `in_play`. Nothing of a network without a discriminator, nor in a phase in which
        it does not play.
        """
        if not isinstance(self.network, Judges):
            return {}
        of_train, of_valid = self._in_play(train, len(valid)), self._in_play(valid, len(train))
        found = {
            record.TRAIN_IN_PLAY: of_train.get(in_play.REAL),
            record.VALID_IN_PLAY: of_valid.get(in_play.REAL),
            record.SAMPLES_IN_PLAY: of_valid.get(in_play.SAMPLES),
        }
        return {name: share for name, share in found.items() if share is not None}

    def _in_play(self, split: Split, others: int) -> Mapping[str, float]:
        places = in_play.places(len(split), others, self.recipe.batch_size)
        with torch.random.fork_rng():
            torch.manual_seed(SAMPLE_SEED)
            return in_play.shares(self.network, self._game, split.batches(places))

    def _game(self, batch: Batch) -> Mapping[str, Tensor]:
        with self.fabric.autocast():
            return self.network.losses(self.lesson(batch), self.progress)  # type: ignore[operator]

    @staticmethod
    def said(row: Mapping[str, float]) -> str:
        """The distance, or the nats, and what the discriminator holds of train, valid and samples, in play."""
        words = []
        if "valid_error" in row:
            words.append(f"error {100 * row['valid_error']:.1f} % on valid")
        if "valid_nats" in row:
            words.append(f"{row['valid_nats']:,.1f} nats on valid")
        words.append(f"Fréchet distance {row['valid_frechet']:.3g}, spread {row['valid_spread']:.2f} on valid")
        if shares := [f"{100 * row[name]:.0f} % of {of}" for name, of in _JUDGED.items() if name in row]:
            words.append(f"held to be real: {', '.join(shares)}")
        return ", ".join(words)

    @torch.no_grad()
    def samples(
        self, count: int, attributes: Attributes | None = None, seed: int = SAMPLE_SEED
    ) -> list[tuple[Clips, Attributes | None]]:
        """New clips in [-1, 1] by batches, with their attributes; torch's generators are left as they were."""
        made = []
        with torch.random.fork_rng(), self.fabric.autocast():
            torch.manual_seed(seed)
            for start in range(0, count, SAMPLES_A_BATCH):
                size = min(SAMPLES_A_BATCH, count - start)
                told = None if attributes is None else attributes[start : start + size]
                made.append((self.sampler.sample(size, told).float().clamp(-1, 1), told))
        return made

    def _watch(self, spread: float) -> None:
        if spread >= COLLAPSED_SPREAD:
            self._collapsed, self._patience = 0, COLLAPSED_EPOCHS
            return
        self._collapsed += 1
        if self._collapsed >= self._patience:
            raise CollapseError(
                f"the samples have collapsed: for {self._collapsed} epochs they lie {100 * spread:.1f} % as far apart "
                "as held-out clips; the last checkpoint is kept. Try another seed, a lower --learning-rate, or the "
                "model's settings against it"
            )


def _metric_of(network: nn.Module) -> str:
    """By which metric of `Generation.validate` a network's epoch is chosen."""
    kinds = {"last_phase": LearnsInPhases, "error": Classifies, "nats": Likelihood}
    return next((name for name, kind in kinds.items() if isinstance(network, kind)), "frechet")


def missed(network: Classifies, batch: Batch) -> Bool[Tensor, " batch"]:
    """Whether the likeliest value of its attribute is another than the true one, of each clip."""
    assert batch.attributes is not None
    return network.classify(batch.clips).argmax(1) != batch.attributes.argmax(1)


def _share(judged: list[Bool[Tensor, " batch"]]) -> float:
    return torch.cat(judged).double().mean().item()

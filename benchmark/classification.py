"""Learning to classify clips: cross-entropy or the network's own losses, AdamW or SGD, the epoch with fewest errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from benchmark.batch_norm import synchronised
from benchmark.data import Batch
from benchmark.machine import optimiser_settings
from benchmark.recipe import Training
from benchmark.replay import Phased, Replay
from benchmark.train import Learner
from benchmark.world import ALONE, World
from dynamics_gen.errors import ConfigError


@runtime_checkable
class OwnLosses(Protocol):
    """A network that says itself what it learns from, in phases if it likes."""

    def losses(
        self,
        clips: Float[Tensor, "batch channels time height width"],
        labels: Int64[Tensor, " batch"],
        progress: float,
        cross_entropy: Callable[[Tensor, Tensor], Tensor],
    ) -> Mapping[str, Tensor]:
        """Scalars of a batch: `loss`, which is descended, `error`, the share of clips that are wrong, and any others.

        The others are noted with the epoch. A weight from which `loss` does not come stays as it is, bit for bit.

        Args:
            clips: as the network's `forward` takes them.
            labels: their classes.
            progress: the share of the run's steps that lie behind, in [0, 1); phases depend on nothing else, so that a
                resumed run is an undisturbed one.
            cross_entropy: of logits [N, classes] and labels [N], with the recipe's smoothing.
        """
        ...


class Classification(Learner):
    """One network, one optimiser.

    Args:
        network: clips [B, C, T, H, W] to logits [B, classes]; trained on the cross-entropy, or on its `OwnLosses`.
        recipe: optimiser, learning rate, decay, smoothing, clipping.
        fabric: puts the network on its device, in its precision.
        world: the processes that learn from a share of every batch each.
    """

    metric: ClassVar[str] = "error"

    def __init__(self, network: nn.Module, recipe: Training, fabric: Fabric, world: World = ALONE) -> None:
        self._has_losses = isinstance(network, OwnLosses)
        if world.size > 1:
            if self._has_losses:  # some of its weights learn nothing in a phase, which averaging gradients rules out
                raise ConfigError("the network learns in phases, which one device does: leave out --devices")
            network = synchronised(network, fabric.device)
        self.network, self.recipe, self.fabric = network, recipe, fabric
        decayed = [weight for weight in network.parameters() if weight.ndim > 1]
        spared = [weight for weight in network.parameters() if weight.ndim <= 1]
        groups = [
            {"params": weights, "weight_decay": decay}
            for weights, decay in ((decayed, recipe.weight_decay), (spared, 0.0))
            if weights
        ]
        optimiser: Optimizer = (
            AdamW(groups, lr=recipe.learning_rate, **optimiser_settings(fabric.device))
            if recipe.optimiser == "adamw"
            else SGD(groups, lr=recipe.learning_rate, momentum=0.9)
        )
        self._forward, self._optimiser = fabric.setup(network, optimiser)
        self._cross_entropy = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        if self._has_losses:
            self._forward.mark_forward_method("losses")
        phase = network.phase if isinstance(network, Phased) else None
        can_replay = recipe.optimiser == "adamw" and (phase or not self._has_losses)  # a replay keeps SGD's first rate
        if fabric.device.type == "cuda" and world.size == 1 and can_replay:
            self.replay = Replay(self._step, self.modules(), self.optimisers(), phase)

    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    def optimisers(self) -> Mapping[str, Optimizer]:
        """One, under its recipe's name."""
        return {self.recipe.optimiser: self._optimiser.optimizer}

    def training_step(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """One step; returns `loss`, `error`, the share of clips whose likeliest class is wrong, and others.

        All are means over the shares of all processes.
        """
        return (self.replay or self._step)(batch, progress)

    def _step(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        if self._has_losses:
            found = self._forward.losses(batch.clips, batch.labels, progress, self._cross_entropy)
        else:
            logits = self._forward(batch.clips).float()
            wrong = logits.detach().argmax(1) != batch.labels
            found = {"loss": self._cross_entropy(logits, batch.labels), "error": wrong.float().mean()}
        self._optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(found["loss"])
        if self.recipe.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.gradient_clip)
        self._optimiser.step()
        whole = self._whole(torch.stack([value.detach().float() for value in found.values()]), "mean")
        return dict(zip(found, whole, strict=True))

    def validate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        """The error on the batches of all processes."""
        counts = torch.zeros(2, dtype=torch.float64, device=self.fabric.device)
        for labels, probabilities in self._said(batches):
            counts += torch.stack([(probabilities.argmax(1) != labels).sum(), counts.new_tensor(len(labels))])
        wrong, clips = self._whole(counts, "sum").tolist()
        return {"error": wrong / clips}

    @staticmethod
    def said(row: Mapping[str, float]) -> str:
        """Both errors."""
        return f"error {100 * row['train_error']:.1f} % on train, {100 * row['valid_error']:.1f} % on valid"

    def predict(self, batches: Iterator[Batch]) -> tuple[Int64[Tensor, " clips"], Float[Tensor, "clips classes"]]:
        """True labels and class probabilities of all clips, in order, on the CPU; the network is left in eval mode."""
        labels, probabilities = zip(*self._said(batches), strict=True)
        return torch.cat(labels).cpu(), torch.cat(probabilities).cpu()

    @torch.inference_mode()
    def _said(self, batches: Iterator[Batch]) -> list[tuple[Tensor, Tensor]]:
        self._forward.eval()
        return [(batch.labels, self._forward(batch.clips).float().softmax(1)) for batch in batches]

    def _whole(self, values: Tensor, how: Literal["mean", "sum"]) -> Tensor:
        """Numbers of this process's share as those of all."""
        reduced = self.fabric.all_reduce(values, reduce_op=how)
        assert isinstance(reduced, Tensor)
        return reduced

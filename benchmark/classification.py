"""Learning to classify clips: cross-entropy, AdamW, the epoch with the fewest errors on valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int64
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from benchmark.batch_norm import synchronised
from benchmark.data import Batch
from benchmark.recipe import Training
from benchmark.train import Learner
from benchmark.world import ALONE, World


class Classification(Learner):
    """One network, one optimiser.

    Args:
        network: clips [B, C, T, H, W] to logits [B, classes].
        recipe: learning rate, decay, smoothing, clipping.
        fabric: puts the network on its device, in its precision.
        world: the processes that learn from a share of every batch each.
    """

    metric: ClassVar[str] = "error"

    def __init__(self, network: nn.Module, recipe: Training, fabric: Fabric, world: World = ALONE) -> None:
        if world.size > 1:
            network = synchronised(network, fabric.device)
        self.network, self.recipe, self.fabric = network, recipe, fabric
        decayed = [weight for weight in network.parameters() if weight.ndim > 1]
        spared = [weight for weight in network.parameters() if weight.ndim <= 1]
        groups = [
            {"params": weights, "weight_decay": decay}
            for weights, decay in ((decayed, recipe.weight_decay), (spared, 0.0))
            if weights
        ]
        optimiser = AdamW(groups, lr=recipe.learning_rate)
        self._forward, self._optimiser = fabric.setup(network, optimiser)
        self._loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)

    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    def optimisers(self) -> Mapping[str, Optimizer]:
        """Its AdamW."""
        return {"adamw": self._optimiser.optimizer}

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        """One step of AdamW; returns `loss` and `error`, the share of clips whose likeliest class is wrong.

        Both are means over the shares of all processes.
        """
        logits = self._forward(batch.clips).float()
        loss = self._loss(logits, batch.labels)
        self._optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if self.recipe.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.gradient_clip)
        self._optimiser.step()
        found = {"loss": loss.detach(), "error": (logits.detach().argmax(1) != batch.labels).float().mean()}
        return dict(zip(found, self._whole(torch.stack([*found.values()]), "mean"), strict=True))

    def validate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        """The error on the batches of all processes."""
        counts = torch.zeros(2, dtype=torch.float64, device=self.fabric.device)
        for labels, probabilities in self._said(batches):
            counts += torch.stack([(probabilities.argmax(1) != labels).sum(), counts.new_tensor(len(labels))])
        wrong, clips = self._whole(counts, "sum").tolist()
        return {"error": wrong / clips}

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

"""Training steps that a GPU is told once: recorded as a CUDA graph, then replayed on batch after batch.

A step of networks as small as ours is hundreds of kernels of some microseconds each, and launching them one by one from
Python takes longer than running them. What is recorded is the whole step: forward, backward, clipping, optimiser. It
is fit for that if every step does the same work, so it is looked at first: a step that waits for the device, takes
numbers from the processor or draws from its generator is not recorded, and the replay of a step on one batch must do to
the weights what the step itself does. What fails stays as it was, launched one by one, and `problem` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.data import Batch

STEPS_BEFORE = 3
"""Taken one by one first: the optimiser gets its state, and cuDNN its kernels."""

MOST_OFF_GRADIENTS = 0.05
"""Distance of a replay's gradients from the step's, over their norm; sums in another order are far closer."""

LEAST_COSINE_OF_CHANGES = 0.5
"""Between what the two change, to which Adam's first steps blow up gradients that are noise."""

MOST_OFF = 0.05
"""Difference of the two's losses, relative where they are above 1."""


class Replay:
    """Stands in for a step.

    Args:
        step: learns from a batch and returns detached scalars on the GPU; its optimiser must be `capturable`.
        network: whose weights it changes.
        optimiser: which it calls.

    Attributes:
        problem: why steps are launched one by one after all; "" while nothing is known to hinder a replay.
        steps: how many were replayed.
    """

    def __init__(self, step: Callable[[Batch], Mapping[str, Tensor]], network: nn.Module, optimiser: Optimizer) -> None:
        self._step, self._network, self._optimiser = step, network, optimiser
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch
        self._rates: list[Tensor]
        self._put: list[float]
        self._found: Mapping[str, Tensor]
        self.problem, self.steps = "", 0

    def __call__(self, batch: Batch) -> Mapping[str, Tensor]:
        """Learns from a batch, by a replay as soon as there is one for batches of its shape."""
        if self.problem or self._taken < STEPS_BEFORE:
            self._taken += 1
            return self._step(batch)
        if self._graph is None:
            try:
                self._record(batch)
            except RuntimeError as error:  # torch's own ways to say that something cannot be recorded
                self._give_up(str(error).strip().partition("\n")[0][:200])
            else:
                if not self.problem:
                    self._compare(batch)
            if self.problem:
                return self._step(batch)
        if batch.clips.shape != self._batch.clips.shape:
            return self._step(batch)
        self.steps += 1
        return self._replay(batch)

    def _record(self, batch: Batch) -> None:
        """Records a step on a copy of the batch; nothing is run."""
        self._batch = Batch(clips=batch.clips.clone(), labels=batch.labels.clone())
        groups = self._optimiser.param_groups
        floats = [group["lr"] for group in groups]
        self._put = list(floats)
        self._rates = [torch.full((), rate, device=batch.clips.device) for rate in floats]
        drawn = torch.get_rng_state()
        graph = torch.cuda.CUDAGraph()
        try:
            for group, rate in zip(groups, self._rates, strict=True):
                group["lr"] = rate
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # others read clips meanwhile
                self._found = self._step(self._batch)
        finally:
            for group, rate in zip(groups, floats, strict=True):
                group["lr"] = rate
        if not torch.equal(drawn, torch.get_rng_state()):
            torch.set_rng_state(drawn)
            self._give_up("it draws from the processor's generator")
            return
        self._graph = graph

    def _replay(self, batch: Batch) -> Mapping[str, Tensor]:
        """Puts a batch and the present learning rates where the recorded step reads them, and runs it."""
        assert self._graph is not None
        self._batch.clips.copy_(batch.clips)
        self._batch.labels.copy_(batch.labels)
        present = [group["lr"] for group in self._optimiser.param_groups]
        if present != self._put:
            for value, rate in zip(present, self._rates, strict=True):
                rate.fill_(value)
            self._put = present
        self._graph.replay()
        names, values = list(self._found), torch.stack(list(self._found.values()))
        return dict(zip(names, values, strict=True))

    def _compare(self, batch: Batch) -> None:
        """Takes a step and takes it back, replays it and takes that back: both must have found and learnt the same."""
        weights = list(self._network.parameters())
        recorded = [weight.grad for weight in weights]
        state = [*self._network.state_dict().values(), *self._optimiser_state()]
        before, drawn = [value.clone() for value in state], torch.cuda.get_rng_state()

        def tried(step: Callable[[Batch], Mapping[str, Tensor]]) -> tuple[dict[str, float], Tensor]:
            found = {name: value.item() for name, value in step(batch).items()}
            moved = _joined(
                weight - old for weight, old in zip(state, before, strict=True) if weight.is_floating_point()
            )
            with torch.no_grad():
                for value, old in zip(state, before, strict=True):
                    value.copy_(old)
            torch.cuda.set_rng_state(drawn)
            return found, moved

        (said, moved), gradients = tried(self._step), [weight.grad for weight in weights]
        said_too, moved_too = tried(self._replay)
        for name, value in said.items():
            if not abs(value - said_too[name]) <= MOST_OFF * max(abs(value), 1.0):
                return self._give_up(f"a replay's {name} is {said_too[name]:.4g}, and the step's own {value:.4g}")
        if [grad is None for grad in gradients] != [grad is None for grad in recorded]:
            return self._give_up("a replay gives other weights a gradient")
        pairs = [(one, other) for one, other in zip(gradients, recorded, strict=True) if one is not None]
        one, other = (_joined(side) for side in zip(*pairs, strict=True))
        off = ((one - other).norm() / one.norm()).item()
        if not off <= MOST_OFF_GRADIENTS:
            return self._give_up(f"a replay's gradients are {100 * off:.0f} % off")
        if not _cosine(moved, moved_too) >= LEAST_COSINE_OF_CHANGES:
            return self._give_up("a replay changes the weights in another way")
        return None

    def _optimiser_state(self) -> list[Tensor]:
        return [value for one in self._optimiser.state.values() for value in one.values() if isinstance(value, Tensor)]

    def _give_up(self, reason: str) -> None:
        self.problem, self._graph = reason, None


def _joined(values: Iterable[Tensor]) -> Tensor:
    return torch.cat([value.detach().flatten().double() for value in values])


def _cosine(one: Tensor, other: Tensor) -> float:
    return nn.functional.cosine_similarity(one, other, dim=0).item()

"""Training steps that a GPU is told once: recorded as a CUDA graph, then replayed on batch after batch.

A step of networks as small as ours is hundreds of kernels of some microseconds each, and launching them one by one from
Python takes longer than running them. What is recorded is the whole step: forward, backward, clipping, optimisers. It
is fit for that if every step does the same work, so it is looked at first: a step that waits for the device, takes
numbers from the processor or draws from its generator is not recorded, and the replay of a step on one batch must do to
the weights what the step itself does. What fails stays as it was, launched one by one, and `problem` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.data import Batch

STEPS_BEFORE = 3
"""Of a phase, taken one by one first: optimisers get their state, and cuDNN its kernels."""

MOST_OFF = 0.05
"""Difference of a replay's losses from the step's, relative where these are above 1."""

MOST_OFF_MOMENTS = 0.05
"""Distance of the changes of Adam's moments, over their norm: of gradients, that is; rounding is far closer."""


@runtime_checkable
class Phased(Protocol):
    """A network that learns from losses of its own, and says when they are the same work in every step."""

    def phase(self, batch: Batch, progress: float) -> Hashable:
        """What the losses make of the progress of a run: the same in all steps that are alike.

        It holds everything that depends on `progress`, so that a network with losses that change in every step returns
        `progress` itself, and one to whom it is no matter is `steady`.

        Args:
            batch: what is learnt from.
            progress: as the losses are told it.
        """
        ...


def steady(network: Phased, batch: Batch, progress: float) -> None:
    """The `phase` of a network whose losses do not depend on the progress."""


class Replay:
    """Stands in for a step.

    Args:
        step: learns from a batch, at a progress, and returns detached scalars on the GPU.
        modules: all that it changes, by name.
        optimisers: all that it calls, by name; they must be `capturable`.
        phase: as `Phased` has it; None where all steps are alike.

    Attributes:
        problem: why steps are launched one by one after all; "" while nothing is known to hinder a replay.
        steps: how many were replayed.
    """

    def __init__(
        self,
        step: Callable[[Batch, float], Mapping[str, Tensor]],
        modules: Mapping[str, nn.Module],
        optimisers: Mapping[str, Optimizer],
        phase: Callable[[Batch, float], Hashable] | None = None,
    ) -> None:
        self._step, self._modules, self._optimisers, self._phase_of = step, modules, optimisers, phase
        self._phase: Hashable = None
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch
        self._rates: list[Tensor]
        self._put: list[float]
        self._found: Mapping[str, Tensor]
        self.problem, self.steps = "", 0

    def __call__(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Learns from a batch, by a replay as soon as there is one for batches of its shape in this phase."""
        phase = None if self._phase_of is None else self._phase_of(batch, progress)
        if phase != self._phase:
            self._phase, self._taken, self._graph = phase, 0, None
        if self.problem or self._taken < STEPS_BEFORE:
            self._taken += 1
            return self._step(batch, progress)
        if self._graph is None:
            try:
                self._record(batch, progress)
            except RuntimeError as error:  # torch's own ways to say that something cannot be recorded
                self._give_up(str(error).strip().partition("\n")[0][:200])
            else:
                if not self.problem:
                    self._compare(batch, progress)
            if self.problem:
                return self._step(batch, progress)
        if [one.shape for one in batch.tensors()] != [one.shape for one in self._batch.tensors()]:
            return self._step(batch, progress)
        self.steps += 1
        return self._replay(batch)

    def _record(self, batch: Batch, progress: float) -> None:
        """Records a step on a copy of the batch; nothing is run."""
        self._batch = batch.mapped(torch.clone)
        groups = self._groups()
        floats = [group["lr"] for group in groups]
        self._put = list(floats)
        self._rates = [torch.full((), rate, device=batch.clips.device) for rate in floats]
        drawn = torch.get_rng_state()
        graph = torch.cuda.CUDAGraph()
        try:
            for group, rate in zip(groups, self._rates, strict=True):
                group["lr"] = rate
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads read clips meanwhile
                self._found = self._step(self._batch, progress)
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
        for old, new in zip(self._batch.tensors(), batch.tensors(), strict=True):
            old.copy_(new)
        present = [group["lr"] for group in self._groups()]
        if present != self._put:
            for value, rate in zip(present, self._rates, strict=True):
                rate.fill_(value)
            self._put = present
        self._graph.replay()
        names, values = list(self._found), torch.stack(list(self._found.values()))
        return dict(zip(names, values, strict=True))

    def _compare(self, batch: Batch, progress: float) -> None:
        """Takes a step and takes it back, replays it and takes that back: both must have found and learnt the same."""
        weights = [value for module in self._modules.values() for value in module.state_dict().values()]
        moments = [value for state in self._states() for name, value in state.items() if name == "exp_avg"]
        others = [value for state in self._states() for name, value in state.items() if name != "exp_avg"]
        state = [*moments, *weights, *(value for value in others if isinstance(value, Tensor))]
        before, drawn = [value.clone() for value in state], torch.cuda.get_rng_state()

        def tried(step: Callable[[], Mapping[str, Tensor]]) -> tuple[dict[str, float], Tensor, list[bool]]:
            found = {name: value.item() for name, value in step().items()}
            change = torch.cat([(new - old).flatten().double() for new, old in zip(moments, before, strict=False)])
            changed = [not torch.equal(new, old) for new, old in zip(weights, before[len(moments) :], strict=False)]
            with torch.no_grad():
                for value, old in zip(state, before, strict=True):
                    value.copy_(old)
            torch.cuda.set_rng_state(drawn)
            return found, change, changed

        said, change, changed = tried(lambda: self._step(batch, progress))
        said_too, change_too, changed_too = tried(lambda: self._replay(batch))
        off = ((change - change_too).norm() / change.norm()).item()
        for name, value in said.items():
            if not abs(value - said_too[name]) <= MOST_OFF * max(abs(value), 1.0):
                return self._give_up(f"a replay's {name} is {said_too[name]:.4g}, and the step's own {value:.4g}")
        if not off <= MOST_OFF_MOMENTS:
            return self._give_up(f"a replay's gradients are {100 * off:.0f} % off")
        if changed != changed_too:
            return self._give_up("a replay changes other weights")
        return None

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimiser in self._optimisers.values() for group in optimiser.param_groups]

    def _states(self) -> Iterable[dict[str, Any]]:
        return [state for optimiser in self._optimisers.values() for state in optimiser.state.values()]

    def _give_up(self, reason: str) -> None:
        self.problem, self._graph = reason, None

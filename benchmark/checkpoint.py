"""The state of a run after an epoch, as one file: written whole, read without running anything in it."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.errors import TrainingError
from benchmark.machine import optimiser_settings
from dynamics_gen.files import write_whole

FORMAT_VERSION = 1

_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, EOFError, pickle.UnpicklingError)
"""What reading a file raises that is not a checkpoint."""


@dataclass(kw_only=True, slots=True)
class Checkpoint:
    """Everything a run needs to go on as if nothing had happened.

    Attributes:
        configuration: all that determines the run, ready for JSON.
        epoch: the last finished one; 0 before the first.
        history: one row an epoch.
        chosen_epoch: the best so far on valid; the earliest of equals.
        chosen_value: its metric.
        chosen: its weights, by module.
        peak_memory: most bytes taken so far.
        hardware: what it was trained on, in the order of use: more than one where it went on elsewhere.
        random: states of torch's generators, by device.
    """

    configuration: dict[str, Any]
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    chosen_epoch: int = 0
    chosen_value: float = 0.0
    chosen: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    peak_memory: int = 0
    hardware: list[str] = field(default_factory=list)
    modules: dict[str, dict[str, Any]] = field(default_factory=dict)
    optimisers: dict[str, dict[str, Any]] = field(default_factory=dict)
    random: dict[str, Tensor] = field(default_factory=dict)

    def is_better(self, value: float, lower_is_better: bool) -> bool:
        """Whether an epoch with this metric would be chosen; an equal one would not."""
        if self.chosen_epoch == 0:
            return True
        return value < self.chosen_value if lower_is_better else value > self.chosen_value

    def choose(self, epoch: int, value: float, modules: Mapping[str, nn.Module]) -> None:
        """Keeps a copy of the weights as those of the best epoch."""
        self.chosen_epoch, self.chosen_value = epoch, value
        self.chosen = {
            name: {key: tensor.detach().cpu().clone() for key, tensor in module.state_dict().items()}
            for name, module in modules.items()
        }

    def advance(
        self,
        row: dict[str, float],
        peak_memory: int,
        hardware: str,
        modules: Mapping[str, nn.Module],
        optimisers: Mapping[str, Optimizer],
    ) -> None:
        """Takes in a finished epoch."""
        self.epoch = int(row["epoch"])
        self.history.append(row)
        self.peak_memory = max(self.peak_memory, peak_memory)
        self.hardware = list(dict.fromkeys([*self.hardware, hardware]))
        self.modules = {name: module.state_dict() for name, module in modules.items()}
        self.optimisers = {name: optimiser.state_dict() for name, optimiser in optimisers.items()}
        self.random = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            self.random["cuda"] = torch.cuda.get_rng_state()

    def restore(self, modules: Mapping[str, nn.Module], optimisers: Mapping[str, Optimizer]) -> None:
        """Puts the state of the last epoch into a run.

        Raises:
            TrainingError: the weights are not those of these modules: their code has changed.
        """
        try:
            for name, module in modules.items():
                module.load_state_dict(self.modules[name])
            for name, optimiser in optimisers.items():
                optimiser.load_state_dict(_on_this_device(self.optimisers[name], optimiser))
        except (RuntimeError, KeyError, ValueError) as error:
            reason = str(error).strip().replace("\n", " ")[:200]
            raise TrainingError(
                f"the checkpoint of epoch {self.epoch} does not fit the model any more ({reason}): "
                "undo the change of its code, or start again with --overwrite"
            ) from None
        torch.set_rng_state(self.random["cpu"])
        if "cuda" in self.random and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.random["cuda"])


def _on_this_device(state: dict[str, Any], optimiser: Optimizer) -> dict[str, Any]:
    """An optimiser's state, but for the settings that go with a device, where a run may go on on another."""
    groups = [
        {**old, **optimiser_settings(new["params"][0].device)}
        for old, new in zip(state["param_groups"], optimiser.param_groups, strict=True)
    ]
    return {**state, "param_groups": groups}


def save_checkpoint(state: Checkpoint, path: Path) -> None:
    """Writes the state, whole or not at all.

    Raises:
        OSError: the folder is unwritable or full.
    """
    content = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    content["configuration"] = json.dumps(state.configuration)
    buffer = io.BytesIO()
    torch.save({"format_version": FORMAT_VERSION, **content}, buffer)
    write_whole(path, buffer.getvalue())


def load_checkpoint(path: Path, configuration: Mapping[str, object]) -> Checkpoint | None:
    """Reads the state at `path`; None where there is none.

    Raises:
        TrainingError: the file is damaged, or belongs to another configuration.
        OSError: the file cannot be read.
    """
    if not path.exists():
        return None
    data = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a strange file it says that it is strange; so shall we
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if content.pop("format_version") != FORMAT_VERSION:
            raise ValueError("another version of the benchmark wrote it")
        content["configuration"] = json.loads(content["configuration"])
        state = Checkpoint(**content)
    except _DAMAGE as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise TrainingError(f"{path} is damaged ({reason}): start again with --overwrite") from None
    refuse_change(path.parent, state.configuration, configuration)
    return state


def refuse_change(folder: Path, old: Mapping[str, object], new: Mapping[str, object]) -> None:
    """Refuses to go on in a seed's folder with another configuration than the one it was trained with.

    Raises:
        TrainingError: they differ; the sentence names the first field that does.
    """
    difference = first_difference(old, json.loads(json.dumps(new)))
    if difference is not None:
        name, before, now = difference
        raise TrainingError(
            f"{folder} was trained with {name} = {before}, and now {name} is {now}: resume with the old value, "
            "start again with --overwrite, or keep both with another --runs folder"
        )


def first_difference(old: Any, new: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """The first field, in order of name, in which two nested configurations differ: its name and both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            below = f"{name}.{key}" if name else key
            found = first_difference(old.get(key, "absent"), new.get(key, "absent"), below)
            if found is not None:
                return found
        return None
    return None if old == new else (name, old, new)

"""From a record back to the run that made it: the model, its settings and its recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Protocol

import torch

from benchmark import spec
from benchmark.errors import ModelError
from benchmark.folder import RunFolder
from benchmark.machine import precision_to_apply
from benchmark.plan import Plan
from benchmark.recipe import Training
from benchmark.record import Environment, Settings


class Recorded(Protocol):
    """What records of every task say."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def config(self) -> Settings:
        """The resolved configuration."""
        ...

    @property
    def environment(self) -> Environment:
        """Where it ran."""
        ...


def plan_of(made: Recorded, folder: RunFolder, device: torch.device, model: Path | None, form: str = "") -> Plan:
    """The plan of a finished run, for what is done with its weights; its precision is one that the device has.

    Args:
        made: its record.
        folder: where it is.
        device: where the network will compute.
        model: the model's file, where no model of the package has its name.
        form: what the network saw, in place of the model's own choice; "" leaves it.

    Raises:
        DynamicsError: the model is not there, is another one, or no longer takes the recorded settings.
    """
    description = spec.find(str(model) if model else made.model)
    if description.name != made.model:
        raise ModelError(f"{folder.path} is a run of {made.model}: got the file of {description.name}")
    loaded = spec.load(dataclasses.replace(description, input=form or description.input))
    try:
        config = loaded.module.Config(**{name: _as_config(value) for name, value in made.config.model.items()})
        training = Training(**made.config.training)
        training = dataclasses.replace(training, precision=precision_to_apply(training.precision, device))
    except TypeError as error:
        raise ModelError(
            f"{folder.record} has settings that {made.model} no longer takes ({error}): "
            f"go back to the commit that made it, {made.environment.commit}"
        ) from None
    return Plan(model=loaded.asked(config), config=config, training=training, device=device, folder=folder)


def _as_config(value: Any) -> Any:
    """A value of a record as a `Config` has it: lists were tuples."""
    return tuple(_as_config(item) for item in value) if isinstance(value, list) else value

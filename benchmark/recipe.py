"""How a model is trained: the recipe's settings, and who may set them.

Precedence: the default < the default of the size < the model's own `TRAINING` < the command line.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.errors import ModelError
from dynamics_gen.config import SIZES
from dynamics_gen.errors import ConfigError

PRECISIONS = ("auto", "32-true", "bf16-mixed")
OPTIMISERS = ("adamw", "sgd")
OF_CLASSIFIERS = frozenset({"label_smoothing", "optimiser"})
"""Settings that mean nothing to models of other tasks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """The recipe of one run.

    Raises:
        ConfigError: a setting is out of its range or of another type.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    """At its highest: after the warm-up, before the cosine."""
    optimiser: str = "adamw"
    """`adamw`, or `sgd` with a momentum of 0.9; of classifiers alone."""
    weight_decay: float = 0.01
    """On weights of two axes or more, not on biases and norms. AdamW decouples it; SGD adds it to the gradient."""
    warmup: float = 1.0
    """Epochs over which the learning rate rises from zero."""
    label_smoothing: float = 0.0
    gradient_clip: float = 0.0
    """Largest norm of the gradient; 0 leaves it alone."""
    augment: bool = False
    """Whether each clip is turned or mirrored at random, by one of the square's eight symmetries."""
    train_per_class: int = 0
    """Clips of each class of train that are learnt from, its first; 0 takes all."""
    precision: str = "auto"
    """`32-true` or `bf16-mixed`; `auto` takes what is faster on the device."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("batch_size", 1, 65_536),
            ("learning_rate", 0.0, 1e3),
            ("weight_decay", 0.0, 1e3),
            ("warmup", 0.0, 1e5),
            ("label_smoothing", 0.0, 0.999),
            ("gradient_clip", 0.0, 1e9),
            ("train_per_class", 0, 10_000_000),
        ):
            value = getattr(self, name)
            whole = isinstance(low, int)
            kind = "a whole number" if whole else "a number"
            allowed = (int,) if whole else (int, float)
            if type(value) not in allowed or not math.isfinite(value) or not low <= value <= high:
                raise ConfigError(f"{name} is {value!r}: expected {kind} from {low:g} to {high:g}")
        if type(self.augment) is not bool:
            raise ConfigError(f"augment is {self.augment!r}: expected true or false")
        if self.optimiser not in OPTIMISERS:
            raise ConfigError(f"optimiser is {self.optimiser!r}: expected one of {', '.join(OPTIMISERS)}")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision is {self.precision!r}: expected one of {', '.join(PRECISIONS)}")


def whole(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A record's settings, and those that are younger than it at their defaults, which do what was done before.

    What is fitted has none.
    """
    return {**{f.name: f.default for f in dataclasses.fields(Training)}, **recorded} if recorded else {}


DEFAULTS: dict[str, dict[str, Any]] = {
    "full": {"epochs": 20},
    "mini": {"epochs": 12},
    "tiny": {"epochs": 2, "batch_size": 10},
}
"""What each size changes in the recipe's defaults; as many epochs as a person at a laptop waits for."""


def resolve(size: str, own: Mapping[str, Mapping[str, Any]], command_line: Mapping[str, Any], model: str) -> Training:
    """The recipe of a run.

    Args:
        size: of the dataset.
        own: the model's `TRAINING`, by size, "*" for every size.
        command_line: what the user set; None where they did not.
        model: named in messages.

    Raises:
        ModelError: the model's `TRAINING` names a size or a setting that does not exist.
        ConfigError: a setting is out of its range.
    """
    names = {f.name for f in dataclasses.fields(Training)}
    for part, settings in own.items():
        if part not in ("*", *SIZES):
            raise ModelError(f"TRAINING of {model} names the size {part!r}: expected *, {', '.join(SIZES)}")
        for setting in settings:
            if setting not in names:
                known = ", ".join(sorted(names))
                raise ModelError(f"TRAINING of {model} sets {setting!r}: expected one of {known}")
    given = {name: value for name, value in command_line.items() if value is not None}
    return Training(**{**DEFAULTS.get(size, {}), **own.get("*", {}), **own.get(size, {}), **given})

"""What settings of generators may be: one rule for each name, one sentence for each refusal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from benchmark.generation import attributes
from dynamics_gen.errors import ConfigError

COUNT = ("a whole number of 1 or more", lambda value: value >= 1)
_POSITIVE = ("a number above 0", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = ("a number of 0 or more", lambda value: 0 <= value < math.inf)
BELOW_ONE = ("a number in [0, 1)", lambda value: 0 <= value < 1)

TARGETS = tuple(part.name for part in attributes.parts() if part.values)
"""Attributes that are one of several values, which a few labels can tell."""

Rules: TypeAlias = Mapping[str, tuple[str, Callable[[Any], bool]]]

RULES: Rules = {
    "image_size": COUNT,
    "latent": COUNT,
    "embedding": COUNT,
    "layers": COUNT,
    "mixtures": COUNT,
    "width": _POSITIVE,
    "discriminator_rate": _POSITIVE,
    "gradient_penalty": NOT_NEGATIVE,
    "sigma": NOT_NEGATIVE,
    "beta1": BELOW_ONE,
    "averaging": BELOW_ONE,
    "dropout": BELOW_ONE,
    "gan_share": ("a share of the steps in [0, 1]", lambda value: 0 <= value <= 1),
    "kernel": ("an odd number of 3 or more", lambda value: value >= 3 and value % 2 == 1),
    "levels": ("a whole number of 2 or more", lambda value: value >= 2),
    "target": (" or ".join(TARGETS), TARGETS.__contains__),
    "encoder": ("gaussian or deterministic", ("gaussian", "deterministic").__contains__),
}
"""What is expected, and whether a value is."""


def check(config: Any, own: Rules | None = None) -> None:
    """Refuses a configuration, a dataclass, one of whose settings breaks its rule; names without a rule pass.

    Args:
        config: of any model.
        own: the model's, which go before those of all.

    Raises:
        ConfigError: one does.
    """
    rules = {**RULES, **(own or {})}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in rules:
            expected, holds = rules[field.name]
            if not holds(value):
                raise ConfigError(f"got {field.name} {value!r}, expected {expected}")

"""Who may set the recipe, and within which bounds."""

from __future__ import annotations

import dataclasses

import pytest

from benchmark.errors import ModelError
from benchmark.recipe import DEFAULTS, Training, resolve, whole
from dynamics_gen.config import SIZES
from dynamics_gen.errors import ConfigError


def test_every_size_has_a_valid_default() -> None:
    """Whatever the size, a model without wishes can be trained."""
    for size in SIZES:
        assert resolve(size, {}, {}, "m") == Training(**DEFAULTS[size])


def test_precedence_is_default_size_model_command_line() -> None:
    """Default < the size's < the model's for every size < the model's for this size < the command line."""
    own = {"*": {"learning_rate": 0.5, "batch_size": 7, "weight_decay": 0.2}, "tiny": {"batch_size": 8, "epochs": 9}}
    found = resolve("tiny", own, {"epochs": 4, "weight_decay": None}, "m")
    assert found == Training(learning_rate=0.5, batch_size=8, weight_decay=0.2, epochs=4)
    assert resolve("mini", own, {}, "m").batch_size == 7
    assert resolve("mini", own, {}, "m").epochs == DEFAULTS["mini"]["epochs"]


def test_false_on_the_command_line_is_a_wish() -> None:
    """Only what was not given is left to the model."""
    assert resolve("tiny", {"*": {"augment": True}}, {"augment": False}, "m").augment is False
    assert resolve("tiny", {"*": {"augment": True}}, {"augment": None}, "m").augment is True


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"huge": {"epochs": 3}}, r"TRAINING of m names the size 'huge': expected \*, full, mini, tiny"),
        ({"*": {"epoch": 3}}, "TRAINING of m sets 'epoch': expected one of augment, batch_size, epochs"),
    ],
)
def test_model_that_wishes_for_what_is_not_there_is_refused(own: dict, sentence: str) -> None:
    """A misspelt wish is not silently dropped, whatever size is run."""
    with pytest.raises(ModelError, match=sentence):
        resolve("tiny", own, {}, "m")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("epochs", 0, "epochs is 0: expected a whole number from 1"),
        ("epochs", 2.0, "epochs is 2.0: expected a whole number"),
        ("batch_size", -4, "batch_size is -4: expected a whole number from 1"),
        ("learning_rate", -1e-3, "learning_rate is -0.001: expected a number from 0 to 1000"),
        ("learning_rate", float("nan"), "learning_rate is nan"),
        ("label_smoothing", 1.0, "label_smoothing is 1.0: expected a number from 0 to 0.999"),
        ("warmup", True, "warmup is True"),
        ("optimiser", "adam", "optimiser is 'adam': expected one of adamw, sgd"),
        ("augment", 1, "augment is 1: expected true or false"),
        ("precision", "fp8", "precision is 'fp8': expected one of auto, 32-true, bf16-mixed"),
    ],
)
def test_setting_out_of_range_is_refused(name: str, value: object, sentence: str) -> None:
    """The sentence names the setting, what was got and what is allowed."""
    with pytest.raises(ConfigError, match=sentence):
        Training(**{name: value})  # type: ignore[arg-type]


def test_record_that_is_older_than_a_setting_has_its_default() -> None:
    """And what is fitted, without settings, has none."""
    assert whole({"epochs": 3, "learning_rate": 0.1}) == dataclasses.asdict(Training(epochs=3, learning_rate=0.1))
    assert whole({}) == {}

"""How large each model of the package is: measured once, committed, and so listed without building any.

The file is written by `bench list --measure`; a test compares it with what the models give.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark import spec
from benchmark.errors import ModelError
from dynamics_gen.classes import CLASSES
from dynamics_gen.files import write_whole

VIDEO_SHAPE = (32, 64, 64, 3)
"""(T, H, W, C) of the clips that models are measured on: the benchmark's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Of a model with its own settings, on clips of `VIDEO_SHAPE` and ten classes.

    Attributes:
        parameters: how many numbers are learnt.
        flops_per_clip: one forward pass, or one sample of a generator; two for each multiply-add.
    """

    parameters: int
    flops_per_clip: int


def path() -> Path:
    """Where they are: in the package of the models."""
    found = importlib.util.find_spec(spec.PACKAGE)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("figures.json")


def read(file: Path) -> dict[str, Figures]:
    """Every model's figures, by name; none where there is no file.

    Raises:
        ModelError: the file holds something else.
    """
    try:
        return {name: Figures(**values) for name, values in json.loads(file.read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} holds no figures ({error}): write it anew with bench list --measure") from None


def write(figures: Mapping[str, Figures], file: Path) -> None:
    """Writes them, a line a model in order of name, whole or not at all."""
    lines = [f" {json.dumps(name)}: {json.dumps(asdict(figures[name]))}" for name in sorted(figures)]
    write_whole(file, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def measure(description: spec.Description) -> Figures | None:
    """Builds a model and measures it; None of one that is no network, and of a study.

    Raises:
        ModelError: the model does not keep what its file promises.
    """
    import torch

    from benchmark import evaluate, inputs

    model = spec.load(description)
    if not model.is_trained:
        return None
    if description.task == "generation":
        return _measure_generator(model)
    if description.task == "prediction":
        return _measure_predictor(model)
    shape = inputs.shape_of(description.input, VIDEO_SHAPE)
    with torch.random.fork_rng(devices=[]):
        network = model.module.build(model.config({}), shape, len(CLASSES))
    return Figures(
        parameters=evaluate.parameters(network),
        flops_per_clip=evaluate.flops_per_clip(network, shape, len(CLASSES)),
    )


def _measure_generator(model: spec.Model) -> Figures:
    import torch

    from benchmark import evaluate
    from benchmark.generation import attributes, run, scores

    config, (time, side, _, channels) = model.config({}), VIDEO_SHAPE
    frames = getattr(config, "frames", time) if model.description.input == "clips" else 1
    side = getattr(config, "image_size", side)
    with torch.random.fork_rng(devices=[]):
        network = run.build(model, config, (frames, channels, side, side))
    width = attributes.width(model.description.attributes)
    return Figures(parameters=evaluate.parameters(network), flops_per_clip=scores.flops_per_sample(network, width))


def _measure_predictor(model: spec.Model) -> Figures:
    import torch

    from benchmark import evaluate
    from benchmark.prediction import run

    config, (time, side, _, channels) = model.config({}), VIDEO_SHAPE
    side = getattr(config, "image_size", side)
    shape = (time, channels, side, side)
    with torch.random.fork_rng():
        network = model.module.build(config, shape)
    return Figures(parameters=evaluate.parameters(network), flops_per_clip=run.flops_per_frame(network, shape))

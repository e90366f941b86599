"""What makes recurrent ALI stable or not: one factor at a time against the same reference, on plentiful data.

Source: Mastropietro 2017, section 6.2: about a tenth of the samples failed, every discriminator overfitted, and the
data, the GAN, ALI or the recurrent networks were suspected. Each suspect is taken out by itself: the data are cut to a
fifth, which is gone through five times as often, so that no less is learnt; no adversary leaves a recurrent VAE, the
same encoder and decoder by the bound of the likelihood; no inference, a recurrent GAN; no recurrence, convolutions of
as many weights. Each remedy is put in by itself: spectral norm (and its control, no norm at all), the penalty R1, two
time scales, averaged weights, noise on what the discriminator sees. What a discriminator holds to be real is told of it
in play (`benchmark.generation.in_play`), so that variants with and without batch norm compare. The VAE's samples are
mean clips, without the noise of its pixels; its epoch is chosen as that of the others is.
Deviations: all numbers are ours, and so is the criterion of a failed sample (`benchmark.generation.failures`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import dynamics_gen
from benchmark import spec
from benchmark.checkpoint import load_checkpoint
from benchmark.choice import Splits
from benchmark.errors import CollapseError
from benchmark.generation import frozen
from benchmark.generation.run import clips_of, configuration, test_seed, train_seed
from benchmark.parts import first_of_each_class
from benchmark.plan import Options, build_missing, make_plan
from benchmark.study import KeptRows
from dynamics_gen.config import clips_per_class
from dynamics_gen.errors import ConfigError

TASK = "study"
INPUT = "clips"
SOURCE = "Mastropietro 2017, section 6.2"

GROWS = "factors"
"""More of them may be asked for later; what is finished is kept."""

REFERENCE = "reference"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Numbers of the study.

    `data` is a folder; `factors` are names of `variants`, all of them unless given; the rest is the runs' own, of the
    model `model` and the release `standard`.
    """

    data: str = "data"
    size: str = "mini"
    model: str = "rali_single"
    factors: tuple[str, ...] = ()
    frames: int = 16
    image_size: int = 32
    width: int = 16
    epochs: int = 8
    batch_size: int = 32
    learning_rate: float = 2e-4
    few_per_class: int = 100

    def __post_init__(self) -> None:
        """Refuses a factor that there is not."""
        if strange := set(self.factors) - set(variants(self.few_per_class)):
            raise ConfigError(
                f"got the factors {', '.join(sorted(strange))}, expected some of {', '.join(variants(0))}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What one run has that the reference has not.

    Attributes:
        about: `reference`, `suspect` or `remedy`.
        settings: of the model.
        training: of the recipe.
    """

    about: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def variants(few_per_class: int) -> dict[str, Variant]:
    """All of them by name, the reference first."""
    return {
        REFERENCE: Variant(about="reference"),
        "few data": Variant(about="suspect", training={"train_per_class": few_per_class}),
        "no adversary": Variant(about="suspect", settings={"adversary": False}),
        "no inference": Variant(about="suspect", settings={"inference": False}),
        "no recurrence": Variant(about="suspect", settings={"recurrent": False}),
        "spectral norm": Variant(about="remedy", settings={"spectral_norm": True}),
        "no norm": Variant(about="remedy", settings={"batch_norm": False}),
        "gradient penalty": Variant(about="remedy", settings={"gradient_penalty": 1.0}),
        "two time scales": Variant(about="remedy", settings={"discriminator_rate": 0.25}),
        "averaged weights": Variant(about="remedy", settings={"averaging": 0.999}),
        "noise": Variant(about="remedy", settings={"noise": 0.2}),
    }


def study(config: Config, seed: int, folder: Path, device: torch.device, say: Callable[[str], None]) -> dict[str, Any]:
    """Trains every variant from the same seed and data; finished ones are kept in `folder`, and not trained again.

    Args:
        config: its numbers.
        seed: of every run.
        folder: gets a run's folder for each variant.
        device: where they train.
        say: told what happens.

    Returns:
        `rows`: for each variant, the last epoch before its samples collapsed, or its scores on test; and its history.

    Raises:
        DynamicsError: whatever a user can cause.
        OSError: a folder is missing, unwritable or full.
    """
    kept = KeptRows(folder / "rows.json", {**dataclasses.asdict(config), "seed": seed}, GROWS)
    done = {row["name"] for row in kept.rows}
    for name, variant in variants(config.few_per_class).items():
        wanted = not config.factors or name in config.factors or name == REFERENCE
        if name in done or not wanted:
            continue
        say(f"{name} ({variant.about})")
        row = {"name": name, "about": variant.about, **_outcome(config, variant, seed, folder / _slug(name), say)}
        kept.add(row)
        collapsed, scores = row["collapsed_after"], row["scores"]
        found = f"collapsed after epoch {collapsed}" if scores is None else f"{100 * scores['failed']:.1f} % failed"
        say(f"{name}: {found}")
    return {"rows": kept.rows}


def _slug(name: str) -> str:
    return name.replace(" ", "_")


def _outcome(config: Config, variant: Variant, seed: int, runs: Path, say: Callable[[str], None]) -> dict[str, Any]:
    settings = {name: getattr(config, name) for name in ("frames", "image_size", "width")} | dict(variant.settings)
    training = {name: getattr(config, name) for name in ("epochs", "batch_size", "learning_rate")}
    training.update(variant.training)
    if few := training.get("train_per_class"):
        training["epochs"] *= clips_per_class(config.size, "train") // few
    options = Options(
        size=config.size,
        data=Path(config.data),
        runs=runs,
        settings={name: str(value) for name, value in settings.items()},
        training=training,
    )
    build_missing(options, say)
    planned = make_plan(spec.find(config.model), options)
    splits = Splits(options.dataset, dynamics_gen.open)
    opened = {"train": splits.train(), "valid": splits.valid()}
    features = frozen.features_of(planned.model.description.input, planned.device)
    configured = configuration(planned, opened, features.sha256, seed)
    if per_class := planned.training.train_per_class:
        opened["train"] = first_of_each_class(opened["train"], per_class)
    clips = {name: clips_of(planned, split) for name, split in opened.items()}
    try:
        state = train_seed(planned, seed, clips, configured)
    except CollapseError as error:
        say(str(error))
        stopped = load_checkpoint(planned.folder.checkpoint(seed), configured)
        history = [] if stopped is None else stopped.history
        return {"collapsed_after": len(history), "scores": None, "history": history}
    clips["test"] = clips_of(planned, splits.test([planned.folder.choice(seed)]))
    scores = test_seed(planned, seed, state, clips).test
    return {"collapsed_after": None, "scores": dataclasses.asdict(scores), "history": state.history}

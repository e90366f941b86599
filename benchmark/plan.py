"""What a run will be: the user's wishes resolved, and the splits it needs built where they are missing."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from benchmark import bfloat16, machine, recipe
from benchmark.classification import Classification
from benchmark.data import ClipDataset
from benchmark.folder import RunFolder
from benchmark.recipe import Training
from benchmark.spec import INPUTS, Description, Model, load
from dynamics_gen.config import SPLITS, BuildConfig, clips_per_class, directory_name, release_named
from dynamics_gen.console import Meter
from dynamics_gen.errors import ConfigError, UnknownNameError

CLIPS_BUILT_PER_S, SCENES_BUILT_PER_S = 250, 40
"""By one core, about, plain and shifted; only for telling how long a missing split will take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the user asked for.

    Attributes:
        input: one of `spec.INPUTS`, in place of the model's own; "" leaves it.
        seeds: how many trainings from scratch, with seeds 0, 1, ….
        data: holds the datasets' folders.
        runs: gets the run's folder.
        on: a folder of train, valid and test that takes the place of release and size, as `import-video` makes it.
        resume: go on with what lies in the run's folder.
        overwrite: remove what lies there and start again.
        workers: processes that build a missing split or its flow, or read clips for a model that is fitted; as many as
            there are cores unless given.
        training: settings of the recipe; None where left to the model.
        settings: of the model's `Config`, as typed.
    """

    size: str = "full"
    release: str = "standard"
    input: str = ""
    seeds: int = 1
    device: str = "auto"
    data: Path = Path("data")
    on: Path | None = None
    runs: Path = Path("runs")
    resume: bool = False
    overwrite: bool = False
    workers: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= 1_000:
            raise ConfigError(f"seeds is {self.seeds}: expected a whole number from 1 to 1000")
        if self.resume and self.overwrite:
            raise ConfigError("resume and overwrite were both asked for: expected one of them")
        if self.input and self.input not in INPUTS:
            raise UnknownNameError("input", self.input, INPUTS)
        release_named(self.release)
        clips_per_class(self.size, "train")

    @property
    def dataset(self) -> Path:
        """The folder of the three splits."""
        return self.on or self.data / directory_name(self.release, self.size)

    @property
    def run_name(self) -> str:
        """Name of the run's folder."""
        name = f"{self.release}-{self.size}" if self.on is None else self.on.resolve().name
        per_class = self.training.get("train_per_class")
        return f"{name}-{per_class}-per-class" if per_class else name


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A run with everything resolved."""

    model: Model
    config: Any
    training: Training
    device: torch.device
    folder: RunFolder
    precision_is_asked_for: bool = False

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's settings; none if the model is fitted."""
        return {} if self.model.is_fitted else dataclasses.asdict(self.training)

    def configuration(self, seed: int, splits: Mapping[str, ClipDataset]) -> dict[str, Any]:
        """All that determines a seed's weights, apart from the code."""
        return {
            "model": {"name": self.model.description.name, **dataclasses.asdict(self.config)},
            "input": self.model.description.input,
            "training": self.recipe,
            "data": {name: split.manifest.fingerprint for name, split in splits.items()},
            "seed": seed,
        }

    def with_sound_precision(
        self, shape: tuple[int, int, int, int], classes: int, clips: int, say: Callable[[str], None]
    ) -> Plan:
        """The same run, in 32 bits if its gradients in bfloat16 turn out wrong on this machine.

        Raises:
            ConfigError: they do, and bfloat16 was asked for.
        """
        if self.training.precision != "bf16-mixed":
            return self
        torch.manual_seed(0)
        network = self.model.module.build(self.config, shape, classes)
        size = min(self.training.batch_size, clips)
        problem = bfloat16.gradient_problem(network, shape, classes, size, self.device)
        if not problem:
            return self
        if self.precision_is_asked_for:
            raise ConfigError(f"bf16-mixed is wrong for {self.model.description.name} here, {problem}: use 32-true")
        say(f"bf16-mixed is wrong for {self.model.description.name} here, {problem}: training in 32-true")
        return dataclasses.replace(self, training=dataclasses.replace(self.training, precision="32-true"))

    def learner(self, seed: int, shape: tuple[int, int, int, int], classes: int) -> Classification:
        """A fresh learner; torch's generator is seeded first, so its weights are a function of the seed."""
        torch.manual_seed(seed)
        logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)  # it repeats the precision
        fabric = Fabric(accelerator=self.device.type, devices=1, precision=self.training.precision)  # type: ignore[arg-type]
        network = self.model.module.build(self.config, shape, classes)
        return Classification(network, self.training, fabric)


def make_plan(description: Description, options: Options) -> Plan:
    """Resolves what the user asked for; nothing is written.

    Raises:
        DynamicsError: a setting is unknown or out of its range, the device is not there, the file is no model.
    """
    run_name = options.run_name
    if options.input not in ("", description.input):
        description = dataclasses.replace(description, input=options.input)
        run_name += f"-{options.input}"
    model = load(description)
    if model.is_fitted and (useless := [name for name, value in options.training.items() if value is not None]):
        flags = ", ".join("--" + name.replace("_", "-") for name in useless)
        raise ConfigError(
            f"{description.name} is fitted, not trained step by step, so {flags} would have no effect: leave it out, "
            "or give the model's own settings with --set"
        )
    training = recipe.resolve(options.size, description.training, options.training, description.name)
    device = machine.choose_device(options.device)
    precision = machine.choose_precision(training.precision, device)
    return Plan(
        model=model,
        config=model.config(dict(options.settings)),
        training=dataclasses.replace(training, precision=precision),
        device=device,
        folder=RunFolder(options.runs / description.name / run_name),
        precision_is_asked_for=training.precision != "auto",
    )


def build_missing(options: Options, say: Callable[[str], None]) -> None:
    """Builds those splits of the dataset that are not there, after saying how long it will take; never the user's own.

    Raises:
        ConfigError: a split of the user's own is missing.
    """
    for split in SPLITS:
        folder = options.dataset / split
        if options.on is None:
            build_if_missing(folder, options.release, split, options.size, options.workers, say)
        elif not (folder / "manifest.json").exists():
            raise ConfigError(
                f"{options.dataset} has no finished split {split}: expected train, valid and test, "
                "as `dynamics-gen import-video` makes them of a table with a column split"
            )


def build_if_missing(
    folder: Path, release: str, split: str, size: str, workers: int | None, say: Callable[[str], None]
) -> None:
    """Builds one split of a named release into `folder`, unless it is there, after saying how long it will take.

    Args:
        folder: the split's own.
        release: name of the release.
        split: name of the split.
        size: how many clips, by name.
        workers: processes; as many as there are cores unless given.
        say: told what is built.
    """
    from dynamics_gen.generate import build_split
    from dynamics_gen.pool import available_cores

    if (folder / "manifest.json").exists():
        return
    drawn_from = release_named(release)
    config = BuildConfig(
        release=drawn_from, split=split, per_class=clips_per_class(size, split), frames=drawn_from.frames
    )
    workers = workers or available_cores()
    seconds = config.clips / ((SCENES_BUILT_PER_S if drawn_from.shift else CLIPS_BUILT_PER_S) * workers)
    say(f"{folder} is not there: building its {config.clips:,} clips, in {duration(seconds)}")
    with Meter(f"build {split}", config.clips, {"clips": 1, "frames": config.frames}) as meter:
        build_split(config, folder, workers=workers, progress=meter.advance)


def duration(seconds: float) -> str:
    """An estimate, in round figures."""
    if seconds < 10:
        return "a few seconds"
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} minutes"

"""What a run will be: the user's wishes resolved, and the splits it needs built where they are missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmark import bfloat16, machine, recipe
from benchmark.classification import Classification
from benchmark.data import ClipDataset, Clips
from benchmark.flow import open_flow
from benchmark.folder import RunFolder
from benchmark.recipe import OF_CLASSIFIERS, Training
from benchmark.spec import INPUTS, Description, Model, load
from benchmark.world import ALONE, World
from dynamics_gen.config import SPLITS, BuildConfig, clips_per_class, directory_name, release_named
from dynamics_gen.console import Meter, duration
from dynamics_gen.errors import ConfigError, UnknownNameError

CLIPS_BUILT_PER_S, SCENES_BUILT_PER_S = 250, 40
"""By one core, about, plain and shifted; only for telling how long a missing split will take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the user asked for.

    Attributes:
        input: one of `spec.INPUTS`, in place of the model's own; "" leaves it.
        seeds: how many trainings from scratch, with seeds 0, 1, ….
        devices: GPUs of this machine, or processes on its CPU, that share every batch; torchrun's number goes before.
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
    devices: int = 1
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
        if not 1 <= self.devices <= 1_024:
            raise ConfigError(f"devices is {self.devices}: expected a whole number from 1 to 1024")
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
    world: World = ALONE

    @property
    def hardware(self) -> str:
        """What it trains on: a device's name, with their number where there are several."""
        return machine.hardware(self.device, self.world.size)

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's settings; none if the model is not trained by the loop."""
        return {} if not self.model.is_trained else dataclasses.asdict(self.training)

    @property
    def settings(self) -> dict[str, Any]:
        """The model's own settings."""
        return dataclasses.asdict(self.config)

    def configuration(self, seed: int, splits: Mapping[str, ClipDataset]) -> dict[str, Any]:
        """All that determines a seed's weights, apart from the code."""
        return {
            "model": {"name": self.model.description.name, **self.settings},
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

    def clips(
        self, split: ClipDataset, workers: int | None, say: Callable[[str], None], *, by_all: bool = True
    ) -> Clips:
        """A split as the model sees it; flow that it needs and that is missing is made, by the first process.

        Args:
            split: the clips.
            workers: processes that make flow; as many as there are cores unless given.
            say: told what is made.
            by_all: whether all processes open it, or the first alone.
        """
        form = self.model.description.input
        if by_all and self.world.size > 1:
            self.world.agreed(lambda: open_flow(split, form, workers, say) is None)
        flow = open_flow(split, form, workers, say)
        holders = self.world.local_size if self.device.type == "cpu" else 1
        return Clips(split, self.device, form, flow=flow, holders=holders)

    def learner(
        self, seed: int, shape: tuple[int, int, int, int], classes: int, world: World | None = None
    ) -> Classification:
        """A fresh learner; torch's generator is seeded first, so its weights are a function of the seed.

        Args:
            seed: of the weights.
            shape: (T, C, H, W) of a clip.
            classes: how many there are.
            world: the processes that call this and learn together; the run's unless given.
        """
        world = world or self.world
        fabric = world.fabric(self.device, self.training.precision)
        torch.manual_seed(seed)
        network = self.model.module.build(self.config, shape, classes)
        if self.training.precision == "bf16-mixed":
            bfloat16.keep_small_maps_in_32_bits(network, self.device)
        return Classification(network, self.training, fabric, world)

    def check_shares(self, clips: int) -> None:
        """Refuses batches that the processes cannot share equally, given how many clips train has.

        Raises:
            ConfigError: they cannot.
        """
        size, devices = min(self.training.batch_size, clips), self.world.size
        if size % devices:
            raise ConfigError(
                f"a batch of {size} clips cannot be shared equally among {devices} devices: "
                f"try --batch-size {max(size // devices, 1) * devices}, or another number of --devices"
            )


def make_plan(description: Description, options: Options) -> Plan:
    """Resolves what the user asked for; nothing is written.

    Raises:
        DynamicsError: a setting is unknown or out of its range, the device is not there, the file is no model.
    """
    if description.task != "classification":
        _refuse_what_has_no_effect(description, options)
    run_name = options.run_name
    if options.input not in ("", description.input):
        description = dataclasses.replace(description, input=options.input)
        run_name += f"-{options.input}"
    model = load(description)
    if not model.is_trained and (useless := [name for name, value in options.training.items() if value is not None]):
        flags = ", ".join("--" + name.replace("_", "-") for name in useless)
        raise ConfigError(
            f"{description.name} is not trained step by step, so {flags} would have no effect: leave it out, "
            "or give the model's own settings with --set"
        )
    training = recipe.resolve(options.size, description.training, options.training, description.name)
    world = World.from_environment()
    device = machine.choose_device(options.device, world.local_rank if world.size > 1 else None)
    if model.is_fitted and max(options.devices, world.size) > 1:
        raise ConfigError(f"{description.name} is fitted, which one device does: leave out --devices")
    if description.task != "classification" and max(options.devices, world.size) > 1:
        raise ConfigError(f"{description.name} is a model of {description.task}: leave out --devices")
    if options.devices not in (1, world.size):
        raise ConfigError(f"devices is {options.devices}, and {world.size} processes were started: expected as many")
    precision = machine.choose_precision(training.precision, device)
    if description.task != "classification" and training.precision == "auto":
        precision = "32-true"  # a game's small differences of large gradients have not been measured in bfloat16
    config = model.config(dict(options.settings))
    return Plan(
        model=model.asked(config),
        config=config,
        training=dataclasses.replace(training, precision=precision),
        device=device,
        folder=RunFolder(options.runs / description.name / ("" if description.task == "study" else run_name)),
        precision_is_asked_for=training.precision != "auto",
        world=world,
    )


def _refuse_what_has_no_effect(description: Description, options: Options) -> None:
    """Refuses settings that classifiers alone have; a study has no recipe at all.

    Raises:
        ConfigError: one was given.
    """
    given = {name for name, value in options.training.items() if value is not None}
    useless = given & OF_CLASSIFIERS if description.task in ("generation", "prediction") else given
    flags = ["--" + name.replace("_", "-") for name in sorted(useless)] + ["--input"] * bool(options.input)
    if flags:
        raise ConfigError(
            f"{description.name} is a model of {description.task}, for which {', '.join(flags)} would have no effect: "
            "leave it out, or give the model's own settings with --set"
        )


def build_missing(options: Options, say: Callable[[str], None], splits: Sequence[str] = SPLITS) -> None:
    """Builds those splits of the dataset that are not there, after saying how long it will take; never the user's own.

    Raises:
        ConfigError: a split of the user's own is missing.
    """
    for split in splits:
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

"""Random search over the recipe, with the same budget for every model, chosen on valid; test is never opened.

Trial k is the same draw for every model: what one is tried with, all are. Each trains for the same number of epochs on
the same clips from the same seed, and counts by its best epoch on valid.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import dynamics_gen
from benchmark import inputs, machine, recipe, trials
from benchmark.choice import Splits
from benchmark.data import ClipDataset, Clips
from benchmark.errors import NotFiniteError, StoppedError, TrainingError
from benchmark.folder import RunFolder
from benchmark.plan import Options, Plan, build_missing, make_plan
from benchmark.progress import shown
from benchmark.spec import Description, load
from benchmark.train import fit
from benchmark.trials import Trial
from dynamics_gen.errors import ConfigError

LEARNING_RATES = (3e-4, 1e-2)
WEIGHT_DECAYS = (1e-3, 3e-1)
"""From and to; logarithms are uniform."""
LABEL_SMOOTHINGS = (0.0, 0.1)
"""One of these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What every model gets.

    Attributes:
        trials: draws 0, 1, … that are tried.
        epochs: of each; a third of those of the size's recipe unless given.
        seed: of draws, weights and order.
    """

    trials: int = 4
    epochs: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("trials", 1, 10_000), ("seed", 0, 2**31 - 1)):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected a whole number from {low} to {high}")


def draw(seed: int, trial: int) -> dict[str, float]:
    """The settings of a trial, a function of its arguments; rates to two digits, as a person would type them."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(trial,)))
    rate, decay = (
        float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.1e}")
        for low, high in (LEARNING_RATES, WEIGHT_DECAYS)
    )
    return {
        "learning_rate": rate,
        "weight_decay": decay,
        "label_smoothing": LABEL_SMOOTHINGS[int(rng.integers(len(LABEL_SMOOTHINGS)))],
    }


def tune_model(
    description: Description, budget: Budget, options: Options, table: Path, say: Callable[[str], None]
) -> Trial:
    """Tries a model with every draw of the budget that the table does not hold yet; returns the best of all.

    Args:
        description: of the model.
        budget: what every model gets.
        options: size, release, folders and device.
        table: the CSV of trials, added to as each ends.
        say: told, a line at a time, what happens.

    Raises:
        DynamicsError: whatever a user can cause; see the text.
        OSError: a folder is missing, unwritable or full.
    """
    folder = RunFolder(options.runs / description.name / f"tuning-{options.run_name}")
    with folder.locked():
        try:
            build_missing(options, say, ("train", "valid"))
            found = _tried(description, budget, options, folder.path, table, say)
        except (KeyboardInterrupt, StoppedError):
            raise StoppedError(f"stopped: finished trials are in {table}; the same command goes on") from None
    winner = trials.best(found)
    if winner is None:
        raise TrainingError(
            f"no trial of {description.name} kept its loss finite: try more --trials, or another --seed"
        )
    return winner


def _tried(
    description: Description,
    budget: Budget,
    options: Options,
    folder: Path,
    table: Path,
    say: Callable[[str], None],
) -> list[Trial]:
    if description.task != "classification":
        raise ConfigError(f"{description.name} is a model of {description.task}: expected one of classification")
    if load(description).is_fitted:
        raise ConfigError(f"{description.name} is fitted, not trained step by step: it has no recipe to tune")
    splits = Splits(options.dataset, dynamics_gen.open)
    opened = {"train": splits.train(), "valid": splits.valid()}
    classes = opened["train"].manifest.classes
    shape = inputs.shape_of(description.input, opened["train"].video_shape)
    epochs = budget.epochs or max(recipe.DEFAULTS[options.size]["epochs"] // 3, 1)
    there, found, clips, precision = trials.read(table), [], None, None
    for number in range(budget.trials):
        settings = {"epochs": epochs, "precision": precision, **draw(budget.seed, number)}
        planned = make_plan(description, dataclasses.replace(options, training=settings))
        wanted = _asked(planned, options, budget.seed, number, opened)
        same = next((trial for trial in there if trial.is_of(wanted)), None)
        if same is None:
            if clips is None:
                planned = planned.with_sound_precision(shape, len(classes), len(opened["train"]), say)
                precision = planned.training.precision
                clips = {name: planned.clips(split, options.workers, say) for name, split in opened.items()}
            wanted = dataclasses.replace(wanted, precision=precision)
            same = _run_trial(planned, wanted, clips, opened, folder / f"trial-{number}-{_digest(wanted)}")
            trials.append(same, table)
        found.append(same)
        error = (
            "the loss was not finite" if same.valid_error is None else f"{100 * same.valid_error:.1f} % wrong on valid"
        )
        drawn = ", ".join(f"{name} {getattr(same, name):g}" for name in trials.TUNED)
        say(f"{description.name} trial {number + 1}/{budget.trials}: {error} with {drawn}")
    return found


def _asked(planned: Plan, options: Options, seed: int, number: int, opened: Mapping[str, ClipDataset]) -> Trial:
    """A trial before it is run."""
    fields = {f.name for f in dataclasses.fields(Trial)}
    settings: dict[str, Any] = dataclasses.asdict(planned.training)
    return Trial(
        model=planned.model.description.name,
        release=options.release,
        size=options.size,
        seed=seed,
        trial=number,
        config=json.dumps(dataclasses.asdict(planned.config)),
        **{name: split.manifest.fingerprint for name, split in opened.items()},
        **{name: value for name, value in settings.items() if name in fields},
    )


def _digest(trial: Trial) -> str:
    """Another name for another trial of the same number, so that none goes on from what another left."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(trial)).encode()).hexdigest()[:8]


def _run_trial(
    planned: Plan, trial: Trial, clips: Mapping[str, Clips], opened: Mapping[str, ClipDataset], folder: Path
) -> Trial:
    """Trains once, from where an earlier try stopped; its working files are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    train, start = clips["train"], time.monotonic()
    learner = planned.learner(trial.seed, train.shape, len(train.dataset.manifest.classes))
    configuration = planned.configuration(trial.seed, opened)
    done: dict[str, Any] = {"device": machine.device_name(planned.device), "commit": machine.commit()}
    try:
        with shown(f"{trial.model} trial {trial.trial + 1}", planned.training, len(train), learner) as report:
            state = fit(
                learner,
                train,
                clips["valid"],
                planned.training,
                trial.seed,
                folder / "checkpoint.pt",
                configuration,
                report,
            )
        seconds = sum(row["seconds"] for row in state.history)
        done |= {"chosen_epoch": state.chosen_epoch, "valid_error": state.chosen_value, "seconds": round(seconds, 3)}
    except NotFiniteError:
        done["seconds"] = round(time.monotonic() - start, 3)
    shutil.rmtree(folder)
    return dataclasses.replace(trial, **done)

"""Continuations of clips by a finished run: what `bench predict` writes."""

from __future__ import annotations

from pathlib import Path

import torch

import dynamics_gen
from benchmark import machine
from benchmark.errors import TrainingError
from benchmark.folder import RunFolder
from benchmark.generation.pictures import grey_levels, spread_over
from benchmark.generation.run import clips_of
from benchmark.prediction import pictures, record
from benchmark.prediction.run import continuation
from benchmark.prediction.scores import TEST_SEED
from benchmark.recorded import plan_of
from dynamics_gen.config import SIZES, directory_name
from dynamics_gen.errors import ConfigError


def show_predictions(
    run: Path,
    *,
    clips: Path | None,
    data: Path,
    count: int,
    draws: int,
    seed: int,
    out: Path | None,
    device: str,
    model: Path | None,
) -> tuple[Path, ...]:
    """Draws clips and how a run continues them, as a picture and as a moving one; returns what was written.

    Args:
        run: its folder.
        clips: a split's folder; the run's own test unless given, where that is one of a release.
        data: holds the datasets.
        count: how many clips, spread evenly over the split.
        draws: another number is another continuation, of models that draw.
        seed: which of the run's trainings.
        out: the picture's file, whose ending is replaced; in the run's folder unless given.
        device: where the network computes.
        model: the model's file, where no model of the package has its name.

    Raises:
        DynamicsError: the run is unfinished, of another task, or no longer fits its model; the clips are too short.
        OSError: a file cannot be read or written.
    """
    folder = RunFolder(run)
    made = record.read(folder.record)
    if seed not in [one.seed for one in made.seeds]:
        raise TrainingError(f"{folder.record} has the seeds {[one.seed for one in made.seeds]}: got --seed {seed}")
    planned = plan_of(made, folder, machine.choose_device(device), model)
    if clips is None and made.dataset.size not in SIZES:
        raise ConfigError(
            f"{folder.record} is of {made.dataset.release}, clips of your own: expected --clips with their folder, "
            f"such as --clips {data / made.dataset.release / 'test'}"
        )
    split = dynamics_gen.open(clips or data / directory_name(made.dataset.release, made.dataset.size) / "test")
    seen = clips_of(planned, split)
    frames, _, height, width = seen.shape
    if frames <= made.context:
        raise ConfigError(
            f"{split.directory} has clips of {frames} frames: expected more than the {made.context} given"
        )
    side = made.view.image_size
    if (height, width) != (side, side):
        raise ConfigError(f"{split.directory} has frames of {height}×{width} pixels: expected {side}×{side}, the run's")
    go_on = continuation(planned, seed, (made.view.frames, 3, side, side))
    batch = next(seen.batches([spread_over(len(seen), count).numpy()]))
    with torch.random.fork_rng():
        torch.manual_seed(TEST_SEED + 1 + draws)
        said = go_on(batch.clips, frames)
    stem = (out or run / f"predictions-seed{seed}.png").with_suffix("")
    return pictures.films(grey_levels(batch.clips), grey_levels(said), stem)

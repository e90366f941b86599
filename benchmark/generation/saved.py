"""A finished run of a generator, opened again as its record says, with the weights that were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

import dynamics_gen
from benchmark.data import Clips
from benchmark.errors import TrainingError
from benchmark.folder import RunFolder
from benchmark.generation import record
from benchmark.generation.learner import Generation
from benchmark.generation.run import clips_of, load_learner
from benchmark.plan import Plan
from benchmark.recorded import plan_of
from dynamics_gen.config import SIZES, directory_name


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedRun:
    """What was found."""

    record: record.Record
    planned: Plan
    learner: Generation

    def test(self, data: Path) -> Clips:
        """The clips of test that the run was scored on.

        Raises:
            TrainingError: they are not under `data`.
        """
        trained = self.record.dataset
        name = directory_name(trained.release, trained.size) if trained.size in SIZES else ""
        folder = data / name / "test"
        split = dynamics_gen.open(folder)
        if split.manifest.fingerprint != trained.splits.test.fingerprint:
            raise TrainingError(
                f"{folder} has the fingerprint {split.manifest.fingerprint[:12]}…: expected "
                f"{trained.splits.test.fingerprint[:12]}…, that of the run; choose another --data folder"
            )
        return clips_of(self.planned, split)


def open_run(run: Path, seed: int, device: torch.device, model: Path | None = None) -> SavedRun:
    """Builds a run's network again.

    Args:
        run: its folder.
        seed: which of its trainings.
        device: where the network computes.
        model: the model's file, where no model of the package has its name.

    Raises:
        DynamicsError: the run is unfinished, of another task, or no longer fits its model.
        OSError: a file cannot be read.
    """
    folder = RunFolder(run)
    made = record.read(folder.record)
    if seed not in [one.seed for one in made.seeds]:
        raise TrainingError(f"{folder.record} has the seeds {[one.seed for one in made.seeds]}: got --seed {seed}")
    planned = plan_of(made, folder, device, model)
    shape = (made.view.frames, 3, made.view.image_size, made.view.image_size)
    return SavedRun(record=made, planned=planned, learner=load_learner(planned, seed, shape))

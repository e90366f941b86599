"""A finished run of a predictor, opened again as its record says: its network, as chosen and as it set out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmark.errors import ModelError, TrainingError
from benchmark.folder import RunFolder
from benchmark.plan import Plan
from benchmark.prediction import record
from benchmark.prediction.run import load_learner, make_learner
from benchmark.recorded import plan_of


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedRun:
    """What was found."""

    record: record.Record
    planned: Plan

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The (T, C, H, W) of the clips that it learnt from."""
        view = self.record.view
        return view.frames, 3, view.image_size, view.image_size

    def trained(self, seed: int) -> nn.Module:
        """The network with a seed's chosen weights, their average where there is one; in evaluation mode.

        Raises:
            TrainingError: there is no such seed, or the choice or the weights are missing, or not each other's.
        """
        seeds = [one.seed for one in self.record.seeds]
        if seed not in seeds:
            raise TrainingError(f"{self.planned.folder.record} has the seeds {seeds}: got seed {seed}")
        return load_learner(self.planned, seed, self.shape).learnt

    def untrained(self, seed: int) -> nn.Module:
        """The network with the weights that the seed's training set out from; in evaluation mode."""
        return make_learner(self.planned, seed, self.shape).network.eval()


def open_run(run: Path, device: torch.device, model: Path | None = None) -> SavedRun:
    """Opens a run.

    Args:
        run: its folder.
        device: where networks will compute.
        model: the model's file, where no model of the package has its name.

    Raises:
        DynamicsError: the run is unfinished, of another task, of a rule, or no longer fits its model.
        OSError: a file cannot be read.
    """
    folder = RunFolder(run)
    made = record.read(folder.record)
    planned = plan_of(made, folder, device, model)
    if not planned.model.is_trained:
        raise ModelError(f"{folder.record} is of {made.model}, a rule, which has no weights: expected a network")
    return SavedRun(record=made, planned=planned)

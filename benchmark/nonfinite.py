"""What is left behind of a step whose loss is not finite, and said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from benchmark.data import Clips
from benchmark.errors import NotFiniteError
from dynamics_gen.files import write_whole

REPORT = "not-finite.json"


def not_finite(
    losses: Mapping[str, Tensor],
    train: Clips,
    rows: np.ndarray,
    step: int,
    epoch: int,
    folder: Path,
    write: bool = True,
) -> NotFiniteError:
    """Writes which clips the step was learnt from, in order, into `folder`; returns the error to raise.

    Args:
        losses: of the step.
        train: what is learnt from.
        rows: the step's clips, of all processes.
        step: from 1, over all epochs.
        epoch: from 1.
        folder: where the checkpoint is.
        write: whether it is this process that writes.
    """
    path = folder / REPORT
    names = train.dataset.clip_ids
    report = {
        "epoch": epoch,
        "step": step,
        "losses": {name: str(float(value)) for name, value in losses.items()},
        "clips": [names[row] for row in rows.tolist()],
    }
    if write:
        write_whole(path, (json.dumps(report, indent=1) + "\n").encode())
    again = f"the checkpoint of epoch {epoch - 1}" if epoch > 1 else "the start"
    return NotFiniteError(
        f"the loss is not finite at step {step}, in epoch {epoch}: try a lower --learning-rate, "
        f"or --precision 32-true; to look into it, {path} names the step's clips, "
        f"`dynamics-gen view {train.dataset.directory}` shows them, and --resume repeats the steps from {again}"
    )

"""Pictures of a finished run: what `bench sample`, `reconstruct` and `interpolate` write."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark import machine
from benchmark.data import Batch
from benchmark.errors import ModelError
from benchmark.generation import pictures
from benchmark.generation.contract import Infers
from benchmark.generation.learner import SAMPLE_SEED
from benchmark.generation.saved import SavedRun, open_run
from dynamics_gen.files import write_whole


def show_samples(
    run: Path,
    *,
    count: int,
    draws: int,
    npz: Path | None,
    data: Path = Path("data"),
    seed: int,
    out: Path | None,
    device: str,
    model: Path | None,
) -> tuple[Path, ...]:
    """Draws samples into a picture, and into an array file if one is asked for; returns what was written.

    Raises:
        DynamicsError: the run is unfinished, of another task, or no longer fits its model.
        OSError: a file cannot be read or written.
    """
    opened = _opened(run, seed, device, model)
    told = None
    if opened.record.attributes:
        test = opened.test(data)
        assert test.attributes is not None
        told = test.attributes[torch.arange(count) % len(test)]
    samples = torch.cat([clips for clips, _ in opened.learner.samples(count, told, SAMPLE_SEED + 2 + draws)])
    path = out or run / f"drawn-seed{seed}.png"
    pictures.sheet(samples, path)
    if npz is None:
        return (path,)
    content = io.BytesIO()
    np.savez_compressed(content, samples=pictures.grey_levels(samples))
    write_whole(npz, content.getvalue())
    return path, npz


def show_reconstructions(
    run: Path, *, count: int, data: Path, seed: int, out: Path | None, device: str, model: Path | None
) -> Path:
    """Draws clips of test and their reconstructions; returns the picture's file.

    Raises:
        DynamicsError: as `show_samples`; also where the model has no encoder.
        OSError: a file cannot be read or written.
    """
    opened = _opened(run, seed, device, model)
    _expect_inference(opened)
    test = opened.test(data)
    batch = next(test.batches([pictures.spread_over(len(test), count).numpy()]))
    path = out or run / f"reconstructions-seed{seed}.png"
    pictures.write_png(pictures.reconstructions(opened.learner, batch.clips, _told(opened, batch)), path)
    return path


def show_interpolations(run: Path, *, data: Path, seed: int, out: Path | None, device: str, model: Path | None) -> Path:
    """Draws the ways between clips of test; returns the picture's file.

    Raises:
        DynamicsError: as `show_reconstructions`.
        OSError: a file cannot be read or written.
    """
    opened = _opened(run, seed, device, model)
    _expect_inference(opened)
    test = opened.test(data)
    batch = next(test.batches([pictures.spread_over(len(test)).numpy()]))
    path = out or run / f"interpolations-seed{seed}.png"
    pictures.write_png(pictures.interpolations(opened.learner, batch.clips, _told(opened, batch)), path)
    return path


def _opened(run: Path, seed: int, device: str, model: Path | None) -> SavedRun:
    return open_run(run, seed, machine.choose_device(device), model)


def _told(run: SavedRun, batch: Batch) -> Tensor | None:
    """The attributes of a batch, if the model is conditional."""
    return batch.attributes if run.record.attributes else None


def _expect_inference(opened: SavedRun) -> None:
    if not isinstance(opened.learner.sampler, Infers):
        raise ModelError(f"{opened.record.model} has no encoder: expected a model with one, such as ali or vae")

"""What finished runs of predictors and generators say of the clips, or make, that an entry consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dynamics_gen
from benchmark import machine
from benchmark.data import sequential
from benchmark.errors import RecordError, TrainingError
from benchmark.folder import RunFolder
from benchmark.generation import record as generation
from benchmark.generation.pictures import grey_levels
from benchmark.generation.run import clips_of
from benchmark.generation.saved import open_run
from benchmark.generation.scores import TEST_SEED as SAMPLE_SEED
from benchmark.parts import PartOfSplit
from benchmark.prediction import record as prediction
from benchmark.prediction.contract import CONTEXT, HORIZON
from benchmark.prediction.run import continuation
from benchmark.prediction.scores import CLIPS_A_BATCH, TEST_SEED
from benchmark.recorded import plan_of
from benchmark.submission.frames import Frames
from benchmark.submission.prepare import about_of, test_of
from benchmark.submission.schema import EvaluationSplit
from benchmark.submission.split import OpenedSplit
from benchmark.submission.views import PREDICTION, SAMPLES, VIEWS, View


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What a record says of its entry."""

    about: Mapping[str, Any]
    test: EvaluationSplit


def frames_of(
    run: Path, task: str, split: OpenedSplit | None, device: str, model: Path | None
) -> tuple[Known, View, dict[int, Frames]]:
    """Has every seed of a run predict or generate, with the weights that were chosen.

    Args:
        run: its folder.
        task: prediction or generation, as its record says.
        split: the test split, where its clips are needed.
        device: where the network computes.
        model: the model's file, where no model of the package has its name.

    Raises:
        DynamicsError: the run is unfinished, no longer fits its model, or no board has what it makes.
        OSError: a file cannot be read.
    """
    return (_predicted if task == PREDICTION else _generated)(run, split, machine.choose_device(device), model)


def _predicted(
    run: Path, split: OpenedSplit | None, device: torch.device, model: Path | None
) -> tuple[Known, View, dict[int, Frames]]:
    folder = RunFolder(run)
    made = prediction.read(folder.record)
    view, test = View(frames=HORIZON, image_size=made.view.image_size), test_of(made.dataset)
    _expect_board(view, PREDICTION, folder)
    test_split = _opened(split, test, f"{folder.record} is a run of a predictor, which has yet to see the clips")
    if made.view.frames != made.dataset.frames:
        raise RecordError(
            f"{folder.record} has seen {made.view.frames} of {made.dataset.frames} frames: expected a predictor that"
            " sees every frame"
        )
    planned = plan_of(made, folder, device, model)
    whole = dynamics_gen.open(test_split.folder)
    ids = test_split.ids_of(PREDICTION)
    numbers = {name: number for number, name in enumerate(whole.column("clip_id").tolist())}
    rows = np.array([numbers[name] for name in ids.tolist()])
    seen = clips_of(planned, PartOfSplit(whole, rows, (0, CONTEXT + HORIZON)))
    seeds = {}
    for seed in made.seeds:
        go_on = continuation(planned, seed.seed, (made.view.frames, *seen.shape[1:]))
        parts = []
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(TEST_SEED)
            for batch in seen.batches(sequential(len(seen), CLIPS_A_BATCH)):
                parts.append(grey_levels(go_on(batch.clips, CONTEXT + HORIZON)[:, :, CONTEXT:]))
        seeds[seed.seed] = Frames(clip_id=ids, frames=np.concatenate(parts))
    about = about_of(made) | {"input": "rgb", "flops_per_clip": HORIZON * made.flops_per_frame}
    return Known(about=about, test=test), view, seeds


def _generated(
    run: Path, split: OpenedSplit | None, device: torch.device, model: Path | None
) -> tuple[Known, View, dict[int, Frames]]:
    folder = RunFolder(run)
    made = generation.read(folder.record)
    view, test = View(frames=made.view.frames, image_size=made.view.image_size), test_of(made.dataset)
    _expect_board(view, made.task, folder)
    count, seeds = SAMPLES[view], {}
    for seed in made.seeds:
        opened = open_run(run, seed.seed, device, model)
        told = None
        if made.attributes:
            why = f"{folder.record} is a run of a conditional generator, which is told attributes of test"
            clips = clips_of(opened.planned, dynamics_gen.open(_opened(split, test, why).folder))
            assert clips.attributes is not None
            places = np.linspace(0, len(clips) - 1, count).round().astype(int)
            told = clips.attributes[torch.from_numpy(places).to(device)]
        samples = [grey_levels(clips) for clips, _ in opened.learner.samples(count, told, SAMPLE_SEED)]
        seeds[seed.seed] = Frames(clip_id=None, frames=np.concatenate(samples))
    about = about_of(made) | {"input": "rgb", "flops_per_clip": made.flops_per_sample}
    return Known(about=about, test=test), view, seeds


def _expect_board(view: View, task: str, folder: RunFolder) -> None:
    if view not in VIEWS[task]:
        raise RecordError(
            f"{folder.record} is of {view}: expected {', or '.join(map(str, VIEWS[task]))}, of which there are boards"
        )


def _opened(split: OpenedSplit | None, test: EvaluationSplit, why: str) -> OpenedSplit:
    """The test split, which must be that of the run.

    Raises:
        RecordError: it is not given.
        TrainingError: it is another one.
    """
    if split is None:
        raise RecordError(f"{why}: give its test split with --data data/dynamics-mini/test")
    if split.test.fingerprint != test.fingerprint:
        raise TrainingError(
            f"{split.folder} has the fingerprint {split.test.fingerprint[:12]}…: expected {test.fingerprint[:12]}…,"
            " that of the run; choose another --data folder"
        )
    return split

"""Entries of frames from outside: tiny test splits that they may answer for, and files of either form."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from submitted import ABOUT, build_test_split, npz, put

import dynamics_gen
from benchmark.generation.record import Network
from benchmark.generation.views import shrunk
from benchmark.prediction.record import Errors, Motion
from benchmark.submission import any_result
from benchmark.submission.frames_result import (
    Bounds,
    GenerationResult,
    GenerationScores,
    PredictionResult,
    PredictionScores,
    ScoredGeneration,
    ScoredPrediction,
    truth_sha256,
)
from benchmark.submission.result import salted_sha256
from benchmark.submission.schema import parse
from benchmark.submission.split import open_split
from benchmark.submission.views import CLIPS, GENERATION, PREDICTION, SAMPLES, View
from dynamics_gen.config import BuildConfig
from dynamics_gen.generate import build_split

SMALL = View(frames=10, image_size=32)
"""Of prediction."""


def build_frames_split(folder: Path, **changes: Any) -> Path:
    """An open test split of 30 fake clips, long and large enough for prediction at 32×32 and for generation."""
    return build_test_split(folder, **({"image_size": 32, "frames": 32} | changes))


def build_rendered(data: Path, **per_class: int) -> Path:
    """Rendered splits of 32×32 pixels, so many clips of each class, under `data`; gives the folder of test."""
    for split, count in per_class.items():
        build_split(BuildConfig(split=split, per_class=count, image_size=32), data / split, workers=1)
    return data / "test"


def predicted(split: Path, seed: int = 0) -> dict[str, np.ndarray]:
    """The last frame that is given of each clip, ten times, by the seed a little brighter and in another order."""
    ids = open_split(split).ids_of(PREDICTION)
    whole, order = dynamics_gen.open(split), np.random.default_rng(seed).permutation(len(ids))
    numbers = {name: number for number, name in enumerate(whole.column("clip_id").tolist())}
    whole_clips = whole.read_videos([numbers[name] for name in ids[order].tolist()])
    last = shrunk(whole_clips[:, 9:10], SMALL.image_size)
    return {"clip_id": ids[order], "frames": np.repeat(np.minimum(last, 250) + np.uint8(seed), SMALL.frames, axis=1)}


def samples(seed: int = 0, view: View = CLIPS) -> dict[str, np.ndarray]:
    """Samples that repeat themselves, so that they are soon written."""
    few = np.random.default_rng(seed).integers(0, 256, (8, view.frames, view.image_size, view.image_size, 3), np.uint8)
    return {"frames": np.tile(few, (SAMPLES[view] // 8, 1, 1, 1, 1))}


def hdf5(arrays: dict[str, np.ndarray], **options: Any) -> bytes:
    """The bytes of an HDF5 file; the options are those of `h5py.Group.create_dataset` for frames."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **(options if name == "frames" else {}))
    return buffer.getvalue()


def enter_frames(
    entries: Path, split: Path, task: str = PREDICTION, seeds: int = 1, form: str = "npz", **about: Any
) -> Path:
    """Writes an entry of frames that is in order, and returns its folder."""
    folder = entries / (ABOUT | about)["group"] / (ABOUT | about)["entry"]
    folder.mkdir(parents=True)
    view, test = SMALL if task == PREDICTION else CLIPS, open_split(split).test
    listed = []
    for seed in range(seeds):
        arrays = predicted(split, seed) if task == PREDICTION else samples(seed)
        name = f"predictions-seed{seed}.{form}"
        sha256 = put(folder, name, npz(**arrays) if form == "npz" else hdf5(arrays))
        listed.append({"seed": seed, "predictions": name, "sha256": sha256})
    document = {
        "submission_version": 2,
        "task": task,
        "view": {"frames": view.frames, "image_size": view.image_size},
        "about": ABOUT | about,
        "test": {"release": test.release, "size": test.size, "clips": test.clips, "fingerprint": test.fingerprint},
        "seeds": listed,
    }
    (folder / "submission.json").write_text(json.dumps(document))
    return folder


def write_made_up_result(folder: Path) -> None:
    """Writes the result.json of an entry that is in order, with made-up scores; they differ from seed to seed."""
    submission, problems = parse((folder / "submission.json").read_text())
    assert submission is not None, problems
    salt, train = "0" * 64, "ab" * 32
    listed = [(one.seed, one.sha256) for one in submission.seeds]
    common = {
        "result_version": 1,
        "metric_version": 1,
        "board": "open",
        "view": submission.view,
        "test": submission.test,
        "train_fingerprint": train,
        "features": Network(name="frozen", sha256="cd" * 32),
        "submission_sha256": hashlib.sha256((folder / "submission.json").read_bytes()).hexdigest(),
        "salt": salt,
        "predictions_sha256": salted_sha256(salt, listed),
        "truth_sha256": truth_sha256(salt, submission.test.fingerprint, train),
        "commit": "unknown",
        "python": "3.11.7",
        "libraries": {},
    }
    if submission.task == PREDICTION:
        steps = np.arange(1, SMALL.frames + 1)

        def motion(offset: float) -> Motion:
            rising = tuple((offset * steps).tolist())
            shares = (0.0,) * (SMALL.frames - 1) + (0.25,)
            return Motion(
                error=rising, lost=shares, split=shares, speed=1.0, speed_kept=0.5, came_back=None, class_agreement=0.4
            )

        seeds = tuple(
            ScoredPrediction(
                seed=seed,
                sha256=sha256,
                scores=PredictionScores(
                    clips=30,
                    errors=Errors(
                        mse=tuple(((0.01 + 0.001 * seed) * steps / steps.mean()).tolist()),
                        mae=(0.05,) * SMALL.frames,
                        psnr=(20.0 + seed,) * SMALL.frames,
                        ssim=(0.9 - 0.1 * seed,) * SMALL.frames,
                    ),
                    motion=motion(0.5 + 0.1 * seed),
                ),
            )
            for seed, sha256 in listed
        )
        made = PredictionResult(
            task=PREDICTION, seeds=seeds, motion_of_data=motion(0.02), interval=Bounds(low=0.005, high=0.02), **common
        )
    else:

        def scores(distance: float) -> GenerationScores:
            return GenerationScores(
                samples=30,
                frechet=distance,
                precision=0.5,
                recall=0.25,
                density=0.75,
                coverage=0.5,
                spread=0.9,
                copied=0.0,
                failed=0.1 * (distance % 7),
                failed_by_cause={"no object": 0.1, "still": 0.0},
            )

        drawn = tuple(ScoredGeneration(seed=one, sha256=sha256, scores=scores(50.0 + one)) for one, sha256 in listed)
        interval = Bounds(low=45.0, high=57.0) if len(drawn) > 1 else None
        made = GenerationResult(
            task=GENERATION, seeds=drawn, of_train=scores(3.0), failed_of_data=0.0, interval=interval, **common
        )
    any_result.write(made, folder / "result.json")

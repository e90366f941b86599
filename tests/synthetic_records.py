"""Records and predictions drawn from a seed, for the tests of everything that reads them. Never a result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark import predictions, record
from benchmark.record import Record, Scores
from dynamics_gen.classes import CLASSES

LABELS = np.arange(200) % len(CLASSES)
CLIP_IDS = [f"standard-test-{i:06d}" for i in range(len(LABELS))]

SPLIT = record.Split(clips=len(LABELS), fingerprint="ab" * 32)
DATASET = record.Dataset(
    release="standard",
    size="mini",
    seed=0,
    frames=32,
    fps=16,
    image_size=64,
    classes=CLASSES,
    splits=record.Splits(train=SPLIT, valid=SPLIT, test=SPLIT),
)
ENVIRONMENT = record.Environment(
    device="2 CPU cores",
    precision="32-true",
    threads=2,
    commit="0" * 40,
    python="3.11.0",
    platform="Linux-x86_64",
    libraries={"torch": "2.13.0"},
)


def make_predictions(rng: np.random.Generator, error: float) -> predictions.Predictions:
    """About `error` of the clips get a wrong class."""
    wrong = rng.random(len(LABELS)) < error
    said = np.where(wrong, (LABELS + rng.integers(1, len(CLASSES), len(LABELS))) % len(CLASSES), LABELS)
    probabilities = np.full((len(LABELS), len(CLASSES)), 0.02, np.float32)
    probabilities[np.arange(len(LABELS)), said] = 0.82
    return predictions.make(CLIP_IDS, LABELS, probabilities)


def make_history(rng: np.random.Generator, epochs: int) -> tuple[record.Epoch, ...]:
    """Falling curves."""
    return tuple(
        record.Epoch(
            epoch=epoch,
            train_loss=float(2.3 * 0.8**epoch),
            train_error=float(0.9 * 0.7**epoch),
            valid_error=float(0.1 + 0.8 * 0.75**epoch + 0.03 * rng.random()),
            learning_rate=1e-3,
            seconds=2.5,
        )
        for epoch in range(1, epochs + 1)
    )


def make_record(
    model: str = "conv3d",
    *,
    errors: tuple[float, ...] = (0.3, 0.32, 0.28),
    epochs: int = 6,
    rng_seed: int = 0,
    shifted: tuple[str, ...] = (),
) -> tuple[Record, dict[str, predictions.Predictions]]:
    """A record of one seed for each of `errors`, and its predictions by file name (hashes still of zeros).

    On every release of `shifted` it errs half as often again.
    """
    rng = np.random.default_rng(rng_seed)
    files = {f"predictions-seed{i}.npz": make_predictions(rng, error) for i, error in enumerate(errors)}
    test = dict(files)
    for release in shifted:
        for i, error in enumerate(errors):
            files[f"predictions-{release}-seed{i}.npz"] = make_predictions(rng, 1.5 * error)
    seeds = tuple(
        record.Seed(
            seed=i,
            chosen_epoch=epochs,
            history=make_history(rng, epochs),
            scores=record.SplitScores(
                train=Scores.from_labels(LABELS, LABELS), valid=said.scores(), test=said.scores()
            ),
            predictions=name,
            predictions_sha256="0" * 64,
            wall_time_s=60.5,
            training_clips_per_s=180.25,
            peak_memory_bytes=10**9,
        )
        for i, (name, said) in enumerate(test.items())
    )
    made = Record(
        record_version=record.RECORD_VERSION,
        metric_version=record.METRIC_VERSION,
        model=model,
        task="classification",
        input="rgb",
        source="Mastropietro 2017, section 5.2.2",
        dataset=DATASET,
        config=record.Settings(
            model={"width": 16}, training={"epochs": epochs, "betas": [0.9, 0.999], "precision": "32-true"}
        ),
        seeds=seeds,
        shifted=tuple(
            record.Shifted(
                release=release,
                split=record.Split(clips=len(LABELS), fingerprint=f"{k:064x}"),
                frames=64 if release == "long" else 32,
                windows=2 if release == "long" else 1,
                seeds=tuple(
                    record.ShiftedSeed(
                        seed=i,
                        scores=files[f"predictions-{release}-seed{i}.npz"].scores(),
                        predictions=f"predictions-{release}-seed{i}.npz",
                        predictions_sha256="0" * 64,
                    )
                    for i in range(len(errors))
                ),
                environment=ENVIRONMENT,
            )
            for k, release in enumerate(shifted)
        ),
        parameters=860_000,
        flops_per_clip=210_000_000,
        environment=ENVIRONMENT,
        tags=record.Tags(verified=True, extra_data=False, note=""),
    )
    return made, files


def write_run(folder: Path, made: Record, files: dict[str, predictions.Predictions]) -> Record:
    """Writes record and predictions into `folder`, with true hashes; returns the record as written."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {name: predictions.write(said, folder / name) for name, said in files.items()}
    seeds = tuple(replace(seed, predictions_sha256=hashes[seed.predictions]) for seed in made.seeds)
    shifted = tuple(
        replace(
            one,
            seeds=tuple(replace(seed, predictions_sha256=hashes[seed.predictions]) for seed in one.seeds),
        )
        for one in made.shifted
    )
    return record.write(replace(made, seeds=seeds, shifted=shifted), folder / "record.json")

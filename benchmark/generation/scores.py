"""A trained generator against held-out clips: how near its samples are, how well it reconstructs, if it listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark import flops
from benchmark.data import Batch, Clips, places_of
from benchmark.generation import metrics
from benchmark.generation.class_reader import class_agreement, class_reader
from benchmark.generation.contract import Classifies, Features, Infers, Likelihood
from benchmark.generation.failures import LEAST_FRAMES, Criterion
from benchmark.generation.frozen import agreement
from benchmark.generation.learner import SAMPLE_SEED, SAMPLES_A_BATCH, Generation, missed
from benchmark.generation.record import Reconstruction, Scores

SCORED = 10_000
"""Held-out clips that samples are compared with, evenly spread over the split; and as many samples."""

TEST_SEED = SAMPLE_SEED + 1
"""Of the samples that are scored: other draws than those that chose the epoch."""


def score(learner: Generation, test: Clips, train: Clips, names: tuple[str, ...]) -> tuple[Scores, float]:
    """Scores a generator; returns also how many samples it makes in a second.

    Args:
        learner: with the chosen weights.
        test: held-out clips.
        train: clips of the split it learnt from, for the distance that two sets of true clips have.
        names: attributes that it is told.
    """
    count = min(SCORED, len(test), len(train))
    held_out = list(test.spread(count, SAMPLES_A_BATCH))
    real = torch.cat([batch.clips for batch in held_out])
    told = torch.cat([batch.attributes for batch in held_out if batch.attributes is not None]) if names else None
    start = time.monotonic()
    samples = torch.cat([clips for clips, _ in learner.samples(count, told, TEST_SEED)])
    samples_per_s = count / (time.monotonic() - start)
    learnt = torch.cat([batch.clips for batch in train.spread(count, SAMPLES_A_BATCH)])
    true, made, seen = (features_in_parts(learner.features, clips) for clips in (real, samples, learnt))
    agrees = _judge_of_agreement(learner, train, held_out, names)
    found = Scores(
        samples=count,
        **set_scores(true, made, one_a_clip(places_of(len(test), count), getattr(test.dataset, "copies", 1))),
        frechet_of_train=metrics.frechet_distance(true, seen),
        reconstruction=_reconstruction(learner, real, told, true) if isinstance(learner.sampler, Infers) else None,
        nats=_nats(learner, held_out) if isinstance(learner.sampler, Likelihood) else None,
        error=_error(learner, held_out) if isinstance(learner.sampler, Classifies) else None,
        **failures_of(*(clips.numpy(force=True) for clips in (learnt, real, samples))),
        agreement=agrees(samples, made),
        agreement_of_data=agrees(real, true),
    )
    return found, samples_per_s


@torch.no_grad()
def flops_per_sample(network: nn.Module, attributes: int) -> int:
    """Floating-point operations of one sample: two for each multiply-add; torch's generators are left as they were.

    Args:
        network: a generator; its mode is restored.
        attributes: how many numbers it is told; 0 if none.
    """
    device = next(network.parameters()).device
    told = torch.zeros(1, attributes, device=device) if attributes else None
    with flops.counted(network) as counter, torch.random.fork_rng():
        network.sample(1, told)  # type: ignore[operator]
    return counter.get_total_flops()


def one_a_clip(places: np.ndarray, copies: int) -> np.ndarray:
    """Which of the frames at these places stand for their clips: one of each clip, of another moment in the next.

    Frames of one clip are each other's nearest neighbours, so that two of a clip would say nothing of the distribution.

    Args:
        places: numbers of frames of a view, rising.
        copies: how many frames of a clip the view has.
    """
    _, starts, counts = np.unique(places // copies, return_index=True, return_counts=True)
    return starts + np.arange(len(starts)) % counts


def set_scores(true: np.ndarray, made: np.ndarray, apart: np.ndarray) -> dict[str, float]:
    """How near two sets of features are: `frechet`, `precision`, `recall`, `density`, `coverage` and `spread`.

    Args:
        true: of held-out clips, float64 [clips, features].
        made: of as many samples.
        apart: which of the held-out ones are of different clips, as `one_a_clip` has it.
    """
    manifold = metrics.precision_recall(true[apart], made[: len(apart)])
    neighbourhoods = metrics.density_coverage(true[apart], made[: len(apart)])
    return {
        "frechet": metrics.frechet_distance(true, made),
        "precision": manifold.precision,
        "recall": manifold.recall,
        "density": neighbourhoods.density,
        "coverage": neighbourhoods.coverage,
        "spread": metrics.spread(made) / metrics.spread(true),
    }


def features_in_parts(features: Features, clips: Tensor) -> np.ndarray:
    """float64 [clips, features], of any number of clips in [-1, 1]."""
    return np.concatenate([features(part).double().cpu().numpy() for part in clips.split(SAMPLES_A_BATCH)])


@torch.no_grad()
def _reconstruction(learner: Generation, real: Tensor, told: Tensor | None, features: np.ndarray) -> Reconstruction:
    network = learner.sampler
    parts = real.split(SAMPLES_A_BATCH)
    listened = [None] * len(parts) if told is None else told.split(SAMPLES_A_BATCH)
    with learner.fabric.autocast():
        again = torch.cat(
            [network.decode(network.encode(part, row), row).float() for part, row in zip(parts, listened, strict=True)]
        ).clamp(-1, 1)
    errors = ((again - real) / 2).square().flatten(1).mean(1).double()
    apart = np.linalg.norm(features_in_parts(learner.features, again) - features, axis=1).mean()
    return Reconstruction(
        mean_squared_error=errors.mean().item(),
        psnr=(-10 * errors.clamp_min(1e-10).log10()).mean().item(),
        feature_distance=float(apart / metrics.spread(features)),
    )


def _judge_of_agreement(
    learner: Generation, train: Clips, held_out: Sequence[Batch], names: tuple[str, ...]
) -> Callable[[Tensor, np.ndarray], dict[str, float]]:
    """From clips and their features to how well they agree with what was told: attributes of frames, or classes."""
    if not names:
        return lambda clips, features: {}
    if train.shape[0] == 1:
        told = torch.cat([batch.attributes for batch in held_out if batch.attributes is not None])
        return lambda clips, features: dict(agreement(clips, told, names))
    labels, read = torch.cat([batch.labels for batch in held_out]).cpu().numpy(), class_reader(learner.features, train)
    return lambda clips, features: class_agreement(read(features), labels)


def failures_of(learnt: np.ndarray, real: np.ndarray, samples: np.ndarray) -> dict[str, Any]:
    """Which share of samples, and of held-out clips, fails where limits come from clips of train; nothing of frames.

    All are [clips, channels, time, height, width], as `failures` takes them.
    """
    if learnt.shape[2] < LEAST_FRAMES:
        return {"failed": None, "failed_by_cause": {}, "failed_of_data": None}
    criterion = Criterion.of(learnt)
    made, true = (criterion.failures(clips) for clips in (samples, real))
    causes = {cause: count / len(samples) for cause, count in made.counts.items()}
    return {
        "failed": float(made.failed.mean()),
        "failed_by_cause": causes,
        "failed_of_data": float(true.failed.mean()),
    }


@torch.no_grad()
def _error(learner: Generation, held_out: Sequence[Batch]) -> float:
    return torch.cat([missed(learner.sampler, batch) for batch in held_out]).double().mean().item()


@torch.no_grad()
def _nats(learner: Generation, held_out: Sequence[Batch]) -> float:
    with torch.random.fork_rng():
        torch.manual_seed(TEST_SEED)
        return torch.cat([learner.sampler.nats(batch) for batch in held_out]).double().mean().item()

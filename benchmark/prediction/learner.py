"""Learning to predict: windows of train, one loss a player, and the epoch whose predictions of valid are best."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from jaxtyping import Float64
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmark.data import Batch
from benchmark.errors import ModelError
from benchmark.generation import metrics
from benchmark.generation.contract import Features
from benchmark.players import Players
from benchmark.prediction.contract import CONTEXT, HORIZON, Clips, Predictor
from benchmark.recipe import Training

SEED = 20_170_601
"""Of what stochastic models draw while they are chosen."""


class Prediction(Players):
    """A predictor that learns.

    The epoch is chosen by the squared error of `HORIZON` frames of valid; of stochastic models, whose single
    continuation may be right and yet another than the one that came, by the Fréchet distance of whole clips.

    Args:
        network: see `contract`.
        recipe: learning rate, decay, clipping of the gradient of each player.
        fabric: puts the network on its device, in its precision.
        features: in which continued clips are compared with true ones.

    Raises:
        ModelError: the network does not keep the contract.
    """

    def __init__(self, network: nn.Module, recipe: Training, fabric: Fabric, features: Features) -> None:
        if not isinstance(network, Predictor):
            raise ModelError(f"{type(network).__name__} is no predictor: expected players, losses, predict, stochastic")
        super().__init__(network, recipe, fabric)
        self.features = features
        self.metric = "frechet" if network.stochastic else "mse"  # type: ignore[misc]

    def lesson(self, batch: Batch) -> Batch:
        """As many frames as are given and asked for, from a random moment on, the same for all clips of a batch."""
        spare = batch.clips.shape[2] - CONTEXT - HORIZON
        start = int(torch.randint(spare + 1, ())) if spare > 0 else 0
        return dataclasses.replace(batch, clips=batch.clips[:, :, start : start + CONTEXT + HORIZON])

    @torch.no_grad()
    def continued(self, clips: Clips, frames: int) -> Clips:
        """The first `CONTEXT` frames and, after them, what the network predicts up to so many, in [-1, 1]."""
        context = clips[:, :, :CONTEXT]
        with self.fabric.autocast():
            said = self.learnt.predict(context, frames - CONTEXT)
        if said.shape[2] != frames - CONTEXT or said.shape[:2] != context.shape[:2]:
            raise ModelError(
                f"predict gave clips of shape {tuple(said.shape)}: expected {frames - CONTEXT} frames of "
                f"{tuple(context.shape)}"
            )
        return torch.cat([context, said.float().clamp(-1, 1)], dim=2)

    @torch.no_grad()
    def validate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        """Squared error in [0, 1] of `HORIZON` frames; of stochastic models also the Fréchet distance."""
        errors, real, made = [], [], []
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            for batch in batches:
                clips = batch.clips
                judged = self.metric == "frechet"
                said = self.continued(clips, clips.shape[2] if judged else min(clips.shape[2], CONTEXT + HORIZON))
                errors.append(squared_error(said, clips))
                if judged:
                    real.append(_rows(self.features(clips)))
                    made.append(_rows(self.features(said)))
        found = {"mse": torch.cat(errors).mean().item()}
        if real:
            found["frechet"] = metrics.frechet_distance(np.concatenate(real), np.concatenate(made))
        return found

    @staticmethod
    def said(row: Mapping[str, float]) -> str:
        """The error, and the distance where there is one."""
        words = [f"mean squared error {row['valid_mse']:.5f}"]
        if "valid_frechet" in row:
            words.append(f"Fréchet distance {row['valid_frechet']:.3g}")
        return f"{', '.join(words)} on valid"


def squared_error(said: Clips, clips: Clips) -> Float64[Tensor, " batch"]:
    """Of the `HORIZON` frames after the context, on the scale of [0, 1]: a mean over pixels, of each clip."""
    window = slice(CONTEXT, CONTEXT + HORIZON)
    difference = (said[:, :, window] - clips[:, :, window]) / 2
    return difference.square().flatten(1).mean(1).double()


def _rows(features: Tensor) -> np.ndarray:
    return features.double().cpu().numpy()

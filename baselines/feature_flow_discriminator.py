"""The discriminator of feature flow: of clips of any length, told of their motion or not.

Source: Mastropietro 2017, sections 6.3.3 and 6.3.4.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad
from torch.nn.utils import parametrizations, parametrize

from baselines.classifiers.cross_correlation import correlations
from baselines.classifiers.relation_network import Relations
from baselines.feature_flow_options import Options
from baselines.layers import ConvLSTM
from baselines.recurrent_blocks import fold, unfold
from benchmark.prediction.contract import Clips
from dynamics_gen.errors import ConfigError

PATCH = 3
"""Places a side of the patches that are correlated."""

SLOPE = 0.2
"""Of the discriminator's leaky rectifiers, for negative values."""

LEAST_SIDE = 8
"""Of frames, which the discriminator halves three times."""


class Discriminator(nn.Module):
    """Tells real clips of any length from made ones: Conv3D, a ConvLSTM, and convolutions on what it knows at the end.

    All layers are normalised in weight (Salimans and Kingma 2016, arXiv 1602.07868); batches have no effect.

    Attributes:
        early: space and time together, to a quarter of the side, at every time step.
        frames: features of single frames at the same size, of which `inverse` tells motion; None without it.
        relations: the perceptron on pairs, where motion is told so.
    """

    def __init__(self, config: Options, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, (_, channels, height, rest) = config, shape
        if min(height, rest) < LEAST_SIDE:
            raise ConfigError(f"got frames of {height}×{rest} pixels, expected {LEAST_SIDE}×{LEAST_SIDE} or more")
        width = config.width
        self.early = nn.Sequential(
            nn.Conv3d(channels, width, (3, 4, 4), (1, 2, 2), padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv3d(width, 2 * width, (3, 4, 4), (1, 2, 2), padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
        )
        self.frames = self.relations = None
        inverse = config.inverse.removeprefix("printed ")
        self.indexing = "displaced" if inverse == config.inverse else "printed"
        if inverse != "none":
            self.frames = nn.Sequential(
                nn.Conv2d(channels, width, 4, 2, padding=1),
                nn.LeakyReLU(SLOPE, inplace=True),
                nn.Conv2d(width, 2 * width, 4, 2, padding=1),
            )
        if inverse == "relation":
            self.relations = Relations(2 * width, width, config.kappa, self.indexing)
            self.relations.rest = nn.Sequential(  # its batch norm would let clips of a batch tell of each other
                nn.LeakyReLU(SLOPE), nn.Conv2d(width, width, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(width, 1, 1)
            )
        seen = 2 * width + (0 if self.frames is None else config.kappa**2)
        self.late = nn.Conv3d(seen, 4 * width, (3, 4, 4), (2, 2, 2), padding=1)
        self.memory = ConvLSTM(4 * width, 4 * width)
        side, last = (height // 8, rest // 8), []
        while max(side) > 4:
            last += [nn.Conv2d(4 * width, 4 * width, 3, 2, padding=1), nn.LeakyReLU(SLOPE, inplace=True)]
            side = (-(-side[0] // 2), -(-side[1] // 2))
        self.readout = nn.Sequential(*last, nn.Flatten(), nn.Linear(4 * width * math.prod(side), 1))
        for layer in list(self.modules()):
            if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
                parametrizations.weight_norm(layer)

    def forward(self, clips: Clips) -> Float[Tensor, " batch"]:
        """Logits in single precision, positive where a clip is held to be real."""
        with parametrize.cached():  # the weights of a clip, not of a step
            maps = self.early(clips)
            if self.frames is not None:
                maps = torch.cat([maps, self.motion(clips).to(maps.dtype)], dim=1)
            maps = leaky_relu(self.late(maps), SLOPE)
            return self.readout(self.memory(maps)[:, :, -1]).float()[:, 0]

    def motion(self, clips: Clips) -> Float[Tensor, "batch displacements time rows columns"]:
        """F⁻¹: how well each displacement fits, from every frame to the next; nothing is said of the first frame."""
        assert self.frames is not None
        time, kappa = clips.shape[2], self.config.kappa
        features = self.frames(fold(clips)).unflatten(0, (time, -1))
        before, after = features[:-1].flatten(0, 1), features[1:].flatten(0, 1)
        if self.relations is None:
            volume = correlations(before.float(), after.float(), kappa, PATCH, self.indexing)
        else:
            volume = self.relations(before, after)
        return pad(unfold(volume, time - 1), (0, 0, 0, 0, 1, 0))

"""From noise to data along straight lines, at velocities that are learnt.

Source: Lipman et al. 2023, arXiv 2210.02747, section 4.1, example II (optimal transport); that the network may make
the data, of which the velocity follows, is of Li and He 2025, arXiv 2511.13720. They learn from the velocity's error;
here the data's counts, alike at all times, for most of the velocity's comes from the way's last tenth, where little is
left to be decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from baselines.settings import BELOW_ONE, COUNT, Rules, check
from baselines.velocity_unet import VelocityUNet
from dynamics_gen.errors import ConfigError

Points: TypeAlias = Float[Tensor, "batch ..."]
Made: TypeAlias = Callable[[Points, Float[Tensor, " batch"]], Points]
"""Of points at their times: their velocities, or the data at the end of their ways."""

RULES: Rules = {
    "makes": ("data or velocity", ("data", "velocity").__contains__),
    "sampler": ("euler or heun", ("euler", "heun").__contains__),
    "sigma": BELOW_ONE,
    "steps": COUNT,
    "blocks": COUNT,
    "patch": COUNT,
}
"""What is expected of settings of a model that flows, and of its U-Net."""

NEAREST = 0.05
"""The least share of the way that counts as left where data tell the velocity; it is divided by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Settings of a model whose noise flows by a `velocity_unet.VelocityUNet`.

    Attributes:
        width: maps of the finest level; each further one has twice as many.
        levels: of the U-Net; each has half the rows and columns of the one before.
        blocks: residual blocks of a level, on the way down and again on the way up.
        patch: side of the squares of pixels that the U-Net takes for one place.
        makes: what the U-Net gives: the `data` at the end of the way, which need fewer maps than the noise that is part
            of the `velocity`.
        steps: from noise to data.
        sampler: `heun` looks twice in a step, `euler` once; the former also at the end, where data tell no velocity.
        sigma: deviation that is left around data at the end of the way.
        averaging: decay of a moving average of the weights, from which what is made comes; 0 keeps none.
    """

    width: int = 48
    levels: int = 3
    blocks: int = 2
    patch: int = 2
    makes: str = "data"
    steps: int = 10
    sampler: str = "euler"
    sigma: float = 0.0
    averaging: float = 0.995

    def check(self, rules: Rules) -> None:
        """Refuses what breaks a rule, and Heun's last look.

        Raises:
            ConfigError: a setting is not what is expected.
        """
        check(self, {**RULES, **rules})
        if self.makes == "data" and self.sampler == "heun":
            raise ConfigError("got the sampler heun of data, which tell no velocity at the end: expected euler")

    def loss(self, made: Made, data: Points) -> Float[Tensor, ""]:
        """The error, at random times, of the velocity or of the data, whichever is made."""
        return (matching_loss if self.makes == "velocity" else data_loss)(made, data, self.sigma)

    def flow(self, made: Made, noise: Points) -> Points:
        """Where noise ends."""

        def velocity(points: Points, time: Float[Tensor, " batch"]) -> Points:
            said = made(points, time)
            return said if self.makes == "velocity" else velocity_to(said, points, time, self.sigma)

        return flowed(velocity, noise, self.steps, self.sampler)

    def network(self, shape: tuple[int, int, int, int], *, given: int = 0, row: int = 0) -> VelocityUNet:
        """The U-Net, for blocks of `shape` (T, C, H, W), told so many frames and numbers."""
        sizes = {"width": self.width, "levels": self.levels, "blocks": self.blocks, "patch": self.patch}
        return VelocityUNet(given, shape, **sizes, row=row)


def on_the_way(noise: Points, data: Points, time: Float[Tensor, " batch"], sigma: float) -> tuple[Points, Points]:
    """Where each point of noise is on its straight way to its point of data, and its velocity, the same all the way.

    It starts as noise at time 0 and ends, at time 1, `sigma` times the noise beside the data.
    """
    share = time.view(-1, *[1] * (data.ndim - 1))
    return (1 - (1 - sigma) * share) * noise + share * data, data - (1 - sigma) * noise


def velocity_to(data: Points, points: Points, time: Float[Tensor, " batch"], sigma: float) -> Points:
    """The velocity at points whose ways end at the data; no less than `NEAREST` counts as left of a way."""
    left = 1 - (1 - sigma) * time.view(-1, *[1] * (data.ndim - 1))
    return (data - (1 - sigma) * points) / left.clamp(min=NEAREST)


def matching_loss(velocity: Made, data: Points, sigma: float) -> Float[Tensor, ""]:
    """Squared error of velocities at random times on the ways from noise; least where these are the mean velocities."""
    points, time, target = _drawn(data, sigma)
    return (velocity(points, time) - target).square().mean()


def data_loss(made: Made, data: Points, sigma: float) -> Float[Tensor, ""]:
    """Squared error of what is made of points at random times on the ways to the data; least where it is their mean."""
    points, time, _ = _drawn(data, sigma)
    return (made(points, time) - data).square().mean()


def _drawn(data: Points, sigma: float) -> tuple[Points, Float[Tensor, " batch"], Points]:
    """Points on the ways from noise to the data, each at a random time; these times; the ways' velocities."""
    time = torch.rand(len(data), device=data.device)
    points, velocity = on_the_way(torch.randn_like(data), data, time, sigma)
    return points, time, velocity


def flowed(velocity: Made, noise: Points, steps: int, sampler: str) -> Points:
    """Where noise ends at time 1, in equal steps of Euler, or of Heun: the mean of a step's first and last velocity."""
    points, length = noise, 1 / steps
    for step in range(steps):
        time = torch.full((len(noise),), step * length, device=noise.device)
        first = velocity(points, time)
        if sampler == "heun":
            first = (first + velocity(points + length * first, time + length)) / 2
        points = points + length * first
    return points

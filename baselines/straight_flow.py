"""From noise to data along straight lines, at velocities that are learnt.

Source: Lipman et al. 2023, arXiv 2210.02747, section 4.1, example II (optimal transport).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from baselines.settings import BELOW_ONE, COUNT, Rules

RULES: Rules = {
    "sampler": ("euler or heun", ("euler", "heun").__contains__),
    "sigma": BELOW_ONE,
    "steps": COUNT,
    "blocks": COUNT,
    "patch": COUNT,
}
"""What is expected of settings of a model that flows, and of its U-Net."""

Points: TypeAlias = Float[Tensor, "batch ..."]
Velocity: TypeAlias = Callable[[Points, Float[Tensor, " batch"]], Points]
"""Of points at their times."""


def on_the_way(noise: Points, data: Points, time: Float[Tensor, " batch"], sigma: float) -> tuple[Points, Points]:
    """Where each point of noise is on its straight way to its point of data, and its velocity, the same all the way.

    It starts as noise at time 0 and ends, at time 1, `sigma` times the noise beside the data.
    """
    share = time.view(-1, *[1] * (data.ndim - 1))
    return (1 - (1 - sigma) * share) * noise + share * data, data - (1 - sigma) * noise


def matching_loss(velocity: Velocity, data: Points, sigma: float) -> Float[Tensor, ""]:
    """Squared error of velocities at random times on the ways from noise; least where these are the mean velocities."""
    time = torch.rand(len(data), device=data.device)
    points, target = on_the_way(torch.randn_like(data), data, time, sigma)
    return (velocity(points, time) - target).square().mean()


def flowed(velocity: Velocity, noise: Points, steps: int, sampler: str) -> Points:
    """Where noise ends at time 1, in equal steps of Euler, or of Heun: the mean of a step's first and last velocity."""
    points, length = noise, 1 / steps
    for step in range(steps):
        time = torch.full((len(noise),), step * length, device=noise.device)
        first = velocity(points, time)
        if sampler == "heun":
            first = (first + velocity(points + length * first, time + length)) / 2
        points = points + length * first
    return points

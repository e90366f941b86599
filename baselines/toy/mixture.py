"""The data of the toy: 25 narrow Gaussians on a grid, and how much of it a set of samples covers.

Source: Dumoulin et al. 2017, arXiv 1606.00704, section 2.6 and its code (IshmaelBelghazi/ALI,
experiments/ali_mixture.py): centres, covariance, equal weights.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

DEVIATION = 0.05
"""Of every Gaussian, in each of the two directions."""

SIDE, SPACING = 5, 2.0
EDGE = SPACING * (SIDE - 1) / 2
CENTRES = torch.cartesian_prod(*[torch.linspace(-EDGE, EDGE, SIDE)] * 2)
"""Where the Gaussians are, [25, 2]; mode k is in column k // 5 and row k % 5 of the grid."""

NEAR = 3.0
"""A sample is of high quality if it is within this many deviations of a centre: 98.9 % of the data are."""

FILLED = 20
"""A mode is filled if it has this many samples of high quality: a perfect sampler gives each about 400 of 10,000."""

METRICS = ("covered", "high_quality", "filled")


def draw(count: int, generator: torch.Generator) -> tuple[Float[Tensor, "point 2"], Int64[Tensor, " point"]]:
    """Draws points of the mixture, and says of which mode each one is."""
    modes = torch.randint(len(CENTRES), (count,), generator=generator)
    return CENTRES[modes] + DEVIATION * torch.randn(count, 2, generator=generator), modes


def assign(
    samples: Float[Tensor, "*run point 2"],
) -> tuple[Int64[Tensor, "*run point"], Bool[Tensor, "*run point"]]:
    """The mode of the largest responsibility, and whether the sample is of high quality.

    Weights and covariances are equal, so the mode is that of the nearest centre. A sample that is not finite is given
    to mode 25, which is none, and is not of high quality.
    """
    place = ((samples.nan_to_num() + EDGE) / SPACING).round().clamp(0, SIDE - 1)
    distance = torch.linalg.vector_norm(samples - (SPACING * place - EDGE), dim=-1)
    mode = (SIDE * place[..., 0] + place[..., 1]).long()
    return mode.where(distance.isfinite(), len(CENTRES)), distance < NEAR * DEVIATION


def coverage(samples: Float[Tensor, "run point 2"]) -> dict[str, Float[Tensor, " run"]]:
    """How much of the mixture each run's samples cover.

    Returns:
        `covered`: modes to which one sample or more is assigned, however far off it is (the thesis's count, section
        4.4.5); `high_quality`: share of samples of high quality; `filled`: modes with `FILLED` of those or more.
    """
    mode, good = assign(samples)
    counts, good_counts = (
        torch.zeros(len(samples), len(CENTRES) + 1, device=samples.device).scatter_add_(1, mode, weight)[:, :-1]
        for weight in (torch.ones_like(mode, dtype=torch.float32), good.float())
    )
    return {
        "covered": (counts > 0).sum(1).float(),
        "high_quality": good.float().mean(1),
        "filled": (good_counts >= FILLED).sum(1).float(),
    }


def reconstruction(
    points: Float[Tensor, "point 2"], modes: Int64[Tensor, " point"], again: Float[Tensor, "run point 2"]
) -> dict[str, Float[Tensor, " run"]]:
    """How near each run's reconstructions come to the points.

    Returns:
        `squared_error`: mean of the squared distance (a perfect one of the mode alone has 0.005); `distance`: the
        median one; `same_mode`: share of points whose reconstruction is of high quality and of the point's own mode.
    """
    squares = (again - points).square().sum(2)
    mode, good = assign(again)
    return {
        "squared_error": squares.mean(1),
        "distance": squares.sqrt().median(1).values,
        "same_mode": ((mode == modes) & good).float().mean(1),
    }

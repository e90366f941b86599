"""Soft tracks: learnt heat maps of what moves become points by spatial softmax; a temporal CNN reads their tracks.

Source: ours. Spatial softmax: Levine, Finn, Darrell, Abbeel 2016, arXiv 1504.00702, section 4.1; dilated residual
temporal convolutions: Bai, Kolter, Koltun 2018, arXiv 1803.01271.
Deviations: none.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "ours"
TRAINING = {"*": {"learning_rate": 0.0032, "augment": True, "weight_decay": 0.004, "label_smoothing": 0.0}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters: `points` are tracked, `width` features describe each pixel, `hidden` each time step."""

    points: int = 16
    width: int = 32
    hidden: int = 128
    depth: int = 5
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("points", "width", "hidden", "depth"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"got dropout {self.dropout}, expected a probability in [0, 1)")


class Points(nn.Module):
    """Heat maps over each frame, as distributions over places: where each points, how far it spreads, what is there."""

    def __init__(self, channels: int, points: int) -> None:
        super().__init__()
        self.heat = nn.Conv2d(channels, points, 1)
        self.sharpness = nn.Parameter(torch.zeros(points, 1))
        self.describe = nn.Conv2d(channels, 8, 1)

    def forward(self, maps: Float[Tensor, "frame channels height width"]) -> Float[Tensor, "frame point 11"]:
        """(x, y) in [-1, 1], spread, and eight averaged features, of each point in each frame."""
        height, width = maps.shape[-2:]
        heat = self.heat(maps).float().flatten(2)  # [N, P, H · W]
        share = (heat * self.sharpness.exp()).softmax(-1)
        rows = torch.linspace(-1, 1, height, device=maps.device)
        columns = torch.linspace(-1, 1, width, device=maps.device)
        places = torch.stack([columns.repeat(height), rows.repeat_interleave(width)], dim=1)  # [H · W, 2]
        middle = share @ places
        spread = (share @ (places**2)).sum(-1) - (middle**2).sum(-1)
        seen = share @ self.describe(maps).float().flatten(2).transpose(1, 2)
        return torch.cat([middle, spread.clamp_min(0)[..., None], seen], dim=-1)


class TemporalBlock(nn.Module):
    """Two dilated convolutions over time, batch norm, ReLU, dropout, and a way around them."""

    def __init__(self, hidden: int, dilation: int, dropout: float) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            convolution = nn.Conv1d(hidden, hidden, 3, padding=dilation, dilation=dilation, bias=False)
            return [convolution, nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout)]

        self.inner = nn.Sequential(*half(), *half())

    def forward(self, steps: Float[Tensor, "batch hidden time"]) -> Float[Tensor, "batch hidden time"]:
        """The steps, each with more of its neighbours in it."""
        return steps + self.inner(steps)


class SoftTracks(nn.Module):
    """See the module; `pixels` and `points` are frame-wise, `steps` sees all tracks over time."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        _, channels, _, _ = shape
        width, half = config.width, max(1, config.width // 2)
        self.pixels = nn.Sequential(
            nn.Conv3d(channels, half, (1, 5, 5), (1, 2, 2), (0, 2, 2), bias=False),
            nn.BatchNorm3d(half),
            nn.ReLU(inplace=True),
            nn.Conv3d(half, width, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            nn.Conv3d(width, width, (1, 3, 3), 1, (0, 1, 1), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        self.points = Points(width, config.points)
        numbers = config.points * (11 + 4)  # what a point is, and how its place changes, once and twice
        self.enter = nn.Sequential(nn.BatchNorm1d(numbers), nn.Conv1d(numbers, config.hidden, 1))
        self.steps = nn.Sequential(
            *(TemporalBlock(config.hidden, 2**level, config.dropout) for level in range(config.depth))
        )
        self.readout = nn.Linear(2 * config.hidden, classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        batch, _, frames = clips.shape[:3]
        maps = self.pixels(clips - clips.mean(2, keepdim=True))
        points = self.points(maps.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, frames))  # [B, T, P, 11]
        tracks = points.permute(0, 2, 3, 1)  # [B, P, 11, T]
        places = tracks[:, :, :2]
        tracks = torch.cat([places - places.mean(-1, keepdim=True), tracks[:, :, 2:]], dim=2)
        speed = nn.functional.pad(places.diff(dim=-1), (1, 0))
        change = nn.functional.pad(speed.diff(dim=-1), (1, 0))
        numbers = torch.cat([tracks, 10 * speed, 10 * change], dim=2).flatten(1, 2)
        steps = self.steps(self.enter(numbers))
        return self.readout(torch.cat([steps.mean(-1), steps.amax(-1)], dim=1))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> SoftTracks:
    """The network for clips of `shape` (time, channels, height, width)."""
    return SoftTracks(config, shape, classes)

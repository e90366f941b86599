"""KVMF, approximately: one net scores several sub-volumes of a clip; each class keeps its highest score.

Source: Zhu, Hu, Sun, Cao, Qiao 2016, CVPR, "A Key Volume Mining Deep Framework for Action Recognition": a clip is a bag
of volumes, most of which say nothing; each class is judged, and learnt, by its key volume.
Deviations: an approximation. Volumes are sampled, without the proposal network of the original; the key volume is the
plain maximum, without its stochastic out; a Conv3D of our own sees `frames` frames and `side` of height and width, of
colour frames alone. In evaluation volumes are spread evenly over time, in the middle of the frame.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from baselines.classifiers import conv3d
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "approximation of Zhu et al. 2016, CVPR"
TRAINING = {"*": {"learning_rate": 0.0032, "augment": True, "weight_decay": 0.004, "label_smoothing": 0.0}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters: `volumes` of `frames` frames (or as many as there are) and `side` of height and width."""

    width: int = 16
    volumes: int = 4
    frames: int = 16
    side: float = 0.875
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("width", "volumes", "frames"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if not 0 < self.side <= 1:
            raise ConfigError(f"got side {self.side}, expected a share of the frame's side in (0, 1]")


class KeyVolumes(nn.Module):
    """See the module; `net` scores one volume of `size` (frames, height, width)."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        frames, channels, height, width = shape
        rows, columns = (max(1, round(config.side * side)) for side in (height, width))
        self.size, self.volumes = (min(config.frames, frames), rows, columns), config.volumes
        inner = conv3d.Config(width=config.width, dropout=config.dropout)
        self.net = conv3d.build(inner, (self.size[0], channels, rows, columns), classes)

    def corners(self, shape: tuple[int, ...]) -> Int64[Tensor, "volume 3"]:
        """First frame, row and column of each volume in clips of `shape` (T, H, W): random in training, else even."""
        room = torch.tensor([whole - part for whole, part in zip(shape, self.size, strict=True)])
        if self.training:
            return (torch.rand(self.volumes, 3) * (room + 1)).long()
        times = torch.linspace(0, room[0].item(), self.volumes).round().long()
        return torch.stack([times, *(room[1:] // 2)[:, None].expand(2, self.volumes)], dim=1)

    def scores(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch volumes classes"]:
        """Logits of each volume."""
        frames, rows, columns = self.size
        volumes = [
            clips[:, :, t : t + frames, y : y + rows, x : x + columns]
            for t, y, x in self.corners(clips.shape[2:]).tolist()
        ]
        return self.net(torch.stack(volumes, dim=1).flatten(0, 1)).unflatten(0, (len(clips), -1))

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips: each class's highest over the volumes."""
        return self.scores(clips).amax(1)


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> KeyVolumes:
    """The network for clips of `shape` (time, channels, height, width)."""
    return KeyVolumes(config, shape, classes)

"""C3D: kernels of 3×3×3 and poolings throughout, on windows of 16 frames whose logits are averaged.

Source: Tran, Bourdev, Fergus, Torresani, Paluri 2015, arXiv 1412.0767; widths, dropout and fully connected layers in
the proportions of the authors' configuration for UCF101 from scratch (facebook/C3D, c3d_train_ucf101).
Deviations: at the default a quarter of their channels and an eighth of their hidden units; batch norm; windows in
training too; AdamW and the project's recipe instead of their SGD; the last poolings are left out where nothing is left
to pool.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Tran et al. 2015, arXiv 1412.0767"
TRAINING = {"*": {"learning_rate": 0.0011, "augment": True, "weight_decay": 0.018, "label_smoothing": 0.0}}

MULTIPLES = (1, 2, 4, 4, 4)
"""Channels of each convolution, in units of `Config.width`: 64, 128, 256, 256, 256 in the original."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; `window` frames are seen at once, `hidden` units stand in each fully connected layer."""

    width: int = 16
    hidden: int = 256
    window: int = 16
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("width", "hidden", "window"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"got dropout {self.dropout}, expected a probability in [0, 1)")


class C3D(nn.Module):
    """See the module; `features` and `head` see one window."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        frames, channels, height, width = shape
        self.window = min(config.window, frames)
        size = [self.window, height, width]
        layers: list[nn.Module] = []
        for depth, multiple in enumerate(MULTIPLES):
            wide = multiple * config.width
            layers += [nn.Conv3d(channels, wide, 3, padding=1, bias=False), nn.BatchNorm3d(wide), nn.ReLU()]
            wanted = (1, 2, 2) if depth == 0 else (2, 2, 2)
            pool = tuple(min(one, left) for one, left in zip(wanted, size, strict=True))
            layers.append(nn.MaxPool3d(pool, pool))
            size = [left // one for one, left in zip(pool, size, strict=True)]
            channels = wide
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(channels * size[0] * size[1] * size[2], config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, classes),
        )

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips; frames after the last whole window are not seen."""
        windows = clips.shape[2] // self.window
        parts = clips[:, :, : windows * self.window].unflatten(2, (windows, self.window))
        stacked = parts.transpose(1, 2).flatten(0, 1)  # [B · windows, C, window, H, W]
        return self.head(self.features(stacked).flatten(1)).unflatten(0, (-1, windows)).mean(1)


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> C3D:
    """The network for clips of `shape` (time, channels, height, width)."""
    return C3D(config, shape, classes)

"""LTC: C3D's layers on the whole clip at once, in smaller frames: long-term temporal convolutions.

Source: Varol, Laptev, Schmid 2018, arXiv 1604.04494: the five convolutions of C3D on 60 to 100 frames of 58×58 or
71×71 instead of 16 frames of 112×112.
Deviations: as `c3d`; all frames of the clip (`window=0`) at half their size, by averaging. `window=16` and `window=8`
see less of it at once, which is what the source compares; it sees colours, or flow (`--input flow_farneback`).
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from baselines.classifiers import c3d
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Varol et al. 2018, arXiv 1604.04494"
TRAINING = {"*": {"learning_rate": 0.0082, "augment": True, "weight_decay": 0.0061, "label_smoothing": 0.1}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; frames are made smaller by the factor `shrink`, `window` of them are seen at once, 0: all."""

    width: int = 16
    hidden: int = 256
    shrink: int = 2
    window: int = 0
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        if self.shrink < 1:
            raise ConfigError(f"got shrink {self.shrink}, expected 1 or more")
        if self.window < 0:
            raise ConfigError(f"got window {self.window}, expected a number of frames, or 0 for all")


class LTC(nn.Module):
    """See the module."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        frames, channels, height, width = shape
        if min(height, width) < config.shrink:
            raise ConfigError(f"got frames of {height}×{width} pixels, expected at least shrink={config.shrink} a side")
        self.shrink = nn.AvgPool3d((1, config.shrink, config.shrink))
        window = config.window or frames
        inner = c3d.Config(width=config.width, hidden=config.hidden, window=window, dropout=config.dropout)
        self.net = c3d.build(inner, (frames, channels, height // config.shrink, width // config.shrink), classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        return self.net(self.shrink(clips))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> LTC:
    """The network for clips of `shape` (time, channels, height, width)."""
    return LTC(config, shape, classes)

"""Single frame: a CNN on the middle frame alone, a control that must stay at chance.

Source: ours, after Mastropietro 2017, section 5.2.1, condition 2: no single frame says anything about the class.
Deviations: none.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from baselines.layers import FrameNet
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "control: Mastropietro 2017, section 5.2.1"
TRAINING = {"*": {"learning_rate": 0.0032, "augment": True, "weight_decay": 0.004, "label_smoothing": 0.0}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    width: int = 16
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        if self.width < 1:
            raise ConfigError(f"got width {self.width}, expected 1 or more channels")


class SingleFrame(nn.Module):
    """See the module."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.middle = shape[0] // 2
        self.net = FrameNet(shape[1:], classes, width=config.width, dropout=config.dropout)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        return self.net(clips[:, :, self.middle : self.middle + 1])[:, 0]


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> SingleFrame:
    """The network for clips of `shape` (time, channels, height, width)."""
    return SingleFrame(config, shape, classes)

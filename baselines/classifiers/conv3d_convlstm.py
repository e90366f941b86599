"""Conv3D + ConvLSTM: 3-D convolutions shorten the clip, two convolutional LSTMs read what is left.

Source: Mastropietro 2017, section 5.2.2, which merges Conv3D and ConvLSTM: kernels of 3×3 in space with
"half" padding and stride 2, repeated until 1×1; large temporal kernels early; two ConvLSTMs late in the
stack, one of them last, without peepholes; one fully connected layer on the final step.
Deviations: the thesis gives no widths, temporal kernels, temporal strides, place of the first ConvLSTM or
training recipe: all of them are ours. Each convolution is followed by batch norm (statistics shared over
time) and ReLU. The last ConvLSTM works on one position, where a 3×3 kernel over zero padding sees only its
centre: its kernel is 1×1.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from baselines.layers import ConvBlock, ConvLSTM, convolutions_before, halvings, schedule
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Mastropietro 2017, section 5.2.2"
TRAINING = {
    "*": {"learning_rate": 0.0011, "augment": True, "weight_decay": 0.018, "label_smoothing": 0.0},
    "mini": {"epochs": 12},
}

MULTIPLES = (1, 2, 4, 4, 8, 8)
"""Channels of each convolution, in units of `Config.width`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; `late` convolutions follow the first ConvLSTM (on 2^late pixels a side).

    Convolutions beyond the last temporal kernel and stride repeat them.
    """

    width: int = 16
    hidden: int = 32
    late: int = 3
    temporal_kernels: tuple[int, ...] = (7, 5, 3, 1)
    temporal_strides: tuple[int, ...] = (2, 2, 1)
    peepholes: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("width", "hidden", "late"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if not self.temporal_kernels or not self.temporal_strides:
            raise ConfigError("got no temporal kernel or stride, expected one for each convolution")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"got dropout {self.dropout}, expected a probability in [0, 1)")


class Conv3DConvLSTM(nn.Module):
    """See the module; `early` and `late` are convolutions, `middle` and `last` recurrent: [B, C, T, H, W]."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        _, channels, height, width = shape
        depth = halvings(height, width)
        widths = [multiple * config.width for multiple in schedule(MULTIPLES, depth)]
        split = convolutions_before(config.late, height, width)
        inputs = [channels, *widths[: split - 1], config.hidden, *widths[split:-1]]
        kernels = schedule(config.temporal_kernels, depth)
        strides = schedule(config.temporal_strides, depth)
        blocks = list(map(ConvBlock, inputs, widths, kernels, strides))
        self.early = nn.Sequential(*blocks[:split])
        self.middle = ConvLSTM(widths[split - 1], config.hidden, peepholes=config.peepholes)
        self.late = nn.Sequential(*blocks[split:])
        self.last = ConvLSTM(widths[-1], widths[-1], kernel_size=1, peepholes=config.peepholes)
        self.dropout = nn.Dropout(config.dropout)
        self.readout = nn.Linear(widths[-1], classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        maps = self.last(self.late(self.middle(self.early(clips))))  # [B, C, T', 1, 1]
        return self.readout(self.dropout(maps[:, :, -1].flatten(1)))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> Conv3DConvLSTM:
    """The network for clips of `shape` (time, channels, height, width)."""
    return Conv3DConvLSTM(config, shape, classes)

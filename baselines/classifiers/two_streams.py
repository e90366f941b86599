"""Two streams: a VGG-like net on ten stacked flow fields, and one on single frames where the input has frames too.

Source: Mastropietro 2017, section 5.2.2, after Simonyan, Zisserman 2014, arXiv 1406.2199: ten flow fields, computed
beforehand, stacked on the channel axis; blocks of two convolutions of 3×3 and stride 1 and a pooling; one fully
connected layer. The thesis trains the temporal net alone; the spatial one joins it with `--input rgb+flow_farneback`.
Deviations: widths and recipe are ours, and batch norm; the ten fields are consecutive, as in the original (the thesis
takes a random subset), from one random window a clip in training, from several windows in evaluation; their mean is not
taken off, since the camera stands still; both nets are trained together, on the mean of their softmaxes, which are not
joined by a linear machine; no dropout, where the original's rate is 0.9; AdamW (`--optimiser sgd` is theirs).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from baselines.layers import at_least_single, halvings, schedule
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "flow_farneback"
SOURCE = "Mastropietro 2017, section 5.2.2; Simonyan, Zisserman 2014, arXiv 1406.2199"
TRAINING = {"*": {"learning_rate": 0.0011, "augment": True, "weight_decay": 0.018, "label_smoothing": 0.0}}

MULTIPLES = (1, 2, 4, 4, 8, 8)
"""Channels of each block, in units of `Config.width`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; clips of fewer flow fields than `stack` have all of theirs in one window.

    Attributes:
        stack: flow fields seen at once.
        windows: how many are averaged in evaluation, spread evenly over the clip.
        flow_scale: what the flow, pixels a frame, is multiplied by.
        batch_norm: after every convolution; the nets of 2014 had none.
    """

    width: int = 32
    stack: int = 10
    windows: int = 5
    flow_scale: float = 1.0
    batch_norm: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("width", "stack", "windows"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if not self.flow_scale > 0:
            raise ConfigError(f"got flow_scale {self.flow_scale}, expected a number above 0")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"got dropout {self.dropout}, expected a probability in [0, 1)")


def frame_channels(channels: int, model: str) -> int:
    """How many of an input's channels are frames; the last two are flow.

    Raises:
        ConfigError: there is no flow, or something beside flow and colours.
    """
    if channels not in (2, 5):
        raise ConfigError(
            f"got clips of {channels} channels for {model}, expected flow (2) or colours and flow (5): "
            "try --input flow_farneback, or rgb+flow_farneback"
        )
    return channels - 2


def log_mean_softmax(logits: Float[Tensor, "batch scores classes"]) -> Float[Tensor, "batch classes"]:
    """Logits whose softmax is the mean of the scores' softmaxes."""
    logs = logits.to(at_least_single(logits.dtype)).log_softmax(-1)
    return logs.logsumexp(1) - torch.tensor(float(logits.shape[1])).log().item()


def convolutional_net(channels: int, height: int, width: int, classes: int, config: Config) -> nn.Sequential:
    """Blocks of two convolutions and a pooling, down to one position, and a linear layer: [N, C, H, W] to logits."""
    layers: list[nn.Module] = []
    for multiple in schedule(MULTIPLES, halvings(height, width)):
        for _ in range(2):
            layers.append(nn.Conv2d(channels, multiple * config.width, 3, padding=1, bias=not config.batch_norm))
            layers += [nn.BatchNorm2d(multiple * config.width)] if config.batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            channels = multiple * config.width
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(channels, classes))


class TwoStreams(nn.Module):
    """See the module; `temporal` sees 2·L channels of flow, `spatial`, if there are frames, one frame."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        steps, channels, height, width = shape
        self.colours = frame_channels(channels, "two_streams")
        self.stack, self.windows, self.flow_scale = min(config.stack, steps), config.windows, config.flow_scale
        self.temporal = convolutional_net(2 * self.stack, height, width, classes, config)
        self.spatial = convolutional_net(self.colours, height, width, classes, config) if self.colours else None

    def starts(self, batch: int, steps: int) -> Int64[Tensor, "batch window"]:
        """Where each clip's windows begin: one at random in training, else spread evenly."""
        last = steps - self.stack
        if self.training:
            return torch.randint(0, last + 1, (batch, 1))
        return torch.linspace(0, last, min(self.windows, last + 1)).round().long().expand(batch, -1)

    def forward(self, clips: Float[Tensor, "batch channels steps height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of clips of flow, or of colours and flow; their softmax is the mean over nets and windows."""
        batch, _, steps = clips.shape[:3]
        starts = self.starts(batch, steps).to(clips.device)
        rows = torch.arange(batch, device=clips.device)[:, None, None]
        frames = starts[:, :, None] + torch.arange(self.stack, device=clips.device)  # [B, windows, L]
        by_step = clips.transpose(1, 2)  # [B, T, C, H, W]
        flow = by_step[:, :, self.colours :][rows, frames].flatten(0, 1).flatten(1, 2)  # [B · windows, 2 · L, H, W]
        scores = [self.temporal(self.flow_scale * flow)]
        if self.spatial is not None:
            middles = starts + self.stack // 2
            scores.append(self.spatial(by_step[:, :, : self.colours][rows[..., 0], middles].flatten(0, 1)))
        return log_mean_softmax(torch.cat([score.unflatten(0, (batch, -1)) for score in scores], dim=1))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> TwoStreams:
    """The network for clips of `shape` (time, channels, height, width)."""
    return TwoStreams(config, shape, classes)

"""Two streams and LSTM: a CNN on every flow field (and frame), an LSTM over them, softmaxes weighted towards the end.

Source: Ng, Hausknecht, Vijayanarasimhan, Vinyals, Monga, Toderici 2015, arXiv 1503.08909: a stream of frames and one of
flow, each with its CNN and LSTM; the softmaxes of all time steps are averaged, weighted by a ramp up to the end,
and the streams' results are averaged.
Deviations: one layer of LSTM instead of five of 512 units; CNNs of our own, trained together with the LSTMs from
scratch; the loss is that of the average. Flow alone unless the input has frames: `--input rgb+flow_farneback`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.classifiers.two_streams import frame_channels, log_mean_softmax
from baselines.layers import FrameNet, at_least_single
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "flow_farneback"
SOURCE = "Ng et al. 2015, arXiv 1503.08909"
TRAINING = {"*": {"learning_rate": 0.0082, "augment": True, "weight_decay": 0.0061, "label_smoothing": 0.1}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; the CNN gives `features` numbers a step, the flow (pixels a frame) goes in times `flow_scale`.

    `forget_bias` is where the LSTM's forget gate starts.
    """

    width: int = 16
    features: int = 128
    hidden: int = 128
    layers: int = 1
    flow_scale: float = 1.0
    forget_bias: float = 1.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("width", "features", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if not self.flow_scale > 0:
            raise ConfigError(f"got flow_scale {self.flow_scale}, expected a number above 0")


def late_mean_softmax(logits: Float[Tensor, "batch time classes"]) -> Float[Tensor, "batch classes"]:
    """Logits whose softmax is the steps' mean softmax, weighted 1, 2, …, T."""
    steps = torch.arange(1, logits.shape[1] + 1, device=logits.device, dtype=at_least_single(logits.dtype))
    weights = (steps / steps.sum()).log()[:, None]
    return (logits.to(weights.dtype).log_softmax(-1) + weights).logsumexp(1)


class Stream(nn.Module):
    """A CNN on every step by itself, an LSTM over its features, a linear layer: logits of every step."""

    def __init__(self, config: Config, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.net = FrameNet(shape, config.features, width=config.width, dropout=config.dropout)
        self.lstm = nn.LSTM(config.features, config.hidden, config.layers, batch_first=True)
        self.readout = nn.Linear(config.hidden, classes)
        with torch.no_grad():
            for name, bias in self.lstm.named_parameters():
                if "bias_ih" in name:  # gates: input, forget, candidate, output
                    bias[config.hidden : 2 * config.hidden] += config.forget_bias

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch time classes"]:
        """Logits of every step, which has seen those before it."""
        return self.readout(self.lstm(torch.relu(self.net(clips)))[0])


class TwoStreamsLSTM(nn.Module):
    """See the module; `spatial` is None where the input has no frames."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        _, channels, height, width = shape
        self.colours, self.flow_scale = frame_channels(channels, "two_streams_lstm"), config.flow_scale
        self.temporal = Stream(config, (2, height, width), classes)
        self.spatial = Stream(config, (self.colours, height, width), classes) if self.colours else None

    def forward(self, clips: Float[Tensor, "batch channels steps height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of clips of flow, or of colours and flow; their softmax is the streams' mean."""
        scores = [late_mean_softmax(self.temporal(self.flow_scale * clips[:, self.colours :]))]
        if self.spatial is not None:
            scores.append(late_mean_softmax(self.spatial(clips[:, : self.colours])))
        return log_mean_softmax(torch.stack(scores, dim=1))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> TwoStreamsLSTM:
    """The network for clips of `shape` (time, channels, height, width)."""
    return TwoStreamsLSTM(config, shape, classes)

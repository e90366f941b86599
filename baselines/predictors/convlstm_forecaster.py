"""ConvLSTM forecaster: one stack of convolutional LSTMs reads the frames, another unrolls its states into the future.

Source: Shi et al. 2015, arXiv 1506.04214, section 3.2 and table 1: frames as maps of 4×4 patches; layers of 256, of 128
and 128, or of 128, 64 and 64 maps with kernels of 5×5 and peepholes, one weight for each map and gate as in the code
that its authors released; a forecaster of the same layers, into which nothing comes; a 1×1 convolution of all its
layers' hidden maps.
Deviations: a linear output and the squared error where nothing else is chosen, for colour has no cross-entropy of its
own; Adam and one schedule in place of RMSProp; the weights between hidden maps start orthogonal, and the forget gate's
bias at one.
Features: the hidden maps of all layers of the encoder after each frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, pixel_shuffle, pixel_unshuffle

from baselines.layers import ConvLSTMCell, State
from baselines.settings import check
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction import contract
from benchmark.prediction.contract import CONTEXT, Clips
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Shi et al. 2015, arXiv 1506.04214"
TRAINING = {
    "*": {"epochs": 20, "batch_size": 16, "learning_rate": 1e-3, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 10, "learning_rate": 3e-3},
}

MAPS = ((256,), (128, 128), (128, 64, 64))
"""Of each layer, the lowest first, where there is one, where there are two, where there are three."""

LOSSES = ("squared", "cross_entropy")

Maps: TypeAlias = Float[Tensor, "time_batch maps rows columns"]
"""Of all time steps, those of the first one first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: a multiple of `patch`.
        width: times the published maps.
        layers: of either stack: 1, 2 or 3.
        kernel: of all ConvLSTMs, an odd number of patches.
        patch: pixels a side.
        loss: `squared`, with a linear output, or `cross_entropy` of brightness as a probability, with a sigmoid.
    """

    image_size: int = 64
    width: float = 1.0
    layers: int = 3
    kernel: int = 5
    patch: int = 4
    loss: str = "squared"

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)
        if self.layers > len(MAPS):
            raise ConfigError(f"got layers {self.layers}, expected 1, 2 or 3")
        if self.patch < 1:
            raise ConfigError(f"got patch {self.patch}, expected 1 or more pixels")
        if self.loss not in LOSSES:
            raise ConfigError(f"got loss {self.loss!r}, expected {' or '.join(LOSSES)}")


class Layer(nn.Module):
    """A ConvLSTM with peepholes that starts from any state, with `inputs` maps coming in, or none."""

    def __init__(self, inputs: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(inputs or 1, hidden, kernel_size=kernel, peepholes=True)
        if not inputs:
            self.cell.from_input.register_parameter("weight", None)  # of the projection only the bias is left

    def feed(self, inputs: Maps, time: int) -> tuple[Maps, State]:
        """The hidden maps after each of `time` inputs, and the state after the last; from zero."""
        gates = self.cell.from_input(inputs).unflatten(0, (time, -1))
        return self._run(gates, self.cell.initial_state(gates[0]))

    def unroll(self, inputs: Maps | None, state: State, count: int) -> Maps:
        """The hidden map of a state, and those after each of `count - 1` inputs, or as many steps without any."""
        hidden, _ = state
        if count == 1:
            return hidden
        if inputs is None:
            bias = self.cell.from_input.bias
            assert bias is not None
            gates = bias[None, None, :, None, None].expand(count - 1, 1, -1, 1, 1)
        else:
            gates = self.cell.from_input(inputs).unflatten(0, (count - 1, -1))
        return torch.cat([hidden, self._run(gates, state)[0]])

    def _run(self, gates: Float[Tensor, "time ..."], state: State) -> tuple[Maps, State]:
        outputs = []
        for step in gates.unbind(0):
            state = self.cell.step(step, state)
            outputs.append(state[0])
        return torch.cat(outputs), state


class ConvLSTMForecaster(nn.Module):
    """See the module; `encoder` and `forecaster` have the same layers, the lowest first."""

    stochastic = False

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        _, channels, height, width = shape
        if height % config.patch or width % config.patch:
            raise ConfigError(
                f"got frames of {height}×{width} pixels, expected a multiple of patch={config.patch}: "
                "try --set image_size=32"
            )
        self.config = config
        maps = [max(1, round(config.width * count)) for count in MAPS[config.layers - 1]]
        pixels = channels * config.patch**2
        below = maps[:-1]
        self.encoder = nn.ModuleList(
            Layer(inputs, hidden, config.kernel) for inputs, hidden in zip([pixels, *below], maps, strict=True)
        )
        self.forecaster = nn.ModuleList(
            Layer(inputs, hidden, config.kernel) for inputs, hidden in zip([0, *below], maps, strict=True)
        )
        self.readout = nn.Conv2d(sum(maps), pixels, 1)

    def players(self) -> dict[str, Player]:
        """One, all weights."""
        return {"predictor": Player(parameters=list(self.parameters()))}

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The mean over the predicted frames' pixels of what `Config.loss` says."""
        context, coming = batch.clips[:, :, :CONTEXT], batch.clips[:, :, CONTEXT:]
        said = self.forecast(context, coming.shape[2])
        if self.config.loss == "squared":
            return {"predictor": mse_loss(said, coming)}
        return {"predictor": binary_cross_entropy_with_logits(said, (coming + 1) / 2)}

    def predict(self, context: Clips, count: int) -> Clips:
        """The next `count` frames; more than it learnt to predict come of further steps."""
        said = self.forecast(context, count)
        return said if self.config.loss == "squared" else torch.tanh(said / 2)  # twice a sigmoid, less one

    def forecast(self, context: Clips, count: int) -> Clips:
        """What the 1×1 convolution says of the next `count` frames: pixels, or their logits."""
        inputs, states = patchify(context, self.config.patch), []
        for layer in self.encoder:
            inputs, state = layer.feed(inputs, context.shape[2])  # type: ignore[operator]
            states.append(state)
        below, hidden = None, []
        for layer, state in zip(self.forecaster, states, strict=True):
            hidden.append(layer.unroll(below, state, count))  # type: ignore[operator]
            below = hidden[-1][len(context) :]
        return unpatchify(self.readout(torch.cat(hidden, dim=1)).float(), self.config.patch, count)

    def represent(self, clips: Clips) -> contract.Maps:
        """After each frame."""
        inputs, hidden = patchify(clips, self.config.patch), []
        for layer in self.encoder:
            inputs, _ = layer.feed(inputs, clips.shape[2])  # type: ignore[operator]
            hidden.append(inputs)
        return torch.cat(hidden, dim=1).unflatten(0, (clips.shape[2], -1)).permute(1, 2, 0, 3, 4)


def patchify(clips: Clips, patch: int) -> Maps:
    """Every frame's patches, the pixels of each as so many maps: [T·B, C·p², H/p, W/p]."""
    return pixel_unshuffle(clips.transpose(1, 2).transpose(0, 1).flatten(0, 1), patch)


def unpatchify(maps: Maps, patch: int, time: int) -> Clips:
    """The clips of `time` frames whose patches these are."""
    return pixel_shuffle(maps, patch).unflatten(0, (time, -1)).permute(1, 2, 0, 3, 4)


def build(config: Config, shape: tuple[int, int, int, int]) -> ConvLSTMForecaster:
    """The network for clips of `shape` (time, channels, height, width)."""
    return ConvLSTMForecaster(config, shape)

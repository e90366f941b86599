"""Composite LSTM predictor: from one state of an LSTM, a decoder recalls the frames and another foretells the next.

Source: Srivastava, Mansimov, Salakhutdinov 2015, arXiv 1502.04681, section 2.3: frames as vectors; both decoders start
from a copy of the encoder's state; the past is recalled last frame first; decoders that are conditional see each true
frame before they give the next one, and what they said themselves where there is no truth.
Deviations: frames are colour, shrunk to 32×32 pixels, and predictions are enlarged again; squared error of linear
outputs; Adam and one schedule in place of momentum; weights start as Xavier, orthogonal and zero, and the forget gate's
bias at one.
Features: the hidden values of the encoder's top layer after each frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, mse_loss

from baselines.peephole_lstm import Decoder, PeepholeLSTM
from baselines.settings import check
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, Clips, Maps
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Srivastava et al. 2015, arXiv 1502.04681"
TRAINING = {
    "*": {
        "epochs": 40,
        "batch_size": 32,
        "learning_rate": 3e-4,
        "weight_decay": 0.0,
        "warmup": 0.0,
        "gradient_clip": 1.0,
    },
    "mini": {"epochs": 15, "batch_size": 16},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: of the frames that are given and predicted.
        side: pixels a side of the frames that the LSTMs see, at most.
        width: units of each LSTM.
        layers: of the encoder and of either decoder.
        conditional: whether decoders see each frame before they give the next one.
        reconstruction: weight of the recalled frames' error in the loss.
    """

    image_size: int = 64
    side: int = 32
    width: int = 2048
    layers: int = 1
    conditional: bool = True
    reconstruction: float = 1.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)
        if self.side < 1:
            raise ConfigError(f"got side {self.side}, expected 1 or more pixels")
        if type(self.width) is not int:
            raise ConfigError(f"got width {self.width!r}, expected a whole number of units")
        if not self.reconstruction >= 0:
            raise ConfigError(f"got reconstruction {self.reconstruction}, expected a weight of 0 or more")

    @property
    def hidden(self) -> int:
        """The width, as decoders call it."""
        return self.width


class CompositePredictor(nn.Module):
    """See the module; `past` recalls, `future` foretells."""

    stochastic = False

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        _, channels, height, width = shape
        self.config = config
        self.size, self.shrunk = (height, width), (min(config.side, height), min(config.side, width))
        pixels = channels * self.shrunk[0] * self.shrunk[1]
        self.encoder = PeepholeLSTM(pixels, config.width, config.layers)
        self.past, self.future = Decoder(pixels, config), Decoder(pixels, config)

    def players(self) -> dict[str, Player]:
        """One, all weights."""
        return {"predictor": Player(parameters=list(self.parameters()))}

    def frames(self, clips: Clips) -> Float[Tensor, "batch time pixels"]:
        """Small frames, channel by channel and row by row."""
        frames = clips.transpose(1, 2)  # [B, T, C, H, W]
        return adaptive_avg_pool2d(frames.flatten(0, 1), self.shrunk).unflatten(0, frames.shape[:2]).flatten(2)

    def clips(self, frames: Float[Tensor, "batch time pixels"]) -> Clips:
        """Frames as large as those that were given, between whose pixels there is a straight line."""
        batch, time, _ = frames.shape
        maps = frames.reshape(batch * time, -1, *self.shrunk)
        if self.shrunk != self.size:
            maps = interpolate(maps, self.size, mode="bilinear", align_corners=False)
        return maps.unflatten(0, (batch, time)).transpose(1, 2)

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Mean squared errors of small frames: those foretold, and as the weight says those recalled."""
        frames = self.frames(batch.clips)
        seen, coming = frames[:, :CONTEXT], frames[:, CONTEXT:]
        _, state = self.encoder(seen)
        reverse = seen.flip(1)
        recalled = mse_loss(self.past(reverse, state).float(), reverse)
        foretold = mse_loss(self.future(coming, state).float(), coming)
        return {
            "predictor": foretold + self.config.reconstruction * recalled,
            "prediction": foretold,
            "reconstruction": recalled,
        }

    def predict(self, context: Clips, count: int) -> Clips:
        """The next `count` frames, each from what was said before."""
        _, state = self.encoder(self.frames(context))
        return self.clips(self.future.continued(state, count).float())

    def represent(self, clips: Clips) -> Maps:
        """After each frame."""
        hidden, _ = self.encoder(self.frames(clips))
        return hidden.transpose(1, 2)[..., None, None]


def build(config: Config, shape: tuple[int, int, int, int]) -> CompositePredictor:
    """The network for clips of `shape` (time, channels, height, width)."""
    return CompositePredictor(config, shape)

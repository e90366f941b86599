"""Composite LSTM: an LSTM learns without labels to recall a clip and to foretell it, then to classify it.

Source: Srivastava, Mansimov, Salakhutdinov 2015, arXiv 1502.04681, section 2.3 (composite model, conditional decoders)
and section 3.3 (classifier): cross-entropy at every step, the average of the steps' probabilities.
Deviations: one training in two phases, with AdamW and one schedule, in place of two trainings with momentum; squared
error of grey, standardised frames in place of cross-entropy of pixels; widths are ours; weights start as Xavier,
orthogonal and zero, and the forget gate's bias at one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, linear, mse_loss

from baselines.layers import at_least_single
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "centred"
SOURCE = "Srivastava et al. 2015, arXiv 1502.04681"
TRAINING = {"*": {"augment": True, "gradient_clip": 1.0}}

ENCODERS = ("tuned", "frozen")

State: TypeAlias = list[tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]]
"""Hidden and memory of every layer, the lowest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    `unsupervised` is the share of all steps that learn without labels, 0 to 1; in the others the encoder is `tuned` or
    `frozen`. Decoders that are `conditional` see each true frame before they give the next one. Frames are shrunk to at
    most `side` pixels a side.
    """

    side: int = 32
    hidden: int = 256
    layers: int = 1
    conditional: bool = True
    unsupervised: float = 0.3
    encoder: str = "tuned"

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("side", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if not 0 <= self.unsupervised <= 1:
            raise ConfigError(f"got unsupervised {self.unsupervised}, expected a share of the steps in [0, 1]")
        if self.encoder not in ENCODERS:
            raise ConfigError(f"got encoder {self.encoder!r}, expected {' or '.join(ENCODERS)}")


class PeepholeLayer(nn.Module):
    """An LSTM with peepholes (Graves 2013, arXiv 1308.0850, equations 7 to 11).

    Gates stand in the order of `torch.nn.LSTM`, with one bias each. Input and forget gate see the old memory through
    their peepholes, the output gate the new one. There may be no inputs at all.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.from_input = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.from_hidden = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.peepholes = nn.Parameter(torch.zeros(3, hidden))
        if inputs:
            nn.init.xavier_uniform_(self.from_input)
        nn.init.orthogonal_(self.from_hidden)
        with torch.no_grad():
            self.bias[hidden : 2 * hidden] = 1

    def forward(
        self, inputs: Float[Tensor, "batch time inputs"], hidden: Tensor, memory: Tensor
    ) -> tuple[Float[Tensor, "batch time hidden"], tuple[Tensor, Tensor]]:
        """The hidden values after each step, and the state after the last; memory is kept in single precision."""
        outputs = []
        for step in linear(inputs, self.from_input, self.bias).unbind(1):
            i, f, g, o = (step.to(memory.dtype) + linear(hidden, self.from_hidden)).chunk(4, dim=1)
            i, f = i + self.peepholes[0] * memory, f + self.peepholes[1] * memory
            memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o + self.peepholes[2] * memory) * torch.tanh(memory)
            outputs.append(hidden)
        seen = torch.stack(outputs, dim=1) if outputs else memory.new_empty(len(memory), 0, memory.shape[1])
        return seen, (hidden, memory)


class PeepholeLSTM(nn.Module):
    """`PeepholeLayer`s, each on the hidden values of the one below."""

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.layers = nn.ModuleList(PeepholeLayer(hidden if layer else inputs, hidden) for layer in range(layers))

    def forward(
        self, inputs: Float[Tensor, "batch time inputs"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """The top layer's hidden values after each step, and the state after the last; from zero if none is given."""
        zero = inputs.new_zeros(len(inputs), self.hidden, dtype=at_least_single(inputs.dtype))
        after = []
        for layer, (hidden, memory) in zip(self.layers, state or [(zero, zero)] * len(self.layers), strict=True):
            inputs, left = layer(inputs, hidden, memory)
            after.append(left)
        return inputs, after


class Decoder(nn.Module):
    """Gives the frames of a target one after the other, from a copy of the encoder's state."""

    def __init__(self, pixels: int, config: Config) -> None:
        super().__init__()
        self.seen = pixels if config.conditional else 0
        self.lstm = PeepholeLSTM(self.seen, config.hidden, config.layers)
        self.readout = nn.Linear(config.hidden, pixels)

    def forward(self, target: Float[Tensor, "batch time pixels"], state: State) -> Float[Tensor, "batch time pixels"]:
        """The first frame is read from the state as it is; each later one follows a step that saw the frame before."""
        outputs, _ = self.lstm(target[:, :-1, : self.seen], state)
        return self.readout(torch.cat([state[-1][0][:, None], outputs], dim=1))


class CompositeLSTM(nn.Module):
    """See the module; `past` recalls the first half of the clip, last frame first, `future` foretells the second."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        frames, _, height, width = shape
        if frames < 2:
            raise ConfigError(f"got clips of {frames} frame, expected two or more: one to see and one to foretell")
        self.config = config
        self.size = min(config.side, height), min(config.side, width)
        pixels = self.size[0] * self.size[1]
        self.encoder = PeepholeLSTM(pixels, config.hidden, config.layers)
        self.past, self.future = Decoder(pixels, config), Decoder(pixels, config)
        self.readout = nn.Linear(config.hidden, classes)

    def frames(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch time pixels"]:
        """Small grey frames, row by row."""
        return adaptive_avg_pool2d(clips.mean(1), self.size).flatten(2)

    def objectives(self, frames: Float[Tensor, "batch time pixels"]) -> dict[str, Tensor]:
        """Mean squared errors of what is recalled and of what is foretold, given the first half of the frames."""
        seen, coming = frames[:, : frames.shape[1] // 2], frames[:, frames.shape[1] // 2 :]
        _, state = self.encoder(seen)
        reverse = seen.flip(1)
        return {
            "reconstruction": mse_loss(self.past(reverse, state).float(), reverse),
            "prediction": mse_loss(self.future(coming, state).float(), coming),
        }

    def steps(self, frames: Float[Tensor, "batch time pixels"]) -> Float[Tensor, "batch time classes"]:
        """Logits after each frame; the encoder learns from them only where it is tuned."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.encoder == "tuned"):
            outputs, _ = self.encoder(frames)
        return self.readout(outputs).float()

    def losses(
        self,
        clips: Float[Tensor, "batch channels time height width"],
        labels: Int64[Tensor, " batch"],
        progress: float,
        cross_entropy: Callable[[Tensor, Tensor], Tensor],
    ) -> dict[str, Tensor]:
        """The hook of `benchmark.classification`: two squared errors first, the cross-entropy of every step then."""
        frames = self.frames(clips)
        if progress < self.config.unsupervised:
            found = self.objectives(frames)
            with torch.no_grad():
                steps = self.steps(frames)
            found["loss"] = found["reconstruction"] + found["prediction"]
        else:
            steps = self.steps(frames)
            found = {"loss": cross_entropy(steps.flatten(0, 1), labels.repeat_interleave(steps.shape[1]))}
        wrong = average(steps.detach()).argmax(1) != labels
        return {**found, "error": wrong.float().mean()}

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logarithms of the steps' average probabilities."""
        return average(self.steps(self.frames(clips)))


def average(steps: Float[Tensor, "batch time classes"]) -> Float[Tensor, "batch classes"]:
    """Logarithms of the average of the steps' probabilities."""
    return steps.log_softmax(-1).logsumexp(1) - math.log(steps.shape[1])


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> CompositeLSTM:
    """The network for clips of `shape` (time, channels, height, width)."""
    return CompositeLSTM(config, shape, classes)

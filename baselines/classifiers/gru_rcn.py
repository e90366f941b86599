"""GRU-RCN: a convolutional GRU on the maps of several levels of a frame-wise CNN, one classifier a level, averaged.

Source: Ballas, Yao, Pal, Courville 2016, arXiv 1511.06432: 3×3 convolutional GRUs without weights between levels; each
level's final state is averaged over places and classified, and the classifiers' predictions are averaged.
Deviations: the CNN is ours and learnt with the rest, instead of a VGG-16 that was trained on ImageNet; levels run in
one direction; logits are averaged rather than probabilities; the project's recipe.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.layers import ConvBlock, at_least_single, halvings, schedule
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Ballas et al. 2016, arXiv 1511.06432"
TRAINING = {"*": {"learning_rate": 0.0057, "augment": True, "weight_decay": 0.0016, "label_smoothing": 0.1}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; GRUs stand on the maps of all convolutions but the first `skip`."""

    width: int = 8
    hidden: int = 32
    skip: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        if self.width < 1 or self.hidden < 1 or self.skip < 0:
            raise ConfigError(
                f"got width {self.width}, hidden {self.hidden}, skip {self.skip}, expected 1, 1, 0 or more"
            )


class ConvGRU(nn.Module):
    """A gated recurrent unit whose products are "half" padded convolutions; from zero states.

    z and r are sigmoids, the candidate is tanh(W x + U (r · h)), and h ← (1 - z) h + z · candidate (equations 4–7).
    """

    def __init__(self, in_channels: int, hidden: int, kernel_size: int = 3) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.hidden = hidden
        self.from_input = nn.Conv2d(in_channels, 3 * hidden, kernel_size, padding=padding)
        self.gates = nn.Conv2d(hidden, 2 * hidden, kernel_size, padding=padding, bias=False)
        self.candidate = nn.Conv2d(hidden, hidden, kernel_size, padding=padding, bias=False)

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch hidden height width"]:
        """The state after the last frame."""
        batch, time = clips.shape[0], clips.shape[2]
        projected = self.from_input(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, time))
        state = projected.new_zeros((batch, self.hidden, *projected.shape[-2:]), dtype=at_least_single(projected.dtype))
        for step in projected.unbind(1):
            z, r, new = step.to(state.dtype).chunk(3, dim=1)
            from_z, from_r = self.gates(state).to(state.dtype).chunk(2, dim=1)
            z, r = torch.sigmoid(z + from_z), torch.sigmoid(r + from_r)
            state = (1 - z) * state + z * torch.tanh(new + self.candidate(r * state).to(state.dtype))
        return state


class GRURCN(nn.Module):
    """See the module."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        _, channels, height, width = shape
        depth = halvings(height, width)
        if config.skip >= depth:
            raise ConfigError(f"got skip={config.skip} for {depth} convolutions, expected fewer")
        self.skip = config.skip
        blocks, units = [], []
        for level, multiple in enumerate(schedule((1, 2, 4, 4, 8, 8), depth)):
            blocks.append(ConvBlock(channels, multiple * config.width))
            channels = multiple * config.width
            if level >= config.skip:
                units.append(ConvGRU(channels, config.hidden))
        self.blocks, self.units = nn.ModuleList(blocks), nn.ModuleList(units)
        self.dropout = nn.Dropout(config.dropout)
        self.readouts = nn.ModuleList(nn.Linear(config.hidden, classes) for _ in units)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        logits = []
        for level, block in enumerate(self.blocks):
            clips = block(clips)
            if level >= self.skip:
                place = level - self.skip
                state = self.units[place](clips).mean((2, 3))
                logits.append(self.readouts[place](self.dropout(state)))
        return torch.stack(logits).mean(0)


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> GRURCN:
    """The network for clips of `shape` (time, channels, height, width)."""
    return GRURCN(config, shape, classes)

"""SimVP: convolutions alone: on each frame, on the maps of all frames at once, and back to as many frames to come.

Source: Gao et al. 2022, arXiv 2206.05099, section 4: encoder, translator of inception blocks, decoder, squared error;
Tan et al. 2022, arXiv 2211.12509, for the translator of gated attention; widths, layers and rate as in OpenSTL (Tan et
al. 2023, arXiv 2306.11249), where both translators have the later paper's encoder and decoder, with a sum in place of
the earlier one's concatenation of its first maps.
Deviations: weights start as PyTorch's but those of the attention; the recipe's schedule in place of one cycle.
Features: the translator's maps after its last block inward (`inception`) or before its last block (`attention`), of ten
frames at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from baselines.layers import channels_last
from baselines.settings import check
from baselines.windows import covering_windows
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction import contract
from benchmark.prediction.contract import CONTEXT, Clips
from benchmark.replay import steady
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Gao et al. 2022, arXiv 2206.05099; Tan et al. 2022, arXiv 2211.12509"
TRAINING = {
    "*": {"epochs": 40, "batch_size": 16, "learning_rate": 1e-3, "weight_decay": 0.0, "warmup": 1.0},
    "mini": {"epochs": 10},
}

FRAME_MAPS = 64
"""Of each frame."""

CLIP_MAPS = 512
"""Of all frames together, between the translator's blocks."""

KERNELS = (3, 5, 7, 11)
"""Of an inception block's branches."""

GROUPS = 8
"""Of an inception block's convolutions and norms."""

EXPANSION = 8
"""Maps within an attention block's perceptron, for each outside."""

FIRST_SCALE = 1e-2
"""Of what an attention block adds, at the start."""

TRANSLATORS = ("inception", "attention")

Maps: TypeAlias = Float[Tensor, "batch maps rows columns"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: a multiple of 2 to the power of `halvings`.
        width: times the published maps.
        halvings: of height and width between frames and the translator.
        translator: `inception` or `attention`.
        blocks: of the translator's way in, and as many of its way out, in `inception`; in all, in `attention`.
    """

    image_size: int = 64
    width: float = 1.0
    halvings: int = 2
    translator: str = "inception"
    blocks: int = 8

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)
        if self.halvings < 1:
            raise ConfigError(f"got halvings {self.halvings}, expected 1 or more")
        if self.blocks < 2:
            raise ConfigError(f"got blocks {self.blocks}, expected 2 or more")
        if self.translator not in TRANSLATORS:
            raise ConfigError(f"got translator {self.translator!r}, expected {' or '.join(TRANSLATORS)}")


def convolved(inputs: int, outputs: int, scale: float = 1.0) -> nn.Sequential:
    """A 3×3 convolution that halves (scale 0.5), keeps (1) or doubles (2) height and width; group norm; SiLU."""
    if scale > 1:
        layers = [nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2)]
    else:
        layers = [nn.Conv2d(inputs, outputs, 3, stride=round(1 / scale), padding=1)]
    return nn.Sequential(*layers, nn.GroupNorm(2, outputs), nn.SiLU())


class Encoder(nn.Module):
    """Maps of frames: two convolutions for each halving, the first of which keeps the size."""

    def __init__(self, channels: int, maps: int, halvings: int) -> None:
        super().__init__()
        self.first = convolved(channels, maps)
        scales = (0.5, 1.0) * halvings
        self.rest = nn.Sequential(*(convolved(maps, maps, scale) for scale in scales[:-1]))

    def forward(self, frames: Maps) -> tuple[Maps, Maps]:
        """The last maps, and the first ones, which are as large as the frames."""
        first = self.first(frames)
        return self.rest(first), first


class Decoder(nn.Module):
    """The encoder's layers backwards; before the last one its first maps are added; then a 1×1 convolution."""

    def __init__(self, channels: int, maps: int, halvings: int) -> None:
        super().__init__()
        scales = (1.0, 2.0) * halvings
        self.rest = nn.Sequential(*(convolved(maps, maps, scale) for scale in scales[1:]))
        self.last = convolved(maps, maps)
        self.readout = nn.Conv2d(maps, channels, 1)

    def forward(self, maps: Maps, first: Maps) -> Maps:
        """Frames."""
        return self.readout(self.last(self.rest(maps) + first))


class Inception(nn.Module):
    """A 1×1 convolution, then the sum of branches with `KERNELS`: grouped convolution, norm, leaky rectifier."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, hidden // 2, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(hidden // 2, outputs, kernel, padding=kernel // 2, groups=GROUPS),
                nn.GroupNorm(GROUPS, outputs),
                nn.LeakyReLU(0.2, inplace=True),
            )
            for kernel in KERNELS
        )

    def forward(self, maps: Maps) -> Maps:
        """As large as they were."""
        narrow = self.narrow(maps)
        return torch.stack([branch(narrow) for branch in self.branches]).sum(0)


class Inceptions(nn.Module):
    """The first translator: blocks in, blocks out, where each one out but the first also sees what one in has made."""

    def __init__(self, inputs: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.inward = nn.ModuleList(Inception(maps, hidden, hidden) for maps in [inputs, *[hidden] * (blocks - 1)])
        made = [hidden] * (blocks - 1) + [inputs]
        self.outward = nn.ModuleList(
            Inception(hidden if place == 0 else 2 * hidden, hidden, maps) for place, maps in enumerate(made)
        )

    def forward(self, maps: Maps) -> Maps:
        """As many as came."""
        *seen, maps = self.seen(maps)
        maps = self.outward[0](maps)
        for block in self.outward[1:]:
            maps = block(torch.cat([maps, seen.pop()], dim=1))
        return maps

    def seen(self, maps: Maps) -> list[Maps]:
        """What each block in makes of the maps."""
        found = []
        for block in self.inward:
            maps = block(maps)
            found.append(maps)
        return found


class Gate(nn.Module):
    """Two projections of each map's surroundings of 23×23 places, one of which gates the other.

    The surroundings are seen by a kernel of 5×5 and one of 7×7 in steps of three.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(maps, maps, 1)
        self.surroundings = nn.Sequential(
            nn.Conv2d(maps, maps, 5, padding=2, groups=maps),
            nn.Conv2d(maps, maps, 7, padding=9, dilation=3, groups=maps),
        )
        self.split = nn.Conv2d(maps, 2 * maps, 1)
        self.merge = nn.Conv2d(maps, maps, 1)

    def forward(self, maps: Maps) -> Maps:
        """The maps, and what of their surroundings passes the gate."""
        value, gate = self.split(self.surroundings(nn.functional.gelu(self.project(maps)))).chunk(2, dim=1)
        return maps + self.merge(torch.sigmoid(gate) * value)


class Attention(nn.Module):
    """A gate and a perceptron with a 3×3 convolution of each of its maps: what either makes is scaled and added."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        wide = EXPANSION * maps
        self.gate = nn.Sequential(nn.BatchNorm2d(maps), Gate(maps))
        self.perceptron = nn.Sequential(
            nn.BatchNorm2d(maps),
            nn.Conv2d(maps, wide, 1),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
            nn.GELU(),
            nn.Conv2d(wide, maps, 1),
        )
        self.scales = nn.Parameter(torch.full((2, maps, 1, 1), FIRST_SCALE))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, maps: Maps) -> Maps:
        """As many and as large as they were."""
        maps = maps + self.scales[0] * self.gate(maps)
        return maps + self.scales[1] * self.perceptron(maps)


def attentions(inputs: int, hidden: int, blocks: int) -> nn.Sequential:
    """The second translator: blocks one after the other, and 1×1 convolutions where the number of maps changes."""
    between: list[Sequence[nn.Module]] = [(Attention(hidden),) for _ in range(blocks - 2)]
    first = (Attention(inputs), nn.Conv2d(inputs, hidden, 1))
    last = (Attention(hidden), nn.Conv2d(hidden, inputs, 1))
    return nn.Sequential(*(layer for layers in [first, *between, last] for layer in layers))


class SimVP(nn.Module):
    """See the module; from `CONTEXT` frames come the next `CONTEXT`."""

    stochastic = False

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        _, channels, height, width = shape
        factor = 2**config.halvings
        if height % factor or width % factor:
            raise ConfigError(
                f"got frames of {height}×{width} pixels with halvings={config.halvings}, "
                f"expected a multiple of {factor}"
            )
        maps, hidden = rounded(config.width * FRAME_MAPS, 4), rounded(config.width * CLIP_MAPS, 2 * GROUPS)
        translator = Inceptions if config.translator == "inception" else attentions
        self.encoder = Encoder(channels, maps, config.halvings)
        self.translator = translator(CONTEXT * maps, hidden, config.blocks)
        self.decoder = Decoder(channels, maps, config.halvings)

    def players(self) -> dict[str, Player]:
        """One, all weights."""
        return {"predictor": Player(parameters=list(self.parameters()))}

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The mean squared error of the predicted frames."""
        context, coming = batch.clips[:, :, :CONTEXT], batch.clips[:, :, CONTEXT:]
        return {"predictor": mse_loss(self.predict(context, coming.shape[2]), coming)}

    def forward(self, context: Clips) -> Clips:
        """As many frames as are given, which follow them."""
        frames = context.transpose(1, 2)  # [B, T, C, H, W]
        stacked, first = self.stacked(frames)
        moved = self.translator(stacked).unflatten(1, (frames.shape[1], -1)).flatten(0, 1)
        return self.decoder(moved, first).float().unflatten(0, frames.shape[:2]).transpose(1, 2)

    def stacked(
        self, frames: Float[Tensor, "batch time channels height width"]
    ) -> tuple[Float[Tensor, "batch timemaps rows columns"], Maps]:
        """The maps of each clip's frames side by side, and the first ones, of each frame by itself."""
        maps, first = self.encoder(frames.flatten(0, 1))
        return maps.unflatten(0, frames.shape[:2]).flatten(1, 2), first

    def represent(self, clips: Clips) -> contract.Maps:
        """Of each window of `CONTEXT` frames."""
        windows = covering_windows(clips, CONTEXT).transpose(2, 3)  # [B, N, T, C, H, W]
        maps, _ = self.stacked(windows.flatten(0, 1))
        if isinstance(self.translator, Inceptions):
            hidden = self.translator.seen(maps)[-1]
        else:
            hidden = self.translator[:-2](maps)  # all but the last block and its 1×1 convolution
        return hidden.unflatten(0, windows.shape[:2]).transpose(1, 2)

    def predict(self, context: Clips, count: int) -> Clips:
        """The next `count` frames; for more than `CONTEXT` the last prediction is what it is given."""
        said = []
        for _ in range(0, count, CONTEXT):
            context = self(context)
            said.append(context)
        return torch.cat(said, dim=2)[:, :, :count]


def rounded(maps: float, multiple: int) -> int:
    """The nearest multiple, one at the least."""
    return multiple * max(1, round(maps / multiple))


def build(config: Config, shape: tuple[int, int, int, int]) -> SimVP:
    """The network for clips of `shape` (time, channels, height, width)."""
    return channels_last(SimVP(config, shape))

"""The network of CDNA and DNA: seven ConvLSTMs say by which kernels the last frame is moved, and where each holds.

Source: Finn et al. 2016, arXiv 1605.07157, and the code that its authors released; see `baselines.predictors.cdna`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, relu

from baselines.layers import ConvLSTMCell, State, channels_last
from baselines.pixel_motion import moved, moved_by_place, softly_normalised
from baselines.recurrent_blocks import fold, with_changes
from baselines.settings import check
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, Clips, Maps
from dynamics_gen.errors import ConfigError

HIDDEN = (32, 32, 64, 64, 128, 64, 32)
"""Maps of the seven ConvLSTMs: two at half of the frame's side, two at a quarter, one at an eighth, then back."""

ITERATIONS = 100_000
"""Of the published training, over which `truth_share` falls."""

TRANSFORMS = ("cdna", "dna")

Frames: TypeAlias = Float[Tensor, "batch channels height width"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Hyper-parameters.

    Attributes:
        image_size: a multiple of 8.
        width: times the published maps.
        transform: `cdna`, a few kernels for all pixels, or `dna`, a kernel for each pixel.
        kernels: how many, of `cdna`.
        kernel: their side in pixels.
        changes: beside each frame, the model sees how it differs from the one before.
        sampling: k in the share k / (k + exp(i / k)) of true frames among those fed back at iteration i; -1 for none.
    """

    only: ClassVar[str] = ""
    """The one transform that a model has."""

    image_size: int = 64
    width: float = 1.0
    transform: str = "cdna"
    kernels: int = 10
    kernel: int = 5
    changes: bool = False
    sampling: float = 900.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self)
        if self.transform not in TRANSFORMS:
            raise ConfigError(f"got transform {self.transform!r}, expected {' or '.join(TRANSFORMS)}")
        if self.only and self.transform != self.only:
            raise ConfigError(
                f"got transform {self.transform!r}, expected {self.only}: run {self.transform} for the other"
            )
        if self.kernels < 1:
            raise ConfigError(f"got kernels {self.kernels!r}, expected a whole number of 1 or more")
        if self.sampling != -1 and not 0 < self.sampling < math.inf:
            raise ConfigError(f"got sampling {self.sampling!r}, expected a number above 0, or -1")


def truth_share(progress: float, k: float) -> float:
    """Which share of a batch is fed true frames after the context: k / (k + exp(i / k)), none for a negative k."""
    return 0.0 if k < 0 else (1 + math.tanh((math.log(k) - progress * ITERATIONS / k) / 2)) / 2


class Recurrent(nn.Module):
    """A ConvLSTM of 5×5 over some steps, from a state to another, then layer norm."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(channels, hidden, kernel_size=5)
        self.norm = nn.GroupNorm(1, hidden)

    def forward(
        self, maps: Float[Tensor, "steps batch channels height width"], state: State | None
    ) -> tuple[Float[Tensor, "stepsbatch hidden height width"], State]:
        """Its hidden maps, normed, with steps and batch in one axis; and the last state."""
        gates = self.cell.from_input(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        now = self.cell.initial_state(gates[0]) if state is None else state
        hidden = []
        for step in gates.unbind(0):
            now = self.cell.step(step, now)
            hidden.append(now[0])
        return self.norm(torch.cat(hidden)), now


class CDNA(nn.Module):
    """See the module. Inside, frames are in [0, 1], as published: convolutions pad with black."""

    stochastic = False

    def __init__(self, config: Options, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, (_, channels, height, width) = config, shape
        if height % 8 or width % 8:
            raise ConfigError(f"got frames of {height}×{width} pixels, expected multiples of 8: try image_size=64")
        a, b, c, d, e, f, g = hidden = [max(1, round(config.width * maps)) for maps in HIDDEN]
        self.first = nn.Conv2d(channels * (1 + config.changes), a, 5, stride=2, padding=2)
        self.first_norm = nn.GroupNorm(1, a)
        self.recurrent = nn.ModuleList(map(Recurrent, (a, a, b, c, d, e, f + b), hidden))
        self.to_quarter = nn.Conv2d(b, b, 3, stride=2, padding=1)
        self.to_eighth = nn.Sequential(nn.Conv2d(d, d, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(d, d, 1))
        self.from_eighth, self.from_quarter, self.from_half = (
            nn.ConvTranspose2d(maps, maps, 3, stride=2, padding=1, output_padding=1) for maps in (e, f + b, g + a)
        )
        self.last_norm = nn.GroupNorm(1, g + a)
        area = config.kernel**2
        if config.transform == "cdna":
            self.to_kernels = nn.Linear(e * (height // 8) * (width // 8), config.kernels * area)
            self.to_scratch = nn.Conv2d(g + a, channels, 1)
            self.to_masks = nn.Conv2d(g + a, config.kernels + 2, 1)
        else:
            self.to_kernels = nn.Conv2d(g + a, area, 1)
            self.to_scratch = None
            self.to_masks = nn.Conv2d(g + a, 2, 1)
        _initialise(self)

    def players(self) -> dict[str, Player]:
        """One."""
        return {"predictor": Player(parameters=list(self.parameters()))}

    def phase(self, batch: Batch, progress: float) -> int:
        """How many clips of a batch see the true frame after each step."""
        return round(len(batch) * truth_share(progress, self.config.sampling))

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """The mean squared error of the frames after the context, in [0, 1]."""
        frames = (batch.clips.float() + 1) / 2
        steps, size = frames.shape[2] - CONTEXT, len(frames)
        true = self.phase(batch, progress)
        order = torch.rand(steps, size, device=frames.device).argsort(1)
        said = self.continued(frames[:, :, :CONTEXT], steps, frames[:, :, CONTEXT:], order < true)
        return {"predictor": mse_loss(said, frames[:, :, CONTEXT:])}

    def predict(self, context: Clips, count: int) -> Clips:
        """Frames that follow, each fed back."""
        return 2 * self.continued((context.float() + 1) / 2, count) - 1

    def continued(
        self,
        context: Clips,
        count: int,
        truth: Clips | None = None,
        fed: Bool[Tensor, "time batch"] | None = None,
    ) -> Clips:
        """The next `count` frames, all in [0, 1].

        Args:
            context: frames that are seen first, all at once.
            count: how many frames come out.
            truth: what really follows.
            fed: which clips see the true frame after each step, not the predicted one; none unless given.
        """
        seen, states, before, said = context.permute(2, 0, 1, 3, 4), None, None, []
        for step in range(count):
            fine, coarse, states = self.watch(seen, states, before)
            frame = self.compose(seen[-1], fine, coarse)
            said.append(frame)
            before = seen[-1]
            if truth is not None and fed is not None:
                frame = torch.where(fed[step, :, None, None, None], truth[:, :, step], frame)
            seen = frame[None]
        return torch.stack(said, dim=2)

    def watch(
        self,
        frames: Float[Tensor, "steps batch channels height width"],
        states: Sequence[State] | None,
        before: Frames | None,
    ) -> tuple[Tensor, Tensor, list[State]]:
        """After frames that follow `before`: maps at their size, maps at an eighth, and the states of the ConvLSTMs."""
        batch, after = frames.shape[1], []
        half, quarter, coarse = self.shrunk(frames, states, before, after)
        maps = self._recur(relu(self.from_eighth(coarse)), len(frames), states, after)
        maps = self._recur(relu(self.from_quarter(torch.cat([maps, quarter], dim=1))), len(frames), states, after)
        last = torch.cat([maps[-batch:], half[-batch:]], dim=1)
        return relu(self.last_norm(self.from_half(last))), coarse[-batch:], after

    def shrunk(
        self,
        frames: Float[Tensor, "steps batch channels height width"],
        states: Sequence[State] | None,
        before: Frames | None,
        after: list[State],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All steps' maps at half, a quarter and an eighth of the frames' side; `after` gets the ConvLSTMs' states."""
        clips = frames.permute(1, 2, 0, 3, 4)
        half = relu(self.first_norm(self.first(fold(with_changes(clips, before) if self.config.changes else clips))))
        steps = len(frames)
        maps = self._recur(self._recur(half, steps, states, after), steps, states, after)
        quarter = relu(self.to_quarter(maps))
        maps = self._recur(self._recur(quarter, steps, states, after), steps, states, after)
        return half, quarter, self._recur(relu(self.to_eighth(maps)), steps, states, after)

    def represent(self, clips: Clips) -> Maps:
        """After each frame."""
        frames = ((clips.float() + 1) / 2).permute(2, 0, 1, 3, 4)
        return self.shrunk(frames, None, None, [])[2].unflatten(0, frames.shape[:2]).permute(1, 2, 0, 3, 4)

    def _recur(self, maps: Tensor, steps: int, states: Sequence[State] | None, after: list[State]) -> Tensor:
        """What the next ConvLSTM makes of maps; its state joins those `after` the steps."""
        place = len(after)
        maps, state = self.recurrent[place](maps.unflatten(0, (steps, -1)), None if states is None else states[place])
        after.append(state)
        return maps

    def compose(self, frame: Frames, fine: Tensor, coarse: Tensor) -> Frames:
        """The next frame: under masks that sum to one, the last one, one from scratch, and the last one moved."""
        masks = self.to_masks(fine).float().softmax(1)
        size = self.config.kernel
        if self.to_scratch is None:
            shifted = moved_by_place(frame, softly_normalised(self.to_kernels(fine), 1))
            sources = [frame[:, None], shifted[:, None]]
        else:
            raw = self.to_kernels(coarse.flatten(1)).unflatten(1, (-1, size, size))
            scratch = self.to_scratch(fine).float().sigmoid()
            sources = [frame[:, None], scratch[:, None], moved(frame, softly_normalised(raw, (2, 3)))]
        return (masks[:, :, None] * torch.cat(sources, dim=1)).sum(1)


def _initialise(network: CDNA) -> None:
    """Xavier's weights and no biases, as in the library of the released code; ConvLSTMs have a start of their own."""
    inside = {id(layer) for recurrent in network.recurrent for layer in recurrent.modules()}
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and id(layer) not in inside:
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def build(config: Options, shape: tuple[int, int, int, int]) -> CDNA:
    """The network for clips of `shape` (frames, channels, height, width)."""
    return channels_last(CDNA(config, shape))

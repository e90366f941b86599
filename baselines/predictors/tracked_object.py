"""Tracked object: what differs from a still backdrop is cut out, and pasted where an LSTM says that its track goes on.

Source: ours. The object is found as `benchmark.tracking` finds it, in tensors, and without regard to which changes are
connected; the track goes on from place to place as in Alahi et al. 2016, Social LSTM, section 3.1, for one who walks
alone. It is what a model that is told of one rigid thing before a still backdrop can make of the motion; it is neither
told of classes nor of where the simulator had the object. Prior knowledge is its point: as a person's row does for
classifiers, its row shows what is there to be had.
Deviations: none.
Features: the hidden vectors of the LSTM after each frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, max_pool2d, pad

from baselines.settings import COUNT, check
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, Clips, Maps
from benchmark.replay import steady
from benchmark.tracking import ALIKE, FULL_CHANGE, LEAST_CHANGE, LEAST_FREE, MARGIN, PASSES

TASK = "prediction"
INPUT = "clips"
SOURCE = "ours"
TRAINING = {
    "*": {"epochs": 20, "batch_size": 16, "learning_rate": 3e-3, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 10},
}

STEP = 0.05
"""Of half a frame's side: a usual step of an object from frame to frame, which numbers are told in."""

Places = Float[Tensor, "batch time 2"]
"""x to the right and y down, from -1 to 1 across a frame."""

State: TypeAlias = tuple[Tensor, Tensor]

Images = Float[Tensor, "batch channels height width"]
Weights = Float[Tensor, "batch time height width"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: any.
        hidden: units in a layer of the LSTM.
        layers: of the LSTM.
    """

    image_size: int = 64
    hidden: int = 128
    layers: int = 2

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self, {"hidden": COUNT})


class Found(NamedTuple):
    """What clips are made of.

    Attributes:
        backdrop: what stands still.
        weights: from 0 to 1, how much of each pixel is the object's.
        places: of the object's centre of weight; a frame without an object has the place of the frame before it, or,
            before all that have one, of the first that has one, or the middle.
        sides: root of the object's area, in frames' sides.
    """

    backdrop: Images
    weights: Weights
    places: Places
    sides: Float[Tensor, "batch time"]


class TrackedObject(nn.Module):
    """See the module; `motion` reads places and steps, `readout` says how the next step differs from the last one."""

    stochastic = False

    phase = steady

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.motion = nn.LSTM(5, config.hidden, config.layers, batch_first=True)
        self.readout = nn.Linear(config.hidden, 2)
        nn.init.zeros_(self.readout.weight)  # at first all goes on as it went
        nn.init.zeros_(self.readout.bias)

    def players(self) -> dict[str, Player]:
        """One, all weights."""
        return {"predictor": Player(parameters=list(self.parameters()))}

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The mean distance from where the object is found in whole clips, in usual steps, over all symmetries."""
        seen = found_in(batch.clips[:, :, :CONTEXT])
        true = turned_and_mirrored(found_in(batch.clips).places)
        said = self.continued(turned_and_mirrored(seen.places), seen.sides.repeat(8, 1), true.shape[1] - CONTEXT)
        apart = ((said - true[:, 1:]).square().sum(-1) + 1e-8).sqrt() / STEP
        noted = {"closed_error": apart[:, : CONTEXT - 1].mean(), "open_error": apart[:, CONTEXT - 1 :].mean()}
        return {"predictor": apart.mean(), **{name: value.detach() for name, value in noted.items()}}

    def predict(self, context: Clips, count: int) -> Clips:
        """The object as it was last, each time elsewhere."""
        seen = found_in(context)
        places = self.continued(seen.places, seen.sides, count)[:, -count:]
        return pasted(context[:, :, -1], seen, places - seen.places[:, -1:])

    def continued(self, places: Places, sides: Float[Tensor, "batch time"], count: int) -> Places:
        """The place after each given one, in closed loop, and in open loop the further ones, `count` after the last."""
        steps = _steps(places)
        hidden, state = self._move(places, steps, sides)
        steps = steps + self._change(hidden)
        places = places + steps
        made, place, step = [places], places[:, -1:], steps[:, -1:]
        for _ in range(count - 1):
            hidden, state = self._move(place, step, sides[:, -1:], state)
            step = step + self._change(hidden)
            place = place + step
            made.append(place)
        return torch.cat(made, dim=1)

    def represent(self, clips: Clips) -> Maps:
        """After each frame, in closed loop."""
        seen = found_in(clips)
        hidden, _ = self._move(seen.places, _steps(seen.places), seen.sides)
        return hidden.float().transpose(1, 2)[..., None, None]

    def _move(
        self, places: Places, steps: Places, sides: Tensor, state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        return self.motion(torch.cat([places, steps / STEP, sides[..., None]], dim=-1), state)

    def _change(self, hidden: Float[Tensor, "batch time hidden"]) -> Places:
        return STEP * self.readout(hidden).float()


def _steps(places: Places) -> Places:
    """To each place from the one before; none to the first."""
    return pad(places.diff(dim=1), (0, 0, 1, 0))


def found_in(clips: Clips) -> Found:
    """Takes clips apart."""
    backdrop = backdrop_of(clips)
    weights = object_weights(clips, backdrop)
    return Found(backdrop, weights, *_followed(weights))


def backdrop_of(clips: Clips) -> Images:
    """What stands still: the values that most frames share, then the mean of frames in which nothing is near."""
    backdrop = _commonest(clips)
    for _ in range(PASSES):
        taken = (object_weights(clips, backdrop) > 0).float()
        for window in ((MARGIN, 0), (0, MARGIN)):  # rows, then columns
            taken = max_pool2d(taken, (2 * window[0] + 1, 2 * window[1] + 1), 1, window)
        free = 1 - taken
        count = free.sum(1, keepdim=True)
        mean = (clips * free[:, None]).sum(2) / count.clamp_min(1)
        backdrop = torch.where(count >= LEAST_FREE, mean, backdrop)
    return backdrop


def turned_and_mirrored(places: Places) -> Float[Tensor, "eight_batch time 2"]:
    """All of them as they are, then as they are after each other symmetry of the square: no direction is another's."""
    across, down = places.unbind(-1)
    mirrored = torch.cat([places, torch.stack([-across, down], dim=-1)])
    upright = torch.cat([mirrored, -mirrored])
    return torch.cat([upright, upright.flip(-1)])


def object_weights(clips: Clips, backdrop: Images) -> Weights:
    """From 0 to 1, of what differs from the backdrop in grey levels, summed over channels."""
    change = 127.5 * (clips - backdrop[:, :, None]).abs().sum(1)
    return ((change - LEAST_CHANGE) / (FULL_CHANGE - LEAST_CHANGE)).clamp(0, 1)


def pasted(last: Images, seen: Found, moves: Places) -> Clips:
    """The object of the last frame before the backdrop, by each of the moves away from where it was.

    Args:
        last: the frame from which it is cut.
        seen: what its clips are made of.
        moves: in half sides of a frame, sub-pixel; what crosses the border is cut off.
    """
    batch, count = moves.shape[:2]
    shade = seen.weights[:, -1:]
    layer = torch.cat([last - (1 - shade) * seen.backdrop, shade], dim=1)  # with no move, exactly the last frame
    still = torch.eye(2, device=moves.device).expand(batch * count, 2, 2)
    grid = affine_grid(
        torch.cat([still, -moves.reshape(-1, 2, 1)], dim=2), [batch * count, *layer.shape[1:]], align_corners=False
    )
    layer = grid_sample(layer.repeat_interleave(count, 0), grid, align_corners=False).unflatten(0, (batch, count))
    frames = layer[:, :, :-1] + (1 - layer[:, :, -1:]) * seen.backdrop[:, None]
    return frames.transpose(1, 2)


def _commonest(clips: Clips) -> Images:
    near = ((clips - frame).abs().amax(1) <= ALIKE / 127.5 for frame in clips.split(1, dim=2))
    best = torch.stack([alike.sum(1) for alike in near], dim=1).argmax(1)  # of equals, the first in time
    return clips.gather(2, best[:, None, None].expand(-1, clips.shape[1], -1, -1, -1)).squeeze(2)


def _followed(weights: Weights) -> tuple[Places, Float[Tensor, "batch time"]]:
    height, width = weights.shape[-2:]
    area = weights.sum((2, 3))
    columns, rows = ((2 * torch.arange(side, device=weights.device) + 1) / side - 1 for side in (width, height))
    places = torch.stack([(weights.sum(2) * columns).sum(-1), (weights.sum(3) * rows).sum(-1)], dim=-1)
    places = places / area.clamp_min(1e-6)[..., None]  # without an object, the middle
    present, times = area > 0, torch.arange(weights.shape[1], device=weights.device)
    last = torch.where(present, times, -1).cummax(1).values
    last = torch.where(last < 0, present.int().argmax(1, keepdim=True), last)
    return places.gather(1, last[..., None].expand(-1, -1, 2)), (area / (height * width)).clamp_min(1e-12).sqrt()


def build(config: Config, shape: tuple[int, int, int, int]) -> TrackedObject:
    """The network for clips of `shape` (time, channels, height, width)."""
    return TrackedObject(config, shape)

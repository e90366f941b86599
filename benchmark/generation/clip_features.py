"""What a small network makes of whole clips: features of the motion, beside those of the frames.

Frames go through `features.FrameFeatures` one by one; convolutions over time, trained by `train_clip_features` to tell
the classes of Dynamics, make `MOTION` numbers of how these change. A clip's features are these and the mean of its
frames', so that neither another motion nor another look goes unseen. Of valid, 2.0 % are missed by a linear map of the
motion's features, 2.6 % of every second frame at 32×32.
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmark.generation.features import Weights, checked_tensors, frozen
from dynamics_gen.errors import ConfigError

MOTION = 64
LEAST_FRAMES = 8
CHANNELS, KERNEL, LAYERS = 96, 5, 3
"""Of the convolutions over time."""

PLACE = 2
"""The first features of a frame say where the object is."""

SEEN = 3 * PLACE + 1
RATE = 4.0
"""Frames a clip at which changes count as they are; they grow with the number of frames."""

CLIP_WEIGHTS = Weights(
    "clip-features-1", "clip_features.safetensors", "9074c44b716774c082d07410e8fe974377b81a03065027286dbbd39509352ab7"
)


class Motion(nn.Module):
    """From features of frames in order to features of the motion: `MOTION` signed numbers, of deviation 1, about.

    It sees where the object is, its velocity and acceleration, and how much the other features change; of the look
    itself, which says nothing of the class but would be learnt by heart, it sees nothing. Convolutions over time, then
    mean and maximum.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = SEEN
        for _ in range(LAYERS):
            layers += [nn.Conv1d(channels, CHANNELS, KERNEL, padding=KERNEL // 2), nn.ReLU()]
            channels = CHANNELS
        self.convolutions = nn.Sequential(*layers)
        self.linear = nn.Linear(2 * CHANNELS, MOTION)

    def forward(self, frames: Float[Tensor, "batch time feature"]) -> Float[Tensor, "batch motion"]:
        """Of clips that span two seconds, in any number of frames from `LEAST_FRAMES` on."""
        maps = self.convolutions(seen_of(frames).transpose(1, 2))
        return self.linear(torch.cat([maps.mean(2), maps.amax(2)], dim=1))


def seen_of(frames: Float[Tensor, "batch time feature"]) -> Float[Tensor, "batch steps seen"]:
    """What `Motion` sees of features of frames: two steps fewer than frames."""
    rate = frames.shape[1] / RATE
    place, look = frames[:, :, :PLACE], frames[:, :, PLACE:]
    velocity = place.diff(dim=1) * rate
    change = look.diff(dim=1).square().mean(2, keepdim=True).sqrt()
    return torch.cat([place[:, 2:], velocity[:, 1:], velocity.diff(dim=1) * rate, change[:, 1:]], dim=2)


class ClipFeatures(nn.Module):
    """Features of clips, [B, `MOTION` + `FEATURES`].

    Attributes:
        name: what scores call the network.
        sha256: of the files of its weights, one after the other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frames, self.motion = frozen(), Motion()
        self.name, self.sha256 = "untrained", ""

    def forward(self, clips: Float[Tensor, "batch 3 time height width"]) -> Float[Tensor, "batch feature"]:
        """Of clips in [-1, 1] whose frames are as `features.FrameFeatures` takes them.

        Raises:
            ConfigError: they have too few frames, or frames of another shape.
        """
        batch, _, time = clips.shape[:3]
        if time < LEAST_FRAMES:
            raise ConfigError(f"got clips of {time} frames, expected {LEAST_FRAMES} or more: try --set frames=16")
        found = self.frames(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, time))
        return torch.cat([self.motion(found), found.mean(1)], dim=1)


def frozen_of_clips() -> ClipFeatures:
    """The network whose features sets of clips are compared by; its weights take no gradients.

    Raises:
        ModelError: a file is not the one that was released.
    """
    network = ClipFeatures()
    network.motion.load_state_dict(checked_tensors(CLIP_WEIGHTS))
    network.name = CLIP_WEIGHTS.name
    network.sha256 = hashlib.sha256((network.frames.sha256 + CLIP_WEIGHTS.sha256).encode()).hexdigest()
    return network.eval().requires_grad_(False)

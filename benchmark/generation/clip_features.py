"""What a small network makes of whole clips: features of the motion, beside those of the frames.

Frames go through `features.FrameFeatures` one by one; convolutions over time, trained by `train_clip_features` to tell
the classes of Dynamics, make `MOTION` numbers of them. A clip's features are these and the mean of its frames', so that
neither another motion nor another look goes unseen.
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmark.generation.features import FEATURES, Weights, checked_tensors, frozen
from dynamics_gen.errors import ConfigError

MOTION = 64
LEAST_FRAMES = 8
CHANNELS, KERNEL, LAYERS = 96, 5, 3
"""Of the convolutions over time."""

CLIP_WEIGHTS = Weights("clip-features-1", "clip_features.safetensors", "")


class Motion(nn.Module):
    """From features of frames in order to features of the motion, `MOTION` signed numbers, about of deviation 1.

    Convolutions over time, without padding at the end of the clip's own, then mean and maximum over time.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = FEATURES
        for _ in range(LAYERS):
            layers += [nn.Conv1d(channels, CHANNELS, KERNEL, padding=KERNEL // 2), nn.ReLU()]
            channels = CHANNELS
        self.convolutions = nn.Sequential(*layers)
        self.linear = nn.Linear(2 * CHANNELS, MOTION)

    def forward(self, frames: Float[Tensor, "batch time feature"]) -> Float[Tensor, "batch motion"]:
        """Of clips of any length from `LEAST_FRAMES` on; one frame is as far from the next whatever it is."""
        maps = self.convolutions(frames.transpose(1, 2))
        return self.linear(torch.cat([maps.mean(2), maps.amax(2)], dim=1))


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

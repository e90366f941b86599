"""What a small network sees in single frames: features to compare sets of pictures by, attributes to check them by.

Networks that judge pictures are usually trained on photographs (Heusel et al. 2017, arXiv 1706.08500, use Inception);
these two were trained on the simulator's own frames, on all that it knows of them, by `train_features`: apart and from
other seeds, so that what is chosen by one can be checked with the other. Their weights are fixed: a score names the
network (`name`) and the SHA-256 of its file. Neither behaves otherwise in training mode: batch norms are
folded into the convolutions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from benchmark.errors import ModelError
from dynamics_gen.errors import ConfigError

SIDE = 64
"""Pixels; frames of another size are brought to it."""
LEAST_SIDE = 16
FEATURES = 64
GLIMPSE = 24
"""Side of the closer look, pixels: the largest object of the release `standard` and something around it."""
PLACE_SCALE = 0.35
"""World units that count as 1 among the features: about the deviation of positions."""

GLANCE_BLOCKS = ((3, 32, 8, 4), (32, 32, 3, 1))
BACKDROP_BLOCKS = ((32, 48, 3, 2),)
GLIMPSE_BLOCKS = ((3, 24, 3, 1), (24, 32, 3, 2), (32, 48, 3, 1), (48, 48, 3, 2), (48, 48, 3, 2))
"""Of each convolution: channels in, channels out, kernel, stride."""
CELLS = SIDE // 4
"""Places along a side that the glance tells apart."""

SHAPES = ("box", "sphere", "ellipsoid", "cylinder", "capsule", "cone", "torus", "star", "ell")
TEXTURES = ("noise", "stripes", "checker", "cells", "dots", "marble", "gradient", "grain")
LABELS = {"shape": SHAPES, "pattern": TEXTURES, "backdrop": TEXTURES}
"""What is told apart, in the order of the logits; weights know the order, so it is written out here."""


class Quantity(NamedTuple):
    """A number, or some, that a network gives as (number - centre) / scale."""

    width: int
    centre: float
    scale: float


QUANTITIES = {
    "radius": Quantity(1, 0.2, 0.04),
    "color": Quantity(3, 127.5, 55.0),
    "color_difference": Quantity(3, 85.0, 60.0),
    "backdrop_color": Quantity(3, 127.5, 50.0),
    "backdrop_contrast": Quantity(1, 13.0, 5.2),
    "sharpness": Quantity(1, 5.5, 0.7),
    "noise": Quantity(1, 0.0, 0.1),
}
"""What is measured beside the position; `FrameAttributes` has the units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameAttributes:
    """What a frame shows, as far as the network can tell."""

    shape: Float[Tensor, "batch 9"]
    """Logits of `SHAPES`."""
    pattern: Float[Tensor, "batch 8"]
    backdrop: Float[Tensor, "batch 8"]
    """Logits of `TEXTURES`: the object's surface, and what is behind it."""
    position: Float[Tensor, "batch 2"]
    """World units, right and up; the frame spans [-1, 1] in both."""
    radius: Float[Tensor, " batch"]
    """Of the bounding sphere, world units."""
    color: Float[Tensor, "batch 3"]
    """Mean of the surface's two colours, RGB, 0-255, before light falls on it."""
    color_difference: Float[Tensor, "batch 3"]
    """How far apart the two are, channel by channel, 0-255."""
    backdrop_color: Float[Tensor, "batch 3"]
    """Its mean, RGB, 0-255."""
    backdrop_contrast: Float[Tensor, " batch"]
    """Deviation of the backdrop's texture, grey levels of 255."""
    sharpness: Float[Tensor, " batch"]
    """Binary logarithm of the side, in pixels, that the frame could be reduced to without loss: 4 to 6."""
    noise: Float[Tensor, " batch"]
    """Deviation of white noise added to the frame, of a range of [-1, 1]."""


class Convolutions(nn.Module):
    """Convolutions, padded so that each divides sides by its stride, and followed by a ReLU.

    Args:
        blocks: channels in, channels out, kernel and stride of each.
        normalised: whether a batch norm stands before each ReLU.
    """

    def __init__(self, blocks: Sequence[tuple[int, int, int, int]], normalised: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(c, features, kernel, stride, (kernel - stride + 1) // 2) for c, features, kernel, stride in blocks
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(block[1]) if normalised else nn.Identity() for block in blocks)

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features rows cols"]:
        """Maps, never negative."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            maps = norm(layer(maps)).relu()
        return maps


class FrameFeatures(nn.Module):
    """A convolutional network from frames to `FEATURES` numbers, each of mean 0 and deviation 1 in training, about.

    Objects are small, so it looks twice: a glance at all of the frame finds the object (a softmax over 16×16 places,
    whose mean place the first two features are) and sees the backdrop; a glimpse of 24×24 pixels around that place sees
    what is there. Gradients reach the frames, but not through the choice of the glimpse.

    Args:
        normalised: whether batch norms follow the layers, for training; `train_features` then folds them into these.

    Attributes:
        name: what scores call the network.
        sha256: of the file its weights came from; empty if they come from none.
    """

    def __init__(self, normalised: bool = False) -> None:
        super().__init__()
        self.name, self.sha256 = "untrained", ""
        self.glance = Convolutions(GLANCE_BLOCKS, normalised)
        self.heat = nn.Conv2d(GLANCE_BLOCKS[-1][1], 1, 1)
        self.backdrop = Convolutions(BACKDROP_BLOCKS, normalised)
        self.glimpse = Convolutions(GLIMPSE_BLOCKS, normalised)
        found = GLIMPSE_BLOCKS[-1][1] * (GLIMPSE // 8) ** 2 + 2 * BACKDROP_BLOCKS[-1][1]
        self.linear = nn.Linear(found, FEATURES - 2)
        self.last_norm = nn.BatchNorm1d(FEATURES - 2, affine=False) if normalised else None

    def forward(self, frames: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch features"]:
        """Features of frames in [-1, 1], square, of 16×16 pixels or more.

        Raises:
            ConfigError: they have another shape.
        """
        frames = at_side(frames)
        maps = self.glance(frames)
        place = mean_place(self.heat(maps))
        return torch.cat([place / PLACE_SCALE, self.describe(frames, maps, place)], dim=1)

    def describe(
        self,
        frames: Float[Tensor, "batch 3 64 64"],
        maps: Float[Tensor, "batch 32 16 16"],
        place: Float[Tensor, "batch 2"],
    ) -> Float[Tensor, "batch others"]:
        """All features but the first two, given what the glance made of the frames and where to look closer."""
        backdrop = self.backdrop(maps)
        glimpse = self.glimpse(glimpse_at(frames, place.detach()))
        seen = torch.cat([glimpse.flatten(1), backdrop.mean((2, 3)), backdrop.amax((2, 3))], dim=1)
        return self.last_norm(self.linear(seen)) if self.last_norm else self.linear(seen)


class Heads(nn.Module):
    """From rectified features to `LABELS` and `QUANTITIES`, a linear map."""

    def __init__(self) -> None:
        super().__init__()
        self.widths = {name: len(classes) for name, classes in LABELS.items()}
        self.widths |= {name: quantity.width for name, quantity in QUANTITIES.items()}
        self.out = nn.Linear(FEATURES - 2, sum(self.widths.values()))

    def forward(self, described: Float[Tensor, "batch others"]) -> dict[str, Tensor]:
        """By name, [B, width]: logits, and quantities less their centre, over their scale."""
        numbers = self.out(described.relu())
        return dict(zip(self.widths, numbers.split(list(self.widths.values()), dim=1), strict=True))


class AttributeReader(nn.Module):
    """Reads attributes off frames; has the `name` and `sha256` that `FrameFeatures` has."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.sha256 = "untrained", ""
        self.trunk, self.heads = FrameFeatures(), Heads()

    def forward(self, frames: Float[Tensor, "batch 3 height width"]) -> FrameAttributes:
        """What frames in [-1, 1] show; they are as `FrameFeatures` takes them."""
        features = self.trunk(frames)
        said = self.heads(features[:, 2:])
        for name, (width, centre, scale) in QUANTITIES.items():
            numbers = said[name] * scale + centre
            said[name] = numbers if width > 1 else numbers[:, 0]
        return FrameAttributes(position=features[:, :2] * PLACE_SCALE, **said)


_Network = TypeVar("_Network", FrameFeatures, AttributeReader)


class Weights(NamedTuple):
    """A file of this package."""

    name: str
    file: str
    sha256: str


FEATURE_WEIGHTS = Weights(
    "frame-features-1", "frame_features.safetensors", "30e35025a54a11add384a0e2a1e96e22156f82bef0ccb3f723fa6e6e4b42ab05"
)
_ATTRIBUTES = "254ff6bf3083114afa802cb1d2706e64d3bfebe545dbf5b15676571042b2b6e5"
ATTRIBUTE_WEIGHTS = Weights("frame-attributes-1", "frame_attributes.safetensors", _ATTRIBUTES)


def frozen() -> FrameFeatures:
    """The network whose features sets of frames are compared by; its weights take no gradients.

    Raises:
        ModelError: as `checked_tensors`.
    """
    return _with_weights(FrameFeatures, FEATURE_WEIGHTS)


def attribute_reader() -> AttributeReader:
    """The network that conditional samples are checked with; its weights take no gradients.

    Raises:
        ModelError: its file is not the one that was released.
    """
    return _with_weights(AttributeReader, ATTRIBUTE_WEIGHTS)


def at_side(frames: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 64 64"]:
    """Frames brought to 64×64 bilinearly, larger ones without aliasing.

    Raises:
        ConfigError: they are not square, not in colour, or smaller than 16×16.
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[2] != frames.shape[3] or frames.shape[2] < LEAST_SIDE:
        raise ConfigError(
            f"got frames of shape {tuple(frames.shape)}, expected [B, 3, H, W] with H = W of {LEAST_SIDE} or more: "
            "try frames.flatten(0, 1) on clips [B, T, 3, H, W]"
        )
    side = frames.shape[2]
    if side == SIDE:
        return frames
    return functional.interpolate(frames, size=(SIDE, SIDE), mode="bilinear", antialias=side > SIDE)


def mean_place(heat: Float[Tensor, "batch 1 16 16"]) -> Float[Tensor, "batch 2"]:
    """The mean of a softmax over places, world units, right and up."""
    share = heat.flatten(1).softmax(1).unflatten(1, heat.shape[2:])  # [B, rows, columns]
    centres = (torch.arange(CELLS, device=heat.device, dtype=heat.dtype) + 0.5) / (CELLS / 2) - 1
    return torch.stack([share.sum(1) @ centres, -(share.sum(2) @ centres)], dim=1)


def glimpse_at(
    frames: Float[Tensor, "batch 3 64 64"], place: Float[Tensor, "batch 2"]
) -> Float[Tensor, "batch 3 24 24"]:
    """The pixels around the one at a place; beyond the border, those of the border."""
    middle = ((place * place.new_tensor([1, -1]) + 1) * (SIDE / 2) - 0.5).round().long()  # [B, (column, row)]
    steps = torch.arange(GLIMPSE, device=frames.device) - (GLIMPSE - 1) // 2
    columns, rows = (middle[:, :, None] + steps).clamp(0, SIDE - 1).unbind(1)
    batch = torch.arange(len(frames), device=frames.device)[:, None, None]
    pixels = frames.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None]]  # [B, rows, columns, 3]
    return pixels.permute(0, 3, 1, 2)


def checked_tensors(weights: Weights) -> dict[str, Tensor]:
    """What a file of this package holds, in 32 bits.

    Raises:
        ModelError: it cannot be read, or is not the one that was released.
    """
    path = Path(__file__).with_name(weights.file)
    try:
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != weights.sha256:
            raise ModelError(
                f"{path} has SHA-256 {found[:16]}…, expected {weights.sha256[:16]}…: try to install the package again"
            )
        return {name: tensor.float() for name, tensor in load(content).items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read {path} ({error}): try to install the package again") from None


def _with_weights(kind: type[_Network], weights: Weights) -> _Network:
    """A network with a released file in it, to be used as it is; torch's own generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        network = kind()
    network.load_state_dict(checked_tensors(weights))
    network.name, network.sha256 = weights.name, weights.sha256
    return network.eval().requires_grad_(False)

"""Narrow networks of recurrent ALI, and the same without a time axis, for tests to compare with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from baselines.autoencoder import Posterior
from baselines.generators import rali_sequence, rali_single
from baselines.recurrent_blocks import Convolved, Recurrent
from benchmark.data import Batch

SHAPE = (4, 3, 16, 16)
FORMS: list[tuple[Any, dict[str, Any]]] = [
    (rali_sequence, {}),
    (rali_sequence, {"recurrent": False}),
    (rali_single, {}),
    (rali_single, {"recurrent": False}),
    (rali_single, {"decoder": "copy"}),
    (rali_single, {"decoder": "first"}),
]


def network(module: Any, shape: tuple[int, int, int, int] = SHAPE, **settings: Any) -> Any:
    """A narrow one, in training mode, with weights so large that what depends on them shows."""
    torch.manual_seed(0)
    made = module.build(module.Config(**{"width": 6, "latent": 5, **settings}), shape)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.endswith(".weight") and "cell" not in name and weight.ndim > 1:
                weight.mul_(8)
    return made


def batch_of(count: int = 6, shape: tuple[int, int, int, int] = SHAPE) -> Batch:
    """Noise in [-1, 1]."""
    generator = torch.Generator().manual_seed(1)
    clips = torch.rand(count, shape[1], shape[0], *shape[2:], generator=generator) * 2 - 1
    return Batch(clips=clips, labels=torch.zeros(count).long())


class StaticTime(nn.Module):
    """What a ConvLSTM, or the convolution in its place, does to the first step, on maps without a time axis."""

    def __init__(self, time: nn.Module) -> None:
        super().__init__()
        self.time = time

    def forward(self, maps: Tensor) -> Tensor:
        """One layer with gates, no state."""
        if isinstance(self.time, Recurrent):
            layer = self.time.cell.from_input
            i, _, g, o = conv2d(maps, layer.weight, layer.bias, padding=1).chunk(4, dim=1)
            return torch.sigmoid(o) * torch.tanh(torch.sigmoid(i) * torch.tanh(g))
        assert isinstance(self.time, Convolved)
        middle = self.time.taps.weight.chunk(3)[1]
        candidate, gate = (conv2d(maps, middle, padding=1) + self.time.bias).chunk(2, dim=1)
        return torch.tanh(candidate) * torch.sigmoid(gate)


class StaticEncoder(nn.Module):
    """From frames to Gaussians, with the weights of a network on clips."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        steps = encoder.steps if hasattr(encoder, "steps") else encoder.whole.steps
        self.body = nn.Sequential(steps.frames, StaticTime(steps.time), nn.Flatten(), encoder.readout)

    def forward(self, frames: Tensor, told: None = None) -> Posterior:
        """Means and logarithms of deviations."""
        return Posterior(*self.body(frames).chunk(2, dim=1))


class StaticDecoder(nn.Module):
    """From latents to frames."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        inputs, self.bias = decoder.inputs, torch.zeros(())
        self.perceptron = getattr(inputs, "perceptron", nn.Identity())
        self.seed = (inputs.sequence if hasattr(inputs, "sequence") else inputs).seed
        self.body = nn.Sequential(StaticTime(decoder.time), decoder.frames)

    def forward(self, latents: Tensor) -> Tensor:
        """Frames; the seed is written out."""
        maps = self.seed.linear(self.perceptron(latents)).reshape(len(latents), -1, 4, 4)
        return self.body(torch.relu(self.seed.norm(maps)))

    def start_from(self, frames: Tensor) -> None:
        """It has no bias that looks at data."""


class StaticDiscriminator(nn.Module):
    """From frames and latents to logits."""

    def __init__(self, discriminator: Any) -> None:
        super().__init__()
        steps = discriminator.of_clip.steps
        self.of_frames = nn.Sequential(steps.frames, StaticTime(steps.time), nn.Flatten())
        self.of_latents = discriminator.of_latents
        self.of_pairs = nn.Sequential(discriminator.joint, discriminator.readout)

    def forward(self, frames: Tensor, latents: Tensor, told: None = None) -> Tensor:
        """Late concatenation."""
        return self.of_pairs(torch.cat([self.of_frames(frames), self.of_latents(latents)], dim=1))[:, 0]

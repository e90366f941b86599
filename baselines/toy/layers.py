"""Networks of many runs at once: every tensor's first axis is the run, and no number passes from one to another.

Source: IshmaelBelghazi/ALI, experiments/ali_mixture.py, and Blocks, bricks/bn.py, for batch normalisation: epsilon
1e-4 inside the root, running averages of mean and deviation (not of the variance) that take in 5 % of each batch.
Products are `baddbmm` over the runs; one run alone takes as long a run, but for the cost of each call.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.toy.draws import Start

EPSILON = 1e-4
NEW_SHARE = 0.05
"""Share of a batch in the running averages."""


class Dense(nn.Module):
    """A linear layer; weights are normal, the bias, if there is one, starts at zero."""

    def __init__(self, inputs: int, outputs: int, start: Start, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(start.normal(inputs, outputs))
        zero = torch.zeros(start.runs, 1, outputs, device=start.device)
        self.bias = nn.Parameter(zero) if bias else None

    def forward(self, inputs: Float[Tensor, "run batch inputs"]) -> Float[Tensor, "run batch outputs"]:
        """Products, in each run with its own weights."""
        if self.bias is None:
            return torch.bmm(inputs, self.weight)
        return torch.baddbmm(self.bias, inputs, self.weight)


class Normalise(torch.autograd.Function):
    """Batch normalisation and a rectifier as one operation, which saves two thirds of the passes through memory."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, gain: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs [run, batch, feature], and mean and deviation of the batch [run, 1, feature]."""
        mean = inputs.mean(1, keepdim=True)
        normal = inputs - mean
        deviation = normal.square().mean(1, keepdim=True).add_(EPSILON).sqrt_()
        normal.div_(deviation)
        outputs = torch.addcmul(shift, normal, gain).relu_()
        ctx.save_for_backward(normal, gain, deviation, outputs)
        ctx.mark_non_differentiable(mean, deviation)
        return outputs, mean, deviation

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Slopes of inputs, gain and shift."""
        normal, gain, deviation, outputs = ctx.saved_tensors
        slope = outputs.sign().mul_(slopes[0])
        of_gain, of_shift = (slope * normal).sum(1, keepdim=True), slope.sum(1, keepdim=True)
        count = slope.shape[1]
        of_inputs = torch.addcmul(slope, normal, of_gain, value=-1 / count).sub_(of_shift / count)
        return of_inputs.mul_(gain / deviation), of_gain, of_shift


class NormalisedRectifier(nn.Module):
    """Batch normalisation, then a rectifier; in evaluation, by the running averages."""

    running_mean: Tensor
    running_deviation: Tensor

    def __init__(self, features: int, start: Start) -> None:
        super().__init__()
        zero = torch.zeros(start.runs, 1, features, device=start.device)
        self.gain, self.shift = nn.Parameter(zero + 1), nn.Parameter(zero.clone())
        self.register_buffer("running_mean", zero.clone())
        self.register_buffer("running_deviation", zero + 1)

    def forward(self, inputs: Float[Tensor, "run batch feature"]) -> Float[Tensor, "run batch feature"]:
        """What is left of each feature above zero; a step of training moves the averages."""
        if not self.training:
            scale = self.gain / self.running_deviation
            return torch.addcmul(self.shift - self.running_mean * scale, inputs, scale).relu_()
        outputs, mean, deviation = Normalise.apply(inputs, self.gain, self.shift)
        self.running_mean.lerp_(mean, NEW_SHARE)
        self.running_deviation.lerp_(deviation, NEW_SHARE)
        return outputs


class Perceptron(nn.Module):
    """Decoder or encoder: normalised and rectified layers without biases, and a linear one that has them."""

    def __init__(self, inputs: int, hidden: int, layers: int, outputs: int, start: Start) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for layer in range(layers):
            parts += [Dense(hidden if layer else inputs, hidden, start, bias=False), NormalisedRectifier(hidden, start)]
        self.layers = nn.Sequential(*parts, Dense(hidden, outputs, start, bias=True))

    def forward(self, inputs: Float[Tensor, "run batch inputs"]) -> Float[Tensor, "run batch outputs"]:
        """The last layer's products."""
        return self.layers(inputs)

"""Whether bfloat16 can be trusted with a network on this machine, found out before a run is staked on it.

On CPUs with AVX512-BF16, oneDNN 3.12 gets weight gradients of convolutions wrong where the kernel reaches over both
ends of the map, in many shapes of map, kernel and stride: they are noise or not finite while the loss looks well, and
some write past their memory. Such maps are small, so that those layers stay in 32 bits at no cost.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

LEAST_COSINE = 0.5
"""Between the gradients in both formats; rounding alone leaves 0.8 in the deepest of our networks, on noise."""


class _In32BitsWhereSmall(nn.Module):
    """Before a convolution's class: leaves autocast aside on maps that its kernel or its stride spans."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]

    def forward(self, input: Tensor) -> Tensor:
        """The convolution."""
        spans = (max(pair) for pair in zip(self.kernel_size, self.stride, strict=True))
        if any(1 < span >= size for span, size in zip(spans, input.shape[2:], strict=True)):
            with torch.autocast(input.device.type, enabled=False):
                return super().forward(input.float())
        return super().forward(input)


class _Conv2d(_In32BitsWhereSmall, nn.Conv2d):
    pass


class _Conv3d(_In32BitsWhereSmall, nn.Conv3d):
    pass


def keep_small_maps_in_32_bits(network: nn.Module, device: torch.device) -> None:
    """Takes autocast from a network's convolutions on maps that are no larger than the kernel along some axis.

    Nothing else changes, and nothing at all for a device that is no CPU; weights and their names are the same.
    """
    if device.type != "cpu":
        return
    safe: dict[type, type] = {nn.Conv2d: _Conv2d, nn.Conv3d: _Conv3d}
    for module in network.modules():
        module.__class__ = safe.get(type(module), type(module))


def gradient_problem(
    network: nn.Module, shape: tuple[int, int, int, int], classes: int, batch_size: int, device: torch.device
) -> str:
    """What is wrong with a network's gradients in bfloat16, if anything is: one step of noise, in both formats.

    The network is left as it was, and so are torch's generators.

    Args:
        network: from clips [B, C, T, H, W] to logits [B, classes].
        shape: (T, C, H, W) of a clip.
        classes: how many there are.
        batch_size: clips of the step.
        device: where it will train.
    """
    frames, channels, height, width = shape
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clips = torch.randn(batch_size, channels, frames, height, width).to(device)
        labels = torch.arange(batch_size).to(device) % classes
        exact, rounded = (_gradients(network, clips, labels, bfloat16) for bfloat16 in (False, True))
    for name, gradient in rounded.items():
        if not torch.isfinite(gradient).all():
            return f"the gradient of {name} is not finite"
    one, other = (torch.cat([part.flatten().double() for part in parts.values()]) for parts in (exact, rounded))
    cosine = torch.nn.functional.cosine_similarity(one, other, dim=0).item()
    return "" if cosine >= LEAST_COSINE else f"the gradient's cosine with that in 32 bits is {cosine:.2f}"


def _gradients(network: nn.Module, clips: Tensor, labels: Tensor, bfloat16: bool) -> dict[str, Tensor]:
    copied = copy.deepcopy(network).to(clips.device)
    copied.train()
    keep_small_maps_in_32_bits(copied, clips.device)  # as a run has them
    torch.manual_seed(0)  # a network that draws what it looks at draws the same in both formats
    for module in copied.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0  # masks would differ
    with torch.autocast(clips.device.type, torch.bfloat16, enabled=bfloat16):
        logits = copied(clips)
    nn.functional.cross_entropy(logits.float(), labels).backward()
    return {name: weight.grad for name, weight in copied.named_parameters() if weight.grad is not None}

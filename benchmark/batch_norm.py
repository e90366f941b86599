"""Batch norm over the whole batch where each process holds a share of it.

Statistics of the share alone would make a run on several devices another run. On GPUs torch's own SyncBatchNorm does
this; it knows no CPU, so that there it is written out. Weights and buffers keep their names, so checkpoints fit either.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """The same network, its batch norms over the shares of all processes, which must be of one size."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    if isinstance(network, _BatchNorm):
        return SharedBatchNorm.of(network)
    for name, child in network.named_children():
        setattr(network, name, synchronised(child, device))
    return network


class SharedBatchNorm(_BatchNorm):
    """Batch norm of any number of axes over all processes, out of plain operations: right on every backend."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> SharedBatchNorm:
        """Takes the place of a batch norm, with its weights and statistics."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(made, name, getattr(norm, name))
        return made.train(norm.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes will do."""

    def forward(self, input: Tensor) -> Tensor:
        """Values [B, C, …] less their mean, over their deviation, by channel; means in 32 bits or more."""
        if not self.training:
            return super().forward(input)
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        axes = [0, *range(2, values.ndim)]
        variance, mean = torch.var_mean(values, axes, correction=0)
        whole_mean = _average(mean)
        whole_variance = _average(variance + (mean - whole_mean).square())
        count = values.numel() // values.shape[1] * distributed.get_world_size()
        self._remember(whole_mean.detach(), whole_variance.detach() * (count / max(count - 1, 1)))
        scale = (whole_variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        shape = [1, -1] + [1] * (values.ndim - 2)
        result = (values - whole_mean.view(shape)) * scale.view(shape)
        if self.affine:
            result = result + self.bias.view(shape)
        return result.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Average(torch.autograd.Function):
    """The mean of a tensor over all processes; the loss is theirs together, so gradients are averaged as well."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _reduced(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _reduced(gradients[0])


def _average(values: Tensor) -> Tensor:
    averaged = _Average.apply(values)
    assert isinstance(averaged, Tensor)
    return averaged


def _reduced(values: Tensor) -> Tensor:
    total = values.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total / distributed.get_world_size()

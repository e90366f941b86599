"""Small networks that look at one picture, or at a clip, and the loop that trains them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

BATCH = 64
LEARNING_RATE = 2e-3

Read = Callable[[np.ndarray], np.ndarray]
"""Pixels of some clips by number: uint8 [n, H, W, C] for a picture, [n, T, H, W, 3] for a clip."""


class PictureNet(nn.Sequential):
    """Strided convolutions down to 4×4 (so that places count), then one linear layer."""

    def __init__(self, channels: int, size: int, classes: int) -> None:
        layers: list[nn.Module] = []
        for width in (16, 32, 64, 64, 64, 64):
            if size <= 4:
                break
            layers += [nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels, size = width, (size + 1) // 2
        super().__init__(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels * size * size, classes))


class ClipNet(nn.Sequential):
    """Strided convolutions in space and time, then one linear layer on what is left."""

    def __init__(self, frames: int, size: int, classes: int) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for width, kernel in ((16, 7), (32, 5), (64, 3), (64, 3), (128, 3), (128, 3)):
            if size == 1:
                break
            step = 2 if frames > 4 else 1
            convolution = nn.Conv3d(channels, width, (kernel, 3, 3), (step, 2, 2), (kernel // 2, 1, 1), bias=False)
            layers += [convolution, nn.BatchNorm3d(width), nn.ReLU()]
            channels, frames, size = width, -(-frames // step), (size + 1) // 2
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels * frames * size * size, classes))


def standardised(pixels: np.ndarray) -> Tensor:
    """Each picture or clip less its channels' means, over their deviations: float32 with channels first."""
    values = torch.from_numpy(np.ascontiguousarray(pixels)).float()
    axes = tuple(range(1, values.ndim - 1))
    values = (values - values.mean(axes, keepdim=True)) / values.std(axes, keepdim=True).clamp_min(1.0)
    return values.movedim(-1, 1)


def train(
    net: nn.Module, read: Read, clips: np.ndarray, labels: Int64[np.ndarray, " clip"], *, epochs: int, seed: int
) -> None:
    """Trains with AdamW under a one-cycle learning rate; `labels` are those of all clips, by number."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=1e-2)
    batches = -(-len(clips) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * batches)
    net.train()
    for _ in range(epochs):
        for some in np.array_split(rng.permutation(clips), batches):
            loss = nn.functional.cross_entropy(net(standardised(read(some))), torch.from_numpy(labels[some]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


@torch.no_grad()
def predict(net: nn.Module, read: Read, clips: np.ndarray) -> Int64[np.ndarray, " clip"]:
    """Predicted labels."""
    net.eval()
    parts = np.array_split(clips, -(-len(clips) // BATCH))
    return np.concatenate([net(standardised(read(some))).argmax(1).numpy() for some in parts])

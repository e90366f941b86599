"""What models in the manner of DCGAN share: how frames shrink to 4×4 places, and how weights start.

Source: Radford et al. 2016, arXiv 1511.06434, and the code that its authors released.
"""

from __future__ import annotations

from torch import nn

from dynamics_gen.errors import ConfigError

FIRST_MAPS = 64
"""Of the layer next to the frames; each further one has twice as many."""

DEVIATION = 0.02
"""Of the weights at the start, and of the norms' scales about one."""


def maps_for(height: int, across: int, width: float) -> list[int]:
    """How many maps there are between a frame and 4×4 places, from the frame on: one entry for each halving.

    Raises:
        ConfigError: halvings do not lead there.
    """
    halvings = height.bit_length() - 3
    if height != across or halvings < 1 or height != 4 << halvings:
        raise ConfigError(
            f"got frames of {height}×{across} pixels, expected a side of 8, 16, 32, 64, …: try --set image_size=32"
        )
    return [max(1, round(width * FIRST_MAPS * 2**i)) for i in range(halvings)]


def start(layer: nn.Module, deviation: float = DEVIATION) -> None:
    """Draws a layer's weights from N(0, deviation²), a norm's scales from N(1, `DEVIATION`²); biases are zero."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d | nn.Linear):
        nn.init.normal_(layer.weight, 0, deviation)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
        nn.init.normal_(layer.weight, 1, DEVIATION)

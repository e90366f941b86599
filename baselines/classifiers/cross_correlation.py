"""Cross-correlation: what moved where between neighbour frames, measured by normalised correlation, then Conv3D.

Source: Mastropietro 2017, section 6.3.4, equation 6.5: patches of features of one frame are correlated with patches of
the next at every displacement of a κ×κ window; the volume of correlations is classified.
Deviations: patches have zero mean and unit norm (raw products favour what is bright); the size of patches and the range
of displacements, one number in the thesis, are two; features, head and recipe are ours. The equation as printed
displaces both frames and so measures nothing: `indexing=printed` does that, the default what is meant.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from baselines.classifiers import conv3d
from baselines.layers import displaced, offsets, pair_encoder, require_indexing
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Mastropietro 2017, section 6.3.4, eq. 6.5"
TRAINING = {"*": {"learning_rate": 3e-3, "augment": True}}

LEAST_NORM = 0.1
"""Of a patch of features, which batch norm keeps near 1: smaller ones are flat, and gradients stay bounded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters: `early` convolutions make the features, patches are `patch` pixels of them a side."""

    width: int = 16
    early: int = 2
    kappa: int = 5
    patch: int = 3
    indexing: str = "displaced"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        require_indexing(self.indexing)
        offsets(self.kappa)
        if self.patch < 1 or self.patch % 2 == 0:
            raise ConfigError(f"got patch {self.patch}, expected an odd number of pixels")
        if self.width < 1 or self.early < 1:
            raise ConfigError(f"got width {self.width} and early {self.early}, expected 1 or more")


def correlations(
    before: Float[Tensor, "batch channels height width"],
    after: Float[Tensor, "batch channels height width"],
    kappa: int,
    patch: int,
    indexing: str,
) -> Float[Tensor, "batch displacements height width"]:
    """Correlation of each patch with those around the same place in the next frame, in [-1, 1], displacements by row.

    Patches reach over the border into zeros.
    """

    def over_patch(maps: Tensor) -> Tensor:
        return avg_pool2d(maps, patch, 1, patch // 2)  # zeros beyond the border count

    def moments(maps: Tensor) -> tuple[Tensor, Tensor]:
        mean = over_patch(maps.mean(1, keepdim=True))
        variance = over_patch((maps**2).mean(1, keepdim=True)) - mean**2
        return mean, variance.clamp_min(LEAST_NORM**2).sqrt()

    mean, norm = moments(before)
    volume = []
    for rows, columns in offsets(kappa):
        moved, fixed = displaced(after, rows, columns), before
        if indexing == "printed":
            fixed = displaced(before, rows, columns)
            mean, norm = moments(fixed)
        mean_moved, norm_moved = moments(moved)
        products = over_patch((fixed * moved).mean(1, keepdim=True))
        volume.append((products - mean * mean_moved) / (norm * norm_moved))
    return torch.cat(volume, dim=1)


class CrossCorrelation(nn.Module):
    """See the module; `encoder` is frame-wise, `head` sees κ² correlations at each place and step."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.config = config
        self.encoder, (_, height, width) = pair_encoder(shape, config.width, config.early)
        inner = conv3d.Config(width=config.width, dropout=config.dropout)
        self.head = conv3d.build(inner, (shape[0] - 1, config.kappa**2, height, width), classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        features = self.encoder(clips).float().transpose(1, 2)  # [B, T, C, H', W']
        before, after = features[:, :-1].flatten(0, 1), features[:, 1:].flatten(0, 1)
        config = self.config
        volume = correlations(before, after, config.kappa, config.patch, config.indexing)
        return self.head(volume.unflatten(0, (-1, features.shape[1] - 1)).transpose(1, 2))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> CrossCorrelation:
    """The network for clips of `shape` (time, channels, height, width)."""
    return CrossCorrelation(config, shape, classes)

"""Cross-correlation: what moved where between neighbour frames, measured by normalised correlation, then Conv3D.

Source: Mastropietro 2017, section 6.3.4, equation 6.5: patches of features of one frame are correlated with patches of
the next at every displacement of a κ×κ window; the volume of correlations is classified.
Deviations: patches have zero mean and unit norm (raw products favour what is bright), flat ones less, their norm being
taken for 0.1 at least; the size of patches and the range of displacements, one number in the thesis, are two; features,
head and recipe are ours. Features are learnt, or those of the same convolutions left at random (`features=random`), or
the pixels (`features=pixels`). The equation as printed displaces both frames and so measures nothing:
`indexing=printed` does that, the default what is meant.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from baselines.classifiers import conv3d
from baselines.layers import displaced, offsets, pair_encoder, require_indexing
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Mastropietro 2017, section 6.3.4, eq. 6.5"
TRAINING = {"*": {"learning_rate": 0.0082, "augment": True, "weight_decay": 0.0061, "label_smoothing": 0.1}}

FEATURES = ("learned", "random", "pixels")

LEAST_NORM = 0.1
"""Of a patch of features, which batch norm keeps near 1: smaller ones are flat, and gradients stay bounded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters: `early` convolutions make the features, `features` says how; patches are `patch` a side."""

    width: int = 16
    early: int = 2
    kappa: int = 5
    patch: int = 3
    features: str = "learned"
    indexing: str = "displaced"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        require_indexing(self.indexing)
        offsets(self.kappa)
        if self.features not in FEATURES:
            raise ConfigError(f"got features {self.features!r}, expected one of {', '.join(FEATURES)}")
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

    def moved(maps: Tensor) -> Tensor:
        """[B, 1, H, W] at every displacement: [B, κ², H, W]."""
        return torch.cat([displaced(maps, rows, columns) for rows, columns in offsets(kappa)], dim=1)

    def over_patch(maps: Tensor) -> Tensor:
        return avg_pool2d(maps, patch, 1, patch // 2)  # zeros beyond the border count

    def moments(mean: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
        mean = over_patch(mean)
        return mean, (over_patch(square) - mean**2).clamp_min(LEAST_NORM**2).sqrt()

    fixed, later = ((maps.mean(1, keepdim=True), (maps**2).mean(1, keepdim=True)) for maps in (before, after))
    if indexing == "printed":
        products = moved((before * after).mean(1, keepdim=True))
        fixed = (moved(fixed[0]), moved(fixed[1]))
    else:
        products = products_around(before, after, kappa) / before.shape[1]
    (mean, norm), (mean_moved, norm_moved) = moments(*fixed), moments(moved(later[0]), moved(later[1]))
    return (over_patch(products) - mean * mean_moved) / (norm * norm_moved)


def products_around(
    before: Float[Tensor, "batch channels height width"],
    after: Float[Tensor, "batch channels height width"],
    kappa: int,
) -> Float[Tensor, "batch displacements height width"]:
    """Inner products of each feature with those of the next frame in a κ×κ window around its place.

    Each row of one frame is multiplied with the κ rows of the other that it meets, as matrices; of the products the
    κ diagonals are kept that lie within reach. That is several times the sums needed, in a fraction of their time.
    """
    height, width = before.shape[-2:]
    reach = width + kappa - 1
    around = pad(after, [kappa // 2] * 4).unfold(2, kappa, 1).permute(0, 2, 1, 4, 3)  # [B, H, C, κ, reach]
    every = before.permute(0, 2, 3, 1).flatten(0, 1) @ around.flatten(3).flatten(0, 1)  # [B · H, W, κ · reach]
    rows = every.unflatten(2, (kappa, reach)).transpose(1, 2).flatten(2)  # each row starts one place further to the …
    diagonals = pad(rows, (0, width)).unflatten(2, (width, reach + 1))[..., :kappa]  # … left now: [B · H, κ, W, κ]
    return diagonals.unflatten(0, (-1, height)).permute(0, 2, 4, 1, 3).flatten(1, 2)


class CrossCorrelation(nn.Module):
    """See the module; `encoder` is frame-wise, or nothing; `head` sees κ² correlations at each place and step."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.config = config
        early = 0 if config.features == "pixels" else config.early
        self.encoder, (_, height, width) = pair_encoder(shape, config.width, early)
        if config.features == "random":
            self.encoder.requires_grad_(False)
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

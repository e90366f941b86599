"""What the networks of feature flow are told: sizes, what moves and how, what the discriminator is told of it."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.feature_flow import require_normalisation
from baselines.layers import offsets
from baselines.settings import COUNT, NOT_NEGATIVE, Rules, check
from dynamics_gen.errors import ConfigError

INVERSES = ("none", "correlation", "relation", "printed correlation", "printed relation")
"""What tells the discriminator of the motion between neighbour frames: nothing, normalised correlations of patches of
features (Mastropietro 2017, equation 6.5), or a perceptron on pairs of features (its relation network). As printed,
both displace both frames, and tell of no motion."""

GRIDS = (1, 2, 4, 8, 16)

NORMS = ("batch", "group")
"""Over what maps are brought to one mean and scale: each over a batch, as in the thesis, or about four of one frame
together (Wu and He 2018, arXiv 1803.08494), whatever else is in the batch."""

RULES: Rules = {
    "width": COUNT,
    "latent": ("a whole number of 0 or more", lambda value: value >= 0),
    "grid": (" or ".join(map(str, GRIDS)), GRIDS.__contains__),
    "groups": COUNT,
    "norm": (" or ".join(NORMS), NORMS.__contains__),
    "stay": NOT_NEGATIVE,
    "inverse": (" or ".join(INVERSES), INVERSES.__contains__),
}
"""What is expected, and whether a value is; elsewhere a latent has 1 number or more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Settings of the networks.

    Attributes:
        width: maps of the first layers; further ones have two and four times as many.
        kappa: places a side of the window within which features move in a step; odd, and 1 leaves them in place.
        grid: pixels a side for each place of the features.
        latent: numbers in z; 0 for a model that does not draw.
        copy_mask: a mask chooses between each pixel as it was and as it is painted.
        recurrent: a ConvLSTM on either side of the flow; without them the model knows one frame alone.
        conditioned: the flow depends on the frame, not on z alone.
        normalisation: whether shares are of what leaves a place or of what arrives, `outgoing` or `incoming`.
        groups: features are divided into so many parts, each with a flow of its own.
        bounded: no share leads over the border.
        changes: beside each frame, the model sees how it differs from the one before.
        carried: pixels move as their features do, and a second mask chooses between what is painted and what moved;
            with `grid` and `groups` 1.
        stay: logit, at first, of features that stay where they are, beside about 0 for each way to go.
        norm: between the generator's layers: `batch` or `group`.
        inverse: of the flow, in the discriminator: one of `INVERSES`.
    """

    width: int = 16
    kappa: int = 5
    grid: int = 4
    latent: int = 16
    copy_mask: bool = True
    recurrent: bool = True
    conditioned: bool = True
    normalisation: str = "outgoing"
    groups: int = 1
    bounded: bool = True
    changes: bool = False
    carried: bool = False
    stay: float = 0.0
    norm: str = "batch"
    inverse: str = "none"

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        check(self, RULES)
        offsets(self.kappa)
        require_normalisation(self.normalisation)
        if not (self.conditioned or self.latent):
            raise ConfigError("got latent 0 and conditioned False, expected something to make a flow from")
        if self.carried and (self.grid, self.groups) != (1, 1):
            raise ConfigError(
                f"got carried with grid={self.grid} and groups={self.groups}, expected 1 and 1: pixels move as "
                "features do where both have the same places, and one flow"
            )

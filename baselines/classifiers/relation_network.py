"""Relation network: a small perceptron scores every pair of features of neighbour frames, then Conv3D on the scores.

Source: Mastropietro 2017, section 6.3.4, after Santoro et al. 2017, arXiv 1706.01427: for each place and each
displacement of a κ×κ window, the same perceptron sees the feature of one frame and the displaced one of the next, and
its scores make a volume of κ² channels a step.
Deviations: κ, grid, perceptron, head and recipe, which the thesis does not give, are ours. The formula as printed
displaces both frames: `indexing=printed` does that, the default what is meant.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.classifiers import conv3d
from baselines.layers import displaced, offsets, pair_encoder, require_indexing
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Mastropietro 2017, sections 5.2.2 and 6.3.4"
TRAINING = {"*": {"learning_rate": 0.0057, "augment": True, "weight_decay": 0.0016, "label_smoothing": 0.1}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters: `early` convolutions make the features, the perceptron has two layers of `hidden` units."""

    width: int = 16
    early: int = 2
    kappa: int = 3
    hidden: int = 16
    indexing: str = "displaced"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        require_indexing(self.indexing)
        offsets(self.kappa)
        for name in ("width", "early", "hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")


class Relations(nn.Module):
    """The perceptron rn(before, after) over a κ×κ window of displacements: one score each.

    Its first layer is linear in both features, so each frame goes through it once and pairs are formed of the results.
    """

    def __init__(self, channels: int, hidden: int, kappa: int, indexing: str) -> None:
        super().__init__()
        self.kappa, self.indexing = kappa, indexing
        self.from_before = nn.Conv2d(channels, hidden, 1)
        self.from_after = nn.Conv2d(channels, hidden, 1, bias=False)
        self.rest = nn.Sequential(
            nn.ReLU(), nn.Conv2d(hidden, hidden, 1), nn.BatchNorm2d(hidden), nn.ReLU(), nn.Conv2d(hidden, 1, 1)
        )

    def forward(
        self, before: Float[Tensor, "batch channels height width"], after: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch displacements height width"]:
        """Scores, displacements by row; what lies beyond the border is a feature of zeros."""
        earlier, later = self.from_before(before), self.from_after(after)
        bias = self.from_before.bias
        assert bias is not None
        bias = bias[:, None, None]
        pairs = []
        for rows, columns in offsets(self.kappa):
            fixed = earlier if self.indexing == "displaced" else displaced(earlier - bias, rows, columns) + bias
            pairs.append(fixed + displaced(later, rows, columns))
        scores = self.rest(torch.cat(pairs))  # [κ² · B, 1, H, W]
        return scores.unflatten(0, (len(pairs), -1))[:, :, 0].transpose(0, 1)


class RelationNetwork(nn.Module):
    """See the module; `encoder` is frame-wise, `head` sees κ² scores at each place and step."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.encoder, (channels, height, width) = pair_encoder(shape, config.width, config.early)
        self.relations = Relations(channels, config.hidden, config.kappa, config.indexing)
        inner = conv3d.Config(width=config.width, dropout=config.dropout)
        self.head = conv3d.build(inner, (shape[0] - 1, config.kappa**2, height, width), classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        features = self.encoder(clips).transpose(1, 2)  # [B, T, C, H', W']
        scores = self.relations(features[:, :-1].flatten(0, 1), features[:, 1:].flatten(0, 1))
        return self.head(scores.unflatten(0, (-1, features.shape[1] - 1)).transpose(1, 2))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> RelationNetwork:
    """The network for clips of `shape` (time, channels, height, width)."""
    return RelationNetwork(config, shape, classes)

"""Video transformer: patches of pairs of frames; in each block attention over time, then over space, then a perceptron.

Source: Bertasius, Wang, Torresani 2021, arXiv 2102.05095 (TimeSformer, divided space-time attention).
Deviations: small (dimension 96, four blocks); a token is a patch of 8×8 in two frames, not in one (tubelets, as in
arXiv 2103.15691), which halves the cost; no class token: tokens are averaged; learnt positions in time and
in space, added; from scratch, with the project's recipe.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Bertasius et al. 2021, arXiv 2102.05095"
TRAINING = {"*": {"learning_rate": 0.0011, "augment": True, "weight_decay": 0.018, "label_smoothing": 0.0}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters; `temporal=False` leaves attention over time out (TimeSformer's space-only control)."""

    dim: int = 96
    depth: int = 4
    heads: int = 4
    patch: int = 8
    tubelet: int = 2
    temporal: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what no network can be built from."""
        for name in ("dim", "depth", "heads", "patch", "tubelet"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if self.dim % self.heads:
            raise ConfigError(f"got dim {self.dim} for {self.heads} heads, expected a multiple")


class Attention(nn.Module):
    """Multi-head self-attention over the last axis but one, before it a layer norm."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, tokens: Float[Tensor, "*batch token dim"]) -> Float[Tensor, "*batch token dim"]:
        """What each token takes from the others."""
        parts = self.project(self.norm(tokens)).unflatten(-1, (3, self.heads, -1))  # [..., N, 3, heads, d]
        query, key, value = parts.transpose(-2, -4).unbind(-3)  # [..., heads, N, d]
        mixed = scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(-2, -3).flatten(-2))


class Block(nn.Module):
    """Time, space, perceptron, each added to what comes in: [B, T, N, dim]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.time = Attention(config.dim, config.heads) if config.temporal else None
        self.space = Attention(config.dim, config.heads)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(config.dim),
            nn.Linear(config.dim, 4 * config.dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(4 * config.dim, config.dim),
        )

    def forward(self, tokens: Float[Tensor, "batch time place dim"]) -> Float[Tensor, "batch time place dim"]:
        """Tokens after the block."""
        if self.time is not None:
            tokens = tokens + self.time(tokens.transpose(1, 2)).transpose(1, 2)
        tokens = tokens + self.space(tokens)
        return tokens + self.perceptron(tokens)


class VideoTransformer(nn.Module):
    """See the module."""

    def __init__(self, config: Config, shape: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        frames, channels, height, width = shape
        patch = config.patch
        if height % patch or width % patch:
            raise ConfigError(f"got frames of {height}×{width} pixels, expected sides that patch={patch} divides")
        if frames % config.tubelet:
            raise ConfigError(f"got clips of {frames} frames, expected a number that tubelet={config.tubelet} divides")
        size = (config.tubelet, patch, patch)
        self.embed = nn.Conv3d(channels, config.dim, size, size)
        places = (height // patch) * (width // patch)
        self.when = nn.Parameter(0.02 * torch.randn(1, frames // config.tubelet, 1, config.dim))
        self.where = nn.Parameter(0.02 * torch.randn(1, 1, places, config.dim))
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.dim)
        self.readout = nn.Linear(config.dim, classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised clips."""
        tokens = self.embed(clips).flatten(3).permute(0, 2, 3, 1) + self.when + self.where  # [B, T, N, dim]
        return self.readout(self.norm(self.blocks(tokens)).mean((1, 2)))


def build(config: Config, shape: tuple[int, int, int, int], classes: int) -> VideoTransformer:
    """The network for clips of `shape` (time, channels, height, width)."""
    return VideoTransformer(config, shape, classes)

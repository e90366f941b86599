"""What adversarial models share: the discriminator of frames and latents, losses of its logits, a penalty.

Source: Dumoulin et al. 2017, arXiv 1606.00704, appendix A, and the code that its authors released: batch norm in the
layers on frames but the first, dropout of 0.2 before every layer.
Deviations: spectral norm (Miyato et al. 2018, arXiv 1802.05957), which takes the place of batch norm, and the penalty
R1 (Mescheder et al. 2018, arXiv 1801.04406) can be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils import parametrizations

from baselines.autoencoder import Frames, Table, batch_norm, initialise

Logits: TypeAlias = Float[Tensor, " batch"]


class Discriminator(nn.Module):
    """Tells frames, with their latents where it sees these, and with what else it is told.

    Args:
        channels: of a frame.
        table: its layers.
        latent: numbers in a latent; 0 for a discriminator of frames alone.
        told: further numbers that the layers on both are given.
        dropout: before every layer.
        spectral_norm: in place of batch norm.
        logits: how many there are; several tell classes.
    """

    def __init__(
        self,
        channels: int,
        table: Table,
        latent: int,
        *,
        told: int = 0,
        dropout: float,
        spectral_norm: bool,
        logits: int = 1,
    ) -> None:
        super().__init__()
        of_frames: list[nn.Module] = []
        for place, (kernel, stride, maps) in enumerate(table.encoder[: table.judging]):
            normed = place > 0 and not spectral_norm
            of_frames += [nn.Dropout(dropout), nn.Conv2d(channels, maps, kernel, stride, bias=not normed)]
            of_frames += [batch_norm(maps)] if normed else []
            of_frames.append(nn.LeakyReLU(table.slope, inplace=True))
            channels = maps
        self.of_frames = nn.Sequential(*of_frames, nn.Flatten())
        self.of_latents = _linear_layers((latent, *table.of_latents), dropout, table.slope) if latent else None
        seen = channels + (table.of_latents[-1] if latent else 0) + told
        self.of_pairs = nn.Sequential(
            _linear_layers((seen, *table.of_pairs), dropout, table.slope),
            nn.Dropout(dropout),
            nn.Linear(table.of_pairs[-1], logits),
        )
        initialise(self)
        if spectral_norm:
            normalise_spectra(self)

    def forward(
        self,
        frames: Frames,
        latents: Float[Tensor, "batch latent"] | None = None,
        told: Float[Tensor, "batch told"] | None = None,
    ) -> Float[Tensor, "batch *logits"]:
        """Logits in single precision; one alone is positive where the frames are held to be real."""
        return self.of_features(self.of_frames(frames), latents, told)

    def of_features(
        self,
        features: Float[Tensor, "batch feature"],
        latents: Float[Tensor, "batch latent"] | None = None,
        told: Float[Tensor, "batch told"] | None = None,
    ) -> Float[Tensor, "batch *logits"]:
        """The same, given what the layers on frames make of these."""
        seen = [features]
        if self.of_latents is not None:
            seen.append(self.of_latents(latents))
        if told is not None:
            seen.append(told.to(seen[0].dtype))
        found = self.of_pairs(torch.cat(seen, dim=1)).float()
        return found[:, 0] if found.shape[1] == 1 else found


def _linear_layers(features: tuple[int, ...], dropout: float, slope: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(len(features) - 1):
        layers += [nn.Dropout(dropout), nn.Linear(features[i], features[i + 1]), nn.LeakyReLU(slope, inplace=True)]
    return nn.Sequential(*layers)


def normalise_spectra(network: nn.Module) -> None:
    """Divides the weights of each convolution and linear layer by their largest singular value from now on."""
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            parametrizations.spectral_norm(layer)


def telling_loss(real: Logits, made: Logits) -> Float[Tensor, ""]:
    """What the discriminator descends: -log D(real) - log(1 - D(made)), each a mean; 2·ln 2 where it cannot tell."""
    return softplus(-real).mean() + softplus(made).mean()


def swapping_loss(real: Logits, made: Logits) -> Float[Tensor, ""]:
    """What encoder and decoder descend: the discriminator's loss with the answers swapped."""
    return softplus(real).mean() + softplus(-made).mean()


def deceiving_loss(made: Logits) -> Float[Tensor, ""]:
    """What a generator without encoder descends: -log D(made); ln 2 where the discriminator cannot tell."""
    return softplus(-made).mean()


def squared_slope(real: Logits, inputs: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Half the squared norm of the logits' gradient with respect to the discriminator's inputs, a mean over them.

    It can be differentiated again. In a batch norm's company the gradient is that of the batch's sum.
    """
    slopes = torch.autograd.grad(real.sum(), inputs, create_graph=True)
    return torch.stack([slope.flatten(1).square().sum(1) for slope in slopes]).sum(0).mean() / 2


def judgements(real: Logits, made: Logits) -> dict[str, Tensor]:
    """Which share of either the discriminator holds to be real, to be noted."""
    return {
        "judged_real": (real.detach() > 0).float().mean(),
        "samples_judged_real": (made.detach() > 0).float().mean(),
    }

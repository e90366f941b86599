"""The discriminator: three layers of maxout and a linear one, with slopes worked out by hand.

Source: IshmaelBelghazi/ALI, experiments/ali_mixture.py, whose dropout is switched off; Goodfellow et al. 2013, arXiv
1302.4389, for maxout.

Both players' slopes come from one pass back. No row of a batch touches another here, so the slope of any loss by row
i's inputs is the slope of its logit times a number of that row; the discriminator's weights take in the rows with
their own loss's numbers, and the generator's loss multiplies the slopes by the inputs with its own. Automatic
differentiation would go back twice.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.toy.draws import Start
from baselines.toy.layers import Dense

LAYERS = 3
PIECES = 5
"""Linear pieces of each unit. Where two are largest alike, both have the slope."""


class Discriminator(nn.Module):
    """Gives logits, positive for what looks like data, and the slopes of what it saw last."""

    def __init__(self, inputs: int, hidden: int, start: Start) -> None:
        super().__init__()
        layers = [Dense(hidden if layer else inputs, PIECES * hidden, start, bias=True) for layer in range(LAYERS)]
        self.layers = nn.ModuleList(layers)
        self.readout = Dense(hidden, 1, start, bias=True)
        self._weights = [layer.weight for layer in layers]
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []
        self._last = torch.empty(0)

    @torch.no_grad()
    def forward(self, inputs: Float[Tensor, "run batch inputs"]) -> Float[Tensor, "run batch 1"]:
        """Logits; what `backward` needs is kept."""
        self._seen = []
        for layer in self.layers:
            pieces = layer(inputs).unflatten(2, (PIECES, -1))  # [run, batch, piece, unit]: the largest, unit by unit
            largest = pieces.amax(2)
            self._seen.append((inputs, pieces, largest))
            inputs = largest
        self._last = inputs
        return self.readout(inputs)

    @torch.no_grad()
    def backward(self, weights: Float[Tensor, "run batch 1"]) -> tuple[Float[Tensor, "run batch inputs"], list[Tensor]]:
        """Slopes after a `forward`, once.

        Args:
            weights: slope of the loss by each logit.

        Returns:
            slopes of each row's logit, not of the loss, by the row's inputs; and those of the loss by the parameters,
            in the order of `parameters()`.
        """
        gradients = [torch.bmm(self._last.mT, weights), weights.sum(1, keepdim=True)]
        slope = self.readout.weight.mT  # [run, 1, unit], the same for every row
        for layer, (inputs, pieces, largest) in zip(reversed(self._weights), reversed(self._seen), strict=True):
            slope = pieces.eq_(largest.unsqueeze(2)).mul_(slope.unsqueeze(2)).flatten(2)
            gradients = [torch.bmm((weights * inputs).mT, slope), torch.bmm(weights.mT, slope), *gradients]
            slope = torch.bmm(slope, layer.mT)
        self._seen = []
        return slope, gradients

"""LSTMs with peepholes on vectors, and a decoder that goes on from their state, frame by frame."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from baselines.layers import at_least_single

State: TypeAlias = list[tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]]
"""Hidden and memory of every layer, the lowest first."""


class Sizes(Protocol):
    """What a decoder has in common with its encoder, and what is its own."""

    @property
    def hidden(self) -> int:
        """Units of each layer, in the encoder too."""
        ...

    @property
    def layers(self) -> int:
        """How many, in the encoder too."""
        ...

    @property
    def conditional(self) -> bool:
        """Whether each frame is seen before the next one is given."""
        ...


class PeepholeLayer(nn.Module):
    """An LSTM with peepholes (Graves 2013, arXiv 1308.0850, equations 7 to 11).

    Gates stand in the order of `torch.nn.LSTM`, with one bias each. Input and forget gate see the old memory through
    their peepholes, the output gate the new one. There may be no inputs at all.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.from_input = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.from_hidden = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.peepholes = nn.Parameter(torch.zeros(3, hidden))
        if inputs:
            nn.init.xavier_uniform_(self.from_input)
        nn.init.orthogonal_(self.from_hidden)
        with torch.no_grad():
            self.bias[hidden : 2 * hidden] = 1

    def forward(
        self, inputs: Float[Tensor, "batch time inputs"], hidden: Tensor, memory: Tensor
    ) -> tuple[Float[Tensor, "batch time hidden"], tuple[Tensor, Tensor]]:
        """The hidden values after each step, and the state after the last; memory is kept in single precision."""
        outputs = []
        for step in linear(inputs, self.from_input, self.bias).unbind(1):
            i, f, g, o = (step.to(memory.dtype) + linear(hidden, self.from_hidden)).chunk(4, dim=1)
            i, f = i + self.peepholes[0] * memory, f + self.peepholes[1] * memory
            memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o + self.peepholes[2] * memory) * torch.tanh(memory)
            outputs.append(hidden)
        seen = torch.stack(outputs, dim=1) if outputs else memory.new_empty(len(memory), 0, memory.shape[1])
        return seen, (hidden, memory)


class PeepholeLSTM(nn.Module):
    """`PeepholeLayer`s, each on the hidden values of the one below."""

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.layers = nn.ModuleList(PeepholeLayer(hidden if layer else inputs, hidden) for layer in range(layers))

    def forward(
        self, inputs: Float[Tensor, "batch time inputs"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """The top layer's hidden values after each step, and the state after the last; from zero if none is given."""
        zero = inputs.new_zeros(len(inputs), self.hidden, dtype=at_least_single(inputs.dtype))
        after = []
        for layer, (hidden, memory) in zip(self.layers, state or [(zero, zero)] * len(self.layers), strict=True):
            inputs, left = layer(inputs, hidden, memory)
            after.append(left)
        return inputs, after


class Decoder(nn.Module):
    """Gives the frames of a target one after the other, from a copy of the encoder's state."""

    def __init__(self, pixels: int, sizes: Sizes) -> None:
        super().__init__()
        self.seen = pixels if sizes.conditional else 0
        self.lstm = PeepholeLSTM(self.seen, sizes.hidden, sizes.layers)
        self.readout = nn.Linear(sizes.hidden, pixels)

    def forward(self, target: Float[Tensor, "batch time pixels"], state: State) -> Float[Tensor, "batch time pixels"]:
        """The first frame is read from the state as it is; each later one follows a step that saw the frame before."""
        outputs, _ = self.lstm(target[:, :-1, : self.seen], state)
        return self.readout(torch.cat([state[-1][0][:, None], outputs], dim=1))

    def continued(self, state: State, count: int) -> Float[Tensor, "batch time pixels"]:
        """`count` frames, each later one after a step that saw what was said before it, whatever the truth."""
        said = [self.readout(state[-1][0])]
        for _ in range(count - 1):
            outputs, state = self.lstm(said[-1][:, None, : self.seen], state)
            said.append(self.readout(outputs[:, 0]))
        return torch.stack(said, dim=1)

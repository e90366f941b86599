"""Floating-point operations, two for each multiply-add: torch's counter, with the recurrent layers it leaves out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

Shape = Sequence[int]


@contextlib.contextmanager
def counted(network: nn.Module) -> Iterator[FlopCounterMode]:
    """Counts what is done within it, the network in evaluation; its mode is restored, and `get_total_flops` tells."""
    training = network.training
    with FlopCounterMode(display=False, custom_mapping=_RECURRENT) as counter:
        network.eval()
        yield counter
    network.train(training)


def _layers(steps: Shape, weights: Sequence[Shape], *_: Any, **__: Any) -> int:
    """Every matrix is multiplied with a vector in each step of each sequence; biases and gates are not counted."""
    return 2 * math.prod(steps[:2]) * sum(math.prod(shape) for shape in weights if len(shape) == 2)


def _layer(steps: Shape, to_hidden: Shape, across: Shape, *_: Any, **__: Any) -> int:
    return _layers(steps, (to_hidden, across))


_RECURRENT = {
    torch.ops.aten.mkldnn_rnn_layer: _layer,
    torch.ops.aten._cudnn_rnn: _layers,
}
"""What `torch.nn.LSTM` calls on a CPU, one layer at a time, and on a GPU."""

"""Blocks that several models share: the convolution of the thesis's pattern and the convolutional LSTM."""

from typing import TypeAlias, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamics_gen.errors import ConfigError

Network = TypeVar("Network", bound=nn.Module)

State: TypeAlias = tuple[Float[Tensor, "batch hidden height width"], Float[Tensor, "batch hidden height width"]]
"""Hidden map and memory map of a ConvLSTM after some time step."""


def halvings(height: int, width: int) -> int:
    """How many convolutions of kernel 3, stride 2 and padding 1 (sizes round up) end at 1×1; at least one."""
    if min(height, width) < 1:
        raise ConfigError(f"got frames of {height}×{width} pixels, expected at least 1×1")
    return max(1, (max(height, width) - 1).bit_length())


def convolutions_before(late: int, height: int, width: int) -> int:
    """How many of the `halvings` come before a layer that the `late` last ones follow.

    Raises:
        ConfigError: none does.
    """
    depth = halvings(height, width)
    if late >= depth:
        raise ConfigError(
            f"got late={late} for frames of {height}×{width} pixels, which take {depth} convolutions in all, "
            f"expected one or more before the first ConvLSTM: try late={max(1, depth - 1)}"
        )
    return depth - late


def schedule(values: tuple[int, ...], length: int) -> tuple[int, ...]:
    """The first `length` of `values`, the last one repeated when there are fewer (frames above 64×64)."""
    return (values + values[-1:] * length)[:length]


def at_least_single(dtype: torch.dtype) -> torch.dtype:
    """The type itself, or float32 where that is wider."""
    return torch.promote_types(dtype, torch.float32)


class ConvBlock(nn.Module):
    """Convolution of 3×3 and stride 2 in space, odd kernel and any stride in time; batch norm; ReLU.

    Maps [B, C, T, H, W] to [B, C', ⌈T/s⌉, ⌈H/2⌉, ⌈W/2⌉], with "half" padding on all three axes. A temporal
    kernel of 1 makes a frame-wise CNN; the norm's statistics are shared by all time steps in any case.
    """

    def __init__(self, in_channels: int, out_channels: int, temporal_kernel: int = 1, temporal_stride: int = 1) -> None:
        if temporal_kernel < 1 or temporal_kernel % 2 == 0:
            raise ConfigError(f"got a temporal kernel of {temporal_kernel}, expected an odd number of frames")
        if temporal_stride < 1:
            raise ConfigError(f"got a temporal stride of {temporal_stride}, expected 1 or more")
        super().__init__()
        self.conv = nn.Conv3d(
            in_channels,
            out_channels,
            kernel_size=(temporal_kernel, 3, 3),
            stride=(temporal_stride, 2, 2),
            padding=(temporal_kernel // 2, 1, 1),
            bias=False,  # the norm has its own
        )
        self.norm = nn.BatchNorm3d(out_channels)

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch features steps rows columns"]:
        """Features of the clips, never negative."""
        return self.norm(self.conv(clips)).relu_()


class ConvLSTMCell(nn.Module):
    """One step of a convolutional LSTM (Shi et al. 2015, arXiv 1506.04214, eq. 3), "half" padded.

    Gates stand in the order input, forget, candidate, output, as in `torch.nn.LSTMCell`, with one bias
    each. The biases start at zero but the forget gate's, which starts at `forget_bias`. Peepholes, when
    asked for, are one weight per channel and gate (input and forget see the old memory, output the new one)
    and start at zero; the thesis's cell has none.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        *,
        kernel_size: int = 3,
        peepholes: bool = False,
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigError(f"got a ConvLSTM kernel of {kernel_size}, expected an odd size")
        self.hidden_channels = hidden_channels
        gates = 4 * hidden_channels
        padding = kernel_size // 2
        self.from_input = nn.Conv2d(in_channels, gates, kernel_size, padding=padding)
        self.from_hidden = nn.Conv2d(hidden_channels, gates, kernel_size, padding=padding, bias=False)
        self.peepholes = nn.Parameter(torch.zeros(3, hidden_channels, 1, 1)) if peepholes else None
        nn.init.xavier_uniform_(self.from_input.weight)
        nn.init.orthogonal_(self.from_hidden.weight)
        bias = self.from_input.bias
        assert bias is not None
        with torch.no_grad():
            bias.zero_()
            bias[hidden_channels : 2 * hidden_channels] = forget_bias

    def initial_state(self, gates: Float[Tensor, "batch gates height width"]) -> State:
        """Zero maps that fit gates projected from an input."""
        size = (gates.shape[0], self.hidden_channels, *gates.shape[2:])
        zero = gates.new_zeros(size, dtype=at_least_single(gates.dtype))
        return zero, zero

    def step(self, from_input: Float[Tensor, "batch gates height width"], state: State) -> State:
        """Advances the state by one step whose input has already gone through `from_input`.

        The memory is kept in single precision, or better, even where autocast runs the convolutions in less.
        """
        hidden, memory = state
        gates = from_input.to(memory.dtype) + self.from_hidden(hidden)
        i, f, g, o = gates.chunk(4, dim=1)
        if self.peepholes is not None:
            i = i + self.peepholes[0] * memory
            f = f + self.peepholes[1] * memory
        memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
        if self.peepholes is not None:
            o = o + self.peepholes[2] * memory
        return torch.sigmoid(o) * torch.tanh(memory), memory

    def forward(self, frame: Float[Tensor, "batch channels height width"], state: State | None = None) -> State:
        """Advances the state (zero when not given) by one frame."""
        gates = self.from_input(frame)
        return self.step(gates, self.initial_state(gates) if state is None else state)


class ConvLSTM(nn.Module):
    """A `ConvLSTMCell` run over the time axis, from zero states; takes the cell's arguments.

    The inputs of all time steps are convolved at once, only the hidden state step by step.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        *,
        kernel_size: int = 3,
        peepholes: bool = False,
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(
            in_channels,
            hidden_channels,
            kernel_size=kernel_size,
            peepholes=peepholes,
            forget_bias=forget_bias,
        )

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> Float[Tensor, "batch hidden time height width"]:
        """The hidden maps of all time steps; the last one has seen the whole clip."""
        time, batch = clips.shape[2], clips.shape[0]
        frames = clips.permute(2, 0, 1, 3, 4).flatten(0, 1)  # [T·B, C, H, W]
        gates = self.cell.from_input(frames).unflatten(0, (time, batch))
        state = self.cell.initial_state(gates[0])
        outputs = []
        for step in gates.unbind(0):
            state = self.cell.step(step, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=2)


class FrameNet(nn.Module):
    """A CNN on every frame by itself: `ConvBlock`s down to one position, then one linear layer.

    Args:
        shape: of a frame (C, H, W).
        classes: logits of each frame.
        width: channels of the first convolution; the others have 2, 4, 4, 8, 8 times as many.
        dropout: before the linear layer.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, *, width: int, dropout: float) -> None:
        super().__init__()
        channels, height, rest = shape
        blocks = []
        for multiple in schedule((1, 2, 4, 4, 8, 8), halvings(height, rest)):
            blocks.append(ConvBlock(channels, multiple * width))
            channels = multiple * width
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(channels, classes)

    def forward(self, clips: Float[Tensor, "batch channels time height width"]) -> Float[Tensor, "batch time classes"]:
        """Logits of every frame."""
        return self.readout(self.dropout(self.blocks(clips).flatten(2).transpose(1, 2)))


def offsets(kappa: int) -> list[tuple[int, int]]:
    """The displacements (rows, columns) of a κ×κ window, row by row, from (-κ//2, -κ//2).

    Raises:
        ConfigError: κ is even: the window has no middle.
    """
    if kappa < 1 or kappa % 2 == 0:
        raise ConfigError(f"got kappa {kappa}, expected an odd number")
    reach = range(-(kappa // 2), kappa // 2 + 1)
    return [(rows, columns) for rows in reach for columns in reach]


def displaced(maps: Float[Tensor, "... height width"], rows: int, columns: int) -> Float[Tensor, "... height width"]:
    """What stands `rows` below and `columns` to the right of each place; zero beyond the border."""
    height, width = maps.shape[-2:]
    rows, columns = max(-height, min(height, rows)), max(-width, min(width, columns))
    padded = nn.functional.pad(maps, (max(0, -columns), max(0, columns), max(0, -rows), max(0, rows)))
    top, left = max(0, rows), max(0, columns)
    return padded[..., top : top + height, left : left + width]


INDEXINGS = ("displaced", "printed")
"""How equation 6.5 and the relation network of Mastropietro 2017 read two frames: the earlier one in place and the
later one displaced, as meant; or both displaced, as printed, which measures no displacement."""


def require_indexing(indexing: str) -> None:
    """Refuses other names.

    Raises:
        ConfigError: it is none of `INDEXINGS`.
    """
    if indexing not in INDEXINGS:
        raise ConfigError(f"got indexing {indexing!r}, expected {' or '.join(INDEXINGS)}")


def pair_encoder(
    shape: tuple[int, int, int, int], width: int, early: int
) -> tuple[nn.Sequential, tuple[int, int, int]]:
    """The frame-wise convolutions before a layer that compares neighbour frames, and the (C, H, W) of what they give.

    Args:
        shape: of the clips (T, C, H, W).
        width: channels of the first convolution; the others have twice as many.
        early: how many convolutions, each of stride 2.

    Raises:
        ConfigError: there is no pair of frames, or nothing would be left of them to compare.
    """
    frames, channels, rows, columns = shape
    if frames < 2 or early >= halvings(rows, columns):
        raise ConfigError(
            f"got {frames} frames of {rows}×{columns} pixels with early={early}, expected two or more frames and early "
            f"below {halvings(rows, columns)}"
        )
    blocks = []
    for multiple in schedule((1, 2), early):
        blocks.append(ConvBlock(channels, multiple * width))
        channels, rows, columns = multiple * width, -(-rows // 2), -(-columns // 2)
    return nn.Sequential(*blocks), (channels, rows, columns)


def channels_last(network: Network) -> Network:
    """The same, with a place's numbers side by side in the weights of convolutions over places: faster on CPUs.

    By up to 1.4 times where most of the work is in them, by nothing where it is not.
    """
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

"""Time of the feature flow, forward and backward, against the same sums written as loops, in turns on one device.

    python benchmarks/feature_flow.py
    python benchmarks/feature_flow.py --device cuda --batch-size 32 --channels 64

`places` is equation 6.3 of Mastropietro 2017 to the letter, a loop over places and displacements; `displacements` loops
over displacements alone, over whole maps; `fold` is what the model runs on a GPU, `sums` what it runs on a CPU;
`unfold` and `gathered` are the same two of the flow by what arrives. The largest difference is told from `places`, and
from `unfold` of what arrives. Each round takes every variant in turn; figures are medians over rounds. Maps have their
channels side by side in memory, as the model's have.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable

import click
import torch
from torch import Tensor

from baselines.feature_flow import folded, shares, unfolded
from baselines.feature_flow_sums import displaced_sum
from baselines.layers import displaced, offsets
from benchmark import machine


def over_places(features: Tensor, flow: Tensor) -> Tensor:
    """Equation 6.3, one place and one displacement after the other."""
    height, width = features.shape[-2:]
    around = offsets(round(flow.shape[1] ** 0.5))
    rows = []
    for i in range(height):
        row = []
        for j in range(width):
            arrived = features.new_zeros(features.shape[:2])
            for channel, (k, m) in enumerate(around):
                if 0 <= i - k < height and 0 <= j - m < width:
                    arrived = arrived + features[:, :, i - k, j - m] * flow[:, channel, None, i - k, j - m]
            row.append(arrived)
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=-2)


def over_displacements(features: Tensor, flow: Tensor) -> Tensor:
    """The same, the maps of one displacement after the other."""
    arrived = torch.zeros_like(features)
    for channel, (k, m) in enumerate(offsets(round(flow.shape[1] ** 0.5))):
        arrived = arrived + displaced(features * flow[:, channel, None], -k, -m)
    return arrived


VARIANTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "places": over_places,
    "displacements": over_displacements,
    "fold": folded,
    "sums": functools.partial(displaced_sum, outgoing=True),
    "unfold": unfolded,
    "gathered": functools.partial(displaced_sum, outgoing=False),
}
REFERENCES = ("places", "unfold")
"""Those against which the ones after them are held."""


def timed(move: Callable[[Tensor, Tensor], Tensor], features: Tensor, logits: Tensor) -> tuple[float, float, Tensor]:
    """Seconds forward and backward, the softmax included, and what came out."""
    wait = torch.cuda.synchronize if features.device.type == "cuda" else lambda: None
    features, logits = features.clone().requires_grad_(), logits.clone().requires_grad_()
    wait()
    start = time.perf_counter()
    arrived = move(features, shares(logits, bounded=True))
    wait()
    between = time.perf_counter()
    torch.autograd.grad(arrived, (features, logits), torch.ones_like(arrived))
    wait()
    return between - start, time.perf_counter() - between, arrived.detach()


@click.command()
@click.option("--device", default="auto", show_default=True)
@click.option("--batch-size", default=8, show_default=True)
@click.option("--channels", default=32, show_default=True)
@click.option("--side", default=16, show_default=True, help="Places a side.")
@click.option("--kappa", default=5, show_default=True, help="Displacements a side.")
@click.option("--rounds", default=5, show_default=True, help="Turns.")
def main(device: str, batch_size: int, channels: int, side: int, kappa: int, rounds: int) -> None:
    """Prints a line for every variant."""
    where = machine.choose_device(device)
    torch.manual_seed(0)
    features, logits = (
        torch.randn(batch_size, maps, side, side, device=where).contiguous(memory_format=torch.channels_last)
        for maps in (channels, kappa**2)
    )
    print(f"{machine.device_name(where)}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{batch_size} maps of {channels}×{side}×{side}, κ = {kappa}")
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    differences: dict[str, float] = {}
    truth = features
    for turn in range(rounds + 1):
        for name, move in VARIANTS.items():
            forward, backward, arrived = timed(move, features, logits)
            truth = arrived if name in REFERENCES else truth
            differences[name] = (arrived - truth).abs().max().item()
            if turn:  # the first warms up
                seconds[name].append((forward, backward))
    paces = {name: [statistics.median(part) for part in zip(*times, strict=True)] for name, times in seconds.items()}
    for name, (forward, backward) in paces.items():
        ratio = sum(paces["places"]) / (forward + backward)
        print(
            f"  {name:13s}  forward {1e3 * forward:9.3f} ms  backward {1e3 * backward:9.3f} ms  "
            f"{ratio:8.1f} times as fast  difference {differences[name]:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()

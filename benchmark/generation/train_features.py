"""Trains the two networks of `features`: `python -m benchmark.generation.train_features --data data/dynamics-mini`.

One frame of every clip in turn, at a random one of several moments, under a random symmetry of the square. A quarter of
the frames are first reduced to a smaller side, a fifth get white noise; how much of either is a target too, so that
features cannot but tell blurred and noisy pictures from sharp and clean ones. Until training ends the glimpse is taken
at the object's true place, give or take a pixel.

The same seed and number of threads give the same weights again on the same machine.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

import dynamics_gen
from benchmark import inputs
from benchmark.data import shuffled
from benchmark.generation.features import (
    CELLS,
    LABELS,
    PLACE_SCALE,
    QUANTITIES,
    SIDE,
    FrameFeatures,
    Heads,
    at_side,
)
from benchmark.options import place
from dynamics_gen.files import write_whole

SIDES = (32, 16, 32, 24, 32, 48)
"""Pixels that frames are reduced to."""
MOST_NOISE = 0.3
"""Deviation, of a range of [-1, 1]."""
JITTER = 0.02
"""Deviation of the glimpse from the object's place, world units."""
HEAT_WEIGHT = 0.5
"""Of the loss of the object's place."""
CLIPS_A_READ = 100
WARMUP = 0.05
"""Share of the steps in which the learning rate rises."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a network is trained."""

    seed: int
    steps: int = 2_000
    label_weight: float = 1.0
    """Of the loss of labels, beside that of quantities."""
    batch_size: int = 128
    learning_rate: float = 6e-3
    weight_decay: float = 0.02
    moments: int = 8
    """Frames of each clip that are held in memory, evenly spread."""


RECIPES = {"features": Recipe(seed=0), "attributes": Recipe(seed=1, steps=3_200, label_weight=2.0)}
"""Of the two networks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frames:
    """Some moments of every clip of a split, and what the simulator knows of them."""

    pictures: UInt8[Tensor, "clips moments height width 3"]
    labels: dict[str, Int64[Tensor, " clips"]]
    quantities: dict[str, Float32[Tensor, "clips width"]]
    """Those that a whole clip shares."""
    position: Float32[Tensor, "clips moments 2"]

    def __len__(self) -> int:
        return len(self.pictures)


def read_frames(split: Any, moments: int) -> Frames:
    """Evenly spread moments of every clip of an opened split, with the targets of `features`."""
    clips, frames = len(split), split.video_shape[0]
    places = np.linspace(0, frames - 1, moments).round().astype(int)
    pictures = np.empty((clips, moments, *split.video_shape[1:]), np.uint8)
    for start in range(0, clips, CLIPS_A_READ):
        pictures[start : start + CLIPS_A_READ] = split.read_videos(slice(start, start + CLIPS_A_READ))[:, places]
    first, second = (split.column(f"parameters/{name}_color") for name in ("first", "second"))
    known = {name: split.column(f"parameters/{name}") for name in ("radius", "backdrop_color", "backdrop_contrast")}
    known |= {"color": (first + second) / 2, "color_difference": np.abs(first - second)}
    words = {name: split.column(f"parameters/{name}") for name in LABELS}
    return Frames(
        pictures=torch.from_numpy(pictures),
        labels={
            name: torch.tensor([LABELS[name].index(word.decode()) for word in column]) for name, column in words.items()
        },
        quantities={
            name: torch.from_numpy(column.reshape(clips, -1).astype(np.float32)) for name, column in known.items()
        },
        position=torch.from_numpy(split.column("position")[:, places, :2]),
    )


def as_input(pictures: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, "batch 3 height width"]:
    """Frames in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1


def turned_position(position: Float[Tensor, "batch 2"], codes: Int64[Tensor, " batch"]) -> Float[Tensor, "batch 2"]:
    """Where the object is, right and up, in frames that `inputs.turn` has turned."""
    signs = torch.stack([1 - 2 * (codes & 1), 1 - (codes & 2)], dim=1)
    mirrored = position * signs
    return torch.where((codes & 4).bool()[:, None], -mirrored.flip(1), mirrored)


def reduced(frames: Float[Tensor, "batch 3 64 64"], side: int) -> Float[Tensor, "batch 3 side side"]:
    """Frames of fewer pixels, each the mean of those that it stands for."""
    return functional.interpolate(frames, size=(side, side), mode="area")


def degraded(
    frames: Float[Tensor, "batch 3 64 64"], rng: torch.Generator
) -> tuple[Float[Tensor, "batch 3 64 64"], Float[Tensor, "batch 1"], Float[Tensor, "batch 1"]]:
    """Frames, every fourth of them reduced and enlarged again, every fifth noisy; `sharpness` and `noise` of each.

    Frames come in random order: which of them it meets is left to their place. Noise is added before they are enlarged.
    """
    places = range(len(frames))
    sides = [SIDE if place % 4 else SIDES[place // 4 % len(SIDES)] for place in places]
    noise = MOST_NOISE * torch.rand(len(frames), 1, generator=rng) * (torch.arange(len(frames))[:, None] % 5 == 0)
    parts = []
    for side in sorted(set(sides), reverse=True):
        these = torch.tensor([place for place, its in enumerate(sides) if its == side])
        small = reduced(frames[these], side) if side < SIDE else frames[these]
        grain = torch.randn(small.shape, generator=rng) * noise[these, :, None, None]
        parts.append(at_side(small + grain))
    order = torch.tensor(sides).argsort(descending=True, stable=True)
    result = torch.empty_like(frames)
    result[order] = torch.cat(parts)
    return result, torch.tensor(sides).float().log2()[:, None], noise


def loss_of(
    said: dict[str, Tensor], labels: dict[str, Tensor], quantities: dict[str, Tensor], label_weight: float
) -> Tensor:
    """Cross-entropies of the labels, and Huber losses of the scaled quantities, added up."""
    losses = [label_weight * functional.cross_entropy(said[name], label) for name, label in labels.items()]
    for name, truth in quantities.items():
        _, centre, scale = QUANTITIES[name]
        losses.append(functional.smooth_l1_loss(said[name], (truth - centre) / scale))
    return torch.stack(losses).sum()


def heat_of(position: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch places"]:
    """What the softmax over places should be: shares of the four cells about a position, whose mean place it is."""
    corner = ((position * torch.tensor([1, -1]) + 1) * (CELLS / 2) - 0.5).clamp(0, CELLS - 1)
    columns, rows = (1 - (corner[:, :, None] - torch.arange(CELLS)).abs()).clamp_min(0).unbind(1)
    return (rows[:, :, None] * columns[:, None]).flatten(1)


def train(frames: Frames, recipe: Recipe) -> tuple[FrameFeatures, Heads]:
    """A network with batch norms, and its heads, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network, heads = FrameFeatures(normalised=True), Heads()
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    rng = torch.Generator().manual_seed(recipe.seed)
    weights = [*network.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=WARMUP, cycle_momentum=False
    )
    epochs = (shuffled(len(frames), recipe.batch_size, recipe.seed, epoch) for epoch in itertools.count())
    start = time.monotonic()
    for step, rows in enumerate(itertools.islice(itertools.chain.from_iterable(epochs), recipe.steps), 1):
        clips = torch.from_numpy(rows)
        moments = torch.randint(frames.pictures.shape[1], clips.shape, generator=rng)
        codes = torch.randint(inputs.SYMMETRIES, clips.shape, generator=rng)
        pictures = inputs.turn(frames.pictures[clips, moments][:, None], codes)[:, 0]
        shown, sharpness, noise = degraded(at_side(as_input(pictures)), rng)
        position = turned_position(frames.position[clips, moments], codes)
        maps = network.glance(shown.contiguous(memory_format=torch.channels_last))
        near = position + JITTER * torch.randn(position.shape, generator=rng)
        said = heads(network.describe(shown, maps, near))
        truth = {name: column[clips] for name, column in frames.quantities.items()}
        truth |= {"sharpness": sharpness, "noise": noise}
        labels = {name: column[clips] for name, column in frames.labels.items()}
        loss = loss_of(said, labels, truth, recipe.label_weight)
        loss = loss + HEAT_WEIGHT * functional.cross_entropy(network.heat(maps).flatten(1), heat_of(position))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 200 == 0:
            click.echo(f"step {step} of {recipe.steps}: loss {loss:.3f}, {time.monotonic() - start:.0f} s", err=True)
    return network.eval(), heads.eval()


@torch.no_grad()
def folded(network: FrameFeatures) -> FrameFeatures:
    """The same function without batch norms."""
    last = network.last_norm
    if last is None:
        return network
    with torch.random.fork_rng(devices=[]):
        plain = FrameFeatures()
    plain.heat = network.heat
    for name in ("glance", "backdrop", "glimpse"):
        source, target = network.get_submodule(name), plain.get_submodule(name)
        pairs = zip(source.get_submodule("layers").children(), source.get_submodule("norms").children(), strict=True)
        fused = (fuse_conv_bn_eval(layer, norm) for layer, norm in pairs)  # pyright: ignore[reportArgumentType]
        target.layers = nn.ModuleList(fused)
    mean, variance = last.get_buffer("running_mean"), last.get_buffer("running_var")
    deviation = (variance + last.eps).sqrt()
    plain.linear.weight.copy_(network.linear.weight / deviation[:, None])
    plain.linear.bias.copy_((network.linear.bias - mean) / deviation)
    return plain.eval()


@torch.no_grad()
def held_out(network: FrameFeatures, heads: Heads, frames: Frames, side: int) -> dict[str, float]:
    """Accuracies of the labels, and mean absolute errors of the quantities, over all frames reduced to a side."""
    said: dict[str, list[Tensor]] = {"position": [], **{name: [] for name in heads.widths}}
    for pictures in frames.pictures.split(16):
        shown = at_side(as_input(pictures.flatten(0, 1)))
        features = network(shown if side == SIDE else reduced(shown, side))
        for name, answer in ({"position": features[:, :2]} | heads(features[:, 2:])).items():
            said[name].append(answer)
    moments = frames.pictures.shape[1]
    scores = {}
    for name, truth in frames.labels.items():
        right = torch.cat(said[name]).argmax(1) == truth.repeat_interleave(moments)
        scores[name] = float(right.double().mean())
    scores["position"] = mean_error(said["position"], frames.position.flatten(0, 1), 0, PLACE_SCALE)
    for name, truth in frames.quantities.items():
        _, centre, scale = QUANTITIES[name]
        scores[name] = mean_error(said[name], truth.repeat_interleave(moments, dim=0), centre, scale)
    return scores


def mean_error(said: list[Tensor], truth: Tensor, centre: float, scale: float) -> float:
    """Mean absolute error of a scaled quantity, in its own unit."""
    return float((torch.cat(said) * scale + centre - truth).abs().double().mean())


def file_content(network: FrameFeatures, heads: Heads | None) -> bytes:
    """A folded network as safetensors in 16 bits; with heads, under the names of an `AttributeReader`."""
    tensors = network.state_dict()
    if heads is not None:
        tensors = {f"trunk.{name}": tensor for name, tensor in tensors.items()}
        tensors |= {f"heads.{name}": tensor for name, tensor in heads.state_dict().items()}
    return save({name: tensor.half().contiguous() for name, tensor in tensors.items()})


@click.command()
@place("--data", "data/dynamics-mini", "Folder with the splits train and valid of a release whose clips are simulated.")
@place("--out", "runs/features", "Folder for the files of weights, made if it is missing.")
@click.option("--network", "which", type=click.Choice([*RECIPES, "both"]), default="both", show_default=True)
@click.option("--steps", type=click.IntRange(min=1), help="Of every network.  [default: that of its recipe]")
def main(data: Path, out: Path, which: str, steps: int | None) -> None:
    """Trains the networks that frames are judged by, and says how well they do on valid at 64 and at 32 pixels.

    \b
    Example:
        python -m benchmark.generation.train_features --data data/dynamics-mini --out runs/features
    """
    out.mkdir(parents=True, exist_ok=True)
    recipes = {
        name: replace(recipe, steps=steps or recipe.steps)
        for name, recipe in RECIPES.items()
        if which in (name, "both")
    }
    moments = next(iter(recipes.values())).moments
    learnt = read_frames(dynamics_gen.open(data / "train"), moments)
    unseen = read_frames(dynamics_gen.open(data / "valid"), moments)
    for name, recipe in recipes.items():
        network, heads = train(learnt, recipe)
        plain = folded(network)
        content = file_content(plain, heads if name == "attributes" else None)
        path = out / f"frame_{name}.safetensors"
        write_whole(path, content)
        click.echo(f"{path}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
        for side in (SIDE, SIDE // 2):
            scores = held_out(plain, heads, unseen, side)
            click.echo(f"  valid, {side} px: " + ", ".join(f"{what} {score:.4g}" for what, score in scores.items()))


if __name__ == "__main__":
    main()

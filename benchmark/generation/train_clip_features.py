"""Trains `clip_features`: `python -m benchmark.generation.train_clip_features --data data/dynamics-mini`.

The frozen network of frames looks at every clip of train a few times, each under another symmetry of the square, every
second time reduced to 32×32. Convolutions over time then learn the class from all frames, or from every second. What
they give is brought to mean 0 and deviation 1 over train.

The same seed and number of threads give the same weights again on the same machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from jaxtyping import Float, Float16, Int64
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

import dynamics_gen
from benchmark import inputs
from benchmark.data import ClipDataset, shuffled
from benchmark.generation.clip_features import CLIP_WEIGHTS, MOTION, Motion
from benchmark.generation.features import frozen
from benchmark.generation.views import shrunk
from dynamics_gen.console import Meter
from dynamics_gen.files import write_whole

CLIPS_A_READ = 20
SMALL = 32
"""Side to which every second look is reduced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How it is trained."""

    seed: int = 0
    looks: int = 2
    epochs: int = 60
    batch_size: int = 100
    learning_rate: float = 2e-3
    weight_decay: float = 0.05


@torch.no_grad()
def looked_at(
    split: ClipDataset, looks: int, rng: np.random.Generator | None
) -> Float16[Tensor, "looks clips time feature"]:
    """Features of every frame of every clip; turned at random if there is a generator, every second time small."""
    network, clips = frozen(), len(split)
    found = []
    with Meter("look at frames", looks * clips, {"clips": 1}) as meter:
        for look in range(looks):
            codes = np.zeros(clips, np.int64) if rng is None else rng.integers(0, inputs.SYMMETRIES, clips)
            parts = []
            for start in range(0, clips, CLIPS_A_READ):
                rows = slice(start, min(start + CLIPS_A_READ, clips))
                videos = torch.from_numpy(split.read_videos(rows))
                videos = inputs.turn(videos, torch.from_numpy(codes[rows]))
                if look % 2:
                    videos = torch.from_numpy(shrunk(videos.numpy(), SMALL))
                frames = videos.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
                parts.append(network(frames).half().unflatten(0, (len(videos), -1)))
                meter.advance(len(videos))
            found.append(torch.cat(parts))
    return torch.stack(found)


def train(
    looks: Float16[Tensor, "looks clips time feature"], labels: Int64[Tensor, " clips"], recipe: Recipe
) -> tuple[Motion, nn.Linear]:
    """The network and its read-out of the classes, in eval mode."""
    torch.manual_seed(recipe.seed)
    network, readout = Motion(), nn.Linear(MOTION, int(labels.max()) + 1)
    weights = [*network.parameters(), *readout.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(labels) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps, pct_start=0.05)
    for epoch in range(recipe.epochs):
        for step, rows in enumerate(shuffled(len(labels), recipe.batch_size, recipe.seed, epoch)):
            clips = torch.from_numpy(rows)
            stride = 1 + step % 2
            look = torch.randint(len(looks), (len(clips),))
            frames = looks[look, clips, torch.arange(0, looks.shape[2], stride)[:, None]].transpose(0, 1).float()
            said = readout(functional.dropout(network(frames).relu(), 0.3))
            loss = functional.cross_entropy(said, labels[clips], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval(), readout.eval()


@torch.no_grad()
def error(
    network: Motion, readout: nn.Linear, looks: Float16[Tensor, "looks clips time feature"], labels: Tensor, stride: int
) -> list[float]:
    """Share of the clips whose class is missed, of each look, from every `stride`-th frame."""
    said = [readout(network(look[:, ::stride].float()).relu()) for look in looks]
    return [(one.argmax(1) != labels).double().mean().item() for one in said]


@torch.no_grad()
def standardise(network: Motion, looks: Float[Tensor, "looks clips time feature"]) -> None:
    """Brings what the network gives to mean 0 and deviation 1 over all looks."""
    found = torch.cat([network(look.float()) for look in looks])
    mean, deviation = found.mean(0), found.std(0).clamp_min(1e-3)
    network.linear.weight.div_(deviation[:, None])
    network.linear.bias.sub_(mean).div_(deviation)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("data/dynamics-mini"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path(__file__).parent, show_default="this package")
@click.option("--epochs", type=click.IntRange(min=1), default=Recipe().epochs, show_default=True)
def main(data: Path, out: Path, epochs: int) -> None:
    """Trains the network of clips on train, says what it misses of valid, and writes its file."""
    recipe, rng = Recipe(epochs=epochs), np.random.default_rng(0)
    splits = {name: dynamics_gen.open(data / name) for name in ("train", "valid")}
    labels = {name: torch.from_numpy(np.asarray(split.labels)) for name, split in splits.items()}
    looks = looked_at(splits["train"], recipe.looks, rng)
    network, readout = train(looks, labels["train"], recipe)
    held_out = looked_at(splits["valid"], 2, None)
    for stride in (1, 2):
        missed = ", ".join(
            f"{100 * share:.1f} %" for share in error(network, readout, held_out, labels["valid"], stride)
        )
        click.echo(f"valid, every {stride}. frame: {missed} wrong, at 64×64 and {SMALL}×{SMALL}")
    standardise(network, looks)
    content = save({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()})
    write_whole(out / CLIP_WEIGHTS.file, content)
    click.echo(f"{out / CLIP_WEIGHTS.file}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()

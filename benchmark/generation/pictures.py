"""What a generator makes, as pictures: samples, reconstructions, interpolations, one attribute varied, curves."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from benchmark import plots
from benchmark.data import Clips
from benchmark.generation import attributes
from benchmark.generation.contract import Clips as Made
from benchmark.generation.contract import Infers
from benchmark.generation.learner import Generation
from benchmark.generation.record import SAMPLES_IN_PLAY, TRAIN_IN_PLAY, VALID_IN_PLAY
from dynamics_gen.files import write_whole

if TYPE_CHECKING:
    from benchmark.generation.record import Record

SHEET = 64
"""Samples on a sheet."""

ROWS, STEPS = 8, 9
"""Of interpolations and of varied attributes."""

STRIP = 8
"""Moments of a clip on paper."""

IN_PLAY = {
    TRAIN_IN_PLAY: ("train", plots.TRAIN_COLOUR),
    VALID_IN_PLAY: ("valid", plots.VALID_COLOUR),
    SAMPLES_IN_PLAY: ("samples", plots.TEST_COLOUR),
}
"""What a discriminator holds to be real, by its name in an epoch's row: how it is called, and its colour."""

APART = {
    "train_judged_real": ("train, in training", plots.TRAIN_COLOUR),
    "valid_judged_real": ("valid, in evaluation", plots.VALID_COLOUR),
    "valid_samples_judged_real": ("samples, in evaluation", plots.TEST_COLOUR),
}
"""The same of records from before `IN_PLAY`, in two modes."""

GAP = 2
ENLARGED = 2


def spread_over(count: int, most: int = SHEET) -> torch.Tensor:
    """Numbers of `most` clips of `count`, evenly spread; all of them where there are fewer."""
    return torch.linspace(0, count - 1, min(most, count)).round().long()


def all_of(learner: Generation, test: Clips, names: tuple[str, ...], folder: Path, seed: int) -> tuple[Path, ...]:
    """Draws what a trained generator can show; returns the files.

    Args:
        learner: with the chosen weights.
        test: held-out clips.
        names: attributes that it is told.
        folder: gets `samples-seed0.png` and so on.
        seed: of the training; names the files.
    """
    places = spread_over(len(test))
    told = test.attributes[places] if names and test.attributes is not None else None
    samples = torch.cat([clips for clips, _ in learner.samples(len(places), told)])
    made = {"samples": _grid(samples)}
    if isinstance(learner.sampler, Infers):
        batch = next(test.batches([places.numpy()]))
        made["reconstructions"] = reconstructions(learner, batch.clips, told)
        made["interpolations"] = interpolations(learner, batch.clips, told)
    if told is not None:
        made["varied"] = varied(learner, told, names)
    written = []
    for name, picture in made.items():
        path = folder / f"{name}-seed{seed}.png"
        write_png(picture, path)
        written.append(path)
    return tuple(written)


def sheet(samples: Made, path: Path) -> None:
    """Writes samples in a grid: frames side by side, clips as strips one below the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(_grid(samples), path)


def by_epoch(sheets: Sequence[Path], side: int, path: Path) -> None:
    """Writes the first row of each epoch's sheet, an epoch below the other: how the same draws change.

    Args:
        sheets: as `sheet` wrote them, in the order of their epochs, one or more.
        side: of the clips, in pixels.
        path: of the picture.
    """
    rows = [np.asarray(Image.open(one).convert("RGB"))[: side * ENLARGED + GAP] for one in sheets]
    write_png(np.concatenate(rows), path)


def reconstructions(learner: Generation, clips: Made, told: torch.Tensor | None) -> UInt8[np.ndarray, "y x 3"]:
    """Held-out clips, each with what its latents stand for to the right of it (below it, where it is a strip)."""
    with torch.no_grad():
        again = learner.sampler.decode(learner.sampler.encode(clips, told), told)
    pairs = torch.stack([clips, again.clamp(-1, 1)], dim=1).flatten(0, 1)
    return _grid(pairs)


def interpolations(learner: Generation, clips: Made, told: torch.Tensor | None) -> UInt8[np.ndarray, "y x 3"]:
    """Rows from one held-out clip to another: the clip, the way between their latents, the other clip."""
    network, rows = learner.sampler, min(ROWS, len(clips) // 2)
    first, last = clips[:rows], clips[-rows:]
    told = None if told is None else told[:rows]
    with torch.no_grad():
        start, end = network.encode(first, told), network.encode(last, told)
        way = [network.decode(torch.lerp(start, end, share), told) for share in np.linspace(0, 1, STEPS).tolist()]
    columns = [_still(one) for one in (first, *way, last)]
    return _table(columns)


def varied(learner: Generation, told: torch.Tensor, names: tuple[str, ...]) -> UInt8[np.ndarray, "y x 3"]:
    """One row of samples for each attribute, from the same draws: all else equal, the attribute takes its values."""
    rows = []
    for part in attributes.parts(names):
        steps = len(part.values) or STEPS
        row = told[:1].repeat(steps, 1)
        if part.values:
            row[:, part.start : part.stop] = torch.eye(steps, device=row.device)
        else:
            row[:, part.start : part.stop] = torch.linspace(-1.5, 1.5, steps, device=row.device)[:, None]
        rows.append([_still(learner.samples(1, one[None])[0][0])[0] for one in row])
    longest = max(map(len, rows))
    blank = np.full_like(rows[0][0], 255)
    full = [[*row, *[blank] * (longest - len(row))] for row in rows]
    return _table([np.stack([row[column] for row in full]) for column in range(longest)])


def curves(record: Record, path: Path) -> None:
    """Draws, by epoch and for each seed, what a discriminator holds to be real, and the metric that chose the epoch.

    The first is figure 6.10 of Mastropietro 2017, all three curves of it of the discriminator in play. Records from
    before these were kept have what was noted in training and in evaluation, whose curves do not compare and say so.
    Writes a PNG, whole or not at all.
    """
    rows = [row for seed in record.seeds for row in seed.history]
    names = IN_PLAY if any(key in row for row in rows for key in IN_PLAY) else APART
    figure, axes = plots.figure(6.4, 4.0)
    chosen_by = record.seeds[0].chosen_by
    other = axes.twinx()
    for i, seed in enumerate(record.seeds):
        epochs = [row["epoch"] for row in seed.history]
        for key, (label, colour) in names.items():
            if played := [row for row in seed.history if key in row]:
                shares = [100 * row[key] for row in played]
                axes.plot([row["epoch"] for row in played], shares, color=colour, lw=1.2, label=label if i == 0 else "")
        values = [row[f"valid_{chosen_by}"] for row in seed.history]
        other.plot(
            epochs, values, color=plots.CHANCE_COLOUR, lw=1, ls="--", label=f"{chosen_by} on valid" if i == 0 else ""
        )
    axes.set_xlabel("epoch")
    if axes.get_lines():
        axes.set_ylim(0, 100)
        axes.set_ylabel("held to be real (%)")
    else:
        axes.set_yticks([])
    other.set_ylabel(chosen_by)
    if chosen_by == "frechet":
        other.set_yscale("log")
    lines = [*axes.get_lines(), *other.get_lines()]
    named = [line for line in lines if not str(line.get_label()).startswith("_") and line.get_label()]
    axes.legend(handles=named, fontsize=8, framealpha=0.9)
    axes.grid(alpha=0.25)
    axes.set_title(f"{record.model} on {record.dataset.release} {record.dataset.size}", fontsize=11)
    plots.save(figure, path)


def write_png(picture: UInt8[np.ndarray, "y x 3"], path: Path) -> None:
    """Writes a picture, whole or not at all."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "png", optimize=True)
    write_whole(path, content.getvalue())


def grey_levels(clips: Made) -> UInt8[np.ndarray, "clips time y x 3"]:
    """Clips in [-1, 1] as 8-bit colours."""
    levels = ((clips.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 4, 1).cpu().numpy()


def _grid(clips: Made) -> UInt8[np.ndarray, "y x 3"]:
    """Frames in rows of eight; clips, one a row, as strips."""
    if clips.shape[2] > 1:
        return _table(list(_strips(clips).swapaxes(0, 1)))
    frames = grey_levels(clips)[:, 0]
    width = int(np.ceil(np.sqrt(len(frames)) / 2)) * 2  # even, so that pairs stay together
    missing = -len(frames) % width
    frames = np.concatenate([frames, np.full((missing, *frames.shape[1:]), 255, np.uint8)])
    return _table([frames[column::width] for column in range(width)])


def _still(clips: Made) -> UInt8[np.ndarray, "clips y x 3"]:
    """One picture a clip: its frame, or a strip of some of its moments."""
    if clips.shape[2] == 1:
        return grey_levels(clips)[:, 0]
    return np.concatenate(list(_strips(clips)[:, :: max(STRIP // 4, 1)].swapaxes(0, 1)), axis=2)


def _strips(clips: Made) -> UInt8[np.ndarray, "clips moment y x 3"]:
    videos = grey_levels(clips)
    return videos[:, np.linspace(0, videos.shape[1] - 1, min(STRIP, videos.shape[1])).round().astype(int)]


def _table(columns: list[UInt8[np.ndarray, "row y x 3"]]) -> UInt8[np.ndarray, "y x 3"]:
    """Pictures of one size in columns, enlarged, with white gaps between them."""
    cells = np.stack(columns, axis=1)  # [row, column, y, x, 3]
    cells = cells.repeat(ENLARGED, axis=2).repeat(ENLARGED, axis=3)
    cells = np.pad(cells, ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    rows, columns_, height, width, _ = cells.shape
    return np.ascontiguousarray(cells.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns_ * width, 3))
